// Where a request's full row is, and which of the found rows it is.
import type { Row, Table, Value } from '../../api/types';
import { identifier, timestamp } from '../../state/sql-text';
import { rowKey, type RowName } from './rows';

/** Rows of one connection at one time: a pipeline sent in one write. */
const EQUAL_ROWS_MAX = 200;

/** The table of a protocol's own columns, by the catalogue: 'http' → 'http_events', 'postgresql' → 'postgres_events'. */
export function tableOf(protocol: string, tables: Table[]): string | null {
  const bare = protocol.toLowerCase().replace(/[^a-z]/g, '');
  const names = tables.map((table) => table.name).filter((name) => name.endsWith('_events') && name !== 'lost_events');
  const exact = names.find((name) => name === `${bare}_events`);
  if (exact !== undefined) return exact;
  if (bare === 'grpc') return names.find((name) => name === 'http_events') ?? null;
  return names.find((name) => bare.startsWith(name.slice(0, -'_events'.length))) ?? null;
}

export function rowQuery(table: string, name: RowName): string {
  const connection = name.connection === '' ? 'connection_id IS NULL' : `connection_id = ${name.connection}`;
  return `SELECT * FROM ${identifier(table)} WHERE ${connection} AND time = ${timestamp(name.time)} LIMIT ${EQUAL_ROWS_MAX}`;
}

/** The named row among those of its connection and time. Equal ones are numbered from the last, as in the list. */
export function pick(rows: Row[], name: RowName): Row | null {
  const equal = rows.filter((row) => rowKey(row) === name.bare);
  return equal[equal.length - 1 - name.nth] ?? equal[0] ?? rows[0] ?? null;
}

/** The row of the protocol's own table that says the same as `row` of the view: no column of theirs is unique in a pipeline. */
export function counterpart(row: Row | null, all: Row[], own: Row[]): Row | null {
  if (row === null) return own[0] ?? null;
  const place = all.indexOf(row);
  const score = (candidate: Row, index: number): number => {
    const same = ['latency_ns', 'request_bytes', 'response_bytes'].filter((name) => (candidate[name] ?? null) === (row[name] ?? null)).length;
    const says = (text: Value | undefined): number =>
      typeof text === 'string' && Object.entries(candidate).some(([name, value]) => !SHARED.has(name) && typeof value === 'string' && value.includes(text)) ? 2 : 0;
    return 2 * same + says(row.target) + says(row.operation) + (index === place ? 1 : 0);
  };
  const scores = own.map(score);
  return own[scores.indexOf(Math.max(...scores))] ?? null;
}

/** Columns that every traffic table has; the others are the protocol's own. */
export const SHARED = new Set(
  (
    'time host process_id pid thread_id process_name container_id namespace pod service connection_id local_addr local_port remote_addr remote_port ' +
    'remote_name peer_process_id peer_pid peer_process_name role encrypted latency_ns request_bytes response_bytes truncated gap_before confidence ' +
    'trace_id span_id broken protocol operation target status failed'
  ).split(' '),
);

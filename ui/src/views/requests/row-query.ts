// Where a request's full row is, and which of the found rows it is.
import type { Row, Table } from '../../api/types';
import { identifier, timestamp } from '../../state/sql-text';
import type { RowName } from './rows';

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

/** The row among equal ones: numbered from the oldest, as in the list. */
export function pick(rows: Row[], nth: number): Row | null {
  return rows[rows.length - 1 - nth] ?? rows[0] ?? null;
}

/** Columns that every traffic table has; the others are the protocol's own. */
export const SHARED = new Set(
  (
    'time host process_id pid thread_id process_name container_id namespace pod service connection_id local_addr local_port remote_addr remote_port ' +
    'remote_name peer_process_id peer_pid peer_process_name role encrypted latency_ns request_bytes response_bytes truncated gap_before confidence ' +
    'trace_id span_id broken protocol operation target status failed'
  ).split(' '),
);

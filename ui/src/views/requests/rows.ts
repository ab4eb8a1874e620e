// The list of requests as data: what is asked, how answers join, and which end is which.
import type { Row, Value } from '../../api/types';
import { condition, type Filter } from '../../state/filters';
import { rangeConditions, type Range } from '../../state/range';
import { contains, timestamp } from '../../state/sql-text';

/** Rows of one answer, and rows that the page holds. */
export const PAGE_ROWS = 500;
export const HELD_ROWS_MAX = 20_000;

/** Characters of a target that the list carries; the drawer loads it whole. */
const TARGET_CHARACTERS_MAX = 500;

const COLUMNS =
  `time, protocol, operation, left(target, ${TARGET_CHARACTERS_MAX}) AS target, status, failed, role, service, process_id, process_name, pid, ` +
  'peer_process_name, peer_pid, local_addr, local_port, remote_addr, remote_port, remote_name, connection_id, encrypted, latency_ns, ' +
  'request_bytes, response_bytes, truncated, gap_before, broken';

/** Columns that the free text is looked for in. */
const SEARCHED = ['target', 'operation', 'status', 'process_name', 'peer_process_name', 'remote_addr', 'remote_name'];

export function whereConditions(filters: Filter[], text: string): string[] {
  const conditions = filters.map(condition).filter((sql) => sql !== null);
  const words = text.trim();
  if (words !== '') conditions.push(`(${SEARCHED.map((column) => `${column} ILIKE ${contains(words)}`).join(' OR ')})`);
  return conditions;
}

export function listQuery(conditions: string[], limit = PAGE_ROWS): string {
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return `SELECT ${COLUMNS} FROM requests${where} ORDER BY time DESC LIMIT ${limit}`;
}

export function firstQuery(range: Range, filters: Filter[], text: string): string {
  return listQuery([...rangeConditions(range), ...whereConditions(filters, text)]);
}

/** The rows at and before `time`. */
export function olderQuery(range: Range, filters: Filter[], text: string, time: string): string {
  const bound = timestamp(time);
  return listQuery([...rangeConditions(range), ...(bound === null ? [] : [`time <= ${bound}`]), ...whereConditions(filters, text)]);
}

const at = (row: Row): string => (typeof row.time === 'string' ? row.time : '');

/**
 * Joins an answer (newest first, cut at `limit`) with the rows held. The answer is all that there is in the time that it spans, so
 * that it replaces what was held there: rows that came late find their place, and equal rows of one pipeline stay as many as they are.
 * `from` is the time that was asked from, when the answer was not cut.
 */
export function join(held: Row[], answer: Row[], limit: number, from: string | null): Row[] {
  const oldest = answer.at(-1);
  if (answer.length < limit) {
    if (from === null) return answer;
    return [...answer, ...held.filter((row) => at(row) <= from)].slice(0, HELD_ROWS_MAX);
  }
  const edge = at(oldest as Row);
  const below = held.filter((row) => at(row) <= edge);
  // More came than one answer holds: what is older is not next to it any more, and is loaded anew on scrolling.
  if (below.length === 0 || below.length === held.filter((row) => at(row) < edge).length) return answer;
  return [...answer.filter((row) => at(row) > edge), ...below].slice(0, HELD_ROWS_MAX);
}

/** Joins older rows (from `olderQuery`) below the rows held. */
export function joinOlder(held: Row[], older: Row[]): Row[] {
  const newest = older[0];
  if (newest === undefined) return held;
  const edge = at(newest);
  return [...held.filter((row) => at(row) > edge), ...older].slice(0, HELD_ROWS_MAX);
}

/**
 * A name for a row that survives reload. Requests of one pipeline share connection and time: what they say tells them apart, as a
 * number of 32 bits (FNV-1a) that the list and the drawer both can make.
 */
export function rowKey(row: Row): string {
  const target = typeof row.target === 'string' ? [...row.target.slice(0, 2 * TARGET_CHARACTERS_MAX)].slice(0, TARGET_CHARACTERS_MAX).join('') : '';
  const said = [row.operation, target, row.status, row.latency_ns, row.request_bytes, row.response_bytes].join('\n');
  let hash = 0x811c9dc5;
  for (let index = 0; index < said.length; index += 1) hash = Math.imul(hash ^ said.charCodeAt(index), 0x01000193);
  return `${row.protocol ?? ''}~${row.connection_id ?? ''}~${at(row)}~${(hash >>> 0).toString(36)}`;
}

/** The keys of a list, equal rows numbered from the oldest so that new ones do not rename them. */
export function rowKeys(rows: Row[]): string[] {
  const seen = new Map<string, number>();
  const keys = new Array<string>(rows.length);
  for (let index = rows.length - 1; index >= 0; index -= 1) {
    const key = rowKey(rows[index] as Row);
    const nth = seen.get(key) ?? 0;
    seen.set(key, nth + 1);
    keys[index] = nth === 0 ? key : `${key}~${nth}`;
  }
  return keys;
}

export interface RowName {
  protocol: string;
  connection: string;
  time: string;
  /** The name without the number of an equal row. */
  bare: string;
  /** Which of rows that are equal in all that the name holds. */
  nth: number;
}

export function readKey(key: string): RowName | null {
  const [protocol, connection, time, hash, nth] = key.split('~');
  if (protocol === undefined || connection === undefined || time === undefined || timestamp(time) === null) return null;
  if (!/^\d{0,19}$/.test(connection)) return null;
  return { protocol, connection, time, bare: [protocol, connection, time, hash ?? ''].join('~'), nth: Number(nth ?? 0) || 0 };
}

export interface End {
  /** Process name, else DNS name, else address. */
  text: string | null;
  /** What the text is, for filtering by it. */
  subject: 'process' | 'peer' | 'remote' | null;
  address: string;
  pid: Value;
}

const address = (host: Value | undefined, port: Value | undefined): string => {
  if (typeof host !== 'string') return '';
  if (port === null || port === undefined) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
};

/** The two ends by role; null when nobody knows which is which: then the row's own end stands on the server's side. */
export function ends(row: Row): { server: End; client: End; known: boolean } {
  const process = typeof row.process_name === 'string' ? row.process_name : null;
  const peer = typeof row.peer_process_name === 'string' ? row.peer_process_name : null;
  const name = typeof row.remote_name === 'string' ? row.remote_name : null;
  const localAddress = address(row.local_addr, row.local_port);
  const remoteAddress = address(row.remote_addr, row.remote_port);
  const own: End = {
    text: process ?? (localAddress === '' ? null : localAddress),
    subject: process === null ? null : 'process',
    address: localAddress,
    pid: row.pid ?? null,
  };
  const other: End = {
    text: peer ?? name ?? (remoteAddress === '' ? null : remoteAddress),
    subject: peer !== null ? 'peer' : typeof row.remote_addr === 'string' ? 'remote' : null,
    address: remoteAddress,
    pid: row.peer_pid ?? null,
  };
  if (row.role === 'client') return { server: other, client: own, known: true };
  return { server: own, client: other, known: row.role === 'server' };
}

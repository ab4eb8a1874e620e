// The only file that talks to the server.
import { NdjsonParser } from './ndjson';
import { isAbort, Problem, type Column, type Row, type Table } from './types';

const TOKEN_KEY = 'earshot.token';

/** Told when the server asks for a token (401). */
export const tokenAsked = new EventTarget();

export function setToken(token: string): void {
  sessionStorage.setItem(TOKEN_KEY, token);
}

async function call(path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem('earshot does not answer', 0, null, 'Is it still running? This page tries again by itself.');
  }
  if (response.ok) return response;
  if (response.status === 401) tokenAsked.dispatchEvent(new Event('asked'));
  const said = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(said);
  } catch {
    body = { title: `the server answered ${response.status}`, detail: said.slice(0, 300) };
  }
  throw Problem.from(body, response.status);
}

export interface SqlOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Sees each batch as it arrives; `false` ends the query. */
  onRows?: (rows: Row[]) => boolean;
}

/** Runs one query; the rows all together unless `onRows` takes them. */
export async function sql(query: string, options: SqlOptions = {}): Promise<Row[]> {
  const response = await call('/api/v1/sql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/x-ndjson' },
    body: JSON.stringify({ query, timeout_ms: options.timeoutMs }),
    signal: options.signal,
  });
  const all: Row[] = [];
  const take = (rows: Row[]): boolean => {
    if (rows.length === 0) return true;
    if (options.onRows !== undefined) return options.onRows(rows);
    for (const row of rows) all.push(row);
    return true;
  };
  const reader = response.body?.getReader();
  if (reader === undefined) return all;
  const parser = new NdjsonParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (!take(parser.push(value))) {
        await reader.cancel();
        return all;
      }
    }
  } catch (error) {
    if (isAbort(error) || error instanceof Problem) throw error;
    throw new Problem('the answer broke off', 0, null, 'earshot stopped or the connection was cut. Run it again.');
  }
  take(parser.end());
  return all;
}

/** The catalogue, whichever of its two shapes the server uses. */
export function readTables(body: unknown): Table[] {
  const wrapped = body as { tables?: unknown } | null;
  const list = Array.isArray(body) ? body : Array.isArray(wrapped?.tables) ? wrapped.tables : [];
  // The view over all traffic is what most people want: it stands first.
  const sorted = [...(list as Partial<Table>[])].sort((a, b) => Number(b.name === 'requests') - Number(a.name === 'requests'));
  return sorted.map((table) => ({
    name: table.name ?? '',
    about: table.about ?? '',
    columns: (table.columns ?? []).map((column: Partial<Column>) => ({
      name: column.name ?? '',
      type: column.type ?? '',
      unit: column.unit ?? null,
      meaning: column.meaning ?? '',
    })),
  }));
}

export async function tables(signal?: AbortSignal): Promise<Table[]> {
  const response = await call('/api/v1/tables', { headers: { Accept: 'application/json' }, signal });
  return readTables(await response.json());
}

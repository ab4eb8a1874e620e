// One HTTP request as a curl command that a shell can run.
import { parseJson } from '../../api/ndjson';
import type { Row, Value } from '../../api/types';

/** Headers that curl writes itself. */
const OWN = new Set(['host', 'content-length', 'transfer-encoding', 'connection', ':authority', ':method', ':path', ':scheme']);

/** One word for a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A header object, whether it came as JSON text or as an object: name → values. */
export function headerList(value: Value | undefined): [string, string][] {
  let headers: Value | undefined = value;
  if (typeof headers === 'string') {
    try {
      headers = parseJson(headers);
    } catch {
      return [];
    }
  }
  if (headers === null || headers === undefined || typeof headers !== 'object' || Array.isArray(headers)) return [];
  return Object.entries(headers).flatMap(([name, held]) =>
    (Array.isArray(held) ? held : [held]).map((one): [string, string] => [name, one === null ? '' : String(one)]),
  );
}

/** `\xNN` and other bytes are given to the shell as they are shown: a note says so. */
export function curl(row: Row): string {
  const headers = headerList(row.req_headers);
  const host = text(row.req_authority) ?? headers.find(([name]) => name === 'host')?.[1] ?? serverAddress(row);
  const path = text(row.req_path) ?? '/';
  const url = /^https?:\/\//.test(path) ? path : `${row.encrypted === true ? 'https' : 'http'}://${host}${path.startsWith('/') ? path : '/'}`;
  const words = ['curl', '-i'];
  const method = text(row.req_method) ?? 'GET';
  const body = text(row.req_body);
  if (method === 'HEAD') words.push('-I');
  else if (method !== 'GET' || body !== null) words.push('-X', shellWord(method));
  if (row.http_version === '2') words.push(row.encrypted === true ? '--http2' : '--http2-prior-knowledge');
  for (const [name, value] of headers) if (!OWN.has(name.toLowerCase())) words.push('\\\n  -H', shellWord(`${name}: ${value}`));
  if (body !== null) words.push('\\\n  --data-binary', shellWord(body));
  words.push('\\\n  ' + shellWord(url));
  const note = body !== null && row.truncated === true ? '# the body was cut when it was captured\n' : '';
  return note + words.join(' ');
}

const text = (value: Value | undefined): string | null => (typeof value === 'string' ? value : null);

function serverAddress(row: Row): string {
  const [host, port] = row.role === 'client' ? [row.remote_addr, row.remote_port] : [row.local_addr, row.local_port];
  const name = typeof host === 'string' && !host.startsWith('unix:') ? (host.includes(':') ? `[${host}]` : host) : 'localhost';
  return typeof port === 'number' ? `${name}:${port}` : name;
}

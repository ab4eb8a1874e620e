// What can be narrowed by, and how each is said in SQL.
import { quote } from './sql-text';

/** One chip: rows whose `name` is (or is not) one of `values`. The empty text stands for null. */
export interface Filter {
  name: string;
  exclude: boolean;
  values: string[];
}

interface Subject {
  label: string;
  kind: 'text' | 'number' | 'boolean';
  /** SQL expression over the view `requests`. */
  sql: string;
}

const STATUS_CLASS = `CASE WHEN status IS NULL THEN 'no answer' WHEN protocol LIKE 'http%' AND length(status) = 3 THEN left(status, 1) || 'xx' ELSE status END`;
const LATENCY_CLASS =
  `CASE WHEN latency_ns IS NULL THEN 'unknown' WHEN latency_ns < 1000000 THEN 'below 1 ms' WHEN latency_ns < 10000000 THEN '1 to 10 ms' ` +
  `WHEN latency_ns < 100000000 THEN '10 to 100 ms' WHEN latency_ns < 1000000000 THEN '100 ms to 1 s' ELSE 'above 1 s' END`;

/** In the order of the slow end first, so that the bad news is on top. */
export const LATENCY_ORDER = ['above 1 s', '100 ms to 1 s', '10 to 100 ms', '1 to 10 ms', 'below 1 ms', 'unknown'];

const text = (label: string, sql: string): Subject => ({ label, kind: 'text', sql });

/** By the name used in the URL. */
export const SUBJECTS: Record<string, Subject> = {
  host: text('host', 'host'),
  namespace: text('namespace', 'namespace'),
  service: text('service', 'service'),
  pod: text('pod', 'pod'),
  protocol: text('protocol', 'protocol'),
  process: text('process', 'process_name'),
  peer: text('peer process', 'peer_process_name'),
  'status-class': text('status class', STATUS_CLASS),
  status: text('status', 'status'),
  failed: { label: 'failed', kind: 'boolean', sql: 'failed' },
  latency: text('latency', LATENCY_CLASS),
  role: text('role', 'role'),
  operation: text('operation', 'operation'),
  target: text('target', 'target'),
  remote: text('remote address', 'remote_addr'),
  encrypted: { label: 'encrypted', kind: 'boolean', sql: 'encrypted' },
  connection: { label: 'connection', kind: 'number', sql: 'connection_id' },
  trace: text('trace', 'trace_id'),
};

/** Chips of the top bar, valid on every view; the others belong to one view. */
export const SCOPE = ['host', 'namespace', 'service', 'pod'];

function literal(kind: Subject['kind'], value: string): string | null {
  if (kind === 'boolean') return value === 'true' ? 'true' : value === 'false' ? 'false' : null;
  if (kind === 'number') return /^-?\d{1,19}$/.test(value) ? value : null;
  return quote(value);
}

/** One filter as a condition; null when it says nothing that can be asked. */
export function condition(filter: Filter): string | null {
  const subject = SUBJECTS[filter.name];
  if (subject === undefined || filter.values.length === 0) return null;
  const expression = subject.sql.startsWith('CASE') ? `(${subject.sql})` : subject.sql;
  const unknown = filter.values.includes('');
  const known = filter.values
    .filter((value) => value !== '')
    .map((value) => literal(subject.kind, value))
    .filter((value) => value !== null);
  const list = known.length === 0 ? null : `${expression} ${filter.exclude ? 'NOT IN' : 'IN'} (${known.join(', ')})`;
  if (filter.exclude) {
    // NOT IN is null for a null: rows where it is unknown must stay unless they are excluded by name.
    if (unknown) return list === null ? `${expression} IS NOT NULL` : `(${expression} IS NOT NULL AND ${list})`;
    return list === null ? null : `(${expression} IS NULL OR ${list})`;
  }
  if (unknown) return list === null ? `${expression} IS NULL` : `(${expression} IS NULL OR ${list})`;
  return list ?? 'false';
}

/** Adds a value to the chip of its name and direction, and takes it out of the opposite one. */
export function add(filters: Filter[], name: string, value: string, exclude: boolean): Filter[] {
  const cleared = without(filters, name, value, !exclude);
  const chip = cleared.find((filter) => filter.name === name && filter.exclude === exclude);
  if (chip === undefined) return [...cleared, { name, exclude, values: [value] }];
  if (chip.values.includes(value)) return cleared;
  return cleared.map((filter) => (filter === chip ? { ...chip, values: [...chip.values, value] } : filter));
}

export function without(filters: Filter[], name: string, value: string, exclude: boolean): Filter[] {
  return filters
    .map((filter) =>
      filter.name === name && filter.exclude === exclude ? { ...filter, values: filter.values.filter((held) => held !== value) } : filter,
    )
    .filter((filter) => filter.values.length > 0);
}

export function has(filters: Filter[], name: string, value: string, exclude: boolean): boolean {
  return filters.some((filter) => filter.name === name && filter.exclude === exclude && filter.values.includes(value));
}

// The time range that a view looks at.
import { timestamp } from './sql-text';

export type Range =
  | { kind: 'live' }
  | { kind: 'last'; minutes: number }
  | { kind: 'custom'; from: string; to: string }
  | { kind: 'all' };

/** How far back the live view looks, in minutes. */
export const LIVE_MINUTES = 5;
/** The longest "last n minutes" that a link may ask for. */
const MINUTES_MAX = 60 * 24 * 31;

export function readRange(text: string | null): Range {
  if (text === 'all') return { kind: 'all' };
  const last = /^(\d{1,5})(m|h)$/.exec(text ?? '');
  if (last !== null) {
    const minutes = Number(last[1]) * (last[2] === 'h' ? 60 : 1);
    if (minutes > 0 && minutes <= MINUTES_MAX) return { kind: 'last', minutes };
  }
  const [from, to] = (text ?? '').split('..');
  if (from !== undefined && to !== undefined && timestamp(from) !== null && timestamp(to) !== null) return { kind: 'custom', from, to };
  return { kind: 'live' };
}

export function writeRange(range: Range): string {
  switch (range.kind) {
    case 'live':
      return 'live';
    case 'all':
      return 'all';
    case 'last':
      return range.minutes % 60 === 0 ? `${range.minutes / 60}h` : `${range.minutes}m`;
    case 'custom':
      return `${range.from}..${range.to}`;
  }
}

export function rangeLabel(range: Range): string {
  if (range.kind === 'live') return 'live';
  if (range.kind === 'all') return 'everything stored';
  if (range.kind === 'custom') return 'the chosen time';
  return range.minutes % 60 === 0 ? `the last ${range.minutes / 60} h` : `the last ${range.minutes} min`;
}

/** Conditions on `time`. Relative ones use the server's clock, so that a wrong clock here hides nothing. */
export function rangeConditions(range: Range): string[] {
  switch (range.kind) {
    case 'all':
      return [];
    case 'live':
      return [since(LIVE_MINUTES * 60)];
    case 'last':
      return [since(range.minutes * 60)];
    case 'custom':
      return [`time >= ${timestamp(range.from)}`, `time < ${timestamp(range.to)}`];
  }
}

export function since(seconds: number): string {
  return `time > now() - INTERVAL '${Math.round(seconds)} seconds'`;
}

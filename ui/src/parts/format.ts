// Numbers and times as people read them. What is unknown is `–`, never 0.
import type { Value } from '../api/types';

export const UNKNOWN = '–';

type Numeric = number | bigint | null | undefined;

const three = (value: number): string => {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? trim(value.toFixed(1)) : trim(value.toFixed(2));
};
const trim = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

const DURATIONS: [number, string][] = [
  [1, 'ns'],
  [1e3, 'µs'],
  [1e6, 'ms'],
  [1e9, 's'],
];

/** Nanoseconds with three digits that matter: `1.2 ms`, `340 µs`, `2 min 5 s`. */
export function duration(ns: Numeric): string {
  if (ns === null || ns === undefined) return UNKNOWN;
  const value = Number(ns);
  const size = Math.abs(value);
  if (size >= 60e9) return longDuration(value);
  const sign = value < 0 ? '-' : '';
  // 999.9 µs must not become "1000 µs": the unit is chosen after rounding.
  for (const [factor, unit] of DURATIONS) if (size / factor < 999.5) return `${sign}${three(size / factor)} ${unit}`;
  return `${sign}${three(size / 1e9)} s`;
}

function longDuration(ns: number): string {
  const seconds = Math.round(Math.abs(ns) / 1e9);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor((seconds % 86400) / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return (ns < 0 ? '-' : '') + shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(count: Numeric): string {
  if (count === null || count === undefined) return UNKNOWN;
  let value = Number(count);
  let unit = 0;
  while (Math.abs(value) >= (unit === 0 ? 1024 : 999.5) && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value < 0 ? '-' : ''}${three(Math.abs(value))} ${SIZES[unit]}`;
}

/** A count with thin spaces between thousands: `1 234 567`. */
export function count(value: Numeric): string {
  if (value === null || value === undefined) return UNKNOWN;
  const text = String(value);
  return /^-?\d+$/.test(text) ? text.replace(/\B(?=(\d{3})+$)/g, '\u202f') : text;
}

/** A count where room is short: `1.2 k`, `3.4 M`. */
export function shortCount(value: Numeric): string {
  if (value === null || value === undefined) return UNKNOWN;
  const size = Number(value);
  if (Math.abs(size) < 10_000) return count(value);
  for (const [factor, unit] of [[1e3, 'k'], [1e6, 'M'], [1e9, 'G']] as [number, string][]) {
    if (Math.abs(size) / factor < 999.5) return `${three(size / factor)} ${unit}`;
  }
  return `${three(size / 1e12)} T`;
}

const two = (part: number) => String(part).padStart(2, '0');

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:?00)?$/;

export function isTime(value: Value | undefined): value is string {
  return typeof value === 'string' && TIME.test(value);
}

/** RFC 3339 UTC → local `14:03:07.123`, with the date in front when it is not today. */
export function localTime(time: Value | undefined, now = new Date()): string {
  const match = typeof time === 'string' ? TIME.exec(time) : null;
  if (match === null) return UNKNOWN;
  const date = new Date(`${match[1]}Z`);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${(match[2] ?? '').padEnd(3, '0').slice(0, 3)}`;
  if (date.toDateString() === now.toDateString()) return clock;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}`;
}

/** The exact time for the hover: UTC with all its digits. */
export function utcTime(time: Value | undefined): string | undefined {
  return isTime(time) ? `${time.replace('T', ' ').replace(/(Z|\+00:?00)?$/, '')} UTC` : undefined;
}

/** RFC 3339 time moved by nanoseconds, all nine digits kept. */
export function addNanoseconds(time: string, ns: Numeric): string | null {
  const match = TIME.exec(time);
  if (match === null || ns === null || ns === undefined) return null;
  const at = BigInt(Date.parse(`${match[1]}Z`)) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0')) + BigInt(ns);
  const fraction = ((at % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const whole = new Date(Number((at - fraction) / 1_000_000n)).toISOString().slice(0, 19);
  return `${whole}.${String(fraction).padStart(9, '0')}Z`;
}

/** How long ago, in words short enough for a caption. */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  return seconds < 1 ? 'just now' : `${longDuration(Math.round(seconds) * 1e9)} ago`;
}

/** Any value as text: what a cell shows when it has no unit. */
export function plain(value: Value | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  return typeof value === 'object' ? toJson(value) : String(value);
}

/** JSON text, bigint included. */
export function toJson(value: Value, indent?: number): string {
  const marked = JSON.stringify(value, (_key, held: unknown) => (typeof held === 'bigint' ? `\u0000${held}` : held), indent);
  return marked.replace(/"\\u0000(-?\d+)"/g, '$1');
}

// How one value of a column is shown: text for the cell, the exact value for the hover, alignment.
import type { Value } from '../api/types';
import { bytes, count, duration, isTime, localTime, plain, UNKNOWN, utcTime } from './format';

export interface Shown {
  text: string;
  /** The exact value, when the text is not. */
  exact?: string;
  right: boolean;
  unknown: boolean;
}

export type Kind = 'time' | 'ns' | 'bytes' | 'number' | 'boolean' | 'json' | 'text';

const ID = /(^|_)(id|pid|port|tid|uid)$/;

/** The kind by the column's name and its first values: query results bring no schema. */
export function guessKind(name: string, values: (Value | undefined)[]): Kind {
  const known = values.filter((value) => value !== null && value !== undefined);
  const numeric = known.length > 0 && known.every((value) => typeof value === 'number' || typeof value === 'bigint');
  if (numeric) {
    if (/_ns\)?$/.test(name)) return 'ns';
    if (/_bytes\)?$|^bytes$/.test(name)) return 'bytes';
    return 'number';
  }
  if (known.length === 0) return /_ns$/.test(name) ? 'ns' : /_bytes$/.test(name) ? 'bytes' : 'text';
  if (known.every((value) => typeof value === 'boolean')) return 'boolean';
  if (known.every(isTime)) return 'time';
  if (known.every((value) => typeof value === 'object')) return 'json';
  return 'text';
}

export const isRight = (kind: Kind): boolean => kind === 'ns' || kind === 'bytes' || kind === 'number';

export function show(name: string, kind: Kind, value: Value | undefined): Shown {
  if (value === null || value === undefined) return { text: UNKNOWN, right: isRight(kind), unknown: true };
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (kind === 'ns') return { text: duration(value), exact: `${count(value)} ns`, right: true, unknown: false };
    if (kind === 'bytes') return { text: bytes(value), exact: `${count(value)} bytes`, right: true, unknown: false };
    // Identifiers and ports are names, not amounts: no grouping.
    if (ID.test(name)) return { text: String(value), right: true, unknown: false };
    if (typeof value === 'number' && !Number.isInteger(value)) {
      return { text: Number(value.toPrecision(6)).toString(), exact: String(value), right: true, unknown: false };
    }
    return { text: count(value), exact: String(value), right: true, unknown: false };
  }
  if (kind === 'time' || isTime(value)) return { text: localTime(value), exact: utcTime(value), right: false, unknown: false };
  return { text: plain(value), right: false, unknown: false };
}

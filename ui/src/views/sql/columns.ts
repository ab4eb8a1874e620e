// How columns of a result are measured and compared.
import type { Value } from '../../api/types';
import { show, type Kind } from '../../parts/value';

const CHARACTER_PX = 7.4;
const PADDING_PX = 26;
const WIDTH_PX_MIN = 64;
const WIDTH_PX_MAX = 360;

/** Wide enough for the name and for most values, in pixels. */
export function widthOf(name: string, kind: Kind, values: (Value | undefined)[]): number {
  const lengths = values.map((value) => show(name, kind, value).text.length).sort((a, b) => a - b);
  const usual = lengths[Math.floor(lengths.length * 0.95)] ?? 0;
  return Math.round(Math.min(WIDTH_PX_MAX, Math.max(WIDTH_PX_MIN, Math.max(name.length + 1, usual) * CHARACTER_PX + PADDING_PX)));
}

/** Orders values of one column; null is below all, numbers by amount, the rest by text. */
export function compareValues(a: Value | undefined, b: Value | undefined): number {
  const left = a ?? null;
  const right = b ?? null;
  if (left === null || right === null) return left === right ? 0 : left === null ? -1 : 1;
  if (isNumber(left) && isNumber(right)) return left < right ? -1 : left > right ? 1 : 0;
  const leftText = String(typeof left === 'object' ? JSON.stringify(left) : left);
  const rightText = String(typeof right === 'object' ? JSON.stringify(right) : right);
  return leftText < rightText ? -1 : leftText > rightText ? 1 : 0;
}

const isNumber = (value: Value): value is number | bigint => typeof value === 'number' || typeof value === 'bigint';

import { expect, it } from 'vitest';
import { compareValues } from './columns';
import { errorSpan } from './error-span';
import { mergeColumns } from './use-run';

it('marks the word at the position, counted in characters', () => {
  expect(errorSpan('SELECT nope FROM t', 8)).toEqual({ from: 7, to: 11 });
  expect(errorSpan("SELECT '🦉', nope", 13)).toEqual({ from: 13, to: 17 });
  expect(errorSpan('SELECT (', 8)).toEqual({ from: 7, to: 8 });
  expect(errorSpan('SELECT 1 FROM\n', 99)).toEqual({ from: 12, to: 13 });
  expect(errorSpan('SELECT', null)).toBeNull();
  expect(errorSpan('', 1)).toBeNull();
});

it('finds the place of columns that a first row left out', () => {
  const first = mergeColumns([], { a: 1, c: 3 });
  expect(first).toEqual(['a', 'c']);
  expect(mergeColumns(first, { a: 1, b: 2, c: 3 })).toEqual(['a', 'b', 'c']);
  expect(mergeColumns(first, { c: 1 })).toBe(first);
});

it('orders numbers by amount and null below all', () => {
  expect([10, null, 9n, 2.5].sort(compareValues)).toEqual([null, 2.5, 9n, 10]);
  expect(['b', undefined, 'a'].sort((a, b) => compareValues(a, b))[0]).toBe('a');
  expect(compareValues('a', null)).toBeGreaterThan(0);
});

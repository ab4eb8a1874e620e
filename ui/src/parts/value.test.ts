import { expect, it } from 'vitest';
import { csv } from './csv';
import { guessKind, show } from './value';

it('tells the kind of a column by its name and values', () => {
  expect(guessKind('latency_ns', [1, null])).toBe('ns');
  expect(guessKind('max(requests.latency_ns)', [1])).toBe('ns');
  expect(guessKind('response_bytes', [9n])).toBe('bytes');
  expect(guessKind('latency_ns', ['text'])).toBe('text');
  expect(guessKind('n', [1, 2.5])).toBe('number');
  expect(guessKind('failed', [true, undefined])).toBe('boolean');
  expect(guessKind('time', ['2024-05-06T07:08:09.123456789Z'])).toBe('time');
  expect(guessKind('frames', [['a']])).toBe('json');
  expect(guessKind('mixed', [1, 'a'])).toBe('text');
});

it('shows a unit with the exact value beside it', () => {
  expect(show('latency_ns', 'ns', 1_234_567)).toEqual({ text: '1.23 ms', exact: '1\u202f234\u202f567 ns', right: true, unknown: false });
  expect(show('response_bytes', 'bytes', 2048).exact).toBe('2\u202f048 bytes');
  expect(show('connection_id', 'number', 1234567).text).toBe('1234567');
  expect(show('average', 'number', 1 / 3)).toMatchObject({ text: '0.333333', exact: String(1 / 3) });
});

it('shows unknown, never zero', () => {
  expect(show('latency_ns', 'ns', null)).toEqual({ text: '–', right: true, unknown: true });
  expect(show('latency_ns', 'ns', 0).text).toBe('0 ns');
});

it('writes CSV that tells null from an empty text and survives quotes and line ends', () => {
  const rows = [{ a: 'x,y', b: 'say "hi"' }, { a: null, b: '' }, { a: 'two\nlines', b: { c: 9007199254740993n } }];
  expect(csv(['a', 'b'], rows)).toBe('a,b\r\n"x,y","say ""hi"""\r\n,""\r\n"two\nlines","{""c"":9007199254740993}"\r\n');
});

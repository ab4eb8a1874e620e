import { describe, expect, it } from 'vitest';
import { readTables } from './client';
import { NdjsonParser, parseJson } from './ndjson';
import { Problem, type Row } from './types';

const utf8 = (text: string) => new TextEncoder().encode(text);

function parse(text: string, pieceBytes: number): Row[] {
  const bytes = utf8(text);
  const parser = new NdjsonParser();
  const rows: Row[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) rows.push(...parser.push(bytes.slice(at, at + pieceBytes)));
  return [...rows, ...parser.end()];
}

describe('NdjsonParser', () => {
  const text = '{"a":1,"b":"grüße 🦉"}\n\n{"a":null}\r\n{"a":[1,{"c":"\\n"}]}';
  const rows = [{ a: 1, b: 'grüße 🦉' }, { a: null }, { a: [1, { c: '\n' }] }];
  it.each([1, 2, 3, 7, 1000])('gives the same rows in pieces of %s bytes', (size) => expect(parse(text, size)).toEqual(rows));
  it('is empty for an empty answer', () => expect(parse('', 1)).toEqual([]));

  it('throws an error line after the rows before it', () => {
    const parser = new NdjsonParser();
    const error = '{"error":{"title":"memory limit reached","status":422,"detail":"over 100 MiB","hint":"add LIMIT"}}\n';
    expect(parser.push(utf8(`{"a":1}\n${error}`))).toEqual([{ a: 1 }]);
    let thrown: unknown;
    try {
      parser.end();
    } catch (problem) {
      thrown = problem;
    }
    expect(thrown).toBeInstanceOf(Problem);
    expect(thrown).toMatchObject({ title: 'memory limit reached', status: 422, detail: 'over 100 MiB', hint: 'add LIMIT', position: null });
  });

  it('takes a row that looks like an error, but is not the last, as a row', () => {
    const row = { error: { title: 'mine', status: 1 } };
    expect(parse(`${JSON.stringify(row)}\n{"a":1}\n`, 5)).toEqual([row, { a: 1 }]);
  });

  it('takes a column named error as a column', () => {
    expect(parse('{"error":"ERR unknown command"}\n', 3)).toEqual([{ error: 'ERR unknown command' }]);
    expect(parse('{"error":null}\n', 3)).toEqual([{ error: null }]);
  });

  it('refuses a line that is cut', () => expect(() => parse('{"a":1}\n{"a":', 4)).toThrow(SyntaxError));
});

describe('parseJson', () => {
  // Runtimes without the reviver's source text round as JSON.parse does; the others must not.
  const exact = (() => {
    let seen = false;
    JSON.parse('1', ((_key: string, _value: unknown, context?: { source?: string }) => (seen = context?.source === '1')) as never);
    return seen;
  })();
  it.skipIf(!exact)('keeps integers beyond 2^53', () => expect(parseJson('{"n":9007199254740993}')).toEqual({ n: 9007199254740993n }));
  it('leaves the others alone', () => {
    expect(parseJson('{"n":1234567890123456,"s":"9007199254740993","f":1.5}')).toEqual({ n: 1234567890123456, s: '9007199254740993', f: 1.5 });
  });
});

describe('Problem', () => {
  it('makes sense of any answer', () => {
    expect(Problem.from({ title: 'wrong query', detail: 'no table x', position: 15 }, 400)).toMatchObject({ title: 'wrong query', status: 400, position: 15, message: 'no table x' });
    expect(Problem.from('gateway timeout', 504)).toMatchObject({ title: 'the server answered 504', status: 504, detail: null });
    expect(Problem.from(null, 500).title).toBe('the server answered 500');
  });
});

describe('readTables', () => {
  const table = { name: 't', about: 'x', columns: [{ name: 'a', type: 'INT', unit: null, meaning: 'm' }] };
  it('takes both shapes', () => {
    expect(readTables([table])).toEqual([table]);
    expect(readTables({ tables: [table] })).toEqual([table]);
    expect(readTables(null)).toEqual([]);
    expect(readTables([{ name: 't' }])).toEqual([{ name: 't', about: '', columns: [] }]);
  });
});

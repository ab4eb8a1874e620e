import { describe, expect, it } from 'vitest';
import { add, condition, has, without, type Filter } from './filters';
import { rangeConditions } from './range';
import { contains, identifier, quote, timestamp } from './sql-text';

const only = (name: string, ...values: string[]): Filter => ({ name, exclude: false, values });
const not = (name: string, ...values: string[]): Filter => ({ name, exclude: true, values });

describe('text in SQL', () => {
  it('cannot leave its quotes', () => {
    expect(quote("'; DROP TABLE x; --")).toBe("'''; DROP TABLE x; --'");
    expect(quote("\\'")).toBe("'\\'''");
    expect(quote('')).toBe("''");
  });
  it('finds signs of a pattern as they are', () => {
    expect(contains('50%_\\')).toBe("'%50\\%\\_\\\\%'");
    expect(contains("it's")).toBe("'%it''s%'");
  });
  it('quotes names that need it', () => {
    expect(identifier('http_events')).toBe('http_events');
    expect(identifier('Time')).toBe('"Time"');
    expect(identifier('user')).toBe('"user"');
    expect(identifier('a"b')).toBe('"a""b"');
  });
  it('takes only times as times', () => {
    expect(timestamp('2024-05-06T07:08:09.123456789Z')).toBe("TIMESTAMP '2024-05-06T07:08:09.123456789Z'");
    expect(timestamp("2024-05-06T07:08:09Z' OR '1'='1")).toBeNull();
    expect(timestamp('2024-05-06')).toBeNull();
  });
});

describe('a filter as a condition', () => {
  it('narrows', () => expect(condition(only('protocol', 'http', "o'x"))).toBe("protocol IN ('http', 'o''x')"));
  it('keeps unknown rows when it excludes a value', () => {
    expect(condition(not('service', 'nginx'))).toBe("(service IS NULL OR service NOT IN ('nginx'))");
  });
  it('knows null in both directions', () => {
    expect(condition(only('service', ''))).toBe('service IS NULL');
    expect(condition(only('service', '', 'a'))).toBe("(service IS NULL OR service IN ('a'))");
    expect(condition(not('service', ''))).toBe('service IS NOT NULL');
    expect(condition(not('service', '', 'a'))).toBe("(service IS NOT NULL AND service NOT IN ('a'))");
  });
  it('puts nothing but numbers and booleans where those belong', () => {
    expect(condition(only('connection', '12'))).toBe('connection_id IN (12)');
    expect(condition(only('connection', '1) OR (1=1'))).toBe('false');
    expect(condition(only('failed', 'true'))).toBe('failed IN (true)');
    expect(condition(not('failed', 'maybe'))).toBeNull();
  });
  it('asks nothing of a name that it does not know', () => expect(condition(only('nope', 'x'))).toBeNull());
});

describe('gestures', () => {
  it('add, exclude, and take back', () => {
    let filters = add([], 'protocol', 'http', false);
    filters = add(filters, 'protocol', 'dns', false);
    expect(filters).toEqual([only('protocol', 'http', 'dns')]);
    expect(add(filters, 'protocol', 'http', false)).toEqual(filters);
    filters = add(filters, 'protocol', 'http', true);
    expect(filters).toEqual([only('protocol', 'dns'), not('protocol', 'http')]);
    expect(has(filters, 'protocol', 'http', true)).toBe(true);
    expect(without(filters, 'protocol', 'dns', false)).toEqual([not('protocol', 'http')]);
  });
});

it('a range is on the server clock unless it is fixed', () => {
  expect(rangeConditions({ kind: 'last', minutes: 15 })).toEqual(["time > now() - INTERVAL '900 seconds'"]);
  expect(rangeConditions({ kind: 'all' })).toEqual([]);
  expect(rangeConditions({ kind: 'custom', from: '2024-05-06T07:00:00Z', to: '2024-05-06T08:00:00Z' })).toEqual([
    "time >= TIMESTAMP '2024-05-06T07:00:00Z'",
    "time < TIMESTAMP '2024-05-06T08:00:00Z'",
  ]);
});

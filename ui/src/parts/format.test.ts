import { describe, expect, it } from 'vitest';
import { addNanoseconds, ago, bytes, count, duration, localTime, plain, shortCount, toJson, UNKNOWN, utcTime } from './format';

describe('duration', () => {
  it.each([
    [0, '0 ns'],
    [999, '999 ns'],
    [1200, '1.2 µs'],
    [999_499, '999 µs'],
    [999_500, '1 ms'],
    [1_234_567, '1.23 ms'],
    [10_000_000, '10 ms'],
    [2_500_000_000, '2.5 s'],
    [59_999_000_000, '60 s'],
    [65_000_000_000, '1 min 5 s'],
    [3_600_000_000_000, '1 h'],
    [90_061_000_000_000, '1 d 1 h'],
    [-1_500_000, '-1.5 ms'],
    [12_000_000_000_000_000n, '138 d 21 h'],
  ])('%s ns is %s', (ns, text) => expect(duration(ns)).toBe(text));
  it('keeps unknown apart from zero', () => {
    expect(duration(null)).toBe(UNKNOWN);
    expect(duration(undefined)).toBe(UNKNOWN);
  });
});

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [4_300_000, '4.1 MiB'],
    [1_048_575, '1 MiB'],
    [-2048, '-2 KiB'],
  ])('%s is %s', (size, text) => expect(bytes(size)).toBe(text));
  it('keeps unknown apart from zero', () => expect(bytes(null)).toBe(UNKNOWN));
});

describe('counts', () => {
  it('groups thousands and loses no digit', () => {
    expect(count(1234567)).toBe('1\u202f234\u202f567');
    expect(count(-1000)).toBe('-1\u202f000');
    expect(count(9007199254740993n)).toBe('9\u202f007\u202f199\u202f254\u202f740\u202f993');
    expect(count(null)).toBe(UNKNOWN);
  });
  it('shortens where room is short', () => {
    expect(shortCount(9999)).toBe('9\u202f999');
    expect(shortCount(12_345)).toBe('12.3 k');
    expect(shortCount(999_600)).toBe('1 M');
    expect(shortCount(3_400_000)).toBe('3.4 M');
  });
});

describe('time', () => {
  const time = '2024-05-06T07:08:09.123456789Z';
  it('is local, with the date when it is not today', () => {
    const date = new Date(time);
    const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
    expect(localTime(time, date)).toBe(`${clock}.123`);
    expect(localTime(time, new Date('2025-01-01T00:00:00Z'))).toMatch(/^2024-05-0\d \d\d:08:09\.123$/);
  });
  it('keeps all digits in UTC', () => expect(utcTime(time)).toBe('2024-05-06 07:08:09.123456789 UTC'));
  it('says unknown of what is no time', () => {
    expect(localTime(null)).toBe(UNKNOWN);
    expect(localTime('yesterday')).toBe(UNKNOWN);
    expect(utcTime('yesterday')).toBeUndefined();
  });
  it('moves by nanoseconds over the edge of a second and a year', () => {
    expect(addNanoseconds(time, 1)).toBe('2024-05-06T07:08:09.123456790Z');
    expect(addNanoseconds('2023-12-31T23:59:59.999999999Z', 1)).toBe('2024-01-01T00:00:00.000000000Z');
    expect(addNanoseconds('2024-01-01T00:00:00Z', -1)).toBe('2023-12-31T23:59:59.999999999Z');
    expect(addNanoseconds(time, null)).toBeNull();
  });
  it('tells how long ago', () => {
    expect(ago(time, Date.parse(time) + 100)).toBe('just now');
    expect(ago(time, Date.parse(time) + 125_000)).toBe('2 min 5 s ago');
  });
});

describe('plain', () => {
  it('writes objects as JSON, bigint included', () => {
    expect(plain({ a: 9007199254740993n, b: [null, 'x'] })).toBe('{"a":9007199254740993,"b":[null,"x"]}');
    expect(plain(false)).toBe('false');
    expect(plain('')).toBe('');
    expect(plain(null)).toBe(UNKNOWN);
    expect(toJson(1n)).toBe('1');
  });
});

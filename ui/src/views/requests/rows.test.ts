import { describe, expect, it } from 'vitest';
import type { Row } from '../../api/types';
import { curl, headerList, shellWord } from './curl';
import { facetQuery, readFacets } from './facets';
import { readTokens } from './index';
import { counterpart, pick, rowQuery, tableOf } from './row-query';
import { ends, firstQuery, join, joinOlder, olderQuery, readKey, rowKeys, type RowName } from './rows';

const at = (second: number, id = 0): Row => ({ time: `2024-05-06T07:00:${String(second).padStart(2, '0')}.000000000Z`, protocol: 'redis', connection_id: 1, id });
const time = (second: number) => at(second).time as string;

describe('joining answers', () => {
  it('puts new rows on top and late ones in their place', () => {
    const held = [at(9), at(7), at(5)];
    expect(join(held, [at(10), at(9), at(8), at(7)], 500, time(6))).toEqual([at(10), at(9), at(8), at(7), at(5)]);
  });
  it('keeps equal rows as many as they are', () => {
    const held = [at(9, 1), at(9, 2), at(5)];
    expect(join(held, [at(9, 1), at(9, 2), at(9, 3)], 500, time(6))).toEqual([at(9, 1), at(9, 2), at(9, 3), at(5)]);
  });
  it('starts anew when more came than one answer holds', () => {
    expect(join([at(5), at(4)], [at(9), at(8)], 2, time(2))).toEqual([at(9), at(8)]);
  });
  it('joins a cut answer that reaches what is held', () => {
    expect(join([at(8), at(7)], [at(9), at(8)], 2, time(5))).toEqual([at(9), at(8), at(7)]);
  });
  it('adds older rows once', () => {
    expect(joinOlder([at(9), at(8, 1)], [at(8, 1), at(8, 2), at(7)])).toEqual([at(9), at(8, 1), at(8, 2), at(7)]);
    expect(joinOlder([at(9)], [])).toEqual([at(9)]);
  });
});

describe('keys', () => {
  it('number equal rows from the oldest, so that a new one renames none', () => {
    const before = rowKeys([at(9), at(8), at(8)]);
    expect(new Set(before).size).toBe(3);
    expect(rowKeys([at(9), at(9), at(8), at(8)]).slice(1)).toEqual(before);
  });
  it('come back, and nothing else does', () => {
    const [key] = rowKeys([at(9)]);
    expect(readKey(key as string)).toEqual({ protocol: 'redis', connection: '1', time: time(9), bare: key, nth: 0 });
    expect(readKey(`redis~1 OR 1=1~${time(9)}`)).toBeNull();
    expect(readKey(`redis~1~${time(9)}' OR '1`)).toBeNull();
    expect(readKey('')).toBeNull();
  });
  it('pick the row among equal ones', () => {
    const name = readKey(rowKeys([at(9)])[0] as string) as RowName;
    expect(pick([at(9, 1), at(9, 2)], name)).toEqual(at(9, 2));
    expect(pick([at(9, 1), at(9, 2)], { ...name, nth: 1 })).toEqual(at(9, 1));
    expect(pick([], name)).toBeNull();
  });
  it('tell the requests of a pipeline apart, also by a cut target', () => {
    const row = (target: string): Row => ({ ...at(9), operation: 'GET', target, latency_ns: 5 });
    const keys = rowKeys([row('k2'), row('k1')]);
    expect(new Set(keys).size).toBe(2);
    expect(pick([row('k1'), row('k2')], readKey(keys[0] as string) as RowName)).toEqual(row('k2'));
    const long = '🦉'.repeat(600);
    expect(rowKeys([row(long)])).toEqual(rowKeys([row('🦉'.repeat(500))]));
  });
  it('find the same request in its own table', () => {
    const view = ['k1', 'k2', 'k3'].map((target): Row => ({ ...at(9), operation: 'GET', target, latency_ns: 5, request_bytes: 20 }));
    const own = ['k3', 'k1', 'k2'].map((key): Row => ({ time: time(9), command: 'GET', args: `["${key}"]`, latency_ns: 5, request_bytes: 20 }));
    for (const row of view) expect(counterpart(row, view, own)?.args).toBe(`["${row.target}"]`);
    const slow: Row = { command: 'GET', args: '["k1"]', latency_ns: 9, request_bytes: 20 };
    expect(counterpart({ ...view[0], latency_ns: 9 }, view, [...own, slow])).toBe(slow);
    expect(counterpart(null, [], own)).toBe(own[0]);
    expect(counterpart(view[0] as Row, view, [])).toBeNull();
  });
});

describe('queries', () => {
  it('hold range, filters and text', () => {
    const query = firstQuery({ kind: 'live' }, [{ name: 'protocol', exclude: false, values: ['http'] }], "a'b");
    expect(query).toContain("WHERE time > now() - INTERVAL '300 seconds' AND protocol IN ('http') AND (target ILIKE '%a''b%' OR ");
    expect(query).toMatch(/ORDER BY time DESC LIMIT 500$/);
  });
  it('go back from a time', () => expect(olderQuery({ kind: 'all' }, [], '', time(9))).toContain(`WHERE time <= TIMESTAMP '${time(9)}' ORDER BY`));
  it('count a facet as if its own chips were off', () => {
    const query = facetQuery({ kind: 'all' }, [{ name: 'protocol', exclude: false, values: ['http'] }], '');
    const [protocol, status] = query.split(' UNION ALL ');
    expect(protocol).not.toContain("protocol IN ('http')");
    expect(status).toContain("WHERE protocol IN ('http')");
  });
  it('find the full row in the table of its protocol', () => {
    const tables = ['requests', 'http_events', 'postgres_events', 'lost_events'].map((name) => ({ name, about: '', columns: [] }));
    expect(tableOf('http', tables)).toBe('http_events');
    expect(tableOf('HTTP/2', tables)).toBe('http_events');
    expect(tableOf('grpc', tables)).toBe('http_events');
    expect(tableOf('postgresql', tables)).toBe('postgres_events');
    expect(tableOf('lost', tables)).toBeNull();
    expect(rowQuery('http_events', { protocol: 'http', connection: '7', time: time(1), bare: '', nth: 0 })).toBe(
      `SELECT * FROM http_events WHERE connection_id = 7 AND time = TIMESTAMP '${time(1)}' LIMIT 200`,
    );
  });
});

it('facets: null is a value of its own, chosen values stay, latency goes from slow to fast', () => {
  const rows = [
    { facet: 'service', value: null, requests: 3 },
    { facet: 'service', value: 'nginx', requests: 9 },
    { facet: 'latency', value: 'below 1 ms', requests: 9 },
    { facet: 'latency', value: 'above 1 s', requests: 1 },
  ];
  const facets = readFacets(rows, [{ name: 'service', exclude: true, values: ['redis'] }]);
  expect(facets.get('service')).toEqual([{ value: 'nginx', requests: 9 }, { value: '', requests: 3 }, { value: 'redis', requests: 0 }]);
  expect(facets.get('latency')?.map((value) => value.value)).toEqual(['above 1 s', 'below 1 ms']);
});

it('ends go by role', () => {
  const row: Row = { role: 'client', process_name: 'curl', pid: 7, local_addr: '10.0.0.1', local_port: 4000, remote_addr: '::1', remote_port: 80, remote_name: null, peer_process_name: null };
  expect(ends(row)).toMatchObject({ known: true, client: { text: 'curl', pid: 7, address: '10.0.0.1:4000' }, server: { text: '[::1]:80', subject: 'remote' } });
  expect(ends({ ...row, role: 'server', peer_process_name: 'wrk' })).toMatchObject({ server: { text: 'curl' }, client: { text: 'wrk', subject: 'peer' } });
  expect(ends({ role: 'unknown' })).toMatchObject({ known: false, server: { text: null }, client: { text: null } });
});

describe('curl', () => {
  it('cannot leave its words', () => {
    expect(shellWord("it's $(x)")).toBe("'it'\\''s $(x)'");
    expect(shellWord('')).toBe("''");
    expect(shellWord('/plain-1.2')).toBe('/plain-1.2');
  });
  it('says the request again', () => {
    const row: Row = {
      req_method: 'POST', req_path: "/a?b='c'", req_authority: 'shop', http_version: '1.1', encrypted: false,
      req_headers: '{"host":"shop","content-length":"2","x-a":["1","2"]}', req_body: "it's", truncated: true,
    };
    expect(curl(row)).toBe(
      "# the body was cut when it was captured\ncurl -i -X POST \\\n  -H 'x-a: 1' \\\n  -H 'x-a: 2' \\\n  --data-binary 'it'\\''s' \\\n  'http://shop/a?b='\\''c'\\'''",
    );
  });
  it('does without what was not seen', () => {
    expect(curl({ role: 'server', local_addr: '::1', local_port: 8080, encrypted: true })).toBe("curl -i \\\n  'https://[::1]:8080/'");
    expect(curl({ local_addr: 'unix:/run/x', req_method: 'HEAD', req_path: '/x' })).toBe('curl -i -I \\\n  http://localhost/x');
  });
  it('reads headers as text or object', () => {
    expect(headerList({ a: 'b' })).toEqual([['a', 'b']]);
    expect(headerList('broken')).toEqual([]);
    expect(headerList(null)).toEqual([]);
  });
});

it('typed filters become chips', () => {
  expect(readTokens('slow -status:500 process:nginx:1 nope:x')).toEqual({
    tokens: [{ name: 'status', value: '500', exclude: true }, { name: 'process', value: 'nginx:1', exclude: false }],
    rest: 'slow nope:x',
  });
});

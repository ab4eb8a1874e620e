// Made-up traffic: the same sequence at every start, so that tests and screenshots can be compared.

let seed = 20_240_607;
function random() {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
  return seed / 2_147_483_648;
}
const one = (list) => list[Math.floor(random() * list.length)];
const between = (low, high) => Math.floor(low + random() * (high - low));

/** Milliseconds and nanoseconds of the fraction → RFC 3339 with nine digits. */
export function rfc3339(ms, ns = 0) {
  return `${new Date(ms).toISOString().slice(0, 19)}.${String((ms % 1000) * 1_000_000 + ns).padStart(9, '0')}Z`;
}

const PATHS = [
  ['GET', '/api/cart', 200],
  ['GET', '/api/products?page=2&sort=price', 200],
  ['POST', '/api/orders', 201],
  ['GET', '/static/app.js', 304],
  ['GET', '/api/users/4711', 404],
  ['PUT', '/api/cart/items/18', 200],
  ['GET', '/healthz', 200],
  ['POST', '/api/payments', 502],
  ['GET', '/api/search?q=walking%20boots', 200],
  ['DELETE', '/api/sessions/9f2c', 204],
];
const COMMANDS = [
  ['GET', ['session:9f2c1b'], 'bulk', '{"user":4711,"roles":["buyer"]}'],
  ['SET', ['cart:4711', '{"items":[{"sku":"B-18","count":2}]}', 'EX', '3600'], 'simple', 'OK'],
  ['HGETALL', ['product:B-18'], 'array', '["name","Walking boots","price","89.00"]'],
  ['INCR', ['orders:today'], 'integer', '1834'],
  ['LPUSH', ['session:9f2c1b', 'x'], 'error', null],
  ['GET', ['feature:new-checkout'], 'null', null],
];
const NAMES = [
  ['shop-db.internal', 'A', 'NOERROR', [['A', '10.4.0.17']]],
  ['payments.example.com', 'AAAA', 'NOERROR', [['CNAME', 'edge.example.net'], ['AAAA', '2001:db8::17']]],
  ['old-queue.internal', 'A', 'NXDOMAIN', []],
  ['metrics.internal', 'A', 'SERVFAIL', []],
];

const HOST = 'demo-host';
const PEERS = ['curl', 'wrk', 'gateway', null];

function base(ms, process, pid, port) {
  const peer = one(PEERS);
  const connection = pid * 100 + between(0, 12);
  return {
    time: rfc3339(ms, between(0, 999_999)),
    host: HOST,
    process_id: pid * 1000 + 1,
    pid,
    thread_id: pid + between(0, 4),
    process_name: process,
    container_id: null,
    namespace: null,
    pod: null,
    service: process.replace('-server', ''),
    connection_id: connection,
    local_addr: '127.0.0.1',
    local_port: port,
    remote_addr: peer === null ? `10.4.0.${between(2, 40)}` : '127.0.0.1',
    remote_port: between(32_768, 60_999),
    remote_name: null,
    peer_process_id: peer === null ? null : 7_000_001,
    peer_pid: peer === null ? null : 7000 + PEERS.indexOf(peer),
    peer_process_name: peer,
    role: 'server',
    encrypted: false,
  };
}

function suffix(latency, sent, got, more = {}) {
  return { latency_ns: latency, request_bytes: sent, response_bytes: got, truncated: false, gap_before: false, confidence: 'certain', trace_id: null, span_id: null, broken: false, ...more };
}

const latency = () => Math.floor(80_000 * Math.exp(random() * random() * 11));

function httpRow(ms) {
  const [method, path, status] = one(PATHS);
  const unanswered = random() < 0.01;
  const json = path.startsWith('/api') && status < 300 && status !== 204;
  const body = json ? JSON.stringify({ id: between(1, 9999), items: [{ sku: 'B-18', name: 'Walking boots', price: 89.5 }], next: null }) : null;
  const trace = random() < 0.5 ? [...Array(32)].map(() => '0123456789abcdef'[between(0, 16)]).join('') : null;
  const sent = method === 'POST' || method === 'PUT' ? '{"sku":"B-18","count":2,"note":"it\'s a gift"}' : null;
  const headers = { host: 'shop.internal', 'user-agent': 'curl/7.88.1', accept: '*/*', ...(sent === null ? {} : { 'content-type': 'application/json' }), ...(trace === null ? {} : { traceparent: `00-${trace}-00f067aa0ba902b7-01` }) };
  const own = {
    http_version: '1.1',
    stream_id: null,
    req_method: method,
    req_path: path,
    req_authority: 'shop.internal',
    req_headers: JSON.stringify(headers),
    req_body: sent,
    req_body_bytes: sent === null ? 0 : sent.length,
    resp_status: unanswered ? null : status,
    resp_headers: unanswered ? null : JSON.stringify({ server: 'nginx/1.22.1', 'content-type': json ? 'application/json' : 'text/html', 'set-cookie': ['a=1; Path=/', 'b=2; HttpOnly'] }),
    resp_body: unanswered ? null : (body ?? (status === 502 ? '<html><body><h1>502 Bad Gateway</h1></body></html>' : null)),
    resp_body_bytes: unanswered ? null : body === null ? 0 : body.length,
    content_type: json ? 'application/json' : 'text/html',
    grpc_service: null,
    grpc_method: null,
    grpc_status: null,
    grpc_message: null,
  };
  const row = { ...base(ms, 'nginx', 812, 80), ...own, ...suffix(unanswered ? null : latency(), between(120, 700), unanswered ? null : between(180, 48_000), { truncated: random() < 0.03, broken: unanswered, trace_id: trace, span_id: trace === null ? null : '00f067aa0ba902b7' }) };
  return { table: 'http_events', protocol: 'http', operation: method, target: path, status: unanswered ? null : String(status), failed: unanswered || status >= 500, row };
}

function redisRow(ms) {
  const [command, args, type, response] = one(COMMANDS);
  const error = type === 'error' ? 'WRONGTYPE Operation against a key holding the wrong kind of value' : null;
  const row = {
    ...base(ms, 'redis-server', 640, 6379),
    command,
    args: JSON.stringify(args),
    args_count: args.length,
    response,
    response_type: type,
    error,
    ...suffix(Math.floor(latency() / 4), between(30, 200), between(5, 900)),
  };
  return { table: 'redis_events', protocol: 'redis', operation: command, target: args[0], status: error === null ? 'OK' : 'WRONGTYPE', failed: error !== null, row };
}

function dnsRow(ms) {
  const [name, type, rcode, answers] = one(NAMES);
  const row = {
    ...base(ms, 'gateway', 930, between(40_000, 60_000)),
    role: 'client',
    peer_process_id: null,
    peer_pid: null,
    peer_process_name: null,
    remote_addr: '10.4.0.2',
    remote_port: 53,
    remote_name: 'ns1.internal',
    transport: 'udp',
    query_id: between(1, 65_535),
    query_name: name,
    query_type: type,
    rcode,
    answers: JSON.stringify(answers.map(([kind, data]) => ({ name, type: kind, ttl: 300, data }))),
    answer_count: answers.length,
    ...suffix(latency() * 3, between(40, 80), between(60, 200)),
  };
  return { table: 'dns_events', protocol: 'dns', operation: type, target: name, status: rcode, failed: rcode === 'SERVFAIL', row };
}

function view({ protocol, operation, target, status, failed, row }) {
  const shared = { protocol, operation, target, status, failed };
  for (const name of SHARED) shared[name] = row[name] ?? null;
  return shared;
}
const SHARED = [...Object.keys(base(0, 'x', 1, 1)), ...Object.keys(suffix(0, 0, 0))];

/** Requests a second, and how far back they go at the start, in seconds. */
const RATE = 6;
const BACK_SECONDS = 900;
const ROWS_MAX = 20_000;

export class Rows {
  constructor(now) {
    this.tables = { requests: [], http_events: [], redis_events: [], dns_events: [], connections: [], probe_status: hooks(now), lost_events: losses(now) };
    this.until = now - BACK_SECONDS * 1000;
    this.advance(now);
  }

  /** Makes the rows between the last call and now. */
  advance(now) {
    const step = 1000 / RATE;
    for (; this.until + step <= now; this.until += step) {
      const made = one([httpRow, httpRow, httpRow, redisRow, redisRow, dnsRow])(Math.floor(this.until));
      this.tables[made.table].push(made.row);
      this.tables.requests.push(view(made));
    }
    for (const rows of Object.values(this.tables)) if (rows.length > ROWS_MAX) rows.splice(0, rows.length - ROWS_MAX);
    this.tables.connections = [...new Map(this.tables.requests.map((row) => [row.connection_id, row])).values()].map((row) => ({
      time: row.time, host: HOST, process_id: row.process_id, pid: row.pid, process_name: row.process_name, connection_id: row.connection_id,
      opened_at: row.time, closed_at: null, protocol: row.protocol, sent_bytes: 48_213, received_bytes: 9_120, retransmits: 0, rtt_ns: 41_000, state: 'open',
    }));
  }
}

function hooks(now) {
  const hook = (kind, target, state, reason, hits, time) => ({ time: rfc3339(now), host: HOST, hook: kind, target, attached: state === 'attached', state, reason, hits, run_time_ns: time });
  return [
    hook('tp_btf', 'sock_send_length', 'attached', 'kernel 6.18 has it: cheapest way to see what sockets send', 4_812_220, 264_000_000),
    hook('tp_btf', 'sock_recv_length', 'attached', 'kernel 6.18 has it: cheapest way to see what sockets receive', 5_120_014, 301_000_000),
    hook('tp_btf', 'inet_sock_set_state', 'attached', 'connections open and close', 18_200, 1_900_000),
    hook('tp_btf', 'sched_process_exec', 'attached', 'processes start', 310, 90_000),
    hook('raw_tp', 'sys_exit', 'replaced', 'the socket tracepoints do its work', null, null),
    hook('perf_event', 'page-faults', 'off', 'switched on by --profile-faults', null, null),
  ];
}

function losses(now) {
  const loss = (stage, reason, unit, events, bytes) => ({ time: rfc3339(now - 20_000), host: HOST, stage, reason, unit, events, bytes, connection_id: null });
  return [loss('ring', 'ring_full', 'kernel_event', 42, 61_440), loss('kernel', 'filtered_self', 'kernel_event', 8120, 910_000), loss('parser', 'joined_mid_message', 'message', 3, null)];
}

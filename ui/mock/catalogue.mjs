// The catalogue of the mock: enough of the real one for the page to work with. Columns as name:type[unit].
const PREFIX =
  'time:TIMESTAMP host:VARCHAR process_id:BIGINT pid:INT thread_id:INT process_name:VARCHAR container_id:VARCHAR namespace:VARCHAR pod:VARCHAR ' +
  'service:VARCHAR connection_id:BIGINT local_addr:VARCHAR local_port:INT remote_addr:VARCHAR remote_port:INT remote_name:VARCHAR ' +
  'peer_process_id:BIGINT peer_pid:INT peer_process_name:VARCHAR role:VARCHAR encrypted:BOOLEAN';
const SUFFIX =
  'latency_ns:BIGINT[ns] request_bytes:BIGINT[bytes] response_bytes:BIGINT[bytes] truncated:BOOLEAN gap_before:BOOLEAN confidence:VARCHAR ' +
  'trace_id:VARCHAR span_id:VARCHAR broken:BOOLEAN';

const MEANINGS = {
  time: 'When the first byte of the request was seen.',
  latency_ns: 'First byte of the request to last byte of the response; null without a whole response.',
  process_name: "The process's name, as in /proc/PID/comm.",
  peer_process_name: 'Process name at the other end when it is on this host.',
  role: "This row's end: 'server', 'client' or 'unknown'.",
};

const TABLES = [
  ['requests', 'All traffic tables together, one row a request.', `${PREFIX} protocol:VARCHAR operation:VARCHAR target:VARCHAR status:VARCHAR failed:BOOLEAN ${SUFFIX}`],
  [
    'http_events',
    'One row an HTTP request.',
    `${PREFIX} http_version:VARCHAR stream_id:BIGINT req_method:VARCHAR req_path:VARCHAR req_authority:VARCHAR req_headers:VARCHAR[JSON] req_body:VARCHAR ` +
      `req_body_bytes:BIGINT[bytes] resp_status:INT resp_headers:VARCHAR[JSON] resp_body:VARCHAR resp_body_bytes:BIGINT[bytes] content_type:VARCHAR ` +
      `grpc_service:VARCHAR grpc_method:VARCHAR grpc_status:INT grpc_message:VARCHAR ${SUFFIX}`,
  ],
  ['redis_events', 'One row a Redis command.', `${PREFIX} command:VARCHAR args:VARCHAR[JSON] args_count:INT response:VARCHAR response_type:VARCHAR error:VARCHAR ${SUFFIX}`],
  [
    'dns_events',
    'One row a DNS query.',
    `${PREFIX} transport:VARCHAR query_id:INT query_name:VARCHAR query_type:VARCHAR rcode:VARCHAR answers:VARCHAR[JSON] answer_count:INT ${SUFFIX}`,
  ],
  [
    'connections',
    'One row a connection when it closes, and one a minute while it is open.',
    'time:TIMESTAMP host:VARCHAR process_id:BIGINT pid:INT process_name:VARCHAR connection_id:BIGINT opened_at:TIMESTAMP closed_at:TIMESTAMP protocol:VARCHAR ' +
      'sent_bytes:BIGINT[bytes] received_bytes:BIGINT[bytes] retransmits:BIGINT[packets] rtt_ns:BIGINT[ns] state:VARCHAR',
  ],
  ['probe_status', 'Each kernel hook: whether it is attached, why or why not, and what it cost so far.', 'time:TIMESTAMP host:VARCHAR hook:VARCHAR target:VARCHAR attached:BOOLEAN state:VARCHAR reason:VARCHAR hits:BIGINT[events] run_time_ns:BIGINT[ns]'],
  ['lost_events', 'What was lost, left out or cut, by stage and reason.', 'time:TIMESTAMP host:VARCHAR stage:VARCHAR reason:VARCHAR unit:VARCHAR events:BIGINT[events] bytes:BIGINT[bytes] connection_id:BIGINT'],
];

function column(text) {
  const [, name, type, unit] = /^(\w+):(\w+)(?:\[(\w+)\])?$/.exec(text);
  return { name, type, unit: unit ?? null, meaning: MEANINGS[name] ?? `Made-up meaning of ${name}.` };
}

export const catalogue = TABLES.map(([name, about, columns]) => ({ name, about, columns: columns.split(' ').map(column) }));

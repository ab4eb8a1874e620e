// Queries to start with: each answers a question that people have.
export const EXAMPLES: { title: string; query: string }[] = [
  {
    title: 'What is talking here',
    query: `SELECT protocol, service, count(*) AS requests,
       count(*) FILTER (WHERE failed) AS failed,
       CAST(approx_percentile_cont(latency_ns, 0.5) AS BIGINT) AS p50_ns,
       CAST(approx_percentile_cont(latency_ns, 0.99) AS BIGINT) AS p99_ns
FROM requests
WHERE time > now() - INTERVAL '15 minutes'
GROUP BY protocol, service
ORDER BY requests DESC`,
  },
  {
    title: 'The slowest requests of the last hour',
    query: `SELECT time, protocol, operation, target, status, latency_ns, process_name
FROM requests
WHERE time > now() - INTERVAL '1 hour' AND latency_ns IS NOT NULL
ORDER BY latency_ns DESC
LIMIT 50`,
  },
  {
    title: 'What failed, and how often',
    query: `SELECT protocol, operation, target, status, count(*) AS requests, max(time) AS newest
FROM requests
WHERE failed AND time > now() - INTERVAL '1 hour'
GROUP BY protocol, operation, target, status
ORDER BY requests DESC
LIMIT 100`,
  },
  {
    title: 'Requests and failures by minute',
    query: `SELECT date_bin(INTERVAL '1 minute', time) AS minute, count(*) AS requests,
       count(*) FILTER (WHERE failed) AS failed,
       sum(response_bytes) AS response_bytes
FROM requests
WHERE time > now() - INTERVAL '1 hour'
GROUP BY minute
ORDER BY minute DESC`,
  },
  {
    title: 'Who calls whom',
    query: `SELECT coalesce(peer_process_name, remote_name, remote_addr) AS client,
       process_name AS server, protocol, count(*) AS requests
FROM requests
WHERE role = 'server' AND time > now() - INTERVAL '15 minutes'
GROUP BY client, server, protocol
ORDER BY requests DESC
LIMIT 100`,
  },
  {
    title: 'HTTP responses with their bodies',
    query: `SELECT time, req_method, req_path, resp_status, resp_body, latency_ns
FROM http_events
ORDER BY time DESC
LIMIT 50`,
  },
  {
    title: 'What the probes cost',
    query: `SELECT hook, target, max(hits) AS hits, max(run_time_ns) AS run_time_ns
FROM probe_status
GROUP BY hook, target
ORDER BY run_time_ns DESC`,
  },
];

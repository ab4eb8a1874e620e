//! The HTTP API and the PostgreSQL port, as their clients see them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fixture::{Echo, echo, engine};
use query_engine::api::{BindError, Server, ServerConfig};
use query_engine::pgwire;
use query_engine::sql::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

pub struct Running {
    pub addr: SocketAddr,
    pg: SocketAddr,
    engine: query_engine::sql::SqlEngine,
    ready: query_engine::api::Ready,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn start(rows: i64, token: Option<&str>) -> Running {
    start_with(engine(rows, Limits::default()), token).await
}

pub async fn start_with(engine: query_engine::sql::SqlEngine, token: Option<&str>) -> Running {
    let any = "127.0.0.1:0".parse().unwrap();
    let token = token.map(str::to_owned);
    let metrics: query_engine::api::MetricsText = Arc::new(|| "earshot_test_total 1\n".to_owned());
    let server = Server::bind(any, ServerConfig { token: token.clone(), metrics: Some(metrics), ..ServerConfig::default() })
        .await
        .unwrap();
    let pg = pgwire::Server::bind(any, token).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let (addr, pg_addr, ready) = (server.addr(), pg.addr(), server.ready());
    let served = tokio::spawn(server.serve(engine.clone(), stopped.clone()));
    tokio::spawn(pg.serve(engine.clone(), stopped));
    Running { addr, pg: pg_addr, engine, ready, stop, served }
}

pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// An error as the contract wants it.
    fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{} {}", self.head, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for key in ["title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|t| !t.is_empty()), "{problem}");
        }
        problem
    }
}

/// One request on a connection of its own, as plainly as can be.
pub async fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("host")) {
        head += &format!("Host: {addr}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() || method == "POST" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = unchunked(&answer.body);
    }
    answer
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        whole.extend(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[(end + 4 + size).min(bytes.len())..];
    }
    whole
}

async fn sql(addr: SocketAddr, accept: &str, body: Value) -> Answer {
    ask(addr, "POST", "/api/v1/sql", &[("Accept", accept)], body.to_string().as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn four_formats_with_and_without_rows() {
    let s = start(2, None).await;
    let query = "SELECT time, message, heard_at, code, 'a \"b\", ' || chr(10) || 'ü' AS odd FROM echo_events ORDER BY message";
    let ask = |accept: &'static str, query: &'static str| sql(s.addr, accept, json!({ "query": query }));
    let first = json!({"time": "2026-01-02T03:04:05.000000007Z", "message": "m0", "heard_at": null, "code": 200, "odd": "a \"b\", \nü"});

    let lines = ask("application/x-ndjson", query).await;
    assert_eq!((lines.status, lines.header("content-type")), (200, Some("application/x-ndjson")));
    let objects: Vec<Value> = lines.text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((objects.len(), &objects[0]), (2, &first));
    let list = ask("application/json", query).await;
    assert_eq!(list.header("content-type"), Some("application/json"));
    assert_eq!(list.json(), json!(objects));
    let csv = ask("text/csv", query).await;
    assert_eq!(csv.header("content-type"), Some("text/csv"));
    let expected = "time,message,heard_at,code,odd\n2026-01-02T03:04:05.000000007Z,m0,,200,\"a \"\"b\"\", \nü\"\n";
    assert!(csv.text().starts_with(expected), "{}", csv.text());
    let arrow = ask("application/vnd.apache.arrow.stream", "SELECT time, process_name, code FROM echo_events").await;
    assert_eq!(arrow.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    let types: Vec<String> = reader.schema().fields().iter().map(|f| f.data_type().to_string()).collect();
    assert_eq!(types, ["Timestamp(ns, \"UTC\")", "Utf8", "Int32"]);
    assert_eq!(reader.map(|b| b.unwrap().num_rows()).sum::<usize>(), 2);

    let none = "SELECT message, code FROM echo_events WHERE message = 'none'";
    assert_eq!(ask("*/*", none).await.text(), "");
    assert_eq!(ask("application/json", none).await.json(), json!([]));
    assert_eq!(ask("text/csv", none).await.text(), "message,code\n");
    let arrow = ask("application/vnd.apache.arrow.stream", none).await;
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!((reader.schema().fields().len(), reader.count()), (2, 0));
    ask("image/png", none).await.problem(406);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_every_kind_have_nine_digits_and_odd_types_are_shown() {
    let s = start(1, None).await;
    let query = "SELECT TIMESTAMP '2026-01-02 03:04:05' AS plain, date_trunc('hour', time) AS hour, now() > time AS later, \
                 [1, 2] AS list, INTERVAL '1 hour' AS gap, DATE '2026-01-02' AS day, NULL AS nothing, 1.5 AS half, \
                 named_struct('a', time) AS part FROM echo_events";
    let row = &sql(s.addr, "application/json", json!({ "query": query })).await.json()[0];
    assert_eq!(row["plain"], "2026-01-02T03:04:05.000000000Z");
    assert_eq!(row["hour"], "2026-01-02T03:00:00.000000000Z");
    assert_eq!((&row["later"], &row["nothing"], &row["half"]), (&json!(true), &Value::Null, &json!(1.5)));
    assert_eq!(row["day"], "2026-01-02");
    for accept in ["text/csv", "application/x-ndjson", "application/vnd.apache.arrow.stream"] {
        assert_eq!(sql(s.addr, accept, json!({ "query": query })).await.status, 200, "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_problems() {
    let s = start(2, None).await;
    for body in [&b""[..], b"{", b"[]", b"{\"query\": 1}", b"\xff\xfe", b"{\"query\": \"SELECT 1\", \"timeout_ms\": \"soon\"}"]
    {
        ask(s.addr, "POST", "/api/v1/sql", &[], body).await.problem(400);
    }
    let problem = sql(s.addr, "*/*", json!({ "query": "SELECT no_such_column FROM echo_events" })).await.problem(400);
    assert_eq!((&problem["position"], &problem["line"], &problem["column"]), (&json!(8), &json!(1), &json!(8)));
    sql(s.addr, "*/*", json!({ "query": "DROP TABLE echo_events" })).await.problem(403);
    ask(s.addr, "GET", "/api/v1/no-such-thing", &[], b"").await.problem(404);
    ask(s.addr, "GET", "/api/v1/tables/no_such_table", &[], b"").await.problem(404);
    ask(s.addr, "DELETE", "/api/v1/sql", &[], b"").await.problem(405);
    ask(s.addr, "POST", "/somewhere", &[], b"").await.problem(405);
    ask(s.addr, "GET", "/api/v1/sql", &[], b"").await.problem(400);
    ask(s.addr, "GET", "/api/v1/stream?query=SELECT%20count(*)%20FROM%20echo_events", &[], b"").await.problem(400);
    for wrong in ["format=xml", "from=soon", "from=now&until=-1m", "colour=red", "frames=many", "where=no_such_column%3D1"] {
        ask(s.addr, "GET", &format!("/api/v1/flamegraph?{wrong}"), &[], b"").await.problem(400);
    }
    let long = json!({ "query": format!("SELECT '{}' AS a", "x".repeat(4 << 20)) });
    sql(s.addr, "*/*", long).await.problem(413);
    let longer = json!({ "query": format!("SELECT '{}' AS a", "x".repeat(12 << 20)) });
    sql(s.addr, "*/*", longer).await.problem(413);
    let slow = json!({ "query": "SELECT count(*) FROM generate_series(1, 100000000000)", "timeout_ms": 300 });
    let started = Instant::now();
    sql(s.addr, "*/*", slow).await.problem(504);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_the_first_rows_is_the_last_line() {
    let s = start(10, None).await;
    // the division fails only after some batches
    let query = "SELECT 1 / (60000 - value) AS x FROM generate_series(1, 100000)";
    let lines = sql(s.addr, "application/x-ndjson", json!({ "query": query })).await;
    assert_eq!(lines.status, 200);
    let last: Value = serde_json::from_str(lines.text().lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["status"], 400, "{last}");
    assert!(last["error"]["detail"].as_str().unwrap().to_lowercase().contains("zero"), "{last}");
    let list = sql(s.addr, "application/json", json!({ "query": query })).await.json();
    assert_eq!(list.as_array().unwrap().last().unwrap()["error"]["status"], 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_and_limit() {
    let s = start(300, None).await;
    let got = ask(s.addr, "GET", "/api/v1/sql?query=SELECT%20message%20FROM%20echo_events", &[], b"").await;
    assert_eq!((got.status, got.text().lines().count()), (200, 300));
    let got = ask(s.addr, "GET", "/api/v1/sql?limit=7&query=SELECT+message+FROM+echo_events", &[], b"").await;
    assert_eq!(got.text().lines().count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogue_health_and_description() {
    let s = start(1, None).await;
    let tables = ask(s.addr, "GET", "/api/v1/tables", &[], b"").await.json();
    let names: Vec<&str> = tables.as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo_events", "ping_events", "processes", "probe_status", "lost_events", "requests"]);
    let one = ask(s.addr, "GET", "/api/v1/tables/echo_events", &[], b"").await.json();
    assert_eq!(one["about"], "Made-up requests.");
    let latency = one["columns"].as_array().unwrap().iter().find(|c| c["name"] == "latency_ns").unwrap().clone();
    assert_eq!((&latency["type"], &latency["unit"]), (&json!("BIGINT"), &json!("ns")));
    let view = ask(s.addr, "GET", "/api/v1/tables/requests", &[], b"").await.json();
    assert!(view["columns"].as_array().unwrap().iter().any(|c| c["name"] == "operation" && c["type"] == "VARCHAR"));

    assert_eq!(ask(s.addr, "GET", "/healthz", &[], b"").await.status, 200);
    ask(s.addr, "GET", "/readyz", &[], b"").await.problem(503);
    s.ready.set();
    assert_eq!(ask(s.addr, "GET", "/readyz", &[], b"").await.status, 200);
    let metrics = ask(s.addr, "GET", "/metrics", &[], b"").await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"));
    assert_eq!(metrics.text(), "earshot_test_total 1\n");
    let openapi = ask(s.addr, "GET", "/api/openapi.json", &[], b"").await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    // every path that the document names is there
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{name}", "echo_events").replace("{call}", "LabelNames");
            let answer = ask(s.addr, &method.to_uppercase(), &path, &[], b"").await;
            assert!(![404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
        }
    }
    let page = ask(s.addr, "GET", "/", &[], b"").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let inside = ask(s.addr, "GET", "/some/view", &[("Accept", "text/html")], b"").await;
    assert_eq!((inside.status, &inside.body), (200, &page.body));
    ask(s.addr, "GET", "/some/view", &[], b"").await.problem(404);
    ask(s.addr, "GET", "/../../etc/passwd", &[], b"").await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_and_missing_tokens_are_refused() {
    let s = start(1, None).await;
    let path = "/api/v1/sql?query=SELECT%201";
    let own = format!("http://{}", s.addr);
    let port = s.addr.port();
    let local = format!("localhost:{port}");
    for headers in [vec![("Host", local.as_str())], vec![("Origin", own.as_str())], vec![("Sec-Fetch-Site", "same-origin")]] {
        assert_eq!(ask(s.addr, "GET", path, &headers, b"").await.status, 200, "{headers:?}");
    }
    for headers in [
        vec![("Host", "evil.example")],
        vec![("Origin", "http://evil.example")],
        vec![("Origin", "null")],
        vec![("Sec-Fetch-Site", "cross-site")],
        vec![("Host", "rebound.evil.example:7117"), ("Origin", "http://rebound.evil.example:7117")],
    ] {
        ask(s.addr, "GET", path, &headers, b"").await.problem(403);
    }
    let s = start(1, Some("secret")).await;
    ask(s.addr, "GET", path, &[], b"").await.problem(401);
    ask(s.addr, "GET", path, &[("Authorization", "Bearer secre")], b"").await.problem(401);
    ask(s.addr, "GET", "/metrics", &[], b"").await.problem(401);
    ask(s.addr, "GET", "/api/openapi.json", &[], b"").await.problem(401);
    assert_eq!(
        ask(s.addr, "GET", path, &[("Authorization", "Bearer secret"), ("Host", "earshot.example")], b"").await.status,
        200
    );
    assert_eq!(ask(s.addr, "GET", "/healthz", &[], b"").await.status, 200);
    assert_eq!(ask(s.addr, "GET", "/", &[], b"").await.status, 200);

    let everywhere = Server::bind("0.0.0.0:0".parse().unwrap(), ServerConfig::default()).await;
    assert!(matches!(everywhere, Err(BindError::NeedsToken { .. })));
    let taken = Server::bind(s.addr, ServerConfig::default()).await.err().unwrap().to_string();
    assert!(taken.contains(&s.addr.port().to_string()) && taken.contains("cannot listen"), "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_are_sent_as_events_and_streams_end_with_the_server() {
    let s = start(5, None).await;
    let mut stream = TcpStream::connect(s.addr).await.unwrap();
    let query = "SELECT%20message%2C%20heard_at%20FROM%20echo_events%20WHERE%20code%20%3D%20200";
    let request = format!("GET /api/v1/stream?query={query} HTTP/1.1\r\nHost: live.test\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "\r\n\r\n").await;
    assert!(seen.starts_with("HTTP/1.1 200") && seen.contains("text/event-stream"), "{seen}");
    let started = Instant::now();
    s.engine.store().append(Echo::TABLE, echo(300, 4));
    read_until(&mut stream, &mut seen, "m303").await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    let data: Vec<Value> =
        seen.lines().filter_map(|l| l.strip_prefix("data: ")).map(|d| serde_json::from_str(d).unwrap()).collect();
    assert_eq!(data, [json!({"message": "m300", "heard_at": null}), json!({"message": "m303", "heard_at": null})]);

    let started = Instant::now();
    s.stop.send(true).unwrap();
    s.served.await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert!(TcpStream::connect(s.addr).await.is_err());
}

async fn read_until(stream: &mut TcpStream, seen: &mut String, mark: &str) {
    let mut part = [0; 4096];
    while !seen.contains(mark) {
        let n = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut part)).await.expect("in time").unwrap();
        assert!(n > 0, "the stream ended: {seen}");
        seen.push_str(std::str::from_utf8(&part[..n]).unwrap());
    }
}

/// Messages of the PostgreSQL protocol until the server is ready.
async fn until_ready(stream: &mut TcpStream) -> Vec<(char, String)> {
    let mut messages = Vec::new();
    loop {
        let tag = stream.read_u8().await.unwrap() as char;
        let mut body = vec![0; stream.read_i32().await.unwrap() as usize - 4];
        stream.read_exact(&mut body).await.unwrap();
        messages.push((tag, String::from_utf8_lossy(&body).replace('\0', "|")));
        if tag == 'Z' || (tag == 'R' && body != [0; 4]) {
            return messages;
        }
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &(body.len() as i32 + 4).to_be_bytes(), body].concat()
}

async fn pg(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'N', "no TLS");
    let parameters = b"user\0me\0database\0earshot\0\0";
    let mut startup = (parameters.len() as i32 + 8).to_be_bytes().to_vec();
    startup.extend([0, 3, 0, 0]);
    startup.extend(parameters);
    stream.write_all(&startup).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_port_answers_simple_queries() {
    let s = start(3, None).await;
    let mut stream = pg(s.pg).await;
    assert!(until_ready(&mut stream).await.iter().any(|(tag, body)| *tag == 'S' && body.starts_with("server_version|15")));
    stream
        .write_all(&message(b'Q', b"SELECT message, code > 300 AS bad, heard_at FROM echo_events ORDER BY message LIMIT 2\0"))
        .await
        .unwrap();
    let answer = until_ready(&mut stream).await;
    let tags: String = answer.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(tags, "TDDCZ");
    assert!(answer[0].1.contains("message|") && answer[0].1.contains("bad|"));
    assert!(answer[1].1.contains("m0") && answer[2].1.contains("m1") && answer[2].1.contains('t'));
    assert_eq!(answer[3].1, "SELECT 2|");
    for (query, sqlstate) in [("SELECT nope FROM echo_events\0", "42000"), ("DROP TABLE echo_events\0", "25006")] {
        stream.write_all(&message(b'Q', query.as_bytes())).await.unwrap();
        let answer = until_ready(&mut stream).await;
        assert!(answer[0].0 == 'E' && answer[0].1.contains(&format!("C{sqlstate}|")), "{answer:?}");
    }
    stream.write_all(&message(b'Q', b" ;\0")).await.unwrap();
    assert_eq!(until_ready(&mut stream).await[0].0, 'I');
    let prepared = [
        message(b'P', b"\0SELECT 1\0\0\0"),
        message(b'B', b"\0\0\0\0\0\0\0\0"),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ];
    stream.write_all(&prepared.concat()).await.unwrap();
    let answer = until_ready(&mut stream).await;
    assert!(answer.len() == 2 && answer[0].1.contains("C0A000|"), "{answer:?}");
    stream.write_all(&message(b'Q', b"SELECT 1\0")).await.unwrap();
    assert_eq!(until_ready(&mut stream).await.len(), 4);
    stream.write_all(&message(b'X', b"")).await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_port_asks_for_the_token_and_survives_nonsense() {
    let s = start(1, Some("secret")).await;
    for (password, tag) in [("secret\0", 'R'), ("wrong\0", 'E')] {
        let mut stream = pg(s.pg).await;
        assert_eq!(until_ready(&mut stream).await[0].0, 'R');
        stream.write_all(&message(b'p', password.as_bytes())).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap() as char, tag);
    }
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 9, 0, 3, 0, 0, 1]] {
        let mut stream = TcpStream::connect(s.pg).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut rest)).await.expect("closed");
    }
    assert!(TcpStream::connect(s.pg).await.is_ok());
}

//! The API of an earshot that watches: formats, errors, limits, and rows as they arrive.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Answer, AnswerServer, Calls, Connection, Earshot, Serving, compare, request};

/// A query that would take minutes.
const ENDLESS: &str = "SELECT count(*) AS n FROM generate_series(1, 1000000000000) WHERE value % 7 = 3";

/// An earshot that has seen `count` requests.
fn seen(count: usize) -> anyhow::Result<(Earshot, AnswerServer)> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    let mut connection = server.connect()?;
    for i in 0..count {
        connection.get(&format!("/{i:03}"))?;
    }
    assert_eq!(earshot.rows_when(&own(&server), count)?.len(), count);
    Ok((earshot, server))
}

fn own(server: &AnswerServer) -> String {
    format!("SELECT req_path FROM http_events WHERE local_port = {} ORDER BY req_path", server.port)
}

fn problem(answer: &Answer, status: u16) -> anyhow::Result<Value> {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: Value = serde_json::from_slice(&answer.body)?;
    assert_eq!(problem["status"], status);
    for key in ["title", "detail"] {
        assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{problem} has no {key}");
    }
    Ok(problem)
}

#[test]
fn the_same_rows_in_each_format() -> anyhow::Result<()> {
    let (earshot, server) = seen(50)?;
    let query = json!({ "query": own(&server) });
    let paths: Vec<String> = (0..50).map(|i| format!("/{i:03}")).collect();
    let expected: Vec<Value> = paths.iter().map(|path| json!({ "req_path": path })).collect();

    let lines = earshot.post_sql(&query, "application/x-ndjson")?.text();
    compare(&expected, &lines.lines().map(serde_json::from_str).collect::<Result<Vec<_>, _>>()?)?;
    let list: Vec<Value> = serde_json::from_str(&earshot.post_sql(&query, "application/json")?.text())?;
    assert_eq!(list, expected);
    let csv = earshot.post_sql(&query, "text/csv")?.text();
    assert_eq!(csv.lines().collect::<Vec<_>>(), [vec!["req_path"], paths.iter().map(String::as_str).collect()].concat());
    let arrow = earshot.post_sql(&query, "application/vnd.apache.arrow.stream")?;
    assert_eq!(arrow.header("content-type"), Some("application/vnd.apache.arrow.stream"));
    // an Arrow message begins with a continuation mark, and the stream ends with an empty one
    assert!(arrow.body.starts_with(&[0xff; 4]) && arrow.body.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    let got = earshot.call("GET", "/api/v1/sql?query=SELECT%201%20AS%20n", &[], b"")?;
    assert_eq!(got.text(), "{\"n\":1}\n");
    let limited = json!({ "query": own(&server), "limit": 7 });
    assert_eq!(earshot.post_sql(&limited, "application/x-ndjson")?.text().lines().count(), 7);
    Ok(())
}

#[test]
fn errors_are_problems_with_a_place() -> anyhow::Result<()> {
    let (earshot, _server) = seen(1)?;
    let ask = |query: &str| earshot.post_sql(&json!({ "query": query }), "application/x-ndjson");
    let wrong = problem(&ask("SELECT req_path,\n  no_such_column FROM http_events")?, 400)?;
    assert!(wrong["detail"].as_str().is_some_and(|d| d.contains("no_such_column")), "{wrong}");
    assert_eq!((&wrong["line"], &wrong["column"]), (&json!(2), &json!(3)), "{wrong}");
    for query in ["SELECT * FROM no_such_table", "SELECT (1", ""] {
        problem(&ask(query)?, 400)?;
    }
    for query in ["DROP TABLE http_events", "CREATE TABLE t AS SELECT 1", "COPY (SELECT 1) TO '/tmp/earshot-test-copied'"] {
        problem(&ask(query)?, 403)?;
    }
    assert!(!std::path::Path::new("/tmp/earshot-test-copied").exists());
    problem(&ask(&format!("SELECT '{}'", "x".repeat(2 << 20)))?, 413)?;
    problem(&ask(&format!("SELECT 1{}", " + 1".repeat(20_000)))?, 400)?;
    problem(&earshot.call("POST", "/api/v1/sql", &[("Content-Type", "application/json")], b"{")?, 400)?;
    problem(&earshot.call("GET", "/api/v1/tables/no_such_table", &[], b"")?, 404)?;
    assert_eq!(earshot.number("SELECT 1 AS n")?, 1, "it still answers");
    Ok(())
}

#[test]
fn a_query_ends_with_its_time_and_with_its_client() -> anyhow::Result<()> {
    let earshot = Earshot::start()?;
    let asked = Instant::now();
    problem(&earshot.post_sql(&json!({ "query": ENDLESS, "timeout_ms": 1000 }), "application/x-ndjson")?, 504)?;
    assert!((1.0..3.0).contains(&asked.elapsed().as_secs_f64()), "{:?}", asked.elapsed());

    let mut left = Connection::open(("127.0.0.1", earshot.port))?;
    left.send(&request(
        "POST",
        "/api/v1/sql",
        &[("Content-Type", "application/json")],
        json!({ "query": ENDLESS }).to_string().as_bytes(),
    ))?;
    std::thread::sleep(Duration::from_secs(1));
    let busy = processor_ticks(&earshot)?;
    std::thread::sleep(Duration::from_millis(500));
    assert!(processor_ticks(&earshot)? - busy > 10, "the query did not run");
    drop(left);
    std::thread::sleep(Duration::from_secs(1));
    let after = processor_ticks(&earshot)?;
    std::thread::sleep(Duration::from_secs(1));
    let used = processor_ticks(&earshot)? - after;
    assert!(used < 30, "the query goes on without its client: {used} ticks in a second");
    Ok(())
}

/// Hundredths of a second of processor time.
fn processor_ticks(earshot: &Earshot) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", earshot.pid()))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

#[test]
fn rows_are_streamed_as_they_arrive() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    let mut stream = Connection::open(("127.0.0.1", earshot.port))?;
    let query = format!("SELECT%20req_path,resp_status%20FROM%20http_events%20WHERE%20local_port%20=%20{}", server.port);
    stream.send(&request("GET", &format!("/api/v1/stream?query={query}"), &[("Accept", "text/event-stream")], b""))?;
    let head = String::from_utf8_lossy(&stream.until(b"\r\n\r\n")?).to_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("text/event-stream"), "{head}");
    let mut connection = server.connect()?;
    for i in 0..3 {
        connection.get(&format!("/{i}"))?;
        let answered = Instant::now();
        stream.until(b"data:")?;
        let row: Value = serde_json::from_slice(&stream.until(b"\n")?)?;
        assert_eq!(row, json!({ "req_path": format!("/{i}"), "resp_status": 200 }));
        assert!(answered.elapsed() < Duration::from_millis(1200), "row {i} came after {:?}", answered.elapsed());
    }
    Ok(())
}

#[test]
fn the_view_of_all_requests_and_what_is_lost() -> anyhow::Result<()> {
    let (earshot, server) = seen(10)?;
    let rows = earshot.rows(&format!(
        "SELECT protocol, operation, target, status, failed FROM requests WHERE local_port = {} ORDER BY target",
        server.port
    ))?;
    assert_eq!(rows.len(), 10);
    let expected =
        json!({ "protocol": rows[0]["protocol"], "operation": "GET", "target": "/000", "status": "200", "failed": false });
    assert_eq!(rows[0], expected);
    let detached = earshot
        .rows("SELECT hook, target, reason FROM probe_status WHERE NOT attached AND reason NOT LIKE 'switched on by %'")?;
    assert!(detached.is_empty(), "{detached:?}");
    let off = earshot.rows("SELECT target, state FROM probe_status WHERE NOT attached ORDER BY target")?;
    let nobody_asked = |target| json!({ "target": target, "state": "off" });
    assert_eq!(off, ["heap", "page-faults", "rss_stat"].map(nobody_asked));
    // earshot's own connections are no rows, and are counted
    let own = format!("SELECT count(*) AS n FROM http_events WHERE local_port = {0} OR remote_port = {0}", earshot.port);
    assert_eq!(earshot.number(&own)?, 0);
    assert_eq!(earshot.number("SELECT coalesce(sum(events), 0) AS n FROM lost_events")?, 0);
    Ok(())
}

#[test]
fn health_metrics_and_the_catalogue() -> anyhow::Result<()> {
    let (earshot, _server) = seen(5)?;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(earshot.call("GET", path, &[], b"")?.status, 200, "{path}");
    }
    let metrics = earshot.call("GET", "/metrics", &[], b"")?;
    assert!(metrics.header("content-type").is_some_and(|t| t.starts_with("text/plain")));
    assert!(metrics.text().lines().any(|line| line.starts_with("earshot_")), "{}", metrics.text());
    let tables = earshot.call("GET", "/api/v1/tables", &[], b"")?.text();
    for name in [
        "http_events",
        "dns_events",
        "redis_events",
        "connections",
        "processes",
        "process_stats",
        "probe_status",
        "lost_events",
        "requests",
    ] {
        assert!(tables.contains(&format!("\"{name}\"")), "no {name} in the catalogue");
        let table = earshot.call("GET", &format!("/api/v1/tables/{name}"), &[], b"")?;
        assert!(table.status == 200 && table.text().contains("\"time\""), "{name}: {}", table.text());
    }
    let described: Value = serde_json::from_slice(&earshot.call("GET", "/api/openapi.json", &[], b"")?.body)?;
    assert!(described["openapi"].as_str().is_some_and(|v| v.starts_with("3.")));
    let page = earshot.call("GET", "/", &[], b"")?;
    assert!(page.status == 200 && page.text().contains("<html"), "{}", page.status);
    Ok(())
}

//! SQL over the store: answers, refusals, limits.

use std::time::{Duration, Instant};

use crate::fixture::{Echo, echo, engine, ping};
use query_engine::format::{Format, write};
use query_engine::sql::{Limits, Query, SqlEngine, SqlError, SqlErrorKind};
use serde_json::{Value, json};

const CROSS: &str = "SELECT sum(a.code + b.code * c.code) AS s FROM echo_events a, echo_events b, echo_events c";

async fn text(engine: &SqlEngine, query: Query, format: Format) -> Result<String, SqlError> {
    let answer = engine.query(query).await?;
    let mut bytes = Vec::new();
    match write(answer, format, &mut bytes).await {
        Ok(_) => Ok(String::from_utf8(bytes).expect("text")),
        Err(query_engine::format::FormatError::Sql(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

async fn rows(engine: &SqlEngine, query: &str) -> Vec<Value> {
    let lines = text(engine, Query::new(query), Format::Json).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    lines.lines().map(|l| serde_json::from_str(l).expect("one object a line")).collect()
}

async fn error(engine: &SqlEngine, query: &str) -> SqlError {
    match text(engine, Query::new(query), Format::Json).await {
        Err(error) => error,
        Ok(answer) => panic!("{} answered {answer}", &query[..query.len().min(100)]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_every_shape() {
    let e = engine(300, Limits::default());
    assert_eq!(rows(&e, "SELECT count(*) AS n FROM echo_events").await, [json!({"n": 300})]);
    let times = "SELECT message FROM echo_events WHERE time >= TIMESTAMP '2026-01-02 03:04:15' AND time < TIMESTAMP '2026-01-02 03:04:17'";
    assert_eq!(rows(&e, times).await, [json!({"message": "m10"}), json!({"message": "m11"})]);
    let text = "SELECT count(*) AS n FROM echo_events WHERE time > '2026-01-02T03:04:15Z' AND process_name = 'echod'";
    assert_eq!(rows(&e, text).await, [json!({"n": 290})]);
    let cte = "WITH r AS (SELECT CASE WHEN code >= 400 THEN 'bad' ELSE 'good' END AS kind FROM echo_events) \
               SELECT kind, count(*) AS n, (SELECT count(*) FROM r) AS whole FROM r GROUP BY kind HAVING count(*) > 1 ORDER BY n DESC LIMIT 5";
    assert_eq!(
        rows(&e, cte).await,
        [json!({"kind": "bad", "n": 200, "whole": 300}), json!({"kind": "good", "n": 100, "whole": 300})]
    );
    let window = "SELECT message, row_number() OVER (PARTITION BY code ORDER BY time) AS k, lag(message) OVER (PARTITION BY code ORDER BY time) AS before \
                  FROM echo_events WHERE code = 404 ORDER BY k LIMIT 2";
    assert_eq!(
        rows(&e, window).await,
        [json!({"message": "m1", "k": 1, "before": null}), json!({"message": "m4", "k": 2, "before": "m1"})]
    );
    let now = "SELECT count(*) AS n FROM echo_events WHERE time < now() + INTERVAL '100 years' AND arrow_typeof(now()) = arrow_typeof(time)";
    assert_eq!(rows(&e, now).await, [json!({"n": 300})]);
    assert_eq!(rows(&e, "VALUES (1), (2)").await.len(), 2);
    assert!(!rows(&e, "EXPLAIN SELECT 1").await.is_empty());
    assert!(!rows(&e, "EXPLAIN ANALYZE SELECT count(*) FROM echo_events").await.is_empty());
    let joined =
        rows(&e, "SELECT * FROM echo_events a JOIN echo_events b ON a.message = b.message WHERE a.latency_ns = 3").await;
    assert_eq!((&joined[0]["message"], &joined[0]["message_2"]), (&json!("m3"), &json!("m3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_requests_unites_the_traffic_tables() {
    let e = engine(3, Limits::default());
    e.store().append(crate::fixture::Ping::TABLE, ping(42));
    let all = rows(&e, "SELECT protocol, operation, target, status, failed FROM requests ORDER BY protocol, target").await;
    assert_eq!(
        all,
        [
            json!({"protocol": "echo", "operation": "SAY", "target": "m0", "status": "200", "failed": false}),
            json!({"protocol": "echo", "operation": "SAY", "target": "m1", "status": "404", "failed": false}),
            json!({"protocol": "echo", "operation": "SAY", "target": "m2", "status": "500", "failed": true}),
            json!({"protocol": "ping", "operation": "PING", "target": "42", "status": "pong", "failed": false}),
        ]
    );
    let columns: Vec<&str> = query_engine::sql::requests_columns().map(|c| c.name).collect();
    let one = &rows(&e, "SELECT * FROM requests LIMIT 1").await[0];
    assert_eq!(one.as_object().unwrap().keys().len(), columns.len());
    assert!(columns.iter().all(|c| one.get(*c).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_and_where() {
    let e = engine(3, Limits::default());
    for (query, position, word) in [
        ("SELECT no_such_column FROM echo_events", Some(8), "no_such_column"),
        ("SELECT 1\nFROM no_such_table", Some(15), "no_such_table"),
        ("SELECT no_such_function(1)", Some(8), "no_such_function"),
        ("SELECT e.nope FROM echo_events e", Some(8), "nope"),
        ("SELEC 1", Some(1), "SELEC"),
        ("SELECT (1", Some(10), "EOF"),
        ("", Some(1), "empty"),
        (" ; ", Some(1), "empty"),
        ("SELECT code FROM echo_events GROUP BY message", None, "code"),
        ("SELECT * FROM '/etc/passwd'", Some(15), "passwd"),
        ("SELECT * FROM '/tmp/in.csv'", Some(15), "in.csv"),
        ("SELECT * FROM read_csv('/tmp/in.csv')", None, "read_csv"),
        ("SELECT * FROM information_schema.tables", None, "information_schema"),
        ("SELECT 1 / 0", None, "zero"),
        ("SELECT CAST('x' AS INT)", None, "x"),
    ] {
        let error = error(&e, query).await;
        assert_eq!(error.kind, SqlErrorKind::Wrong, "{query}: {error:?}");
        assert!(error.message.to_lowercase().contains(&word.to_lowercase()), "{query}: {error:?}");
        assert!(!error.message.contains(".rs:") && !error.message.contains("backtrace"), "{error:?}");
        if position.is_some() {
            assert_eq!(error.place.map(|p| p.position), position, "{query}: {error:?}");
        }
    }
    let error = error(&e, "SELECT 1\nFROM no_such_table").await;
    assert_eq!(error.place.map(|p| (p.line, p.column)), Some((2, 6)));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_write_are_forbidden() {
    let e = engine(3, Limits::default());
    for query in
        ["DROP TABLE echo_events", "COPY echo_events TO '/tmp/x.csv'", "SET a.b = 1", "SELECT 1; DELETE FROM echo_events"]
    {
        assert_eq!(error(&e, query).await.kind, SqlErrorKind::Forbidden, "{query}");
    }
    assert_eq!(rows(&e, "SELECT count(*) AS n FROM echo_events").await, [json!({"n": 3})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_queries_are_refused_and_wide_ones_answered() {
    let e = engine(3, Limits::default());
    for query in [
        format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000)),
        format!("SELECT 1{}", " + 1".repeat(20_000)),
        format!("SELECT {}true", "NOT ".repeat(20_000)),
        // each step doubles the plan
        format!(
            "WITH c0 AS (SELECT 1 AS x){} SELECT count(*) FROM c40",
            (1..=40).map(|i| format!(", c{i} AS (SELECT a.x FROM c{0} a JOIN c{0} b ON a.x = b.x)", i - 1)).collect::<String>()
        ),
    ] {
        let started = Instant::now();
        assert_eq!(error(&e, &query).await.kind, SqlErrorKind::Wrong, "{}", &query[..40]);
        assert!(started.elapsed() < Duration::from_secs(2), "{}: {:?}", &query[..40], started.elapsed());
    }
    // as deep and wide as is allowed: none of these may overflow a stack
    for query in [
        format!("SELECT {}1{} AS n", "(".repeat(95), ")".repeat(95)),
        format!("SELECT 1{} AS n", " + 1".repeat(990)),
        format!("SELECT count(*) AS n FROM echo_events WHERE code = 1{}", " OR code = 2".repeat(490)),
        format!("SELECT count(*) AS n FROM echo_events WHERE latency_ns = 1{}", " AND latency_ns + code > 0".repeat(320)),
        format!("SELECT 'a'{} AS n", " || 'b'".repeat(990)),
        format!("SELECT message{} AS n FROM echo_events", " || 'b'".repeat(990)),
        format!("SELECT {}true AS n", "NOT ".repeat(95)),
        format!("SELECT 1 AS n{}", " UNION ALL SELECT 1".repeat(199)),
        format!(
            "SELECT count(*) AS n FROM echo_events WHERE message IN ({}'x')",
            (0..8000).map(|i| format!("'/{i:06}', ")).collect::<String>()
        ),
    ] {
        let started = Instant::now();
        match text(&e, Query::new(&query), Format::Json).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind, SqlErrorKind::Wrong, "{}: {error:?}", &query[..60]),
        }
        eprintln!("{:?} {}", started.elapsed(), &query[..60]);
        assert!(started.elapsed() < Duration::from_secs(5), "{}: {:?}", &query[..60], started.elapsed());
    }
    let doubled = format!(
        "WITH c0 AS (SELECT code FROM echo_events){} SELECT count(*) AS n FROM c8",
        (1..=8)
            .map(|i| format!(", c{i} AS (SELECT a.code FROM c{0} a UNION ALL SELECT b.code FROM c{0} b)", i - 1))
            .collect::<String>()
    );
    let started = Instant::now();
    assert_eq!(rows(&e, &doubled).await, [json!({"n": 3 * 256})]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(rows(&e, "SELECT 1 AS n").await, [json!({"n": 1})]);
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("stat").1.split_whitespace().collect();
    (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
}

async fn assert_calm() {
    // one task may run on for a moment; then the processors have nothing to do
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let before = cpu_seconds();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let used = cpu_seconds() - before;
    assert!(used < 0.3, "{used} s of CPU in one second after the query ended");
}

/// In one test, since each looks at the whole process's CPU time.
#[tokio::test(flavor = "multi_thread")]
async fn queries_end_in_time_and_with_their_reader() {
    let e = engine(100_000, Limits::default());
    let endless = [
        CROSS.to_owned(),
        "SELECT count(*) FROM echo_events a JOIN echo_events b ON a.code = b.code JOIN echo_events c ON b.code = c.code"
            .to_owned(),
        "SELECT count(*) FROM echo_events a JOIN echo_events b ON a.latency_ns < b.latency_ns + a.code".to_owned(),
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t".to_owned(),
        "SELECT count(*) FROM generate_series(1, 100000000000)".to_owned(),
        "SELECT a.message FROM echo_events a, echo_events b ORDER BY a.message LIMIT 10".to_owned(),
        "SELECT count(DISTINCT a.latency_ns * b.latency_ns) FROM echo_events a, echo_events b WHERE a.latency_ns % 1000 = 1"
            .to_owned(),
    ];
    for query in &endless {
        let started = Instant::now();
        let timed = Query { timeout: Some(Duration::from_millis(700)), ..Query::new(query) };
        let answer = text(&e, timed, Format::Json).await;
        let took = started.elapsed();
        match answer {
            Err(error) => assert!(matches!(error.kind, SqlErrorKind::Timeout | SqlErrorKind::Exhausted), "{query}: {error:?}"),
            Ok(_) => assert!(took < Duration::from_millis(700), "{query}"),
        }
        eprintln!("{took:?} {query}");
        assert!(took < Duration::from_millis(1700), "{query} took {took:?}");
        assert_calm().await;
    }
    // the reader goes away, before and after the first row
    let asked = tokio::time::timeout(Duration::from_millis(300), async { e.query(Query::new(CROSS)).await?.collect().await });
    assert!(asked.await.is_err());
    assert_calm().await;
    let mut half_read = e.query(Query::new("SELECT a.message FROM echo_events a, echo_events b")).await.unwrap();
    assert!(half_read.next().await.unwrap().unwrap().num_rows() > 0);
    drop(half_read);
    assert_calm().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_rows_are_limited() {
    let limits = Limits { memory_bytes_max: 1 << 20, rows_max: 50_000, ..Limits::default() };
    let e = engine(20_000, limits);
    let sorted = "SELECT a.message FROM echo_events a JOIN echo_events b ON a.code = b.code ORDER BY a.message || b.message";
    let error = error(&e, sorted).await;
    assert_eq!(error.kind, SqlErrorKind::Exhausted, "{error:?}");
    assert!(error.message.contains("memory"), "{error:?}");
    let many =
        e.query(Query::new("SELECT 1 FROM echo_events a CROSS JOIN (VALUES (1), (2), (3))")).await.unwrap().collect().await;
    let error = many.unwrap_err();
    assert_eq!(error.kind, SqlErrorKind::Exhausted);
    assert!(error.message.contains("50000 rows"), "{error:?}");
    let seven = Query { rows_max: Some(7), ..Query::new("SELECT message FROM echo_events") };
    assert_eq!(text(&e, seven, Format::Json).await.unwrap().lines().count(), 7);
    let none = Query { rows_max: Some(0), ..Query::new("SELECT message FROM echo_events") };
    assert_eq!(text(&e, none, Format::Csv).await.unwrap(), "message\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_wait_for_their_turn_but_not_for_ever() {
    let limits = Limits { running_max: 2, waiting_max: 18, wait_max: Duration::from_millis(500), ..Limits::default() };
    let e = engine(1000, limits);
    let twenty = futures::future::join_all((0..20).map(|_| rows(&e, "SELECT count(*) AS n FROM echo_events"))).await;
    assert!(twenty.iter().all(|r| r == &[json!({"n": 1000})]));
    let big = engine(100_000, e.limits().clone());
    let mut hogs = Vec::new();
    for _ in 0..2 {
        hogs.push(big.query(Query::new("SELECT a.message FROM echo_events a, echo_events b")).await.unwrap());
    }
    let error = error(&big, "SELECT 1").await;
    assert_eq!(error.kind, SqlErrorKind::Busy, "{error:?}");
    drop(hogs);
    assert_eq!(rows(&big, "SELECT 1 AS n").await, [json!({"n": 1})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_are_followed() {
    let e = engine(10, Limits::default());
    let mut events = e.follow("SELECT message, code + 1 AS next FROM echo_events WHERE code = 404".into()).await.unwrap();
    let mut requests = e.follow("SELECT protocol, target FROM requests WHERE NOT failed".into()).await.unwrap();
    e.store().append(Echo::TABLE, echo(100, 3));
    e.store().append(crate::fixture::Ping::TABLE, ping(5));
    let object = |b: arrow::record_batch::RecordBatch| -> Vec<Value> {
        query_engine::format::objects(&b).unwrap().iter().map(|o| serde_json::from_str(o).unwrap()).collect()
    };
    let soon = Duration::from_secs(1);
    let first = tokio::time::timeout(soon, events.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(object(first), [json!({"message": "m100", "next": 405})]);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(object(tokio::time::timeout(soon, requests.next()).await.unwrap().unwrap().unwrap()));
    }
    seen.sort_by_key(|v| v["target"].as_str().map(str::to_owned));
    assert_eq!(
        seen,
        [
            json!({"protocol": "ping", "target": "5"}),
            json!({"protocol": "echo", "target": "m100"}),
            json!({"protocol": "echo", "target": "m102"})
        ]
    );
    for query in [
        "SELECT count(*) FROM echo_events",
        "SELECT * FROM echo_events ORDER BY time",
        "SELECT * FROM echo_events LIMIT 1",
        "SELECT * FROM echo_events a JOIN echo_events b ON a.code = b.code",
        "SELECT DISTINCT code FROM echo_events",
        "SELECT * FROM echo_events WHERE code IN (SELECT code FROM echo_events)",
        "SELECT 1",
        "SELECT no_such FROM echo_events",
        "DROP TABLE echo_events",
    ] {
        assert!(e.follow(query.into()).await.is_err(), "{query}");
    }
}

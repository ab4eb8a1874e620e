//! Load: all requests at a moderate pace; at full speed requests = rows + loss, and every loss is explained (INV-7).

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;
use tests::{
    AnswerServer, Calls, Connection, Earshot, Nginx, Redis, Serving, accounted, compare, losses, lost, marked, run, settled,
    wait_until, wrk,
};

const PACED_REQUESTS: u64 = 5000;
const PACED_PER_SECOND: u64 = 1000;
const FULL_SPEED_SECONDS: u64 = 5;
/// With the default memory for rows, 512 MiB.
const RESIDENT_BYTES_MAX: u64 = 700 << 20;
/// Kernel events of one small request and its response: a write and a read at each end, some in two parts.
const EVENTS_PER_REQUEST_MAX: u64 = 6;

#[test]
fn a_thousand_requests_a_second_are_all_there() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let port = nginx.port;
    let started = Instant::now();
    let clients: Vec<_> = (0..4_u64)
        .map(|client| {
            std::thread::spawn(move || -> anyhow::Result<()> {
                let mut connection = Connection::open(("127.0.0.1", port))?;
                for i in (client..PACED_REQUESTS).step_by(4) {
                    let due = started + Duration::from_micros(i * 1_000_000 / PACED_PER_SECOND);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    anyhow::ensure!(connection.get(&format!("/status/200/{i}"))?.status == 200, "request {i} failed");
                }
                Ok(())
            })
        })
        .collect();
    for client in clients {
        client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(PACED_REQUESTS / PACED_PER_SECOND + 2), "the clients were too slow: {took:?}");
    let expected: Vec<_> =
        (0..PACED_REQUESTS).map(|i| json!({ "req_path": format!("/status/200/{i}"), "resp_status": 200 })).collect();
    earshot.expect(&format!("SELECT req_path, resp_status FROM http_events WHERE local_port = {port}"), &expected)?;
    assert_eq!(lost(&earshot)?, 0, "nothing may be lost at this pace: {:?}", losses(&earshot)?);
    Ok(())
}

#[test]
fn wrk_at_full_speed() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let made = wrk(&nginx, FULL_SPEED_SECONDS)?;
    // wrk stops in mid-flight: each connection may have one more than it counted
    accounted(&earshot, "http_events", &format!("local_port = {} AND resp_status = 200", nginx.port), made, 16)
}

#[test]
fn redis_benchmark_at_full_speed() -> anyhow::Result<()> {
    let (redis, earshot) = (Redis::start()?, Earshot::start()?);
    let port = redis.port.to_string();
    let made = 400_000;
    run(
        "redis-benchmark",
        ["-p", &port, "-c", "16", "-t", "get,set", "-n", &(made / 2).to_string(), "-d", "100", "-r", "1000", "-q"],
    )?;
    accounted(&earshot, "redis_events", &format!("local_port = {port} AND command IN ('GET', 'SET')"), made, 0)?;
    // pipelined: many commands in a read
    let before = lost(&earshot)?;
    run("redis-benchmark", ["-p", &port, "-c", "4", "-P", "50", "-t", "incr", "-n", "100000", "-q"])?;
    let rows = settled(&earshot, "redis_events", &format!("local_port = {port} AND command = 'INCR'"), 100_000)?;
    let known = lost(&earshot)? - before + marked(&earshot, "redis_events", "command = 'INCR'")?;
    assert!(
        rows <= 100_000 && 100_000 - rows <= known,
        "{rows} of 100000 rows, {known} known to be lost: {:?}",
        losses(&earshot)?
    );
    Ok(())
}

#[test]
fn a_reader_that_stands_still_says_what_it_lost() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let made = std::thread::scope(|threads| -> anyhow::Result<u64> {
        let client = threads.spawn(|| wrk(&nginx, 6));
        std::thread::sleep(Duration::from_secs(1));
        earshot.signal("STOP")?;
        std::thread::sleep(Duration::from_secs(3));
        earshot.signal("CONT")?;
        client.join().map_err(|_| anyhow::anyhow!("the client panicked"))?
    })?;
    let condition = format!("local_port = {}", nginx.port);
    let rows = settled(&earshot, "http_events", &condition, made)?;
    let known = lost(&earshot)? + marked(&earshot, "http_events", &condition)?;
    let figures = format!("{made} made, {rows} rows, {known} known to be lost or cut: {:?}", losses(&earshot)?);
    eprintln!("{figures}");
    assert!(rows <= made + 16, "more rows than requests: {figures}");
    let missing = made.saturating_sub(rows);
    assert!(missing <= known, "a loss that nothing explains: {figures}");
    assert!(known <= missing * EVENTS_PER_REQUEST_MAX + 1000, "far more is said to be lost than is missing: {figures}");
    // and afterwards it sees everything again
    let mut connection = Connection::open(("127.0.0.1", nginx.port))?;
    for i in 0..100 {
        connection.get(&format!("/status/200/after/{i}"))?;
    }
    let expected: Vec<_> = (0..100).map(|i| json!({ "req_path": format!("/status/200/after/{i}") })).collect();
    earshot.expect(&format!("SELECT req_path FROM http_events WHERE {condition} AND req_path LIKE '%/after/%'"), &expected)
}

#[test]
fn memory_stays_bounded() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let mut most = 0;
    for _ in 0..4 {
        run("wrk", ["-t1", "-c64", "-d5s", &nginx.url("/text.html")])?;
        most = earshot.resident_bytes()?.max(most);
    }
    assert!(most < RESIDENT_BYTES_MAX, "{} MiB are resident", most >> 20);
    assert_eq!(earshot.number("SELECT 1 AS n")?, 1, "it answers");
    Ok(())
}

#[test]
fn many_short_connections() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    let mut expected = vec![];
    for i in 0..1000 {
        server.connect()?.get(&format!("/{i}"))?;
        expected.push(json!({ "req_path": format!("/{i}"), "resp_status": 200 }));
    }
    let query = format!("SELECT req_path, resp_status FROM http_events WHERE local_port = {}", server.port);
    compare(&expected, &earshot.rows_when(&query, expected.len())?)?;
    let closed = format!(
        "SELECT count(*) AS n FROM connections WHERE local_port = {} AND role = 'server' AND closed_at IS NOT NULL",
        server.port
    );
    wait_until(5, "1,000 closed connections", || earshot.number(&closed).is_ok_and(|n| n == 1000).then_some(()))
        .with_context(|| format!("{:?}", earshot.number(&closed)))
}

//! Budgets: of a process that is over its own less is copied, step by step; all of it is told, and nobody else is concerned.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tests::{Connection, Earshot, Nginx, Redis, losses, lost, marked, run, settled, wait_until};

/// A busy Redis has some 100,000 transfers a second, what else is said here some hundreds.
const BUDGET: &str = "[budget]\nprocess_events_per_second = 2000\ncpu_percent = 0\n";
const COMMANDS_A_RUN: u64 = 20_000;
const PAUSE: Duration = Duration::from_millis(5);
const AFTERWARDS: usize = 50;

/// As fast as it goes, with new connections each time, until told to stop; how many commands there were.
fn busy(redis: &Redis, done: &AtomicBool) -> anyhow::Result<u64> {
    let (port, commands) = (redis.port.to_string(), COMMANDS_A_RUN.to_string());
    let mut made = 0;
    while !done.load(Ordering::Relaxed) {
        run("redis-benchmark", ["-p", &port, "-c", "8", "-t", "get", "-n", &commands, "-d", "100", "-q"])?;
        made += COMMANDS_A_RUN;
    }
    Ok(made)
}

/// Requests at a moderate pace meanwhile; how many there were.
fn calm(nginx: &Nginx, done: &AtomicBool, made: &AtomicUsize) -> anyhow::Result<()> {
    let mut connection = Connection::open(("127.0.0.1", nginx.port))?;
    while !done.load(Ordering::Relaxed) {
        let i = made.load(Ordering::Relaxed);
        connection.get(&format!("/status/200/{i}"))?;
        made.store(i + 1, Ordering::Relaxed);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn step(earshot: &Earshot, pid: u32) -> anyhow::Result<String> {
    let steps = earshot.rows(&format!("SELECT step FROM budget_steps WHERE pid = {pid} ORDER BY time DESC LIMIT 1"))?;
    Ok(steps.first().and_then(|row| row["step"].as_str()).unwrap_or_default().to_owned())
}

/// Seen = copied + filtered + lost, in events and in bytes (INV-7).
fn adds_up(earshot: &Earshot) -> anyhow::Result<()> {
    for (what, kind) in [("events", ""), ("bytes", ""), ("events", "plaintext_"), ("bytes", "plaintext_")] {
        let sum = |condition: &str| {
            earshot.number(&format!("SELECT coalesce(sum({what}), 0) AS n FROM capture_totals WHERE {condition}"))
        };
        let parts = format!("outcome IN ('{kind}copied', '{kind}lost') OR outcome LIKE '{kind}filtered%'");
        let both = || Ok::<_, anyhow::Error>((sum(&format!("outcome = '{kind}seen'"))?, sum(&parts)?));
        // a transfer may be counted in two parts, right before and after the counters are read
        let equal = wait_until(10, "totals that add up", || both().is_ok_and(|(seen, parts)| seen == parts).then_some(()));
        equal.with_context(|| format!("{kind}{what}: {:?}", both()))?;
    }
    Ok(())
}

#[test]
fn a_process_over_its_budget_goes_down_and_comes_back() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("earshot.toml");
    std::fs::write(&file, BUDGET)?;
    let (redis, nginx) = (Redis::start()?, Nginx::start()?);
    let earshot = Earshot::start_in(folder, &["--config", &file.to_string_lossy()])?;

    let (done, calm_made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let made = std::thread::scope(|threads| -> anyhow::Result<u64> {
        let load = threads.spawn(|| busy(&redis, &done));
        let other = threads.spawn(|| calm(&nginx, &done, &calm_made));
        let lowest = wait_until(30, "the lowest step", || {
            step(&earshot, redis.pid()).is_ok_and(|step| step == "counters").then_some(())
        });
        std::thread::sleep(Duration::from_secs(1));
        done.store(true, Ordering::Relaxed);
        other.join().map_err(|_| anyhow::anyhow!("the calm client panicked"))??;
        let made = load.join().map_err(|_| anyhow::anyhow!("the busy client panicked"))??;
        lowest.map(|()| made)
    })?;

    // what is not there is known to be lost, and everything adds up
    let busy = format!("local_port = {} AND command = 'GET'", redis.port);
    let rows = settled(&earshot, "redis_events", &busy, made)?;
    let left_out = earshot.number("SELECT coalesce(sum(events), 0) AS n FROM lost_events WHERE reason = 'over_budget'")?;
    let known = lost(&earshot)? + marked(&earshot, "redis_events", &busy)?;
    let figures = format!("{made} made, {rows} rows, {known} known to be lost or cut: {:?}", losses(&earshot)?);
    eprintln!("{figures}");
    assert!(rows > 0 && rows <= made && made - rows <= known && left_out > 0, "{figures}");
    adds_up(&earshot)?;

    // of others everything was seen meanwhile
    let of_nginx = format!("SELECT req_path, truncated FROM http_events WHERE local_port = {}", nginx.port);
    let expected: Vec<_> = (0..calm_made.load(Ordering::Relaxed))
        .map(|i| json!({ "req_path": format!("/status/200/{i}"), "truncated": false }))
        .collect();
    earshot.expect(&of_nginx, &expected)?;
    assert_eq!(earshot.number("SELECT count(DISTINCT pid) AS n FROM budget_steps")?, 1);

    // and of the busy one afterwards
    wait_until(60, "all of it to be copied again", || {
        step(&earshot, redis.pid()).is_ok_and(|step| step == "full").then_some(())
    })?;
    let port = redis.port.to_string();
    for i in 0..AFTERWARDS {
        run("redis-cli", ["-p", &port, "SET", &format!("after:{i}"), "value"])?;
    }
    let after = "SELECT args, response FROM redis_events WHERE command = 'SET' AND args LIKE '%after:%'";
    let expected: Vec<_> =
        (0..AFTERWARDS).map(|i| json!({ "args": format!("[\"after:{i}\",\"value\"]"), "response": "OK" })).collect();
    earshot.expect(after, &expected)
}

//! Load at full speed, and whether every request of it is a row or a loss that is told (INV-7).

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::earshot::Earshot;
use crate::processes::run;
use crate::servers::Nginx;

/// At full speed, with servers and clients on the same processors as earshot.
const ROWS_PERCENT_MIN: u64 = 99;

/// As fast as it goes; how many requests wrk made.
pub fn wrk(nginx: &Nginx, seconds: u64) -> anyhow::Result<u64> {
    let said = run("wrk", ["-t1", "-c16", &format!("-d{seconds}s"), &nginx.url("/text.html")])?;
    let words = said.split_whitespace().collect::<Vec<_>>();
    let at = words.windows(2).position(|w| w == ["requests", "in"]).context("wrk counted nothing")?;
    anyhow::ensure!(!said.contains("Non-2xx"), "{said}");
    Ok(words[at - 1].parse()?)
}

/// Requests = rows + loss, no row too many, and the loss is explained.
pub fn accounted(earshot: &Earshot, table: &str, condition: &str, made: u64, in_flight: u64) -> anyhow::Result<()> {
    let rows = settled(earshot, table, condition, made)?;
    let missing = made.saturating_sub(rows);
    let known = lost(earshot)? + marked(earshot, table, condition)?;
    let figures = format!("{made} made, {rows} rows, {known} known to be lost or cut: {:?}", losses(earshot)?);
    eprintln!("{figures}");
    anyhow::ensure!(rows <= made + in_flight, "more rows than requests: {figures}");
    anyhow::ensure!(missing <= known, "a loss that nothing explains: {figures}");
    anyhow::ensure!(rows * 100 >= made * ROWS_PERCENT_MIN, "too few rows: {figures}");
    Ok(())
}

/// The number of rows, once it is `enough` or does not grow any more.
pub fn settled(earshot: &Earshot, table: &str, condition: &str, enough: u64) -> anyhow::Result<u64> {
    let query = format!("SELECT count(*) AS n FROM {table} WHERE {condition}");
    let mut last = (0, Instant::now());
    loop {
        let rows = earshot.number(&query)?.unsigned_abs();
        if rows != last.0 {
            last = (rows, Instant::now());
        }
        if rows >= enough || last.1.elapsed() > Duration::from_secs(3) {
            return Ok(rows);
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Everything that is known to be lost.
pub fn lost(earshot: &Earshot) -> anyhow::Result<u64> {
    Ok(earshot.number("SELECT coalesce(sum(events), 0) AS n FROM lost_events")?.unsigned_abs())
}

/// By reason.
pub fn losses(earshot: &Earshot) -> anyhow::Result<Vec<serde_json::Value>> {
    earshot.rows("SELECT stage, reason, unit, sum(events) AS events FROM lost_events GROUP BY stage, reason, unit")
}

/// Rows that say that something is missing around them.
pub fn marked(earshot: &Earshot, table: &str, condition: &str) -> anyhow::Result<u64> {
    let query = format!("SELECT count(*) AS n FROM {table} WHERE ({condition}) AND (truncated OR gap_before)");
    Ok(earshot.number(&query)?.unsigned_abs())
}

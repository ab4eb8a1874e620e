//! Memory that is touched for the first time, and by which a process grows.

use std::process::Command;

use crate::programs::{Workshop, run};
use crate::stacks::{amounts_to, count, earshot, settle, shares, taken};

const MIB: i64 = 80;
const SIGMAS: f64 = 4.0;

#[test]
fn the_first_touch_of_memory_is_seen_where_it_is() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let program = shop.build(&["gcc", "-O2"], "touch.c", "touch")?;
    let earshot = earshot()?;
    let ran = run(Command::new(&program).arg(MIB.to_string()))?;
    settle(&earshot)?;
    let stacks = taken(&earshot, &format!("s.pid = {}", ran.pid()?), "page_fault")?;
    // others on the same CPU cause faults, too: which of them is told is chance
    let off = SIGMAS / (count(&stacks).max(1) as f64).sqrt();
    amounts_to(&stacks, ran.number("bytes")?, off)?;
    shares(&stacks, &["touch", "much"], &["touch", "little"])?;
    let units = earshot.value("SELECT max(value_unit) AS unit FROM stack_samples WHERE kind = 'page_fault'")?;
    anyhow::ensure!(units == "bytes", "{units}");
    Ok(())
}

/// What the sum begins with and what is left over may each be as large as a sample.
const GROWTH_SAMPLES_OFF_MAX: i64 = 2;

#[test]
fn growth_is_seen_where_it_is_and_as_large_as_it_is() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let program = shop.build(&["gcc", "-O2"], "touch.c", "touch")?;
    let earshot = earshot()?;
    let ran = run(Command::new(&program).arg(MIB.to_string()))?;
    settle(&earshot)?;
    let stacks = taken(&earshot, &format!("s.pid = {}", ran.pid()?), "rss_growth")?;
    // more on a host whose other processes grow fast
    let largest = earshot.number(&format!(
        "SELECT coalesce(max(value), 0) AS n FROM stack_samples WHERE kind = 'rss_growth' AND pid = {}",
        ran.pid()?
    ))?;
    let bytes = ran.number("bytes")?;
    amounts_to(&stacks, bytes, (GROWTH_SAMPLES_OFF_MAX * largest) as f64 / bytes as f64)?;
    shares(&stacks, &["touch", "much"], &["touch", "little"])?;
    let units = earshot.value("SELECT max(value_unit) AS unit FROM stack_samples WHERE kind = 'rss_growth'")?;
    anyhow::ensure!(units == "bytes", "{units}");
    Ok(())
}

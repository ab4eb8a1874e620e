//! The samples of a program, and what they must be.

use std::time::Duration;

use serde_json::Value;
use tests::{Earshot, wait_until};

use crate::programs::Ran;

/// Enough samples of two seconds to tell 70:30 from 50:50.
const HZ: &str = "99";
const PERIOD_NS: i64 = 1_000_000_000 / 99;
/// A share may be so many standard deviations off: chance alone does that once in 15,000 times.
const SIGMAS: f64 = 4.0;
/// Of the CPU time that a program counts itself: where a machine is shared, time without ticks is in it.
const CPU_OFF_MAX: f64 = 0.2;
/// The part that is the first branch's.
const SHARE: f64 = 0.7;
/// Samples must be visible within 10 s; on a busy machine the test's own look comes late.
const VISIBLE_SECONDS: u64 = 20;
/// Time for samples too many to show up.
const SURPLUS: Duration = Duration::from_millis(500);
/// Stacks that a message shows.
const SHOWN: usize = 4;

/// earshot as these tests need it.
pub fn earshot() -> anyhow::Result<Earshot> {
    anyhow::ensure!(tests::is_root(), "live tests need root: they load programs into the kernel");
    let earshot = Earshot::start_in(tempfile::tempdir()?, &["--profile-hz", HZ, "--profile-faults", "--profile-rss-growth"])?;
    // with the first rows what is read once has been: the kernel's functions, the C library
    wait_until(VISIBLE_SECONDS, "the first sample", || {
        earshot.number("SELECT count(*) AS n FROM stack_samples").is_ok_and(|n| n > 0).then_some(())
    })?;
    Ok(earshot)
}

/// Samples with the same stack and thread.
#[derive(Debug, Clone)]
pub struct Stack {
    pub frames: Vec<String>,
    pub thread: String,
    pub samples: u64,
    pub value_ns: i64,
}

impl Stack {
    /// Where these frames stand one under the other, root first.
    pub fn find(&self, chain: &[&str]) -> Option<usize> {
        self.frames.windows(chain.len()).position(|part| part.iter().zip(chain).all(|(frame, name)| is(frame, name)))
    }
}

/// A frame is a function whatever its parameters; a runtime may say how it was compiled and where it is written.
fn is(frame: &str, name: &str) -> bool {
    let frame = frame.strip_prefix("JS:").map_or(frame, |rest| rest.trim_start_matches(['~', '*', '^', '+', '\'']));
    frame.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['(', ' ']))
}

/// Waits until all is visible that was sampled till now: samples come in order.
pub fn settle(earshot: &Earshot) -> anyhow::Result<()> {
    let now = earshot.value("SELECT now() AS now")?;
    let now = now.as_str().unwrap_or_default();
    let later = format!("SELECT count(*) AS n FROM stack_samples WHERE time > '{now}'");
    wait_until(VISIBLE_SECONDS, "a later sample", || earshot.number(&later).is_ok_and(|n| n > 0).then_some(()))?;
    std::thread::sleep(SURPLUS);
    Ok(())
}

/// The samples that a condition over `stack_samples s` finds.
pub fn taken(earshot: &Earshot, condition: &str, kind: &str) -> anyhow::Result<Vec<Stack>> {
    let whose = format!("FROM stack_samples s WHERE s.kind = '{kind}' AND {condition}");
    let rows = earshot.rows(&format!(
        "SELECT t.frames AS frames, s.thread_name AS thread, s.samples AS samples, s.value AS value
         FROM (SELECT s.stack_id, s.thread_name, count(*) AS samples, sum(s.value) AS value {whose}
               GROUP BY s.stack_id, s.thread_name) s
         LEFT JOIN stacks t ON s.stack_id = t.stack_id"
    ))?;
    rows.iter().map(stack).collect()
}

fn stack(row: &Value) -> anyhow::Result<Stack> {
    let frames = row["frames"].as_array().ok_or_else(|| anyhow::anyhow!("a sample whose stack has no row: {row}"))?;
    let frames: Vec<String> = frames.iter().map(|frame| frame.as_str().unwrap_or_default().to_owned()).collect();
    anyhow::ensure!(!frames.is_empty() && frames.iter().all(|frame| !frame.trim().is_empty()), "empty frames: {row}");
    Ok(Stack {
        frames,
        thread: row["thread"].as_str().unwrap_or_default().to_owned(),
        samples: row["samples"].as_u64().unwrap_or_default(),
        value_ns: row["value"].as_i64().unwrap_or_default(),
    })
}

/// The samples of a program that has ended: together its CPU time, but for those that are told as lost, on a machine that is busy.
pub fn of(earshot: &Earshot, ran: &Ran) -> anyhow::Result<Vec<Stack>> {
    let cpu_ns = ran.cpu_ns()?;
    let stacks = taken(earshot, &format!("s.pid = {}", ran.pid()?), "on_cpu")?;
    amounts_to_at_most(earshot, &stacks, cpu_ns, CPU_OFF_MAX)?;
    Ok(stacks)
}

/// As [`amounts_to`], for samples of which some may be lost.
pub fn amounts_to_at_most(earshot: &Earshot, stacks: &[Stack], ns: i64, within: f64) -> anyhow::Result<()> {
    let lost = earshot.number("SELECT coalesce(sum(events), 0) AS n FROM lost_events WHERE unit = 'stack_sample'")?;
    let sum: i64 = stacks.iter().map(|s| s.value_ns).sum();
    let missing = (ns - sum).clamp(0, lost * PERIOD_NS);
    amounts_to(stacks, ns - missing, within).map_err(|e| e.context(format!("{lost} samples lost")))
}

pub fn count(stacks: &[Stack]) -> u64 {
    stacks.iter().map(|s| s.samples).sum()
}

/// The values of the samples are a known time, within a part of it.
pub fn amounts_to(stacks: &[Stack], ns: i64, within: f64) -> anyhow::Result<()> {
    let sum: i64 = stacks.iter().map(|s| s.value_ns).sum();
    let off = (sum - ns).abs() as f64 / ns as f64;
    anyhow::ensure!(off <= within, "{} samples make {sum} ns of {ns} ns: {}", count(stacks), shown(stacks));
    Ok(())
}

/// How many of the samples are of these stacks; those of the others may be so few in a hundred.
pub fn most(stacks: &[Stack], others_percent_max: u64, what: impl Fn(&Stack) -> bool) -> anyhow::Result<u64> {
    let (hits, others): (Vec<_>, Vec<_>) = stacks.iter().cloned().partition(what);
    let (hits, all) = (count(&hits), count(stacks));
    let enough = hits > 0 && (all - hits) * 100 <= all * others_percent_max;
    anyhow::ensure!(enough, "{} of {all} samples are others: {}", all - hits, shown(&others));
    Ok(hits)
}

/// Two branches share 70:30, and hardly anything else was seen.
pub fn shares(stacks: &[Stack], first: &[&str], second: &[&str]) -> anyhow::Result<()> {
    let one = |chain: &[&str]| count(&stacks.iter().filter(|s| s.find(chain).is_some()).cloned().collect::<Vec<_>>());
    let hits = most(stacks, 5, |s| s.find(first).is_some() || s.find(second).is_some())?;
    let share = one(first) as f64 / hits as f64;
    let off = SIGMAS * (SHARE * (1.0 - SHARE) / hits as f64).sqrt();
    anyhow::ensure!((share - SHARE).abs() <= off, "{share:.3} of {hits} samples in the first branch, not {SHARE} ± {off:.3}");
    Ok(())
}

/// The commonest.
pub fn shown(stacks: &[Stack]) -> String {
    let mut stacks: Vec<&Stack> = stacks.iter().collect();
    stacks.sort_by_key(|s| std::cmp::Reverse(s.samples));
    stacks.iter().take(SHOWN).map(|s| format!("\n  {} × {}", s.samples, s.frames.join(";"))).collect()
}

#[test]
fn frames_are_compared_as_names() {
    assert!(["spin", "spin(int)", "JS:~spin /burn.js:3:14", "JS:*spin /burn.js"].iter().all(|frame| is(frame, "spin")));
    assert!(!["respin", "spin2", "a::spin", "[spin]"].iter().any(|frame| is(frame, "spin")));
}

//! Threads that wait for a known time, on one processor and moved between them, and are woken by a known thread.

use std::process::Command;

use serde_json::json;
use tests::Earshot;

use crate::programs::{Workshop, run_together};
use crate::stacks::{amounts_to, earshot, settle, shown, taken};

const TIMES: i64 = 20;
const MS: i64 = 150;
/// Of a thread's own measure: the bound.
const OFF_MAX: f64 = 0.03;
/// Where many threads of a host wait, some waits stand for others: chance may be off by so many standard deviations more.
const SIGMAS: f64 = 4.0;

#[test]
fn waits_are_as_long_as_the_threads_say() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let program = shop.build(&["gcc", "-O2", "-pthread"], "wait.c", "wait")?;
    let cases = [
        ("nap", "nap", "interrupt"),
        ("condition", "condition", "thread"),
        ("socket", "socket_read", "thread"),
        ("tcp", "socket_read", "packet"),
        ("moved", "nap", "interrupt"),
    ];
    let mut commands = cases.map(|(how, ..)| {
        let mut command = Command::new(&program);
        command.args([how, &TIMES.to_string(), &MS.to_string()]);
        command
    });
    let earshot = earshot()?;
    let ran = run_together(&mut commands)?;
    settle(&earshot)?;
    for ((how, function, context), ran) in cases.iter().zip(&ran) {
        let waited = ran.number("waited")?;
        let thread = ran.number("thread")?;
        let stacks = taken(&earshot, &format!("s.thread_id = {thread}"), "off_cpu")?;
        let (within, others): (Vec<_>, Vec<_>) = stacks.into_iter().partition(|s| s.find(&[*function]).is_some());
        let off = OFF_MAX + SIGMAS * chance(&earshot, thread, waited / TIMES)? / waited as f64;
        amounts_to(&within, waited, off).map_err(|e| e.context(format!("{how}; others: {}", shown(&others))))?;
        let rootless = within.iter().find(|s| s.find(&["waiter", *function]).is_none());
        anyhow::ensure!(rootless.is_none(), "{how}: not called by the thread's function: {rootless:?}");
        let first = (*context != "interrupt").then_some(ran.pid()?);
        wakers(&earshot, (thread, function), context, first).map_err(|e| e.context(*how))?;
    }
    Ok(())
}

/// The waits in this function were ended in this way, by this thread.
fn wakers(earshot: &Earshot, (thread, function): (i64, &str), context: &str, by: Option<i64>) -> anyhow::Result<()> {
    let waits = earshot.rows(&format!(
        "SELECT DISTINCT waker_context AS context, waker_pid AS pid, waker_thread_id AS thread, waker_thread_name AS name
         FROM stack_samples WHERE kind = 'off_cpu' AND state = 'blocked' AND thread_id = {thread}
         AND stack_id IN (SELECT stack_id FROM stacks WHERE folded LIKE '%;{function};%')"
    ))?;
    let wanted = json!({ "context": context, "pid": by, "thread": by, "name": by.map(|_| "wait") });
    anyhow::ensure!(waits == [wanted.clone()], "woken by {waits:?}, not by {wanted}");
    Ok(())
}

/// The standard deviation of the sum of a thread's waits, which are of one length: a wait that stands for a longer time was told
/// with the probability that their lengths have to each other.
fn chance(earshot: &Earshot, thread: i64, length_ns: i64) -> anyhow::Result<f64> {
    let waits = earshot.rows(&format!("SELECT value FROM stack_samples WHERE kind = 'off_cpu' AND thread_id = {thread}"))?;
    let stands_for = waits.iter().filter_map(|row| row["value"].as_i64()).filter(|value| *value > length_ns + length_ns / 10);
    Ok(stands_for.map(|value| value as f64 * (value - length_ns) as f64).sum::<f64>().sqrt())
}

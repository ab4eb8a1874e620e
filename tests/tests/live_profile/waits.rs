//! Threads that wait for a known time, on one processor and moved between them.

use std::process::Command;

use crate::programs::{Workshop, run_together};
use crate::stacks::{amounts_to, earshot, settle, shown, taken};

const TIMES: &str = "40";
const MS: &str = "75";
/// Of a thread's own measure: the bound.
const OFF_MAX: f64 = 0.03;

#[test]
fn waits_are_as_long_as_the_threads_say() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let program = shop.build(&["gcc", "-O2", "-pthread"], "wait.c", "wait")?;
    let cases = [("nap", "nap"), ("condition", "condition"), ("socket", "socket_read"), ("moved", "nap")];
    let mut commands = cases.map(|(how, _)| {
        let mut command = Command::new(&program);
        command.args([how, TIMES, MS]);
        command
    });
    let earshot = earshot()?;
    let ran = run_together(&mut commands)?;
    settle(&earshot)?;
    for ((how, function), ran) in cases.iter().zip(&ran) {
        let waited = ran.number("waited")?;
        let stacks = taken(&earshot, &format!("s.thread_id = {}", ran.number("thread")?), "off_cpu")?;
        let (within, others): (Vec<_>, Vec<_>) = stacks.into_iter().partition(|s| s.find(&[*function]).is_some());
        amounts_to(&within, waited, OFF_MAX).map_err(|e| e.context(format!("{how}; others: {}", shown(&others))))?;
        let rootless = within.iter().find(|s| s.find(&["waiter", *function]).is_none());
        anyhow::ensure!(rootless.is_none(), "{how}: not called by the thread's function: {rootless:?}");
    }
    Ok(())
}

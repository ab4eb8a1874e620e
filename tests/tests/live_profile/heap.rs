//! The heap of one process: who asks for memory, and what is not given back.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use tests::{Answer, Earshot, Process, command, request, succeed, wait_until};

use crate::programs::Workshop;
use crate::stacks::{Stack, amounts_to, earshot, shown, taken};

const MIB: i64 = 256;
/// A sample stands for so many bytes, or for more when there are many.
const EVERY_BYTES: i64 = 128 << 10;
/// Some allocate for the test itself: what prints, what waits.
const COUNT_OFF_MAX: f64 = 0.001;
/// Of some hundred samples.
const SUM_OFF_MAX: f64 = 0.03;
/// A share may be so many standard deviations off: chance alone does that once in 15,000 times.
const SIGMAS: f64 = 4.0;
const READY_SECONDS: u64 = 20;

fn ask(earshot: &Earshot, question: &Value) -> anyhow::Result<Answer> {
    earshot.call("POST", "/api/v1/heap", &[("Content-Type", "application/json")], question.to_string().as_bytes())
}

/// Whether any heap is profiled; told each second.
fn probed(earshot: &Earshot, attached: bool) -> anyhow::Result<()> {
    let last = "SELECT attached FROM probe_status WHERE hook = 'uprobe' AND target = 'heap' ORDER BY time DESC LIMIT 1";
    wait_until(READY_SECONDS, "the probes", || earshot.value(last).is_ok_and(|now| now == attached).then_some(()))
}

fn number(text: &str, name: &str) -> anyhow::Result<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name} in {text}"))?;
    line.trim().parse().with_context(|| format!("{name} is no number: {line}"))
}

fn bytes(stacks: &[Stack], chain: &[&str]) -> i64 {
    stacks.iter().filter(|s| s.find(chain).is_some()).map(|s| s.value_ns).sum()
}

#[test]
fn what_is_asked_for_and_what_is_kept_are_seen_where_they_are() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let program = shop.build(&["gcc", "-O2"], "allocate.c", "allocate")?;
    let earshot = earshot()?;
    let mut process = Process::start(Command::new(program).arg(MIB.to_string()), &shop.path(""))?;
    process.wait_until(READY_SECONDS, "its first line", |p| p.out().starts_with("ready").then_some(()))?;
    probed(&earshot, false)?;
    let question = json!({ "pid": process.pid(), "seconds": 15, "every_bytes": EVERY_BYTES });
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&earshot, &question));
        probed(&earshot, true)?;
        let busy = ask(&earshot, &question)?;
        anyhow::ensure!(busy.status == 409 && busy.text().contains("one at a time"), "{} {}", busy.status, busy.text());
        process.signal("USR1")?;
        asking.join().map_err(|_| anyhow::anyhow!("the question panicked"))?
    })?;
    anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let answer: Value = serde_json::from_str(&answer.text())?;
    let said = process.out();
    let (keep, pass) = (number(&said, "keep")?, number(&said, "pass")?);
    let told = |name: &str| answer[name].as_i64().with_context(|| format!("no {name}: {answer}"));
    let near = |name: &str, truth: i64, off_max: f64| {
        let off = (told(name)? - truth).abs() as f64 / truth as f64;
        anyhow::ensure!(off <= off_max, "{name} is {} and not {truth}", told(name)?);
        Ok(())
    };
    near("allocated_bytes", keep + pass, COUNT_OFF_MAX)?;
    near("sampled_bytes", keep + pass, SUM_OFF_MAX)?;
    let kept = keep as f64 / (keep + pass) as f64;
    let share_off_max = SIGMAS * (kept * (1.0 - kept) / told("samples")?.max(1) as f64).sqrt();
    near("live_bytes", keep, share_off_max / kept)?;
    anyhow::ensure!(told("unwatched")? == 0 && told("frees")? > 0, "{answer}");

    let of = |condition: &str| taken(&earshot, &format!("s.pid = {}{condition}", process.pid()), "heap");
    let all = of("")?;
    amounts_to(&all, told("sampled_bytes")?, 0.0)?;
    let (in_keep, in_pass) = (bytes(&all, &["work", "keep"]), bytes(&all, &["work", "pass"]));
    let share = in_keep as f64 / (in_keep + in_pass) as f64;
    anyhow::ensure!((share - kept).abs() <= share_off_max, "{share:.3} in keep, not {kept:.3}: {}", shown(&all));
    anyhow::ensure!(in_keep + in_pass >= told("sampled_bytes")? * 99 / 100, "others: {}", shown(&all));
    let live = of(" AND s.state = 'live'")?;
    anyhow::ensure!(bytes(&live, &["work", "keep"]) == in_keep, "kept and not live: {} of {in_keep}", shown(&live));
    anyhow::ensure!(bytes(&live, &["work", "pass"]) == 0, "given back and live: {}", shown(&live));
    let units = earshot.value("SELECT max(value_unit) AS unit FROM stack_samples WHERE kind = 'heap'")?;
    anyhow::ensure!(units == "bytes", "{units}");
    probed(&earshot, false)?;
    process.end("TERM")?;
    Ok(())
}

#[test]
fn a_heap_is_left_when_nobody_waits_for_it_any_more() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let program = shop.build(&["gcc", "-O2"], "allocate.c", "allocate")?;
    let earshot = earshot()?;
    let mut process = Process::start(Command::new(program).arg("8"), &shop.path(""))?;
    process.wait_until(READY_SECONDS, "its first line", |p| p.out().starts_with("ready").then_some(()))?;
    let body = json!({ "pid": process.pid(), "seconds": 60 }).to_string();
    let mut gone = TcpStream::connect(("127.0.0.1", earshot.port))?;
    gone.write_all(&request("POST", "/api/v1/heap", &[("Content-Type", "application/json")], body.as_bytes()))?;
    probed(&earshot, true)?;
    drop(gone);
    probed(&earshot, false)?;

    // by the command, which ends when the process does
    let mut heap = command(&["heap", "--for", "60s", "--every", "4096", "--pid", &process.pid().to_string()])?;
    heap.args(["--url", &earshot.url()]);
    let folded = std::thread::scope(|scope| {
        let asking = scope.spawn(|| succeed(&mut heap));
        probed(&earshot, true)?;
        process.signal("USR1")?;
        process.wait_until(READY_SECONDS, "its last line", |p| p.out().contains("pass").then_some(()))?;
        process.end("KILL")?;
        asking.join().map_err(|_| anyhow::anyhow!("the command panicked"))?
    })?;
    anyhow::ensure!(folded.contains(";work;keep;"), "{folded}");

    let refused = |question: Value, status: u16, says: &str| {
        let answer = ask(&earshot, &question)?;
        let right = answer.status == status && answer.text().contains(says);
        anyhow::ensure!(right, "{question}: {} {}", answer.status, answer.text());
        Ok(())
    };
    refused(json!({ "pid": process.pid() }), 404, "no process has the number")?;
    refused(json!({ "pid": earshot.pid() }), 422, "does not profile itself")?;
    // a thread of the kernel
    refused(json!({ "pid": 2 }), 422, "no allocator that is known")?;
    refused(json!({ "pid": 1, "seconds": 61 }), 400, "seconds is 61")?;
    refused(json!({ "seconds": 1 }), 400, "pid")?;
    Ok(())
}

//! A storm of processes that hardly live: what it does to earshot's memory, and whether every sample is accounted for.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::agent::Agent;
use super::cost::memory;
use super::needs::path;
use super::report::{Section, whole};
use super::timed;
use crate::place::Place;

const PROCESSES: u64 = 100_000;
/// What each of them burns, every other after an exec.
const PROCESS_MS: &str = "0.2";
const STORM_SECONDS_MAX: u64 = 600;
/// For rows, and for what is kept of ended processes for a while.
const SETTLE: Duration = Duration::from_secs(35);

pub fn measure(place: &Place, earshot: &Path) -> anyhow::Result<Section> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("storm");
    let mut build = Command::new(path("gcc")?);
    build.args(["-O2", "-pthread", "-o"]).arg(&program).arg(place.root.join("tests/programs/shapes.c"));
    timed::run(&build, 60)?;
    let agent = Agent::start(earshot)?;
    std::thread::sleep(Duration::from_secs(2));
    let before = memory(agent.pid())?;
    let mut storm = Command::new(&program);
    let took = timed::run(storm.args(["storm", &PROCESSES.to_string(), PROCESS_MS]), STORM_SECONDS_MAX)?.took;
    let during = memory(agent.pid())?;
    std::thread::sleep(SETTLE);
    let after = memory(agent.pid())?;
    let number = |query: &str| {
        let rows = agent.rows(query)?;
        rows.first().and_then(|row| row["n"].as_u64()).with_context(|| format!("{query} gives {rows:?}"))
    };
    // one answer, so that all of it is of the same moment: what is under way is less than a second's
    let total = |outcome: &str| format!("coalesce(sum(events) FILTER (WHERE outcome = 'samples_{outcome}'), 0)");
    let totals = agent.rows(&format!(
        "SELECT {} AS seen, {} AS copied, {} AS idle, {} AS lost FROM capture_totals",
        total("seen"),
        total("copied"),
        total("idle"),
        total("lost")
    ))?;
    let total = |name: &str| totals.first().and_then(|row| row[name].as_u64()).unwrap_or_default();
    let stored = number("SELECT count(*) AS n FROM stack_samples")?;
    let storms = number("SELECT count(*) AS n FROM stack_samples WHERE process_name = 'storm'")?;
    let lost = number("SELECT coalesce(sum(events), 0) AS n FROM lost_events WHERE unit = 'stack_sample'")?;
    let gone = number(
        "SELECT count(*) AS n FROM stack_samples s JOIN stacks t ON s.stack_id = t.stack_id WHERE s.process_name = 'storm' AND (t.folded LIKE '%[process gone]%' OR t.folded LIKE '%[process ended]%')",
    )?;
    agent.stop()?;
    let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
    let cells = [PROCESSES, total("seen"), total("idle"), total("copied"), total("lost"), stored, lost, storms, gone];
    let rows =
        cells.iter().map(|n| whole(*n as f64)).chain([before.resident, during.resident, after.resident, after.peak].map(mib));
    Ok(Section {
        title: "Processes that hardly live",
        head: vec![
            "processes",
            "samples seen",
            "idle",
            "copied",
            "lost in the kernel",
            "stored",
            "lost in all",
            "of the processes",
            "of them without stack",
            "resident before, MiB",
            "right after",
            "35 s later",
            "peak",
        ],
        rows: vec![rows.collect()],
        notes: vec![format!(
            "The storm took {:.0} s. seen = idle + copied + lost; copied = stored + lost in user space, up to what is under way.",
            took.as_secs_f64()
        )],
        figures: Value::Array(vec![
            json!({ "processes": PROCESSES, "seen": total("seen"), "idle": total("idle"), "copied": total("copied"),
            "kernel_lost": total("lost"), "stored": stored, "lost": lost, "storm": storms, "without_stack": gone, "resident_before": before.resident,
            "resident_during": during.resident, "resident_after": after.resident, "peak": after.peak }),
        ]),
    })
}

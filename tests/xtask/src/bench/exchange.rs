//! What one exchange costs the processes that make it, to a few nanoseconds: throughput and processor time of a server under load
//! differ by more from round to round than an exchange costs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::Wanted;
use super::agent::Agent;
use super::needs::path;
use super::placement::Placement;
use super::report::{Section, whole};
use super::statistics::median;
use super::timed;
use crate::place::Place;

/// Each of 4,000 exchanges.
const BATCHES: &str = "150";
const BATCHES_SECONDS_MAX: u64 = 120;
/// For earshot's own start to be over.
const SETTLE: Duration = Duration::from_secs(2);

/// Nanoseconds of an exchange in the fastest batch, of each round.
#[derive(Default)]
struct Rounds {
    without: Vec<f64>,
    unsampled: Vec<f64>,
    with: Vec<f64>,
}

pub fn measure(place: &Place, earshot: &Path, wanted: &Wanted) -> anyhow::Result<Section> {
    let (folder, placement) = (tempfile::tempdir()?, Placement::find());
    let program = folder.path().join("exchanges");
    let mut build = Command::new(path("gcc")?);
    build.args(["-O2", "-o"]).arg(&program).arg(place.root.join("tests/programs/exchanges.c"));
    timed::run(&build, 60)?;
    let once = || fastest(&program, &placement);
    let beside = |more: &[&str]| {
        let agent = Agent::start_with(earshot, more)?;
        std::thread::sleep(SETTLE);
        let took = once();
        agent.stop()?;
        took
    };
    let mut rounds = Rounds::default();
    for _ in 0..wanted.rounds {
        rounds.without.push(once()?);
        rounds.unsampled.push(beside(&["--profile-hz", "0"])?);
        rounds.with.push(beside(&[])?);
    }
    let middle = |figures: &[f64]| median(figures).unwrap_or_default();
    let without = middle(&rounds.without);
    let row = |name: &str, figures: &[f64]| {
        vec![
            name.to_owned(),
            whole(middle(figures)),
            whole(middle(figures) - without),
            whole((middle(figures) - without) / 4.0),
        ]
    };
    Ok(Section {
        title: "An exchange of Redis over TCP, both ends in one process",
        head: vec!["", "ns", "more than without", "for each transfer"],
        rows: vec![
            row("without earshot", &rounds.without),
            row("earshot, no stacks", &rounds.unsampled),
            row("earshot", &rounds.with),
        ],
        notes: vec![format!("Medians of {} rounds, of each the fastest of {BATCHES} batches of 4,000.", wanted.rounds)],
        figures: json!({ "without_ns": rounds.without, "no_stacks_ns": rounds.unsampled, "with_ns": rounds.with }),
    })
}

fn fastest(program: &Path, placement: &Placement) -> anyhow::Result<f64> {
    let mut exchanges = Command::new(program);
    exchanges.arg(BATCHES);
    let out = timed::run(&placement.client(exchanges), BATCHES_SECONDS_MAX)?.out;
    out.split_whitespace().next().and_then(|ns| ns.parse().ok()).with_context(|| format!("no figure: {out}"))
}

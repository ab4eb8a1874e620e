//! A large capture of HTTP, read by `earshot replay` into a count, against tshark that lists the same requests.
//!
//! Both must find every request that the capture was made with.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::capture_file::{self, Written};
use super::needs::path;
use super::report::{Section, whole};
use super::statistics::median;
use super::timed::{self, Timed};

const EARSHOT_ROUNDS: usize = 3;
const SECONDS_MAX: u64 = 1800;
const QUERY: &str = "SELECT count(*) AS n FROM http_events";

pub fn measure(earshot: &Path, capture_mb: u64) -> anyhow::Result<Section> {
    let folder = tempfile::tempdir().context("cannot create a folder for the capture")?;
    let file = folder.path().join("large.pcap");
    let written = capture_file::write(&file, capture_mb * 1_000_000)?;
    eprintln!("capture: {} MB, {} requests, {} connections", written.bytes / 1_000_000, written.requests, written.connections);

    let mut replay = Command::new(earshot);
    replay.arg("replay").arg(&file).args(["--sql", QUERY, "--format", "json"]);
    let mut runs = vec![];
    for _ in 0..EARSHOT_ROUNDS {
        let timed = timed::run(&replay, SECONDS_MAX)?;
        runs.push(Run::of("earshot", &timed, counted(&timed.out)?));
    }
    // names are not looked up: it would wait for the network
    let mut tshark = Command::new(path("tshark")?);
    tshark.args(["-n", "-r"]).arg(&file).args(["-Y", "http.request"]);
    let timed = timed::run(&tshark, SECONDS_MAX)?;
    let tshark = Run::of("tshark", &timed, timed.out.lines().count() as u64);
    let earshot = Run::middle(&runs).context("no round of earshot")?;
    Ok(section(&written, &earshot, &tshark))
}

/// What one program took and found.
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    found: u64,
}

impl Run {
    fn of(name: &str, timed: &Timed, found: u64) -> Self {
        let run = Self { seconds: timed.took.as_secs_f64(), cpu_seconds: timed.cpu_seconds, found };
        eprintln!("{name}: {:.2} s, {:.2} s on processors, {found} requests", run.seconds, run.cpu_seconds);
        run
    }

    /// The medians, and the fewest requests found.
    fn middle(runs: &[Self]) -> Option<Self> {
        let middle = |of: fn(&Self) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        let found = runs.iter().map(|run| run.found).min()?;
        Some(Self { seconds: middle(|run| run.seconds)?, cpu_seconds: middle(|run| run.cpu_seconds)?, found })
    }

    fn row(&self, name: &str, written: &Written, slower: &Self) -> Vec<String> {
        vec![
            name.to_owned(),
            format!("{:.2}", self.seconds),
            format!("{:.2}", self.cpu_seconds),
            whole(written.bytes as f64 / 1e6 / self.seconds),
            format!("{} of {}", whole(self.found as f64), whole(written.requests as f64)),
            format!("{:.1}", slower.seconds / self.seconds),
        ]
    }

    fn figures(&self) -> Value {
        json!({ "seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "requests": self.found })
    }
}

fn section(written: &Written, earshot: &Run, tshark: &Run) -> Section {
    Section {
        title: "Replay of a capture file",
        head: vec!["program", "seconds", "CPU s", "MB/s", "requests found", "times as fast"],
        rows: vec![
            earshot.row("`earshot replay FILE --sql 'SELECT count(*) …'`", written, tshark),
            tshark.row("`tshark -n -r FILE -Y http.request`", written, tshark),
        ],
        notes: vec![
            format!(
                "{} MB of HTTP/1.1 on {} connections, in the page cache; median of {EARSHOT_ROUNDS} for earshot, start and query included, \
                 one run of tshark.",
                written.bytes / 1_000_000,
                whole(written.connections as f64)
            ),
            "Aim: 50 times as fast.".to_owned(),
        ],
        figures: json!({
            "bytes": written.bytes,
            "requests": written.requests,
            "connections": written.connections,
            "earshot": earshot.figures(),
            "tshark": tshark.figures(),
        }),
    }
}

/// The only value of `{"n":1234}`.
fn counted(out: &str) -> anyhow::Result<u64> {
    let row: Value = serde_json::from_str(out.trim()).with_context(|| format!("earshot printed no row: {out}"))?;
    row["n"].as_u64().with_context(|| format!("earshot printed no count: {out}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_the_only_value() -> anyhow::Result<()> {
        assert_eq!(counted("{\"n\":54400}\n")?, 54_400);
        assert!(counted("").is_err());
        assert!(counted("{\"n\":null}").is_err());
        Ok(())
    }

    #[test]
    fn the_middle_of_several_runs() {
        let run = |seconds, found| Run { seconds, cpu_seconds: seconds / 2.0, found };
        let middle =
            Run::middle(&[run(3.0, 10), run(1.0, 9), run(2.0, 10)]).map(|run| (run.seconds, run.cpu_seconds, run.found));
        assert_eq!(middle, Some((2.0, 1.0, 9)));
        assert!(Run::middle(&[]).is_none());
    }
}

//! What it takes to see a program that was never there before: from its mapping to its probes, and earshot's memory meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ::tests::Process;
use anyhow::Context;
use serde_json::{Value, json};

use super::Wanted;
use super::agent::Agent;
use super::cost::memory;
use super::needs::path;
use super::report::{Section, whole};
use super::statistics::median;

/// For earshot's own start to be over, and for the program to be probed.
const SETTLE: Duration = Duration::from_secs(3);
const PROBED_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);
const MIB: f64 = (1 << 20) as f64;

/// A program that does nothing for a while, and what it is called.
struct Idle {
    name: &'static str,
    file: PathBuf,
    arguments: Vec<String>,
}

struct Figures {
    milliseconds: f64,
    peak_mib: f64,
    places: u64,
}

pub fn measure(earshot: &Path, wanted: &Wanted) -> anyhow::Result<Section> {
    let folder = tempfile::tempdir()?;
    let service = folder.path().join("grpc-go");
    ::tests::go("grpc-go", &service)?;
    let programs = [
        Idle { name: "Node", file: path("node")?, arguments: ["-e", "setTimeout(() => {}, 60000)"].map(str::to_owned).into() },
        Idle { name: "a service of grpc-go", file: service, arguments: ["serve", "127.0.0.1:0"].map(str::to_owned).into() },
    ];
    let (mut rows, mut figures) = (vec![], vec![]);
    for program in &programs {
        let rounds: Vec<Figures> = (0..wanted.rounds).map(|_| round(earshot, program)).collect::<Result<_, _>>()?;
        let middle = |of: fn(&Figures) -> f64| median(&rounds.iter().map(of).collect::<Vec<_>>()).unwrap_or_default();
        let bytes = program.file.metadata()?.len();
        let (took, peak) = (middle(|f| f.milliseconds), middle(|f| f.peak_mib));
        let places = rounds.first().map_or(0, |f| f.places);
        rows.push(vec![
            program.name.to_owned(),
            whole(bytes as f64 / MIB),
            whole(places as f64),
            format!("{took:.0}"),
            format!("{peak:.1}"),
        ]);
        figures.push(json!({ "program": program.name, "bytes": bytes, "places": places,
            "milliseconds": rounds.iter().map(|f| f.milliseconds).collect::<Vec<_>>(),
            "peak_mib": rounds.iter().map(|f| f.peak_mib).collect::<Vec<_>>() }));
    }
    Ok(Section {
        title: "Attaching to a program that was never there before",
        head: vec!["program", "size, MiB", "probes", "from its mapping to its probes, ms", "earshot's peak above before, MiB"],
        rows,
        notes: vec![
            format!("Medians of {} rounds, each with an earshot of its own and a copy of the program.", wanted.rounds),
            "Aims for Node: 300 ms, 20 MiB.".to_owned(),
        ],
        figures: Value::Array(figures),
    })
}

fn round(earshot: &Path, program: &Idle) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("program");
    std::fs::copy(&program.file, &copy).with_context(|| format!("cannot copy {}", program.file.display()))?;
    let agent = Agent::start(earshot)?;
    std::thread::sleep(SETTLE);
    // the peak counts from here
    std::fs::write(format!("/proc/{}/clear_refs", agent.pid()), "5").context("cannot forget earshot's peak")?;
    let before = memory(agent.pid())?.resident;
    let mut command = Command::new(&copy);
    command.args(&program.arguments);
    let mut process = Process::start(&command, folder.path())?;
    let late = format!("SELECT reason FROM probe_status WHERE target LIKE '%{} in process%'", copy.display());
    // asking costs memory itself
    std::thread::sleep(SETTLE);
    let peak = memory(agent.pid())?.peak;
    let started = Instant::now();
    let milliseconds = loop {
        let told = agent.rows(&late)?.first().and_then(|row| milliseconds(row["reason"].as_str()?));
        if let Some(milliseconds) = told {
            break milliseconds;
        }
        anyhow::ensure!(started.elapsed() < PROBED_MAX, "{} is not probed", program.name);
        std::thread::sleep(LOOK);
    };
    let probed = format!("SELECT count(*) AS n FROM probe_status WHERE attached AND target LIKE '%{}:%'", copy.display());
    let places = agent.rows(&probed)?.first().and_then(|row| row["n"].as_u64()).unwrap_or_default();
    process.end("TERM")?;
    agent.stop()?;
    Ok(Figures { milliseconds, peak_mib: peak.saturating_sub(before) as f64 / MIB, places })
}

/// Of 'attached 12 ms after it was mapped: …'.
fn milliseconds(reason: &str) -> Option<f64> {
    reason.strip_prefix("attached ")?.split_once(" ms")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_probe_status_says() {
        assert_eq!(super::milliseconds("attached 12 ms after it was mapped: what"), Some(12.0));
        assert_eq!(super::milliseconds("emulated: push"), None);
    }
}

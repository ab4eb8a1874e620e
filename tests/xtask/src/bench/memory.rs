//! Memory and processor time of earshot: after its start, after queries, and while servers are loaded.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::agent::Agent;
use super::cost::{cpu_seconds, memory};
use super::load::{self, Load};
use super::needs::loads;
use super::placement::Placement;
use super::report::{NONE, Section, whole};
use super::{Name, Wanted};

const IDLE: Duration = Duration::from_secs(10);
/// Between two looks at the memory under load.
const LOOK: Duration = Duration::from_millis(100);
/// What a person asks first.
const FIRST_QUERIES: [&str; 3] = [
    "SELECT protocol, operation, target, status, latency_ns FROM requests ORDER BY time DESC LIMIT 10",
    "SELECT process_name, count(*) AS n FROM processes GROUP BY process_name ORDER BY n DESC",
    "SELECT stage, reason, sum(events) AS n FROM lost_events GROUP BY stage, reason",
];

pub fn measure(earshot: &Path, wanted: &Wanted) -> anyhow::Result<Section> {
    let placement = Placement::find();
    let agent = Agent::start(earshot)?;
    let mut states = vec![];
    std::thread::sleep(IDLE);
    let idle = State::now("idle, 10 s after the start", &agent)?;
    let cpu = cpu_share(&agent, || {
        std::thread::sleep(IDLE);
        Ok(())
    })?;
    states.push(State { cpu_percent: Some(cpu), ..idle });
    for query in FIRST_QUERIES {
        agent.rows(query)?;
    }
    states.push(State::now("after the first three queries", &agent)?);
    for kind in loads(wanted, Name::Memory) {
        let mut load = load::start(kind, &placement)?;
        states.push(loaded(load.as_mut(), &agent, wanted.seconds)?);
    }
    agent.stop()?;
    Ok(Section {
        title: "Memory and processor time of earshot",
        head: vec!["state", "resident, MiB", "at its peak, MiB", "of one CPU", "rows held"],
        rows: states.iter().map(State::row).collect(),
        notes: vec![
            format!(
                "One earshot, states in this order; each load for {} s. Rows are kept up to the memory budget (512 MiB by default).",
                wanted.seconds
            ),
            "Aims: 64 MiB resident, 0.3 % of a CPU when idle.".to_owned(),
        ],
        figures: states.iter().map(State::figures).collect(),
    })
}

/// earshot at one moment.
struct State {
    name: String,
    resident: u64,
    peak: u64,
    cpu_percent: Option<f64>,
    rows: u64,
}

impl State {
    fn now(name: &str, agent: &Agent) -> anyhow::Result<Self> {
        let memory = memory(agent.pid())?;
        // asking comes last: it would be in the memory
        Ok(Self {
            name: name.to_owned(),
            resident: memory.resident,
            peak: memory.peak,
            cpu_percent: None,
            rows: agent.stored_rows()?,
        })
    }

    fn row(&self) -> Vec<String> {
        let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
        let cpu = self.cpu_percent.map_or(NONE.to_owned(), |percent| format!("{percent:.2} %"));
        vec![self.name.clone(), mib(self.resident), mib(self.peak), cpu, whole(self.rows as f64)]
    }

    fn figures(&self) -> Value {
        json!({ "state": self.name, "resident_bytes": self.resident, "peak_bytes": self.peak, "cpu_percent": self.cpu_percent, "rows": self.rows })
    }
}

/// The most that is resident while a server is under load.
fn loaded(load: &mut dyn Load, agent: &Agent, seconds: u64) -> anyhow::Result<State> {
    let (over, most, pid) = (AtomicBool::new(false), AtomicU64::new(0), agent.pid());
    let cpu = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(memory(pid).map_or(0, |memory| memory.resident), Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let cpu = cpu_share(agent, || load.ask(seconds).map(|_| ()));
        over.store(true, Ordering::Relaxed);
        cpu
    })?;
    let state = State::now(&format!("under {}", load.name()), agent)?;
    Ok(State { resident: most.into_inner(), cpu_percent: Some(cpu), ..state })
}

/// Processor time of earshot while something happens, in percent of one processor.
fn cpu_share(agent: &Agent, happens: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let (started, before) = (Instant::now(), cpu_seconds(agent.pid())?);
    happens()?;
    Ok((cpu_seconds(agent.pid())? - before) * 100.0 / started.elapsed().as_secs_f64())
}

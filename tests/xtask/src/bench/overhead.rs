//! What earshot costs servers and their clients: rounds without and with it by turns in one run, compared by their medians.
//!
//! A round with earshot stands between two without. earshot starts afresh for each, so that no round inherits another's rows.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::agent::Agent;
use super::cost::cpu_seconds;
use super::load::{self, Done, Load};
use super::needs::loads;
use super::placement::Placement;
use super::report::{NONE, Section, whole};
use super::statistics::{median, paired_ratios, range, spread};
use super::{Name, Wanted};

/// Before a round, for what the last one started or ended to be over.
const PAUSE: Duration = Duration::from_millis(500);
/// After the load, for a server's processes that served it to end: their time is read when nothing changes hands.
const SETTLE: Duration = Duration::from_millis(100);
/// After the load, until earshot has made rows of it: it promises one second.
const DRAIN: Duration = Duration::from_millis(1200);

pub fn measure(earshot: &Path, wanted: &Wanted) -> anyhow::Result<Section> {
    let placement = Placement::find();
    let (mut rows, mut figures, mut losses) = (vec![], vec![], vec![]);
    for kind in loads(wanted, Name::Overhead) {
        let mut load = load::start(kind, &placement)?;
        let rounds = rounds(earshot, load.as_mut(), wanted)?;
        rows.push(rounds.row(load.name()));
        figures.push(rounds.figures(load.name()));
        losses.extend(rounds.losses.iter().map(|told| format!("Lost in {}: {told}.", load.name())));
    }
    let mut notes = vec![
        format!(
            "Rounds: {} with earshot and {} without, by turns, {} s each, both ends of the loopback traced; {}. Ratios are of medians, \
             with the least and the greatest of each round with earshot to the mean of its neighbours without; ± is how far rounds \
             without earshot lie from their median. wrk and h2load stop in mid-flight: up to 16 rows a round more than they count.",
            wanted.rounds,
            wanted.rounds + 1,
            wanted.seconds,
            placement.text()
        ),
        "Aims: redis 0.92, http 0.93, PostgreSQL 0.97, MariaDB 0.96, nginx over TLS 0.72 of the throughput; at 8,000 requests/s the server's CPU × 1.10 and p99 × 1.05; \
         0.003 CPU s of earshot per 1,000 requests."
            .to_owned(),
    ];
    notes.append(&mut losses);
    Ok(Section {
        title: "Overhead",
        head: vec![
            "load",
            "without, req/s",
            "with, req/s",
            "ratio (min..max)",
            "server CPU per request",
            "p99",
            "earshot CPU s per 1,000 requests",
            "rows / requests",
        ],
        rows,
        notes,
        figures: Value::Array(figures),
    })
}

/// One round's figures, of those without earshot or those with it.
#[derive(Default)]
struct Arm {
    rates: Vec<f64>,
    server_us: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Arm {
    fn add(&mut self, done: &Done, server_seconds: f64) {
        self.rates.push(done.requests as f64 / done.seconds);
        self.server_us.push(server_seconds * 1e6 / done.requests as f64);
        self.p99_ms.extend(done.p99_ms);
    }

    fn figures(&self) -> Value {
        json!({ "requests_per_second": self.rates, "server_cpu_us_per_request": self.server_us, "p99_ms": self.p99_ms })
    }
}

#[derive(Default)]
struct Rounds {
    without: Arm,
    with: Arm,
    /// Processor seconds of earshot per 1,000 requests.
    agent_seconds: Vec<f64>,
    requests: u64,
    /// None when this earshot has no table for them.
    rows: Option<u64>,
    losses: Vec<String>,
}

fn rounds(earshot: &Path, load: &mut dyn Load, wanted: &Wanted) -> anyhow::Result<Rounds> {
    let mut rounds = Rounds::default();
    load.ask(1)?;
    for round in 1..=wanted.rounds {
        without(load, wanted.seconds, &mut rounds)?;
        with(earshot, load, wanted.seconds, &mut rounds)?;
        let last = |arm: &Arm| arm.rates.last().copied().map_or(NONE.to_owned(), whole);
        eprintln!(
            "{}, {round} of {}: {} without, {} with",
            load.name(),
            wanted.rounds,
            last(&rounds.without),
            last(&rounds.with)
        );
    }
    without(load, wanted.seconds, &mut rounds)?;
    Ok(rounds)
}

fn without(load: &mut dyn Load, seconds: u64, rounds: &mut Rounds) -> anyhow::Result<()> {
    std::thread::sleep(PAUSE);
    let (done, server_seconds) = asked(load, seconds)?;
    rounds.without.add(&done, server_seconds);
    Ok(())
}

fn with(earshot: &Path, load: &mut dyn Load, seconds: u64, rounds: &mut Rounds) -> anyhow::Result<()> {
    let agent = Agent::start(earshot)?;
    std::thread::sleep(PAUSE);
    let before = cpu_seconds(agent.pid())?;
    let (done, server_seconds) = asked(load, seconds)?;
    // parsing what is still on its way belongs to the load; the queries below do not
    std::thread::sleep(DRAIN);
    let agent_seconds = cpu_seconds(agent.pid())? - before;
    rounds.with.add(&done, server_seconds);
    rounds.agent_seconds.push(agent_seconds * 1e3 / done.requests as f64);
    rounds.requests += done.requests;
    let (table, condition) = load.rows();
    if agent.has_table(table)? {
        let rows = agent.settled(&format!("SELECT count(*) AS n FROM {table} WHERE {condition}"))?;
        rounds.rows = Some(rounds.rows.unwrap_or(0) + rows);
    }
    rounds.losses = agent.losses()?;
    agent.stop()
}

/// What the client did, and the processor time that it cost the server.
fn asked(load: &mut dyn Load, seconds: u64) -> anyhow::Result<(Done, f64)> {
    let before = cpu_seconds(load.server())?;
    let done = load.ask(seconds)?;
    anyhow::ensure!(done.requests > 0, "{} made no request", load.name());
    std::thread::sleep(SETTLE);
    Ok((done, cpu_seconds(load.server())? - before))
}

/// A ratio of medians with the range of the pairs' ratios.
struct Ratio {
    medians: f64,
    pairs: (f64, f64),
}

impl Ratio {
    fn of(without: &[f64], with: &[f64]) -> Option<Self> {
        let below = median(without).filter(|below| *below > 0.0)?;
        Some(Self { medians: median(with)? / below, pairs: range(&paired_ratios(without, with))? })
    }

    fn text(&self) -> String {
        format!("{:.3} ({:.3}..{:.3})", self.medians, self.pairs.0, self.pairs.1)
    }
}

impl Rounds {
    fn row(&self, name: &str) -> Vec<String> {
        let rate = |arm: &Arm| median(&arm.rates).map_or(NONE.to_owned(), whole);
        let noise = spread(&self.without.rates).map_or(String::new(), |share| format!(" ± {:.0} %", share * 100.0));
        let ratio = |of: fn(&Arm) -> &[f64]| Ratio::of(of(&self.without), of(&self.with));
        let times = |of| ratio(of).map_or(NONE.to_owned(), |ratio| format!("× {}", ratio.text()));
        vec![
            name.to_owned(),
            rate(&self.without) + &noise,
            rate(&self.with),
            ratio(|arm| &arm.rates).map_or(NONE.to_owned(), |ratio| ratio.text()),
            times(|arm| &arm.server_us),
            times(|arm| &arm.p99_ms),
            median(&self.agent_seconds).map_or(NONE.to_owned(), |seconds| format!("{seconds:.4}")),
            self.rows.map_or(NONE.to_owned(), |rows| format!("{:.2} %", rows as f64 * 100.0 / self.requests as f64)),
        ]
    }

    fn figures(&self, name: &str) -> Value {
        json!({
            "load": name,
            "without": self.without.figures(),
            "with": self.with.figures(),
            "agent_cpu_seconds_per_1000_requests": self.agent_seconds,
            "requests_with": self.requests,
            "rows": self.rows,
            "losses_of_the_last_round": self.losses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_of_medians_with_the_pairs_range() {
        let ratio = Ratio::of(&[100.0, 120.0, 80.0], &[99.0, 90.0]).map(|ratio| ratio.text());
        assert_eq!(ratio.as_deref(), Some("0.945 (0.900..0.900)"));
        assert!(Ratio::of(&[], &[]).is_none());
        assert!(Ratio::of(&[0.0, 0.0], &[1.0]).is_none());
    }

    #[test]
    fn a_row_says_what_is_unknown() {
        let mut rounds = Rounds { requests: 200, ..Rounds::default() };
        let done = |requests, p99_ms| Done { requests, seconds: 1.0, p99_ms };
        for _ in 0..2 {
            rounds.without.add(&done(1000, None), 0.02);
        }
        rounds.with.add(&done(900, None), 0.0198);
        rounds.agent_seconds.push(0.00312);
        let expected = ["x", "1,000 ± 0 %", "900", "0.900 (0.900..0.900)", "× 1.100 (1.100..1.100)", NONE, "0.0031", NONE];
        assert_eq!(rounds.row("x"), expected);
        rounds.rows = Some(199);
        assert_eq!(rounds.row("x").last().map(String::as_str), Some("99.50 %"));
    }
}

//! Benchmarks: what earshot costs the programs that it watches, and how fast its parts are.
//!
//! In: names of benchmarks. Out: Markdown tables on standard output, ready for a README, and JSON when a file is named; progress on
//! standard error. Every server has a folder and a loopback port of its own and ends with its benchmark. Judges nothing: the aims
//! are in the tables' notes.

mod agent;
mod attach;
mod binaries;
mod capture_file;
mod cost;
mod exchange;
mod ingest;
mod load;
mod machine;
mod memory;
mod needs;
mod overhead;
mod parsers;
mod placement;
mod profile;
mod replay;
mod report;
mod stacks;
mod statistics;
mod storm;
mod timed;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::place::Place;
use crate::program::{cargo, run};
use load::Kind;
use report::Report;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Servers under load, without and with earshot by turns (root)
    Overhead,
    /// Memory and processor time of earshot, idle and under load (root)
    Memory,
    /// Each protocol's parser on one core
    Parsers,
    /// Rows into the store
    Ingest,
    /// A large capture file, against tshark
    Replay,
    /// Stacks of programs, against those of perf record (root)
    Stacks,
    /// 100,000 processes that hardly live (root)
    Storm,
    /// From a program's start to its probes, and memory meanwhile (root)
    Attach,
    /// The profiler at several rates, against perf record (root)
    Profile,
    /// What one exchange costs the processes that make it (root)
    Exchange,
    /// Names and unwind tables of a large program and of many libraries, for the first time
    Binaries,
}

impl Name {
    fn word(self) -> &'static str {
        match self {
            Name::Overhead => "overhead",
            Name::Memory => "memory",
            Name::Parsers => "parsers",
            Name::Ingest => "ingest",
            Name::Replay => "replay",
            Name::Stacks => "stacks",
            Name::Storm => "storm",
            Name::Attach => "attach",
            Name::Profile => "profile",
            Name::Exchange => "exchange",
            Name::Binaries => "binaries",
        }
    }
}

#[derive(Args)]
pub struct Wanted {
    /// Which benchmarks; all of them when none is named
    #[arg(value_enum)]
    names: Vec<Name>,
    /// Rounds with earshot of `overhead`, `profile` and `exchange`; without it there is one more, so that each stands between two
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Load in each round, in seconds
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The loads of `overhead` and `memory`, by default all (memory: redis and http)
    #[arg(long = "load", value_enum)]
    loads: Vec<Kind>,
    /// The earshot to measure; by default this checkout's, built first
    #[arg(long, value_name = "BIN")]
    earshot: Option<PathBuf>,
    /// Size of the capture that `replay` reads, in MB
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    capture_mb: u64,
    /// Write every figure to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn bench(place: &Place, mut wanted: Wanted) -> anyhow::Result<()> {
    if wanted.names.is_empty() {
        wanted.names = Name::value_variants().to_vec();
    }
    needs::check(place, &wanted)?;
    let earshot = earshot(place, &wanted)?;
    let mut report = Report::begin(&machine::line(), &command_line());
    for name in wanted.names.clone() {
        eprintln!("── {}", name.word());
        let section = match name {
            Name::Overhead => overhead::measure(&earshot, &wanted),
            Name::Memory => memory::measure(&earshot, &wanted),
            Name::Parsers => parsers::measure(place),
            Name::Ingest => ingest::measure(place),
            Name::Replay => replay::measure(&earshot, wanted.capture_mb),
            Name::Stacks => stacks::measure(place, &earshot, &wanted),
            Name::Storm => storm::measure(place, &earshot),
            Name::Attach => attach::measure(&earshot, &wanted),
            Name::Profile => profile::measure(place, &earshot, &wanted),
            Name::Exchange => exchange::measure(place, &earshot, &wanted),
            Name::Binaries => binaries::measure(place),
        };
        report.add(name.word(), section.with_context(|| format!("benchmark '{}' failed", name.word()))?)?;
        if let Some(file) = &wanted.json {
            std::fs::write(file, report.json()).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

/// The binary to be measured; benchmarks that need none do not wait for its build.
fn earshot(place: &Place, wanted: &Wanted) -> anyhow::Result<PathBuf> {
    if let Some(path) = &wanted.earshot {
        return path.canonicalize().with_context(|| format!("cannot find {}", path.display()));
    }
    if wanted.names.iter().any(|name| !matches!(name, Name::Parsers | Name::Ingest)) {
        eprintln!("── build");
        run(cargo(place).args(["build", "--release", "--locked", "--quiet", "--bin", "earshot"]))?;
    }
    Ok(place.target.join("release/earshot"))
}

/// As one would type it, without what only says where things are.
fn command_line() -> String {
    let mut words = vec!["cargo xtask".to_owned()];
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        match word.as_str() {
            "--earshot" | "--json" => drop(given.next()),
            _ if word.starts_with("--earshot=") || word.starts_with("--json=") => {}
            _ => words.push(word),
        }
    }
    words.join(" ")
}

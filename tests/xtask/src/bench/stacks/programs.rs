//! The programs whose stacks are compared: servers under their load, a runtime that makes code, and a compiler.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::bench::load::{self, Kind, Load};
use crate::bench::needs::path;
use crate::bench::placement::Placement;
use crate::bench::timed;
use crate::place::Place;

const RUSTC_TIMES: u64 = 3;

pub struct Program<'a> {
    pub name: &'static str,
    /// The name of its threads.
    pub thread: &'static str,
    /// Runs it, or its load, for about so many seconds.
    pub run: Box<dyn FnMut(u64) -> anyhow::Result<()> + 'a>,
}

pub fn all<'a>(place: &'a Place, placement: &'a Placement) -> anyhow::Result<Vec<Program<'a>>> {
    let mut all = vec![];
    for (kind, thread) in [(Kind::Postgres, "postgres"), (Kind::Http, "nginx"), (Kind::Redis, "redis-server")] {
        let mut load: Box<dyn Load + 'a> = load::start(kind, placement)?;
        let (name, run) = (load.name(), Box::new(move |seconds| load.ask(seconds).map(|_| ())));
        all.push(Program { name, thread, run });
    }
    all.push(Program { name: "node burn.js", thread: "node", run: Box::new(move |seconds| node(place, seconds)) });
    all.push(Program { name: "rustc -O", thread: "rustc", run: Box::new(move |seconds| rustc(place, seconds)) });
    Ok(all)
}

fn node(place: &Place, seconds: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut node = Command::new(path("node")?);
    node.args(["--perf-basic-prof", "--interpreted-frames-native-stack"]).arg(place.root.join("tests/programs/burn.js"));
    timed::run(node.arg(seconds.to_string()).current_dir(folder.path()), seconds * 10 + 60).map(|_| ())
}

/// Again and again, and longer than the others: with so many functions chance leaves more that only one profiler sees.
fn rustc(place: &Place, seconds: u64) -> anyhow::Result<()> {
    let (folder, started) = (tempfile::tempdir()?, Instant::now());
    while started.elapsed() < Duration::from_secs(seconds * RUSTC_TIMES) {
        let mut rustc = Command::new(compiler()?);
        rustc.args(["-O", "-o"]).arg(folder.path().join("burn")).arg(place.root.join("tests/programs/burn.rs"));
        timed::run(&rustc, 60)?;
    }
    Ok(())
}

/// The compiler itself, not what chooses a toolchain and becomes it: that has no symbols.
fn compiler() -> anyhow::Result<PathBuf> {
    let mut rustc = Command::new(path("rustc")?);
    let told = timed::run(rustc.args(["--print", "sysroot"]), 60)?;
    Ok(PathBuf::from(told.out.trim()).join("bin/rustc"))
}

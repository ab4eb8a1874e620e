//! Deep stacks, signals, threads and processes that hardly live.

use std::path::PathBuf;
use std::process::Command;

use crate::programs::{Workshop, run, run_together};
use crate::stacks::{amounts_to_at_most, count, earshot, most, of, settle, shares, taken};

/// As the program has it.
const DEPTH: usize = 250;
const PROCESSES: &str = "300";
const PROCESS_MS: &str = "10";

fn built(shop: &Workshop, called: &str) -> anyhow::Result<PathBuf> {
    shop.build(&["gcc", "-O2", "-pthread"], "shapes.c", called)
}

fn shape(shop: &Workshop, called: &str, args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(built(shop, called)?);
    command.args(args);
    Ok(command)
}

#[test]
fn deep_interrupted_and_threaded_stacks_are_whole() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let mut commands = [
        shape(&shop, "deep", &["deep", "1.5"])?,
        shape(&shop, "interrupted", &["signal", "1.5"])?,
        shape(&shop, "threads", &["threads", "2"])?,
    ];
    let earshot = earshot()?;
    let ran = run_together(&mut commands)?;
    settle(&earshot)?;

    let deep = of(&earshot, &ran[0])?;
    let chain = [&["main"][..], &["down"; DEPTH], &["burn"]].concat();
    most(&deep, 3, |s| s.find(&chain).is_some() && s.frames[0] == "_start")?;

    let interrupted = of(&earshot, &ran[1])?;
    let root = ["main", "interrupted", "burn"];
    let (burn, spin) = (["handler", "burn"], ["handler", "burn", "spin"]);
    most(&interrupted, 3, |s| s.find(&root).is_some() && s.frames[0] == "_start")?;
    let handlers: Vec<_> = interrupted.iter().filter(|s| s.find(&burn).is_some()).cloned().collect();
    // what was interrupted is under the handler, mostly in the middle of the function that takes the time
    most(&handlers, 10, |s| s.find(&spin).is_some() && s.find(&["interrupted", "burn", "spin"]).is_some())?;
    let part = count(&handlers) as f64 / count(&interrupted) as f64;
    let handled = ran[1].number("handled")? as f64 / ran[1].number("cpu")? as f64;
    anyhow::ensure!((part - handled).abs() < 0.15, "{part:.2} of the samples and {handled:.2} of the time are in the handler");

    let threads = of(&earshot, &ran[2])?;
    shares(&threads, &["first", "burn"], &["second", "burn"])?;
    for (function, name) in [("first", "the-first"), ("second", "the-second")] {
        let wrong = threads.iter().find(|s| s.find(&[function]).is_some() && s.thread != name);
        anyhow::ensure!(wrong.is_none(), "a thread of another name: {wrong:?}");
    }
    Ok(())
}

#[test]
fn processes_that_hardly_live_are_seen_whole() -> anyhow::Result<()> {
    let shop = Workshop::new()?;
    let mut storm = shape(&shop, "storm", &["storm", PROCESSES, PROCESS_MS])?;
    let earshot = earshot()?;
    let cpu_ns = run(&mut storm)?.cpu_ns()?;
    settle(&earshot)?;
    let stacks = taken(&earshot, "s.process_name = 'storm'", "on_cpu")?;
    amounts_to_at_most(&earshot, &stacks, cpu_ns, 0.2)?;
    // the rest is the kernel's work to start and end them
    let burnt: Vec<_> = stacks.iter().filter(|s| s.find(&["burn"]).is_some()).cloned().collect();
    let least = PROCESSES.parse::<i64>()? * PROCESS_MS.parse::<i64>()? * 1_000_000;
    amounts_to_at_most(&earshot, &burnt, least, 0.2)?;
    most(&burnt, 2, |s| s.find(&["main", "burn"]).is_some() || s.find(&["storm", "burn"]).is_some()).map(|_| ())
}

//! Fuzzes one protocol's parser on stable Rust: `cargo run --release -- http1 60`.
//!
//! In: the name of a target, seconds, and optionally the seed of the first execution. Each execution takes conversations of
//! the target's corpus, damages them by a seeded random number, and runs them. Out: executions a second, or the seed and the
//! script of the first one that failed, and exit code 1. `-- http1 0 SEED` repeats a single execution.
//!
//! Follows no code coverage: what is worth reaching is put into the corpus.

mod execution;
mod mutation;
mod random;
mod script;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use random::Random;
use targets::{TARGETS, Target};

/// An execution takes far less.
const EXECUTION_MAX: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().and_then(|name| TARGETS.iter().find(|t| t.name == name));
    let seconds = arguments.next().map_or(Some(10), |text| text.parse().ok());
    let seed = arguments.next().map_or(Some(1), |text| text.parse().ok());
    let (Some(target), Some(seconds), Some(seed)) = (target, seconds, seed) else {
        let names: Vec<_> = TARGETS.iter().map(|t| t.name).collect();
        eprintln!("usage: fuzz {} [SECONDS [SEED]]", names.join("|"));
        return ExitCode::from(2);
    };
    fuzz(target, Duration::from_secs(seconds), seed)
}

fn fuzz(target: &Target, time: Duration, first_seed: u64) -> ExitCode {
    let corpus = (target.corpus)();
    let started = Instant::now();
    let current = watch(target.name, first_seed);
    let (mut executions, mut rows) = (0_u64, 0_u64);
    loop {
        let seed = first_seed.wrapping_add(executions);
        current.store(seed, Ordering::Relaxed);
        let script = mutation::script(&corpus, &mut Random::new(seed));
        match catch_unwind(AssertUnwindSafe(|| execution::check(target, &script))) {
            Ok(Ok(seen)) => rows += seen,
            Ok(Err(what)) => return failed(target, seed, &script, &what),
            Err(_) => return failed(target, seed, &script, "panicked"),
        }
        executions += 1;
        if started.elapsed() >= time {
            break;
        }
    }
    let spent = started.elapsed().as_secs_f64();
    println!("{}: {executions} executions, {:.0}/s, {rows} rows, all well", target.name, executions as f64 / spent);
    ExitCode::SUCCESS
}

/// Ends the program when an execution hangs.
fn watch(name: &'static str, first_seed: u64) -> Arc<AtomicU64> {
    let current = Arc::new(AtomicU64::new(first_seed));
    let watched = current.clone();
    std::thread::spawn(move || {
        loop {
            let seed = watched.load(Ordering::Relaxed);
            std::thread::sleep(EXECUTION_MAX);
            if watched.load(Ordering::Relaxed) == seed {
                eprintln!("{name} failed: it hangs\nrepeat with: {name} 0 {seed}");
                std::process::exit(1);
            }
        }
    });
    current
}

fn failed(target: &Target, seed: u64, script: &script::Script, what: &str) -> ExitCode {
    eprintln!("{} failed: {what}\nrepeat with: {} 0 {seed}\n{script}", target.name, target.name);
    ExitCode::FAILURE
}

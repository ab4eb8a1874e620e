//! Named steps with their time; the first that fails ends the run and is named.

use std::time::{Duration, Instant};

use anyhow::Context;

#[derive(Default)]
pub struct Steps {
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    pub fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        eprintln!("── {name}");
        let started = Instant::now();
        let result = work().with_context(|| format!("step '{name}' failed"))?;
        let took = started.elapsed();
        eprintln!("── {name}: done in {:.1} s", took.as_secs_f64());
        self.done.push((name, took));
        Ok(result)
    }

    /// What was done, and how long each step took.
    pub fn print(&self) {
        for (name, took) in &self.done {
            eprintln!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        let all: Duration = self.done.iter().map(|(_, took)| *took).sum();
        eprintln!("{:>8.1} s  in all", all.as_secs_f64());
    }
}

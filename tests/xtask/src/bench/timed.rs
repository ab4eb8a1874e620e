//! Clients and measured programs: run to their end under a time limit, timed, their standard output kept.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::cost::ended_children_seconds;
use crate::program::line;

pub struct Timed {
    pub out: String,
    pub took: Duration,
    /// Processor time, of all threads.
    pub cpu_seconds: f64,
}

/// Runs `command`, which must succeed within `seconds_max`. Ends it by its own id when it does not.
pub fn run(command: &Command, seconds_max: u64) -> anyhow::Result<Timed> {
    let what = line(command);
    // timeout(1) waits for its child and so keeps the time exact; polling would not
    let mut limited = Command::new("timeout");
    limited.args(["--foreground", "--kill-after=5"]).arg(seconds_max.to_string());
    carry(&mut limited, command);
    limited.stdin(Stdio::null());
    let before = ended_children_seconds()?;
    let started = Instant::now();
    let output = limited.output().with_context(|| format!("cannot run '{what}'"))?;
    let took = started.elapsed();
    let cpu_seconds = ended_children_seconds()? - before;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.code() != Some(124), "'{what}' took more than {seconds_max} s");
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "'{what}' ended with {}: {out}{said}", output.status);
    Ok(Timed { out, took, cpu_seconds })
}

/// Makes `outer` run the whole of `inner`, with its environment and folder.
pub fn carry(outer: &mut Command, inner: &Command) {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    if let Some(folder) = inner.get_current_dir() {
        outer.current_dir(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_time_and_failures() -> anyhow::Result<()> {
        let mut shell = Command::new("sh");
        shell.env("WORD", "said").args(["-c", "sleep 0.05; echo $WORD"]);
        let timed = run(&shell, 10)?;
        assert_eq!(timed.out, "said\n");
        assert!(timed.took >= Duration::from_millis(50));
        let mut failing = Command::new("sh");
        let Err(error) = run(failing.args(["-c", "echo why >&2; exit 3"]), 10) else { panic!("it failed") };
        assert!(error.to_string().contains("why"), "{error}");
        let Err(error) = run(Command::new("sleep").arg("20"), 1) else { panic!("it was late") };
        assert!(error.to_string().contains("more than 1 s"), "{error}");
        Ok(())
    }
}

//! The programs of `tests/programs`: built, run beside each other to their end, and what they say of themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;
use tests::{program, root, run_to_end, succeed};

/// With all of a group at once on one processor, on a machine that does something else too.
const RUN_SECONDS_MAX: u64 = 100;

pub fn source(name: &str) -> PathBuf {
    root().join("tests/programs").join(name)
}

/// Where a test builds what it runs.
pub struct Workshop(TempDir);

impl Workshop {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a tool of the build in this folder.
    pub fn tool(&self, name: &str, args: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(program(name)?);
        command.args(args).current_dir(self.0.path());
        // neither another version of Go nor the user's cache of what it built
        command.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod");
        succeed(&mut command).map(|_| ())
    }

    /// `gcc -O2` and its like for one source file, into a program of this name: that of its process.
    pub fn build(&self, compiler: &[&str], file: &str, called: &str) -> anyhow::Result<PathBuf> {
        let (tool, flags) = compiler.split_first().context("no compiler")?;
        let (source, out) = (source(file), self.path(called));
        let paths = ["-o", text(&out)?, text(&source)?];
        self.tool(tool, &[flags, &paths].concat())?;
        Ok(out)
    }
}

pub fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}

/// A program that has ended, and the numbers that it printed, each after its name.
#[derive(Clone, Debug)]
pub struct Ran {
    said: BTreeMap<String, i64>,
}

impl Ran {
    pub fn number(&self, name: &str) -> anyhow::Result<i64> {
        self.said.get(name).copied().with_context(|| format!("the program did not say its {name}: {:?}", self.said))
    }

    pub fn pid(&self) -> anyhow::Result<i64> {
        self.number("pid")
    }

    /// By its own account.
    pub fn cpu_ns(&self) -> anyhow::Result<i64> {
        self.number("cpu")
    }
}

/// Runs all of them at the same time.
pub fn run_together(commands: &mut [Command]) -> anyhow::Result<Vec<Ran>> {
    std::thread::scope(|scope| {
        let started: Vec<_> = commands.iter_mut().map(|command| scope.spawn(|| run(command))).collect();
        started.into_iter().map(|one| one.join().map_err(|_| anyhow::anyhow!("a program's thread panicked"))?).collect()
    })
}

pub fn run(command: &mut Command) -> anyhow::Result<Ran> {
    let ended = run_to_end(command, RUN_SECONDS_MAX)?;
    anyhow::ensure!(ended.status.success(), "{command:?} ended with {}: {}{}", ended.status, ended.out, ended.err);
    let words = ended.out.lines().filter_map(|line| line.split_once(' '));
    Ok(Ran { said: words.filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?))).collect() })
}

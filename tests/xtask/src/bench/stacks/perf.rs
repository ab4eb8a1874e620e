//! `perf record` of the whole host, and what `perf script` says of it.

use std::process::Command;

use ::tests::Process;
use tempfile::TempDir;

use super::HZ;
use super::names::Files;
use super::pairs::{Stacks, is_kernel};
use crate::bench::needs::path;
use crate::bench::timed;

/// Bytes of each stack that perf copies: as much as earshot does.
const STACK_BYTES: u32 = 65528;
const SCRIPT_SECONDS_MAX: u64 = 900;
const READY_SECONDS: u64 = 10;
/// What perf writes where a caller lies behind what it copied.
const NO_CALLER: &str = "ffffffffffffffff";

pub struct Perf {
    process: Process,
    folder: TempDir,
}

impl Perf {
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(path("perf")?);
        command.args(["record", "-a", "-e", "cpu-clock", "-F", &HZ.to_string()]);
        command.args(["--call-graph", &format!("dwarf,{STACK_BYTES}"), "-m", "8M", "-o"]).arg(folder.path().join("data"));
        let mut process = Process::start(&command, folder.path())?;
        let data = folder.path().join("data");
        process.wait_until(READY_SECONDS, "its file", |_| data.is_file().then_some(()))?;
        Ok(Self { process, folder })
    }

    /// Ends the recording; the stacks of threads of this name.
    pub fn stacks(mut self, thread: &str) -> anyhow::Result<Stacks> {
        self.process.end("INT")?;
        let mut script = Command::new(path("perf")?);
        script.args(["script", "--no-inline", "--no-demangle", "--max-stack", "1024"]);
        script.args(["-F", "comm,tid,ip,sym,dso", "--comms", thread, "-i"]).arg(self.folder.path().join("data"));
        Ok(read(&timed::run(&script, SCRIPT_SECONDS_MAX)?.out))
    }
}

/// A line for the sample, then a line `ADDRESS SYMBOL (FILE)` for each frame, leaf first, then an empty one.
fn read(script: &str) -> Stacks {
    let (mut stacks, mut files) = (Stacks::default(), Files::default());
    for sample in script.split("\n\n") {
        let frames = sample.lines().skip_while(|line| line.is_empty()).skip(1);
        let frames = frames.filter_map(|line| line.trim().split_once(' ')).filter(|(address, _)| *address != NO_CALLER);
        let mut names: Vec<String> = frames.map(|(_, frame)| name(frame, &mut files, &mut stacks)).collect();
        names.reverse();
        if !names.is_empty() {
            stacks.add(names.iter().map(String::as_str), 1);
        }
    }
    stacks
}

/// By which a function stands in `stacks`: the first of all its names.
fn name(frame: &str, files: &mut Files, stacks: &mut Stacks) -> String {
    let (symbol, file) = frame.rsplit_once(" (").unwrap_or((frame, ""));
    if is_kernel(symbol) {
        return symbol.to_owned();
    }
    let names = files.names(file.trim_end_matches(')'), symbol);
    stacks.same(names);
    names.first().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stacks::pairs::Compared;

    #[test]
    fn a_script_is_stacks_from_the_root() {
        let script = "node  41 \n\tffffffff81 asm_exc ([kernel.kallsyms])\n\t    55aa spin (/no file)\n\t    55ab main (/no file)\n\tffffffffffffffff [unknown] ([unknown])\n\nnode  41 \n\t 55 [unknown] (/no file)\n\n";
        let (stacks, mut expected) = (read(script), Stacks::default());
        expected.add(["main", "spin"].into_iter(), 1);
        expected.add(["[libc.so.6]"].into_iter(), 1);
        let compared = Compared::of(&stacks, &expected);
        assert_eq!((stacks.samples(), compared.agreed, compared.differed(), compared.unknown), (2, 3, 0, 0));
    }
}

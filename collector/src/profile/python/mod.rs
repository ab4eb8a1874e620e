//! Python functions in the place of the interpreter's own: what the kernel program read of a thread's frames, by name.
//!
//! In: processes when they are first seen, the records that come before samples, and the names of a sample's stack. Out: the same
//! names with each call of the interpreter replaced by the functions that it runs. What is not known leaves the stack as it is.

mod code;
mod runtime;

use std::fs::File;

use ebpf_abi::{PYTHON_FRAMES_MAX, SampleHeader};
use hashbrown::HashMap;

use crate::kernel::{PythonFrames, Pythons as Known};
use code::Codes;
use runtime::{Runtime, Runtimes};

/// Processes that are known; beyond it all are looked at anew.
const PROCESSES_MAX: usize = 1024;
/// Threads whose functions wait for the sample that follows; it is the next of that thread.
const TOLD_MAX: usize = 4096;
/// A sample is taken right after what was told before it.
const TOLD_NS_MAX: u64 = 10_000_000;
/// The interpreter's loop: each call of it runs a function, and those that this one calls.
const LOOP: &str = "_PyEval_EvalFrameDefault";
/// What the interpreter itself calls the functions that it runs, when it is asked to: they are in the stack already.
const OWN_NAMES: &str = "py::";
/// A function of which the process cannot be asked any more.
const NAMELESS: &str = "[python]";

struct Process {
    runtime: Runtime,
    memory: File,
    codes: Codes,
}

#[derive(Default)]
pub struct Pythons {
    /// What the kernel program knows of processes.
    known: Option<Known>,
    runtimes: Runtimes,
    processes: HashMap<u32, Process>,
    /// By thread.
    told: HashMap<u32, PythonFrames>,
}

impl Pythons {
    pub fn new(known: Option<Known>) -> Self {
        Self { known, ..Self::default() }
    }

    /// The process is seen for the first time, or is another program now.
    pub fn look_at(&mut self, pid: u32) {
        self.forget(pid);
        let Some(known) = &mut self.known else { return };
        let Some(runtime) = self.runtimes.of(pid) else { return };
        let Ok(memory) = File::open(format!("/proc/{pid}/mem")) else { return };
        if self.processes.len() >= PROCESSES_MAX {
            self.processes.drain().for_each(|(pid, _)| known.forget(pid));
        }
        if known.set(pid, &runtime.layout) {
            self.processes.insert(pid, Process { runtime, memory, codes: Codes::default() });
        }
    }

    pub fn forget(&mut self, pid: u32) {
        if self.processes.remove(&pid).is_some()
            && let Some(known) = &mut self.known
        {
            known.forget(pid);
        }
    }

    pub fn knows(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    pub fn tell(&mut self, frames: PythonFrames) {
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(frames.header.tid, frames);
    }

    /// Names are root first.
    pub fn put_in(&mut self, sample: &SampleHeader, names: &mut Vec<String>) {
        let Some(told) = self.told.remove(&sample.tid) else { return };
        let Some(process) = self.processes.get_mut(&sample.pid) else { return };
        let fits = told.header.pid == sample.pid && sample.time_ns.wrapping_sub(told.header.time_ns) <= TOLD_NS_MAX;
        if !fits || names.iter().any(|name| name.starts_with(OWN_NAMES)) {
            return;
        }
        let whole = told.codes.len() < PYTHON_FRAMES_MAX;
        let calls = process.calls(&told.codes);
        replace(names, calls, whole);
    }
}

impl Process {
    /// The functions of each call of the interpreter, both from the leaf on.
    fn calls(&mut self, codes: &[u64]) -> Vec<Vec<String>> {
        let Self { runtime, memory, codes: names } = self;
        let mut calls = vec![];
        let mut functions = vec![];
        for code in codes {
            let last = code & 1 != 0;
            // the frame between two calls of the interpreter is no function
            if !(last && runtime.version.frame_between) {
                functions.push(names.name(memory, code & !1, runtime).unwrap_or_else(|| NAMELESS.to_owned()));
            }
            if last {
                calls.push(std::mem::take(&mut functions));
            }
        }
        if !functions.is_empty() {
            calls.push(functions);
        }
        calls
    }
}

/// `whole`: the last call is the outermost one. Where a stack and the calls differ in number, the end that is known of both
/// counts.
fn replace(names: &mut Vec<String>, calls: Vec<Vec<String>>, whole: bool) {
    let loops = names.iter().filter(|name| name.starts_with(LOOP)).count();
    let cut = names.first().is_some_and(|name| name.starts_with('['));
    // from the leaf on; when there are more calls than the stack shows, and it shows the outermost, the innermost go without
    let too_many = if whole && !cut { calls.len().saturating_sub(loops) } else { 0 };
    let mut calls = calls.into_iter().skip(too_many);
    let mut out = Vec::with_capacity(names.len());
    for name in names.drain(..).rev() {
        let functions = if name.starts_with(LOOP) { calls.next() } else { None };
        match functions {
            Some(functions) => out.extend(functions),
            None => out.push(name),
        }
    }
    if cut {
        // what the stack does not show is behind its end
        let reason = out.pop();
        out.extend(calls.flatten());
        out.extend(reason);
    }
    out.reverse();
    *names = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(names: &[&str], calls: &[&[&str]], whole: bool) -> String {
        let mut names = names.iter().map(|name| (*name).to_owned()).collect();
        replace(&mut names, calls.iter().map(|call| call.iter().map(|f| (*f).to_owned()).collect()).collect(), whole);
        names.join(" ")
    }

    #[test]
    fn each_call_of_the_interpreter_becomes_its_functions() {
        let stack = ["_start", "Py_Main", LOOP, "slot_call", LOOP, "long_add"];
        let calls: [&[&str]; 2] = [&["spin", "alpha"], &["main", "<module>"]];
        assert_eq!(replaced(&stack, &calls, true), "_start Py_Main <module> main slot_call alpha spin long_add");
        assert_eq!(replaced(&stack, &[], true), stack.join(" "));
        assert_eq!(replaced(&stack[..2], &calls, true), "_start Py_Main");
    }

    #[test]
    fn what_differs_in_number_is_put_where_it_is_known() {
        // the innermost call is not in the stack, which shows the outermost
        assert_eq!(replaced(&["_start", LOOP, "x"], &[&["spin"], &["main"]], true), "_start main x");
        // the stack was cut: the outermost calls are behind its end
        assert_eq!(replaced(&["[stack cut]", LOOP, "x"], &[&["spin"], &["main"]], true), "[stack cut] main spin x");
        // the functions were cut: the outermost loops stay
        assert_eq!(replaced(&["_start", LOOP, "y", LOOP], &[&["spin"]], false), format!("_start {LOOP} y spin"));
    }
}

//! Names for addresses: of processes and of the kernel.
//!
//! In: a process and an address. Out: the function there, as its author wrote it, or why it has no name, in brackets:
//! `[libfoo.so]` (no symbol there), `[anonymous code]`, `[vdso]`, `[unmapped]`, `[process ended]`, `[kernel]`. A name is never
//! taken from a function that the address is not inside of. Functions that the compiler put into another follow it, where there is
//! debug information. Files are read in pieces and never mapped; what is kept is bounded,
//! about 96 MiB in all. Unwinds nothing, and samples nothing.

mod binaries;
mod binary;
mod demangle;
mod embedded;
mod inlined;
mod kernel;
mod maps;
mod perf_map;
mod plt;
mod process;
mod separate;
mod table;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use hashbrown::HashMap;

use binaries::Binaries;
use kernel::Kernel;
use maps::What;
use process::Process;

/// Processes of which the code is known, in number and in bytes, perf maps included.
const PROCESSES_MAX: usize = 8192;
const PROCESSES_BYTES_MAX: usize = 32 << 20;
/// A process that has ended may have samples that are still to be named.
const ENDED_KEPT: Duration = Duration::from_secs(30);
/// What is not sampled for so long is read again when it is.
const UNUSED_KEPT: Duration = Duration::from_secs(300);
/// How often it is looked what can be let go of.
const SWEEP: Duration = Duration::from_secs(1);
/// Addresses from here on are the kernel's.
const KERNEL_START: u64 = 1 << 63;

#[derive(Debug, Default)]
pub struct Symbols {
    processes: HashMap<u32, Process>,
    binaries: Binaries,
    kernel: Kernel,
    worker: inlined::Worker,
    swept: Option<Instant>,
}

impl Symbols {
    pub fn new() -> Symbols {
        Symbols::default()
    }

    /// Appends the names for one address, outermost first: the function there, then what is inlined into it, where that is known.
    /// A return address is behind the call, and named after the byte before it. False when the same address may soon have other
    /// names, although the process runs the same program.
    pub fn frames(&mut self, pid: u32, address: u64, is_return_address: bool, out: &mut Vec<String>) -> bool {
        let address = address.saturating_sub(u64::from(is_return_address));
        if address >= KERNEL_START {
            out.push(self.kernel(address));
            return true;
        }
        self.names(pid, address, Instant::now(), out)
    }

    /// Reads the names of the kernel's functions now, not when the first is asked for.
    pub fn prepare(&mut self) {
        self.kernel.read(Instant::now());
    }

    /// The caller takes 1 from a return address.
    pub fn kernel(&mut self, address: u64) -> String {
        self.kernel.name(address, Instant::now())
    }

    /// The process runs another program, maps more code, or is seen for the first time: keeps what its addresses need, also
    /// when it has ended.
    pub fn mapped(&mut self, pid: u32) {
        let now = Instant::now();
        self.sweep(now);
        match self.processes.get_mut(&pid).filter(|process| process.ended.is_none()) {
            Some(process) => {
                process.stale = true;
                process.read_again(now);
            }
            None => self.add(pid, now),
        }
        if let Some(process) = self.processes.get_mut(&pid) {
            process.used = now;
            process.open_files(&mut self.binaries, now);
        }
    }

    /// The process has ended; its addresses are named for a while.
    pub fn exited(&mut self, pid: u32) {
        let now = Instant::now();
        if let Some(process) = self.processes.get_mut(&pid) {
            process.ended.get_or_insert(now);
        }
        self.sweep(now);
    }

    /// Bytes of all that is kept.
    pub fn bytes(&self) -> usize {
        self.binaries.bytes() + self.kernel.bytes() + self.processes.values().map(Process::bytes).sum::<usize>()
    }

    fn names(&mut self, pid: u32, address: u64, now: Instant, out: &mut Vec<String>) -> bool {
        self.sweep(now);
        if !self.processes.contains_key(&pid) {
            self.add(pid, now);
        }
        let Some(process) = self.processes.get_mut(&pid) else {
            out.push("[process ended]".to_owned());
            return false;
        };
        let Some(mapping) = process.mapping(address, now) else {
            out.push("[unmapped]".to_owned());
            return false;
        };
        let reason = demangle::one_line(&mapping.reason());
        let offset = address - mapping.mapped.start + mapping.offset;
        process::open(mapping, &mut self.binaries, now);
        let made = match (&mapping.what, &mapping.file) {
            (What::Special(_), _) => {
                out.push(reason);
                return true;
            }
            (What::Anonymous, _) => true,
            (What::File, None) => false,
            (What::File, Some(file)) => match self.binaries.get(file, now) {
                Some(binary) if binary.is_program() => {
                    out.push(binary.name_at_offset(offset).unwrap_or(reason));
                    return binary.inlined_at_offset(offset, &mut self.worker, out);
                }
                _ => true,
            },
        };
        let name = if made { process.own_name(address, now) } else { None };
        out.push(name.unwrap_or(reason));
        false
    }

    fn add(&mut self, pid: u32, now: Instant) {
        if self.processes.len() >= PROCESSES_MAX {
            self.forget_oldest(now);
        }
        let process = Process::read(pid, now);
        // of one that is gone the number may soon be another's
        if process.is_known() {
            self.processes.insert(pid, process);
        }
    }

    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP) {
            return;
        }
        self.swept = Some(now);
        let since = |then: Instant| now.saturating_duration_since(then);
        self.processes.retain(|_, p| p.ended.map_or(since(p.used) < UNUSED_KEPT, |ended| since(ended) < ENDED_KEPT));
        while self.processes.values().map(Process::bytes).sum::<usize>() > PROCESSES_BYTES_MAX {
            self.forget_oldest(now);
        }
        self.binaries.close_unused(now);
    }

    /// First those that have ended.
    fn forget_oldest(&mut self, now: Instant) {
        let age = |process: &Process| (process.ended.is_some(), now.saturating_duration_since(process.used));
        if let Some(pid) = self.processes.iter().max_by_key(|(_, process)| age(process)).map(|(pid, _)| *pid) {
            self.processes.remove(&pid);
        }
    }
}

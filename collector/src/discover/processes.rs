//! All processes of the host, by number.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::HashMap;

use super::process::{Boot, Exit, Process, arguments};
use crate::kernel::{Clock, Record};

/// Processes that ended stay known for this long, because rows about them may still come.
const EXITED_KEPT: usize = 4096;
/// Changed processes that may wait to be written.
const CHANGED_MAX: usize = 65536;

/// Processes that are remembered to have been there before the probes of their TLS library.
const PROBED_LATE_MAX: usize = 65536;

/// A process that is new or has changed.
pub type Change = Arc<Process>;

#[derive(Debug)]
pub struct Processes {
    boot: Boot,
    /// Grows with each change, so that holders of a process know when to ask again.
    generation: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_pid: HashMap<u32, Arc<Process>>,
    /// The newest state of each process that changed since the last time it was asked for, by process id.
    changed: HashMap<i64, Arc<Process>>,
    exited: VecDeque<(u32, i64)>,
    /// When the TLS library of a process that was there before them got its probes, on the monotonic clock.
    probed_late_ns: HashMap<u32, u64>,
    lost_changes: u64,
}

impl Processes {
    /// Knows every process that /proc shows now.
    pub fn of_this_host(clock: Clock, suspended_ns: u64) -> Self {
        let boot = Boot { id: boot_id(), clock, suspended_ns };
        let mut inner = Inner::default();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
            if let Some(process) = Process::read(pid, boot) {
                inner.put(process);
            }
        }
        Self { boot, generation: AtomicU64::new(1), inner: Mutex::new(inner) }
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// The process with this number now, or the last one that had it.
    pub fn get(&self, pid: u32) -> Option<Arc<Process>> {
        if let Some(process) = self.lock().by_pid.get(&pid) {
            return Some(process.clone());
        }
        let process = Process::read(pid, self.boot)?;
        Some(self.lock().put(process))
    }

    /// What the process says inside TLS is seen from this time on only.
    pub fn probed_late(&self, pid: u32, at_ns: u64) {
        let late = &mut self.lock().probed_late_ns;
        // one program may hold several libraries: which of them a connection uses is not known
        if late.len() < PROBED_LATE_MAX || late.contains_key(&pid) {
            late.insert(pid, at_ns);
        }
    }

    /// The time before which what the process said inside TLS was not seen, if it was there before its probes.
    pub fn probed_late_ns(&self, pid: u32) -> Option<u64> {
        self.lock().probed_late_ns.get(&pid).copied()
    }

    /// Every process that is alive, as far as is known.
    pub fn alive(&self) -> Vec<Arc<Process>> {
        self.lock().by_pid.values().filter(|p| p.exit.is_none()).cloned().collect()
    }

    /// What changed since the last call, and how many changes were lost.
    pub fn take_changed(&self) -> (Vec<Change>, u64) {
        let mut inner = self.lock();
        let lost = std::mem::take(&mut inner.lost_changes);
        (inner.changed.drain().map(|(_, p)| p).collect(), lost)
    }

    /// Takes a record of the kernel; those that are not of processes are none of its business.
    pub fn apply(&self, record: &Record<'_>) {
        match record {
            Record::Fork(e) => {
                let mut inner = self.lock();
                let parent = inner.by_pid.get(&e.parent_pid).cloned();
                let parent = parent.as_deref();
                inner.put(Process {
                    id: self.boot.process_id(e.pid, e.started_ns),
                    pid: e.pid,
                    name: text(&e.comm).to_vec(),
                    parent_id: parent.map(|p| p.id),
                    started_unix_ns: self.boot.unix_ns(e.started_ns),
                    exit: None,
                    execs: 0,
                    executable: parent.and_then(|p| p.executable.clone()),
                    arguments: parent.and_then(|p| p.arguments.clone()),
                    user_id: Some(e.uid),
                    build_id: parent.and_then(|p| p.build_id.clone()),
                    container_id: parent.and_then(|p| p.container_id.clone()),
                    unit: parent.and_then(|p| p.unit.clone()),
                });
            }
            Record::Exec(e) => {
                let known = self.lock().by_pid.get(&e.pid).cloned();
                let id = self.boot.process_id(e.pid, e.started_ns);
                let mut process = known.filter(|p| p.id == id).map(|p| (*p).clone()).unwrap_or_default();
                process.id = id;
                process.pid = e.pid;
                process.name = text(&e.comm).to_vec();
                process.user_id = Some(e.uid);
                process.started_unix_ns = self.boot.unix_ns(e.started_ns);
                process.build_id = None;
                process.execs += 1;
                process.executable = Some(e.executable[..(e.executable_len as usize).min(e.executable.len())].to_vec());
                // a program that is gone already leaves what the kernel saw
                process.arguments = Some(arguments(&e.arguments[..(e.arguments_len as usize).min(e.arguments.len())]));
                process.read_program();
                self.lock().put(process);
            }
            Record::Rename(e) => self.change(e.pid, |p| p.name = text(&e.comm).to_vec()),
            Record::Exit(e) => {
                let id = self.boot.process_id(e.pid, e.started_ns);
                let at_unix_ns = self.boot.clock.unix_ns(e.time_ns);
                let status = e.status;
                self.change(e.pid, |p| {
                    if p.id == id {
                        p.exit = Some(Exit { at_unix_ns, status });
                    }
                });
                self.lock().retire(e.pid, id);
            }
            _ => return,
        }
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    fn change(&self, pid: u32, change: impl FnOnce(&mut Process)) {
        let mut inner = self.lock();
        if let Some(process) = inner.by_pid.get(&pid) {
            let mut process = (**process).clone();
            change(&mut process);
            inner.put(process);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // nothing is left half done when a holder panics
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Inner {
    fn put(&mut self, process: Process) -> Arc<Process> {
        let process = Arc::new(process);
        self.by_pid.insert(process.pid, process.clone());
        if self.changed.len() < CHANGED_MAX || self.changed.contains_key(&process.id) {
            self.changed.insert(process.id, process.clone());
        } else {
            self.lost_changes += 1;
        }
        process
    }

    fn retire(&mut self, pid: u32, id: i64) {
        self.exited.push_back((pid, id));
        if self.exited.len() > EXITED_KEPT
            && let Some((pid, id)) = self.exited.pop_front()
            && self.by_pid.get(&pid).is_some_and(|p| p.id == id)
        {
            self.by_pid.remove(&pid);
            self.probed_late_ns.remove(&pid);
        }
    }
}

/// Text up to the first zero byte.
fn text(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len())]
}

/// Sixty-four bits of the boot's identity.
fn boot_id() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}

//! The heap profile of one process, on request and for a limited time.
//!
//! In: a process. Out: rows of `stack_samples` of the kind `heap`, written when it ends, and [`Totals`]. Finds the process's allocator,
//! has it probed, and sees to it that it is left again. Takes no stacks: the profiler does, which this is a message box for.

use std::collections::HashSet;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ebpf_abi::{HeapCounts, HeapSample, HeapSite, allocator as abi};

use crate::binary::{self, AllocatorSite, Gives};
use crate::kernel::{Capture, Clock, HeapProbe, monotonic_ns};
use crate::libraries::sites::place;
use crate::libraries::{files, return_probes_are_safe};

/// A sample stands for at least so many bytes, unless somebody wishes otherwise.
pub const PORTION_BYTES_DEFAULT: u64 = 512 << 10;
/// What somebody may wish.
pub const PORTION_BYTES_MIN: u64 = 1 << 10;
pub const PORTION_BYTES_MAX: u64 = 1 << 30;
/// How long the profiler may take to write what it has.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// Files of one process that are looked at for allocators.
const FILES_MAX: usize = 1024;

/// Why a heap is not profiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no process has the number {0}")]
    NoProcess(u32),
    #[error("earshot does not profile itself")]
    Itself,
    #[error("process {pid} has no allocator that is known: {why}")]
    NoAllocator { pid: u32, why: String },
    #[error("the heap of process {0} is being profiled; one at a time")]
    Busy(u32),
    #[error("heaps cannot be profiled here: {0}")]
    Impossible(String),
    #[error("process {pid} cannot be probed: {why}")]
    Attach { pid: u32, why: String },
}

/// What was seen of a process's heap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In nanoseconds since 1970 UTC.
    pub from_ns: i64,
    pub until_ns: i64,
    /// Calls that asked for memory, the bytes that they asked for, and calls that gave memory back.
    pub allocations: u64,
    pub allocated_bytes: u64,
    pub frees: u64,
    pub samples: u64,
    /// What samples stand for: all of it, and of that what was not given back; None where that is not seen.
    pub sampled_bytes: u64,
    pub live_bytes: Option<u64>,
    /// Samples that are taken for given back because too many were not.
    pub unwatched: u64,
    /// Where the process was probed, and which functions could not be.
    pub functions: Vec<String>,
    pub refused: Vec<String>,
}

/// What samples of a heap stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub samples: u64,
    pub bytes: u64,
    pub live_bytes: u64,
}

/// The samples whose memory is still there; None where that is not seen.
pub type Fates = Option<HashSet<HeapSample>>;

#[derive(Default)]
enum Phase {
    #[default]
    Idle,
    /// Of this process.
    Running(u32),
    /// The profiler is to write what it has, and may be waited for.
    Over {
        fates: Fates,
        waited_for: bool,
    },
    Written(Sums),
}

/// Where who asks and the profiler leave each other word.
#[derive(Default)]
pub struct Turn {
    phase: Mutex<Phase>,
    changed: Condvar,
}

impl Turn {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        // nothing is left half done when a holder panics
        self.phase.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn begin(&self, pid: u32) -> Result<(), Refusal> {
        let mut phase = self.lock();
        match &*phase {
            Phase::Idle => *phase = Phase::Running(pid),
            Phase::Running(other) => return Err(Refusal::Busy(*other)),
            Phase::Over { .. } | Phase::Written(_) => return Err(Refusal::Busy(pid)),
        }
        Ok(())
    }

    fn never_began(&self) {
        *self.lock() = Phase::Idle;
    }

    fn end(&self, fates: Fates, waited_for: bool) {
        let mut phase = self.lock();
        if matches!(*phase, Phase::Running(_)) {
            *phase = Phase::Over { fates, waited_for };
        }
    }

    /// For the profiler, when it ends: what it has is written, with or without what became of it.
    pub fn close(&self, write: impl FnOnce(&Fates) -> Sums) {
        let mut phase = self.lock();
        let sums = match std::mem::take(&mut *phase) {
            Phase::Over { fates, .. } => write(&fates),
            _ => write(&None),
        };
        *phase = Phase::Written(sums);
        self.changed.notify_all();
    }

    /// None: the profiler did not write in time.
    fn written(&self) -> Option<Sums> {
        let until = Instant::now() + WRITTEN_WITHIN;
        let mut phase = self.lock();
        loop {
            if let Phase::Written(sums) = *phase {
                *phase = Phase::Idle;
                return Some(sums);
            }
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                if let Phase::Over { waited_for, .. } = &mut *phase {
                    *waited_for = false;
                }
                return None;
            }
            phase = self.changed.wait_timeout(phase, rest).unwrap_or_else(|e| e.into_inner()).0;
        }
    }

    /// Whether the profiler has all samples once it has read what waits now.
    pub fn is_over(&self) -> bool {
        matches!(*self.lock(), Phase::Over { .. })
    }

    /// For the profiler, when [`Self::is_over`]: it writes what it has by what became of it.
    pub fn write(&self, write: impl FnOnce(&Fates) -> Sums) {
        let mut phase = self.lock();
        let Phase::Over { fates, waited_for } = &*phase else { return };
        let (sums, waited_for) = (write(fates), *waited_for);
        *phase = if waited_for { Phase::Written(sums) } else { Phase::Idle };
        self.changed.notify_all();
    }
}

/// Profiles the heaps of processes, one at a time.
#[derive(Clone)]
pub struct Heaps {
    capture: Arc<Mutex<Capture>>,
    turn: Arc<Turn>,
    clock: Clock,
    stop: Arc<AtomicBool>,
}

impl Heaps {
    pub fn new(capture: Arc<Mutex<Capture>>, turn: Arc<Turn>, clock: Clock, stop: Arc<AtomicBool>) -> Self {
        Self { capture, turn, clock, stop }
    }

    /// From now on until [`Running::finish`], or until what it returns is dropped.
    pub fn start(&self, pid: u32, portion_bytes: u64) -> Result<Running, Refusal> {
        if pid == std::process::id() {
            return Err(Refusal::Itself);
        }
        self.lock().heap().map_err(Refusal::Impossible)?;
        if !return_probes_are_safe() && has_filter(pid) {
            return Err(Refusal::Attach {
                pid,
                why: "its seccomp filter could end it on this kernel (6.11 to 6.13)".to_owned(),
            });
        }
        let Found { files, functions, refused } = find(pid)?;
        self.turn.begin(pid)?;
        let collected = files.iter().flat_map(|(_, probes)| probes).all(|probe| probe.site.call == abi::COLLECTED);
        let attached = {
            let mut capture = self.lock();
            capture.heap().map_err(Refusal::Impossible).and_then(|heap| {
                let before = heap.counts();
                let attached = heap.attach(pid, portion_bytes.clamp(PORTION_BYTES_MIN, PORTION_BYTES_MAX), &files);
                attached.map(|()| before).map_err(|why| {
                    heap.detach();
                    Refusal::Attach { pid, why }
                })
            })
        };
        let before = attached.inspect_err(|_| self.turn.never_began())?;
        let from_ns = self.clock.unix_ns(monotonic_ns());
        let totals = Totals { from_ns, functions, refused, ..Totals::default() };
        Ok(Running { heaps: self.clone(), pid, before, totals, collected, ended: false })
    }

    fn lock(&self) -> MutexGuard<'_, Capture> {
        self.capture.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A process whose heap is profiled; it is left when this is dropped.
pub struct Running {
    heaps: Heaps,
    pid: u32,
    before: HeapCounts,
    totals: Totals,
    collected: bool,
    ended: bool,
}

impl Running {
    /// The process has ended, or earshot is about to.
    pub fn is_over(&self) -> bool {
        let stopping = self.heaps.stop.load(Ordering::Relaxed);
        // one that has ended and is not yet waited for has no program
        stopping || std::fs::read_link(format!("/proc/{}/exe", self.pid)).is_err()
    }

    /// Leaves the process, and waits until its samples are rows.
    pub fn finish(mut self) -> Totals {
        let counts = self.end(true);
        let sums = self.heaps.turn.written().unwrap_or_default();
        let mut totals = std::mem::take(&mut self.totals);
        totals.until_ns = self.heaps.clock.unix_ns(monotonic_ns());
        totals.allocations = counts.allocations - self.before.allocations;
        totals.allocated_bytes = counts.bytes - self.before.bytes;
        totals.frees = counts.frees - self.before.frees;
        totals.unwatched = counts.unwatched - self.before.unwatched;
        totals.samples = sums.samples;
        totals.sampled_bytes = sums.bytes;
        totals.live_bytes = (!self.collected).then_some(sums.live_bytes);
        totals
    }

    fn end(&mut self, waited_for: bool) -> HeapCounts {
        self.ended = true;
        let (mut live, mut counts) = (HashSet::new(), self.before);
        if let Ok(heap) = self.heaps.lock().heap() {
            heap.detach();
            (live, counts) = (heap.live(), heap.counts());
        }
        self.heaps.turn.end((!self.collected).then_some(live), waited_for);
        counts
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.end(false);
        }
    }
}

/// Of system calls.
fn has_filter(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}

/// What of a process can be probed.
struct Found {
    files: Vec<(File, Vec<HeapProbe>)>,
    functions: Vec<String>,
    refused: Vec<String>,
}

fn find(pid: u32) -> Result<Found, Refusal> {
    if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
        return Err(Refusal::NoProcess(pid));
    }
    let mut found = Found { files: vec![], functions: vec![], refused: vec![] };
    let mut seen = HashSet::new();
    let mapped = files::code_of(pid);
    for mapping in mapped.iter().take(FILES_MAX) {
        if !seen.insert((mapping.device, mapping.inode)) {
            continue;
        }
        let Some((file, _)) = files::open(mapping) else { continue };
        let path = String::from_utf8_lossy(&mapping.path).into_owned();
        match binary::allocator(&file) {
            Ok(None) => {}
            Ok(Some(allocator)) => {
                found.refused.extend(allocator.refused.iter().map(|(name, why)| format!("{path}:{name}: {why}")));
                let probes: Vec<HeapProbe> = allocator.sites.iter().map(|site| probe(&path, pid, site)).collect();
                found.functions.extend(allocator.sites.iter().map(|site| format!("{path}:{}", site.symbol)));
                found.files.push((file, probes));
            }
            Err(error) => found.refused.push(format!("{path}: {error}")),
        }
    }
    let gives = |probe: &HeapProbe| probe.site.call != abi::FREE;
    if !found.files.iter().any(|(_, probes)| probes.iter().any(gives)) {
        let why = if mapped.is_empty() {
            "it maps no program".to_owned()
        } else if found.refused.is_empty() {
            format!("none of {} files exports or names malloc and free, or is a Go program", seen.len())
        } else {
            found.refused.join("; ")
        };
        return Err(Refusal::NoAllocator { pid, why });
    }
    Ok(found)
}

fn probe(path: &str, pid: u32, site: &AllocatorSite) -> HeapProbe {
    let call = match site.gives {
        Gives::New => abi::ALLOCATE,
        Gives::InPlaceOf => abi::REALLOCATE,
        Gives::Stored => abi::STORE,
        Gives::Nothing => abi::FREE,
        Gives::Collected => abi::COLLECTED,
    };
    let kind = if site.emulated { "emulated" } else { "single-stepped" };
    HeapProbe {
        offset: site.offset,
        site: HeapSite {
            call,
            calls_others: u8::from(site.calls_others),
            _pad: [0; 6],
            bytes: place(site.bytes),
            times: place(site.times),
            pointer: place(site.pointer),
        },
        target: format!("{path}:{}+{:#x} of {pid}", site.symbol, site.offset),
        reason: format!("{kind}: {}", site.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_heap_at_a_time() {
        let turn = Turn::default();
        assert_eq!(turn.begin(7), Ok(()));
        assert_eq!(turn.begin(8), Err(Refusal::Busy(7)));
        turn.never_began();
        assert_eq!(turn.begin(8), Ok(()));
        turn.end(None, false);
        assert!(turn.is_over() && turn.begin(9).is_err());
        turn.write(|fates| {
            assert!(fates.is_none());
            Sums::default()
        });
        assert_eq!((turn.is_over(), turn.begin(9)), (false, Ok(())));
    }

    #[test]
    fn who_asks_is_told_what_was_written() {
        let turn = Arc::new(Turn::default());
        turn.begin(7).expect("nobody else asks");
        turn.end(Some(HashSet::new()), true);
        let profiler = turn.clone();
        let writing = std::thread::spawn(move || profiler.write(|_| Sums { samples: 3, bytes: 30, live_bytes: 10 }));
        assert_eq!(turn.written(), Some(Sums { samples: 3, bytes: 30, live_bytes: 10 }));
        writing.join().expect("it writes");
        assert_eq!(turn.begin(8), Ok(()));
    }

    #[test]
    fn processes_that_cannot_be_profiled_are_told() {
        assert_eq!(find(u32::MAX).map(|_| ()), Err(Refusal::NoProcess(u32::MAX)));
        let own = find(std::process::id()).expect("a Rust program uses the C library's allocator");
        assert!(own.functions.iter().any(|name| name.ends_with(":malloc")), "{:?}", own.functions);
    }
}

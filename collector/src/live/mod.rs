//! Capture on this host: a worker a ring buffer, the profiler, and one housekeeper.
//!
//! In: [`Settings`] and a sink. Out: rows, until [`Live::stop`].

mod bridge;
mod budget;
mod housekeeping;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub use bridge::forward;
pub use budget::{Limits as BudgetLimits, Rate as BudgetRate};
pub use worker::Recorder;

use crate::batch::Sink;
use crate::connect::Context;
use crate::discover::Processes;
use crate::heap::{Heaps, Turn};
use crate::kernel::{
    Capture, Clock, ProbeState, StartError, WantedSamples, boottime_minus_monotonic_ns, monotonic_ns, release_memory,
};
use crate::libraries::{Libraries, Told};
use crate::profile::Profiler;
use crate::unwind::Room;
use budget::{Budget, Ledger, Meter};
use worker::Policy;

pub struct Settings {
    pub host: Arc<[u8]>,
    pub parsing: protocol_parsers::Settings,
    /// Literals, parameters and what may quote them are replaced before rows are kept.
    pub redact: bool,
    /// What stacks are taken of.
    pub profile: WantedSamples,
    /// What reading may cost before less is copied.
    pub budget: BudgetLimits,
    pub sink: Arc<dyn Sink>,
    /// Takes every raw record, before anything is made of it.
    pub recorder: Option<Box<dyn Recorder>>,
}

pub struct Live {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    capture: Arc<Mutex<Capture>>,
    told: Arc<Told>,
    room: Arc<Room>,
    heaps: Heaps,
}

impl Live {
    /// Attaches the probes and starts. When it returns, every probe is attached.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let mut capture = Capture::start(settings.profile)?;
        let clock = Clock::of_this_host();
        let processes = Arc::new(Processes::of_this_host(clock, boottime_minus_monotonic_ns()));
        let rings = capture.take_rings();
        let samples = capture.take_samples().filter(|_| settings.profile.hz > 0);
        let unwind_maps = capture.take_unwind_maps();
        let pythons = capture.take_pythons();
        let policies = capture.take_policies().map(|p| Arc::new(Mutex::new(p)));
        let stop = Arc::new(AtomicBool::new(false));
        let context = Context {
            host: settings.host.clone(),
            clock,
            settings: settings.parsing,
            redact: settings.redact,
            sink: settings.sink.clone(),
            processes: Some(processes.clone()),
            names: Arc::default(),
            unbound: Default::default(),
            ids: Arc::new(AtomicU64::new(first_id(clock))),
        };
        let recorder = settings.recorder.map(|r| Arc::new(Mutex::new(r)));
        let capture = Arc::new(Mutex::new(capture));
        let ledger = Arc::new(Ledger::default());
        let budget = Budget::new(settings.budget, ledger.clone(), policies.clone(), monotonic_ns());
        let mut threads = vec![];
        for (i, ring) in rings.into_iter().enumerate() {
            // what has no connection yet comes by the first ring
            let unbound = if i == 0 { context.unbound.clone() } else { context.unbound.elsewhere() };
            let worker = worker::Worker {
                ring,
                context: Context { unbound, ..context.clone() },
                policies: policies.clone().map(Policy),
                recorder: recorder.clone(),
                meter: Meter::new(ledger.clone()),
                stop: stop.clone(),
            };
            threads.push(spawn(format!("capture-{i}"), move || worker.run())?);
        }
        let (turn, room) = (Arc::new(Turn::default()), Arc::new(Room::default()));
        if let Some(ring) = samples {
            let unwinding = (unwind_maps, room.clone());
            let profiler = Profiler::new(ring, unwinding, pythons, context.clone(), turn.clone(), stop.clone());
            threads.push(spawn("profile".to_owned(), move || profiler.run())?);
        }
        let told = Arc::new(Told::default());
        let libraries = Libraries::start(capture.clone(), processes.clone(), told.clone());
        let stopped = stop.clone();
        threads.push(spawn("libraries".to_owned(), move || libraries.run(&stopped))?);
        let told_by_others = (told.clone(), room.clone());
        let housekeeper = housekeeping::Housekeeper::new(context, capture.clone(), told_by_others, budget, stop.clone());
        threads.push(spawn("housekeeping".to_owned(), move || housekeeper.run())?);
        // reading the kernel's types took much more memory than what is kept of them
        release_memory();
        let heaps = Heaps::new(capture.clone(), turn, clock, stop.clone());
        Ok(Self { stop, threads, capture, told, room, heaps })
    }

    /// Profiles the heaps of processes.
    pub fn heaps(&self) -> Heaps {
        self.heaps.clone()
    }

    pub fn probes(&self) -> Vec<ProbeState> {
        all_probes(&self.capture, &self.told, &self.room)
    }

    /// Reads what the rings still hold, closes every connection, hands the rows to the sink, detaches.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a capture thread panicked");
            }
        }
    }
}

/// What is attached, and what could not be.
fn all_probes(capture: &Mutex<Capture>, told: &Told, room: &Room) -> Vec<ProbeState> {
    let mut probes = capture.lock().unwrap_or_else(|e| e.into_inner()).probes();
    probes.extend(told.states());
    probes.extend(room.states());
    probes
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .map_err(|e| StartError::Load { what: format!("cannot start a thread: {e}") })
}

/// Microseconds since 2020 at the start: ids of two starts do not meet unless a million connections a second are opened.
fn first_id(clock: Clock) -> u64 {
    const UNIX_2020_NS: i64 = 1_577_836_800_000_000_000;
    let now = clock.unix_ns(monotonic_ns());
    (now.saturating_sub(UNIX_2020_NS).max(0) / 1000) as u64 + 1
}

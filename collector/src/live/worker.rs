//! One ring buffer's reader: polls, so that the traced programs never wake anybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebpf_abi::{RING_BYTES, policy};
use protocol_parsers::Wanted;

use super::bridge;
use super::budget::Meter;
use crate::connect::{Consumer, Context, Decision, PolicyControl, Tracker};
use crate::kernel::{Policies, Ring, decode, monotonic_ns};

/// Records that are read before the clock is looked at again.
const READ_MAX: usize = 4096;
/// The pause between two passes. Each of its ends takes the processor from a program, whose caches are cold then: with 10 ms instead
/// of 1 programs at full load keep 5 to 10 % more.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// That after a pass with many records, so that the next is no longer than a millisecond or two: programs wait for it.
const PAUSE_BUSY: Duration = Duration::from_millis(4);
const MANY_RECORDS: usize = 256;
/// That of a reader whose ring buffer would else be full before its next pass.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// Bytes of a pass after which the next pause is shorter.
const MANY_BYTES: usize = RING_BYTES as usize / 8;
/// The pause of a reader that had nothing to do for a while.
const IDLE_PAUSE: Duration = Duration::from_millis(40);
/// Passes without a record until the longer pause.
const IDLE_PASSES: u32 = 25;
/// How often rows go to the sink.
const FLUSH_NS: u64 = 200_000_000;
/// How often time passes for connections.
const TICK_NS: u64 = 100_000_000;

/// Records after which others may have the processor for a moment, so that they need not wait for the whole pass.
const TURN_RECORDS: u64 = 64;
/// How long a pass waits for them in all: the ring buffer fills meanwhile.
const TURNS_NS_MAX: u64 = 2_000_000;

/// Lets others have their turns in the midst of a pass.
#[derive(Default)]
struct Turns {
    records: u64,
    waited_ns: u64,
}

impl Turns {
    fn after_record(&mut self) {
        self.records += 1;
        if self.records.is_multiple_of(TURN_RECORDS) && self.waited_ns < TURNS_NS_MAX {
            let began = monotonic_ns();
            std::thread::yield_now();
            self.waited_ns += monotonic_ns().saturating_sub(began);
        }
    }
}

/// Takes raw records as they come.
pub trait Recorder: Send {
    fn record(&mut self, bytes: &[u8]);
}

#[derive(Clone)]
pub struct Policy(pub Arc<Mutex<Policies>>);

impl PolicyControl for Policy {
    fn set(&mut self, key: u64, decision: Decision) -> bool {
        let policy = match decision.wanted {
            Wanted::Full => policy::FULL,
            Wanted::Headers => policy::HEADERS,
            Wanted::Counters => policy::COUNTERS,
        };
        let Decision { sent_from, received_from, .. } = decision;
        let decision = ebpf_abi::Decision { policy, _pad: 0, sent_from, received_from };
        self.0.lock().unwrap_or_else(|e| e.into_inner()).set(key, decision)
    }

    fn forget(&mut self, key: u64) {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).forget(key);
    }
}

pub struct Worker {
    pub ring: Ring,
    pub context: Context,
    pub policies: Option<Policy>,
    pub recorder: Option<Arc<Mutex<Box<dyn Recorder>>>>,
    pub meter: Meter,
    pub stop: Arc<AtomicBool>,
}

impl Worker {
    pub fn run(mut self) {
        let policies = self.policies.take().map(|p| Box::new(p) as Box<dyn PolicyControl>);
        let processes = self.context.processes.clone();
        let mut tracker = Tracker::new(self.context.clone(), policies);
        let (mut flushed, mut ticked, mut idle) = (0, 0, 0);
        let mut pause = PAUSE_MAX;
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            let recorder = self.recorder.clone();
            let began = monotonic_ns();
            let (mut waited, mut turns) = (0, Turns::default());
            let n = self.ring.read(READ_MAX, |bytes| {
                waited += bytes.len();
                if let Some(recorder) = &recorder {
                    recorder.lock().unwrap_or_else(|e| e.into_inner()).record(bytes);
                }
                match decode(bytes) {
                    Some(record) => {
                        if let Some(processes) = &processes {
                            processes.apply(&record);
                        }
                        self.meter.note(&record);
                        bridge::forward(&record, &mut tracker);
                    }
                    None => tracker.lost("ring", "unknown_record", 1, bytes.len() as u64),
                }
                turns.after_record();
            });
            let unbound = &self.context.unbound;
            if n < READ_MAX && unbound.is_read_here() {
                unbound.has_read_until(began);
            }
            tracker.release(unbound.read_until_ns());
            let now = monotonic_ns();
            if now - ticked >= TICK_NS {
                ticked = now;
                tracker.tick(now);
                self.meter.hand_over();
            }
            if now - flushed >= FLUSH_NS {
                flushed = now;
                tracker.flush();
            }
            idle = if n == 0 { idle + 1 } else { 0 };
            let longest = if n >= MANY_RECORDS { PAUSE_BUSY } else { PAUSE_MAX };
            let fills = n == READ_MAX || waited >= MANY_BYTES;
            pause = if fills { (pause / 2).max(PAUSE_MIN) } else { (pause * 2).min(longest) };
            if n == READ_MAX {
                continue;
            }
            if stopping {
                break;
            }
            std::thread::sleep(if idle > IDLE_PASSES { IDLE_PAUSE } else { pause });
        }
        tracker.finish_all();
    }
}

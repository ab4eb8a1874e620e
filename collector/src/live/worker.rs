//! One ring buffer's reader: polls, so that the traced programs never wake anybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebpf_abi::{RING_BYTES, policy};
use protocol_parsers::Wanted;

use super::bridge;
use super::budget::Meter;
use crate::connect::{Consumer, Context, Decision, PolicyControl, Tracker};
use crate::kernel::{Policies, Ring, decode, give_way, monotonic_ns};

/// Records that are read before the clock is looked at again.
const READ_MAX: usize = 4096;
/// How long programs beside a reader should wait for it: the length of a pass, for as much of the time as passes take. The more there
/// is to read, the shorter a pass: a server has nothing left to do soon after its client stands still. The less there is, the fewer
/// they are: each costs a sleep, and the caches of the program that it interrupts.
const WAIT_NS: u64 = 9_000;
/// The pause between two passes, which makes them so long.
const PAUSE_NS_MIN: u64 = 250_000;
const PAUSE_NS_MAX: u64 = 10_000_000;
/// Bytes of a pass after which the next pause is shorter in any case: else the ring buffer might be full before the next pass.
const MANY_BYTES: usize = RING_BYTES as usize / 8;
/// How long after such a pass a reader does not give way to other programs.
const HURRY_NS: u64 = 1_000_000_000;
/// The pause of a reader that had nothing to do for a while.
const IDLE_PAUSE: Duration = Duration::from_millis(40);
/// Passes without a record until the longer pause.
const IDLE_PASSES: u32 = 25;
/// How often rows go to the sink.
const FLUSH_NS: u64 = 200_000_000;
/// How often time passes for connections.
const TICK_NS: u64 = 100_000_000;

/// The pause after a pass: between half of the last one and twice as much.
fn next_pause_ns(last_ns: u64, pass_ns: u64, bytes: usize) -> u64 {
    // a pass is as long as the pause before it, times the part of the time that passes take
    let fitting = last_ns.saturating_mul(last_ns).saturating_mul(WAIT_NS) / pass_ns.saturating_mul(pass_ns).max(1);
    let most = if bytes >= MANY_BYTES { last_ns / 2 } else { last_ns * 2 };
    fitting.clamp(last_ns / 2, most).clamp(PAUSE_NS_MIN, PAUSE_NS_MAX)
}

/// Whether a reader gives way to other programs: not while its ring buffer fills.
#[derive(Default)]
struct Way {
    given: bool,
    hurried_ns: u64,
}

impl Way {
    /// Some when it changes.
    fn after_pass(&mut self, now_ns: u64, bytes: usize) -> Option<bool> {
        if bytes >= MANY_BYTES {
            self.hurried_ns = now_ns;
        }
        let given = now_ns.saturating_sub(self.hurried_ns) >= HURRY_NS;
        (std::mem::replace(&mut self.given, given) != given).then_some(given)
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
        let mut pause_ns = PAUSE_NS_MAX;
        let mut way = Way::default();
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            let recorder = self.recorder.clone();
            let began = monotonic_ns();
            let mut waited = 0;
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
            if let Some(gives_way) = way.after_pass(now, waited) {
                give_way(gives_way);
            }
            pause_ns = next_pause_ns(pause_ns, monotonic_ns().saturating_sub(began), waited);
            if n == READ_MAX {
                continue;
            }
            if stopping {
                break;
            }
            std::thread::sleep(if idle > IDLE_PASSES { IDLE_PAUSE } else { Duration::from_nanos(pause_ns) });
        }
        tracker.finish_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_with_much_to_read_does_not_give_way() {
        let mut way = Way::default();
        assert_eq!(way.after_pass(5 * HURRY_NS, 0), Some(true));
        assert_eq!(way.after_pass(5 * HURRY_NS + 1, MANY_BYTES - 1), None);
        assert_eq!(way.after_pass(6 * HURRY_NS, MANY_BYTES), Some(false));
        assert_eq!(way.after_pass(6 * HURRY_NS + 1, 0), None);
        assert_eq!(way.after_pass(7 * HURRY_NS, 0), Some(true));
    }

    fn settles_at(pass_ns: impl Fn(u64) -> u64, bytes: usize) -> u64 {
        (0..50).fold(PAUSE_NS_MAX, |pause, _| next_pause_ns(pause, pass_ns(pause), bytes))
    }

    #[test]
    fn a_pass_is_the_shorter_the_more_there_is_to_read() {
        // what came in the pause takes a tenth of it, a seventh, a quarter
        for (part, pass_ns) in [(10, 90_000), (7, 63_000), (4, PAUSE_NS_MIN / 4)] {
            let pass = settles_at(|pause| pause / part, 0) / part;
            assert!(pass.abs_diff(pass_ns) < 1000, "{pass} for a {part}th");
        }
        assert_eq!(settles_at(|pause| pause / 1000, 0), PAUSE_NS_MAX);
        assert_eq!(settles_at(|pause| pause, 0), PAUSE_NS_MIN);
        assert_eq!(settles_at(|_| 0, 0), PAUSE_NS_MAX);
        // much to read at little cost, as of large bodies
        assert_eq!(settles_at(|_| 1000, MANY_BYTES), PAUSE_NS_MIN);
        // one long pass does not make the pause the shortest at once
        assert_eq!(next_pause_ns(8_000_000, 50_000_000, 0), 4_000_000);
    }
}

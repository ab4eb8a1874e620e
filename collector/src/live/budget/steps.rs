//! Which processes are at which step: pure, with the time passed in.
//!
//! In: what was spent in each second. Out: changes of steps. A process goes down while it is over its own limits, and the most
//! expensive ones do while the host is. It comes up when what it would cost would fit again; what it would cost at the lowest step
//! nobody knows, so that it is tried, less and less often while it fails.

use std::collections::BTreeMap;

use ebpf_abi::{CHUNK_BYTES, STEPS_MAX};

use super::meter::{Spent, Usage};

/// So long something is over its limit before less is copied: more than one pass of a second.
const OVER_NS_MIN: u64 = 1_500_000_000;
/// So long it is under before more is copied.
const UNDER_NS_MIN: u64 = 5_000_000_000;
/// How long that becomes at the most, twice as long each time that it was too early.
const UNDER_NS_MAX: u64 = 60_000_000_000;
/// After this long a step up was not too early.
const FORGIVEN_NS: u64 = 60_000_000_000;
/// Under a limit is what takes no more of it than this.
const UNDER_PERCENT: u64 = 80;
/// Bytes that cost about what a record costs.
const BYTES_A_RECORD: u64 = 1024;
/// A process below this share of all costs is no reason for the host to be over its limits.
const SHARE_PERCENT_MIN: u64 = 1;
const SECOND_NS: u128 = 1_000_000_000;

/// What may be spent; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of the readers, in percent of one CPU.
    pub cpu_percent: u64,
    pub host: Rate,
    pub process: Rate,
}

/// Records and copied bytes in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub events: u64,
    pub bytes: u64,
}

impl Rate {
    fn weight(self) -> u64 {
        self.events + self.bytes / BYTES_A_RECORD
    }

    fn add(&mut self, other: Rate) {
        self.events += other.events;
        self.bytes += other.bytes;
    }

    fn fits(self, limit: Rate) -> bool {
        fits(self.events, limit.events) && fits(self.bytes, limit.bytes)
    }
}

fn fits(used: u64, limit: u64) -> bool {
    limit == 0 || used <= limit / 100 * UNDER_PERCENT + limit % 100 * UNDER_PERCENT / 100
}

fn is_over(used: u64, limit: u64) -> bool {
    limit > 0 && used > limit
}

/// How much is copied of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    #[default]
    Full,
    Headers,
    Counters,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Headers => "headers",
            Self::Counters => "counters",
        }
    }

    fn down(self) -> Self {
        if self == Self::Full { Self::Headers } else { Self::Counters }
    }

    fn up(self) -> Self {
        if self == Self::Counters { Self::Headers } else { Self::Full }
    }
}

/// A process is at another step from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub pid: u32,
    pub step: Step,
    pub reason: &'static str,
    pub events_per_second: u64,
    pub bytes_per_second: u64,
}

impl Change {
    pub fn ended(pid: u32) -> Self {
        Self { pid, step: Step::Full, reason: "ended", events_per_second: 0, bytes_per_second: 0 }
    }
}

/// What is remembered of a process that is or was over a limit.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    step: Step,
    since_ns: u64,
    over_since_ns: Option<u64>,
    under_since_ns: Option<u64>,
    /// The step that it was last raised from, and when.
    raised: Option<(Step, u64)>,
    /// How often each step was left too early.
    too_early: [u32; 3],
    /// It is at its step because the host was over its limits.
    for_host: bool,
}

impl History {
    fn wait_ns(&self) -> u64 {
        (UNDER_NS_MIN << self.too_early[self.step as usize].min(8)).min(UNDER_NS_MAX)
    }

    fn lower(&mut self, now_ns: u64, for_host: bool) {
        if let Some((from, at_ns)) = self.raised.take()
            && now_ns.saturating_sub(at_ns) < FORGIVEN_NS
        {
            self.too_early[from as usize] += 1;
        }
        self.move_to(self.step.down(), now_ns);
        self.for_host = for_host;
    }

    fn raise(&mut self, now_ns: u64) {
        self.raised = Some((self.step, now_ns));
        self.move_to(self.step.up(), now_ns);
    }

    fn move_to(&mut self, step: Step, now_ns: u64) {
        (self.step, self.since_ns, self.over_since_ns, self.under_since_ns) = (step, now_ns, None, None);
    }

    /// Nothing of it matters any more.
    fn is_forgiven(&self, now_ns: u64) -> bool {
        self.step == Step::Full
            && self.over_since_ns.is_none()
            && self.raised.is_none_or(|(_, at)| now_ns.saturating_sub(at) >= FORGIVEN_NS)
    }
}

/// What one process spends in a second, and what it would if nothing were left out.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    now: Rate,
    full: Rate,
}

impl Pace {
    fn of(usage: Usage, elapsed_ns: u64) -> Self {
        let a_second = |n: u64| (u128::from(n) * SECOND_NS / u128::from(elapsed_ns)) as u64;
        let left_out = usage.full_bytes.saturating_sub(usage.bytes);
        let now = Rate { events: a_second(usage.records), bytes: a_second(usage.bytes) };
        let more = Rate { events: a_second(left_out / CHUNK_BYTES as u64), bytes: a_second(left_out) };
        Self { now, full: Rate { events: now.events + more.events, bytes: now.bytes + more.bytes } }
    }
}

/// What the whole host spends.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    rate: Rate,
    cpu_percent: u64,
}

pub struct Steps {
    limits: Limits,
    known: BTreeMap<u32, History>,
    host_over_since_ns: Option<u64>,
}

impl Steps {
    pub fn new(limits: Limits) -> Self {
        Self { limits, known: BTreeMap::new(), host_over_since_ns: None }
    }

    /// The process is gone. Gives the step that it was at.
    pub fn forget(&mut self, pid: u32) -> Step {
        self.known.remove(&pid).unwrap_or_default().step
    }

    /// So much was spent in the time before `now_ns`.
    pub fn next(&mut self, now_ns: u64, elapsed_ns: u64, spent: &Spent) -> Vec<Change> {
        let elapsed_ns = elapsed_ns.max(1);
        let paces: BTreeMap<u32, Pace> = spent.by_pid.iter().map(|(pid, u)| (*pid, Pace::of(*u, elapsed_ns))).collect();
        let mut host = Host { cpu_percent: spent.cpu_ns.saturating_mul(100) / elapsed_ns, ..Host::default() };
        for pace in paces.values() {
            host.rate.add(pace.now);
        }
        let began_ns = now_ns.saturating_sub(elapsed_ns);
        let mut changes = self.lower_those_over(now_ns, began_ns, &paces);
        changes.extend(self.lower_for_host(now_ns, began_ns, &paces, host));
        changes.extend(self.raise(now_ns, &paces, host));
        self.known.retain(|_, history| !history.is_forgiven(now_ns));
        changes
    }

    /// Those that are over a process's limits.
    fn lower_those_over(&mut self, now_ns: u64, began_ns: u64, paces: &BTreeMap<u32, Pace>) -> Vec<Change> {
        let limit = self.limits.process;
        let over = |pid: u32| {
            let rate = paces.get(&pid)?.now;
            if is_over(rate.events, limit.events) {
                Some("process_events")
            } else {
                is_over(rate.bytes, limit.bytes).then_some("process_bytes")
            }
        };
        let mut changes = vec![];
        let pids: Vec<u32> = paces.keys().copied().filter(|pid| over(*pid).is_some()).collect();
        for (pid, history) in &mut self.known {
            if over(*pid).is_none() {
                history.over_since_ns = None;
            }
        }
        for pid in pids {
            let Some(reason) = over(pid) else { continue };
            let since_ns = *self.history(pid).over_since_ns.get_or_insert(began_ns);
            if now_ns.saturating_sub(since_ns) >= OVER_NS_MIN {
                changes.extend(self.lower(pid, now_ns, reason, false, paces));
            }
        }
        changes
    }

    fn history(&mut self, pid: u32) -> &mut History {
        self.known.entry(pid).or_default()
    }

    fn lower(
        &mut self,
        pid: u32,
        now_ns: u64,
        reason: &'static str,
        for_host: bool,
        paces: &BTreeMap<u32, Pace>,
    ) -> Option<Change> {
        let lowered = self.known.values().filter(|history| history.step > Step::Full).count();
        let history = self.history(pid);
        // at the lowest step a transfer that was under way may still be read
        if history.step == Step::Counters || (history.step == Step::Full && lowered >= STEPS_MAX as usize) {
            return None;
        }
        history.lower(now_ns, for_host);
        Some(change(pid, history.step, reason, paces))
    }

    /// While the host is over its limits, the most expensive processes: as many as cost what is too much.
    fn lower_for_host(&mut self, now_ns: u64, began_ns: u64, paces: &BTreeMap<u32, Pace>, host: Host) -> Vec<Change> {
        let Some((reason, too_much_percent)) = self.host_is_over(host) else {
            self.host_over_since_ns = None;
            return vec![];
        };
        if now_ns.saturating_sub(*self.host_over_since_ns.get_or_insert(began_ns)) < OVER_NS_MIN {
            return vec![];
        }
        // what is done now shows in the next seconds
        self.host_over_since_ns = None;
        let cost = |pace: &Pace| match reason {
            "host_events" => pace.now.events,
            "host_bytes" => pace.now.bytes,
            _ => pace.now.weight(),
        };
        let all: u64 = paces.values().map(cost).sum();
        let mut dear: Vec<(u64, u32)> = paces.iter().map(|(pid, pace)| (cost(pace), *pid)).collect();
        dear.sort_unstable_by(|a, b| b.cmp(a));
        let (mut changes, mut found) = (vec![], 0);
        for (cost, pid) in dear {
            let enough = found * 100 >= all * too_much_percent;
            if enough || cost * 100 < all * SHARE_PERCENT_MIN {
                break;
            }
            // one that was lowered in this second already counts, too
            if self.known.get(&pid).is_some_and(|history| history.since_ns == now_ns) {
                found += cost;
            } else if let Some(change) = self.lower(pid, now_ns, reason, true, paces) {
                found += cost;
                changes.push(change);
            }
        }
        changes
    }

    /// Which limit it is most over, and how many percent of what it spends are too much.
    fn host_is_over(&self, host: Host) -> Option<(&'static str, u64)> {
        let limits = self.limits;
        [
            ("host_cpu", host.cpu_percent, limits.cpu_percent),
            ("host_events", host.rate.events, limits.host.events),
            ("host_bytes", host.rate.bytes, limits.host.bytes),
        ]
        .into_iter()
        .filter(|(_, used, limit)| is_over(*used, *limit))
        .map(|(reason, used, limit)| (reason, ((used - limit).saturating_mul(100) / used).max(1)))
        .max_by_key(|(_, too_much)| *too_much)
    }

    /// Those whose cost would fit again, and has for a while. Of those that are lowered for the host one at a time, the one that
    /// is the longest.
    fn raise(&mut self, now_ns: u64, paces: &BTreeMap<u32, Pace>, host: Host) -> Vec<Change> {
        let limits = self.limits;
        let (mut changes, mut for_host) = (vec![], vec![]);
        for (pid, history) in &mut self.known {
            if history.step == Step::Full || history.since_ns == now_ns {
                continue;
            }
            let pace = paces.get(pid).copied().unwrap_or_default();
            if !pace.full.fits(limits.process) || !host_has_room(host, &pace, limits) {
                history.under_since_ns = None;
                continue;
            }
            let under_since_ns = *history.under_since_ns.get_or_insert(now_ns);
            if now_ns.saturating_sub(under_since_ns.max(history.since_ns)) < history.wait_ns() {
                continue;
            }
            if history.for_host {
                for_host.push((history.since_ns, *pid));
            } else {
                history.raise(now_ns);
                changes.push(change(*pid, history.step, "under_budget", paces));
            }
        }
        if let Some((_, pid)) = for_host.into_iter().min() {
            let history = self.history(pid);
            history.raise(now_ns);
            changes.push(change(pid, history.step, "under_budget", paces));
        }
        changes
    }
}

/// Whether all of the process could be copied, too.
fn host_has_room(host: Host, pace: &Pace, limits: Limits) -> bool {
    let mut rate = host.rate;
    rate.add(Rate { events: pace.full.events - pace.now.events, bytes: pace.full.bytes - pace.now.bytes });
    let cpu_percent = host.cpu_percent.saturating_mul(rate.weight()) / host.rate.weight().max(1);
    rate.fits(limits.host) && fits(cpu_percent.max(host.cpu_percent), limits.cpu_percent)
}

fn change(pid: u32, step: Step, reason: &'static str, paces: &BTreeMap<u32, Pace>) -> Change {
    let rate = paces.get(&pid).copied().unwrap_or_default().now;
    Change { pid, step, reason, events_per_second: rate.events, bytes_per_second: rate.bytes }
}

//! Seconds in, changes of steps out.

use ebpf_abi::{DataHeader, HEADER_BYTES, kind};

use super::meter::{Ledger, Meter, Spent, Usage};
use super::steps::{Limits, Rate, Step, Steps};
use crate::kernel::Record;

const SECOND_NS: u64 = 1_000_000_000;
const NO_LIMIT: Rate = Rate { events: 0, bytes: 0 };

struct Seconds {
    steps: Steps,
    now: u64,
}

impl Seconds {
    fn new(cpu_percent: u64, host: Rate, process: Rate) -> Self {
        Self { steps: Steps::new(Limits { cpu_percent, host, process }), now: 100 }
    }

    /// What changes at the end of a second in which this was read.
    fn next(&mut self, read: &[(u32, Usage)], cpu_percent: u64) -> Vec<(u32, Step, &'static str)> {
        self.now += 1;
        let spent = Spent { by_pid: read.iter().copied().collect(), cpu_ns: cpu_percent * SECOND_NS / 100 };
        let changes = self.steps.next(self.now * SECOND_NS, SECOND_NS, &spent);
        changes.into_iter().map(|c| (c.pid, c.step, c.reason)).collect()
    }

    /// The seconds until something changes, and what does.
    fn until_change(&mut self, read: &[(u32, Usage)], cpu_percent: u64) -> (u64, Vec<(u32, Step, &'static str)>) {
        for seconds in 1..=1000 {
            let changes = self.next(read, cpu_percent);
            if !changes.is_empty() {
                return (seconds, changes);
            }
        }
        panic!("nothing changes")
    }

    fn nothing_changes(&mut self, read: &[(u32, Usage)], cpu_percent: u64, seconds: u64) {
        for _ in 0..seconds {
            assert_eq!(self.next(read, cpu_percent), []);
        }
    }
}

fn records(records: u64) -> Usage {
    Usage { records, bytes: records, full_bytes: records }
}

#[test]
fn a_process_over_its_limit_goes_down_step_by_step_and_comes_back() {
    let mut seconds = Seconds::new(0, NO_LIMIT, Rate { events: 1000, bytes: 0 });
    let read = [(7, records(5000)), (8, records(900))];
    assert_eq!(seconds.until_change(&read, 0), (2, vec![(7, Step::Headers, "process_events")]));
    assert_eq!(seconds.until_change(&read, 0), (2, vec![(7, Step::Counters, "process_events")]));
    // nothing is read of it any more, and then there is nothing to read
    assert_eq!(seconds.until_change(&read[1..], 0), (6, vec![(7, Step::Headers, "under_budget")]));
    assert_eq!(seconds.until_change(&read[1..], 0), (6, vec![(7, Step::Full, "under_budget")]));
    seconds.nothing_changes(&read[1..], 0, 100);
    assert_eq!(seconds.steps.forget(7), Step::Full);
}

#[test]
fn a_burst_of_a_second_changes_nothing() {
    let mut seconds = Seconds::new(50, Rate { events: 3000, bytes: 0 }, Rate { events: 1000, bytes: 0 });
    for _ in 0..20 {
        seconds.nothing_changes(&[(7, records(5000))], 100, 1);
        seconds.nothing_changes(&[(7, records(10))], 1, 1);
    }
}

#[test]
fn bytes_that_are_left_out_count_for_the_way_back() {
    let mut seconds = Seconds::new(0, NO_LIMIT, Rate { events: 0, bytes: 1 << 20 });
    let all = |bytes| [(7, Usage { records: 100, bytes, full_bytes: bytes })];
    let beginnings = |full_bytes| [(7, Usage { records: 100, bytes: 51_200, full_bytes })];
    assert_eq!(seconds.until_change(&all(5 << 20), 0), (2, vec![(7, Step::Headers, "process_bytes")]));
    seconds.nothing_changes(&beginnings(5 << 20), 0, 300);
    // a little under the limit is not under it
    seconds.nothing_changes(&beginnings(1_000_000), 0, 60);
    assert_eq!(seconds.until_change(&beginnings(800_000), 0), (6, vec![(7, Step::Full, "under_budget")]));
}

#[test]
fn what_stays_over_is_tried_less_and_less_often() {
    let mut seconds = Seconds::new(0, NO_LIMIT, Rate { events: 1000, bytes: 0 });
    let (mut step, mut tries) = (Step::Full, vec![]);
    for second in 0..600_u64 {
        let read = if step == Step::Counters { vec![] } else { vec![(7, records(5000))] };
        for (_, new, _) in seconds.next(&read, 0) {
            if new < step {
                tries.push(second);
            }
            step = new;
        }
    }
    let waits: Vec<u64> = tries.windows(2).map(|w| w[1] - w[0]).collect();
    // two seconds to find that it is too much, one until that shows, and the wait
    assert_eq!(waits[..4], [13, 23, 43, 63]);
    assert!(waits[4..].iter().all(|wait| *wait == 63), "{waits:?}");
}

#[test]
fn for_the_host_the_most_expensive_are_lowered_first_and_as_many_as_needed() {
    let mut seconds = Seconds::new(50, NO_LIMIT, NO_LIMIT);
    let read = [(1, records(5000)), (2, records(70_000)), (3, records(25_000)), (4, records(10))];
    // one fifth is too much: the first alone costs that
    assert_eq!(seconds.until_change(&read, 63), (2, vec![(2, Step::Headers, "host_cpu")]));
    // nine tenths are
    let changes = seconds.until_change(&read, 500).1;
    assert_eq!(changes, [(2, Step::Counters, "host_cpu"), (3, Step::Headers, "host_cpu")]);
    // what costs next to nothing stays as it is, whatever happens
    let read = [(4, records(10)), (1, records(50_000))];
    for _ in 0..20 {
        assert!(seconds.next(&read, 5000).iter().all(|(pid, ..)| *pid != 4));
    }
}

#[test]
fn a_large_part_of_the_bytes_is_what_counts_when_they_are_too_many() {
    let mut seconds = Seconds::new(0, Rate { events: 0, bytes: 1 << 20 }, NO_LIMIT);
    let bytes = |records, bytes| Usage { records, bytes, full_bytes: bytes };
    let read = [(1, bytes(90_000, 900_000)), (2, bytes(10, 5 << 20))];
    assert_eq!(seconds.until_change(&read, 0), (2, vec![(2, Step::Headers, "host_bytes")]));
}

#[test]
fn those_that_were_lowered_for_the_host_come_back_one_at_a_time() {
    let mut seconds = Seconds::new(0, Rate { events: 1000, bytes: 0 }, NO_LIMIT);
    let read = [(1, records(4000)), (2, records(5000))];
    let both = vec![(2, Step::Headers, "host_events"), (1, Step::Headers, "host_events")];
    assert_eq!(seconds.until_change(&read, 0), (2, both));
    let quiet = [(1, records(4)), (2, records(5))];
    assert_eq!(seconds.until_change(&quiet, 0), (6, vec![(1, Step::Full, "under_budget")]));
    assert_eq!(seconds.until_change(&quiet, 0), (1, vec![(2, Step::Full, "under_budget")]));
    // while there is no room for what would come, there is no way back
    let mut seconds = Seconds::new(0, Rate { events: 0, bytes: 1000 }, NO_LIMIT);
    let of = |bytes, full_bytes| [(1, Usage { records: 1, bytes, full_bytes })];
    assert_eq!(seconds.until_change(&of(5000, 5000), 0), (2, vec![(1, Step::Headers, "host_bytes")]));
    seconds.nothing_changes(&of(512, 5000), 0, 100);
    assert_eq!(seconds.until_change(&of(512, 700), 0).1, [(1, Step::Full, "under_budget")]);
}

#[test]
fn without_limits_nothing_is_lowered() {
    let mut seconds = Seconds::new(0, NO_LIMIT, NO_LIMIT);
    seconds.nothing_changes(&[(7, records(u64::MAX / 1_000_000))], 400, 20);
}

#[test]
fn a_process_that_ends_is_forgotten() {
    let mut seconds = Seconds::new(0, NO_LIMIT, Rate { events: 1000, bytes: 0 });
    seconds.until_change(&[(7, records(5000))], 0);
    assert_eq!(seconds.steps.forget(7), Step::Headers);
    seconds.nothing_changes(&[], 0, 100);
}

#[test]
fn records_are_counted_by_process() {
    let header = |pid, len| DataHeader {
        kind: kind::DATA,
        direction: 0,
        flags: 0,
        _pad: 0,
        copied: 0,
        connection: 1,
        time_ns: 1,
        offset: 0,
        len,
        pid,
        tid: pid,
        _pad2: 0,
    };
    let ledger = std::sync::Arc::new(Ledger::default());
    let mut meter = Meter::new(ledger.clone());
    let bytes = [0; 1000];
    let beginning = &bytes[..HEADER_BYTES as usize];
    for (pid, len, bytes) in [(1, 1000, &bytes[..]), (2, 9000, beginning), (1, 1000, &bytes), (1, 500, &[])] {
        meter.note(&Record::Data { header: header(pid, len), peer: None, bytes });
    }
    meter.hand_over();
    let spent = ledger.take();
    assert_eq!(spent.by_pid.len(), 2);
    assert_eq!(spent.by_pid[&1], Usage { records: 3, bytes: 2000, full_bytes: 2000 });
    assert_eq!(spent.by_pid[&2], Usage { records: 1, bytes: 512, full_bytes: 9000 });
    meter.hand_over();
    assert!(ledger.take().by_pid.is_empty());
}

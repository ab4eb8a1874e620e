//! What is done once a second or less: processes, their use of resources, probes and the kernel's counters are written, budgets kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebpf_abi::{Count, Counters};
use schema::HostPrefix;
use schema::tables::{CaptureTotal, ProbeStatus, Process as ProcessRow, ProcessStat};

use super::budget::Budget;
use crate::batch::Writer;
use crate::connect::Context;
use crate::discover::stat_row;
use crate::kernel::{Capture, monotonic_ns};
use crate::libraries::Told;
use crate::unwind::Room;

const PASS: Duration = Duration::from_millis(200);
/// How often probes and counters are told.
const REPORT_PASSES: u64 = 5;
/// How often processes are measured.
const STATS_PASSES: u64 = 50;

pub struct Housekeeper {
    context: Context,
    capture: Arc<Mutex<Capture>>,
    told: Arc<Told>,
    room: Arc<Room>,
    budget: Budget,
    stop: Arc<AtomicBool>,
    writer: Writer,
    counted: Counters,
}

impl Housekeeper {
    pub fn new(
        context: Context,
        capture: Arc<Mutex<Capture>>,
        (told, room): (Arc<Told>, Arc<Room>),
        budget: Budget,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let writer = Writer::new(context.sink.clone(), context.host.clone());
        Self { context, capture, told, room, budget, stop, writer, counted: Counters::default() }
    }

    pub fn run(mut self) {
        for pass in 0.. {
            let stopping = self.stop.load(Ordering::Relaxed);
            self.processes();
            if pass % REPORT_PASSES == 0 || stopping {
                self.counters();
                self.probes();
                self.budget.pass(monotonic_ns(), &self.context, &mut self.writer);
            }
            if pass % STATS_PASSES == 0 {
                self.stats();
            }
            let now = self.now();
            self.writer.flush(now);
            if stopping {
                return;
            }
            std::thread::sleep(PASS);
        }
    }

    fn now(&self) -> i64 {
        self.context.clock.unix_ns(monotonic_ns())
    }

    fn processes(&mut self) {
        let Some(processes) = self.context.processes.clone() else { return };
        let (changed, lost) = processes.take_changed();
        self.writer.losses.add("processes", "too_many_changes", "row", lost, 0);
        let (now, host) = (self.now(), self.context.host.clone());
        for process in changed {
            let row = ProcessRow {
                started_at: Some(process.started_unix_ns),
                exited_at: process.exit.map(|e| e.at_unix_ns),
                parent_process_id: process.parent_id,
                executable: process.executable.as_deref(),
                arguments: process.arguments.as_deref(),
                user_id: process.user_id.map(|u| u as i32),
                exit_code: process.exit.and_then(|e| e.code()),
                signal: process.exit.and_then(|e| e.signal()),
                build_id: process.build_id.as_deref().map(str::as_bytes),
                ..Default::default()
            };
            self.writer.row(ProcessRow::TABLE, &[&process.prefix(&host, now), &row]);
        }
    }

    fn stats(&mut self) {
        let Some(processes) = self.context.processes.clone() else { return };
        let (now, host) = (self.now(), self.context.host.clone());
        for process in processes.alive() {
            if let Some(row) = stat_row(process.pid) {
                self.writer.row(ProcessStat::TABLE, &[&process.prefix(&host, now), &row]);
            }
        }
    }

    fn probes(&mut self) {
        let probes = super::all_probes(&self.capture, &self.told, &self.room);
        let (now, host) = (self.now(), self.context.host.clone());
        for probe in probes {
            let row = ProbeStatus {
                hook: Some(probe.hook.as_bytes()),
                target: Some(probe.target.as_bytes()),
                attached: Some(probe.attached()),
                state: Some(probe.standing.name().as_bytes()),
                reason: Some(probe.reason.as_bytes()),
                hits: probe.hits.map(|n| n as i64),
                run_time_ns: probe.run_time_ns.map(|n| n as i64),
                ..Default::default()
            };
            let prefix = HostPrefix { time: Some(now), host: Some(&host), ..Default::default() };
            self.writer.row(ProbeStatus::TABLE, &[&prefix, &row]);
        }
    }

    /// The kernel's counters since the last time: losses to `lost_events`, everything to `capture_totals`.
    fn counters(&mut self) {
        let new = self.capture.lock().unwrap_or_else(|e| e.into_inner()).counters();
        let old = std::mem::replace(&mut self.counted, new);
        let since = |new: Count, old: Count| (new.events.saturating_sub(old.events), new.bytes.saturating_sub(old.bytes));
        for (reason, new, old) in [
            ("ring_full", new.ring_full, old.ring_full),
            ("over_budget", new.over_budget, old.over_budget),
            ("no_socket_state", new.no_state, old.no_state),
            ("notice_ring_full", new.notices_lost, old.notices_lost),
            ("plaintext_ring_full", new.plain_ring_full, old.plain_ring_full),
            ("over_budget", new.plain_over_budget, old.plain_over_budget),
            ("plaintext_unreadable", new.plain_unread, old.plain_unread),
        ] {
            let (events, bytes) = since(new, old);
            self.writer.losses.add("kernel", reason, "kernel_event", events, bytes);
        }
        let (events, bytes) = since(new.samples_ring_full, old.samples_ring_full);
        self.writer.losses.add("profile", "ring_full", "stack_sample", events, bytes);
        let (now, host) = (self.now(), self.context.host.clone());
        for (outcome, new, old) in [
            ("seen", new.seen, old.seen),
            ("copied", new.copied, old.copied),
            ("filtered_own", new.own, old.own),
            ("filtered_mirror", new.mirrored, old.mirrored),
            ("filtered_policy", new.counted, old.counted),
            ("lost", new.ring_full, old.ring_full),
            ("lost", new.over_budget, old.over_budget),
            ("lost", new.no_state, old.no_state),
            ("plaintext_seen", new.plain_seen, old.plain_seen),
            ("plaintext_copied", new.plain_copied, old.plain_copied),
            ("plaintext_filtered_policy", new.plain_counted, old.plain_counted),
            ("plaintext_lost", new.plain_ring_full, old.plain_ring_full),
            ("plaintext_lost", new.plain_over_budget, old.plain_over_budget),
            ("plaintext_lost", new.plain_unread, old.plain_unread),
            ("samples_seen", new.samples_seen, old.samples_seen),
            ("samples_copied", new.samples_copied, old.samples_copied),
            ("samples_idle", new.samples_idle, old.samples_idle),
            ("samples_lost", new.samples_ring_full, old.samples_ring_full),
        ] {
            let (events, bytes) = since(new, old);
            metrics::counter!("earshot_kernel_events_total", "outcome" => outcome).increment(events);
            metrics::counter!("earshot_kernel_bytes_total", "outcome" => outcome).increment(bytes);
            // of a transfer that is copied in part the event is counted with what is left out
            if events > 0 || bytes > 0 {
                let row = CaptureTotal {
                    outcome: Some(outcome.as_bytes()),
                    events: Some(events as i64),
                    bytes: Some(bytes as i64),
                    ..Default::default()
                };
                let prefix = HostPrefix { time: Some(now), host: Some(&host), ..Default::default() };
                self.writer.row(CaptureTotal::TABLE, &[&prefix, &row]);
            }
        }
    }
}

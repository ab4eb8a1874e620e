//! Budgets: of processes whose records cost more to read than earshot may take, less is copied, step by step, and more again later.
//!
//! In: what each reader counted, by process, and the processor time that it took. Out: what the kernel programs copy of a process
//! at the most, and each [`Change`] of it with its process. Does not look at connections: their own policies stay as they are, and
//! the kernel programs count what is not copied for this reason as `over_budget`.

mod meter;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ebpf_abi::policy;
use schema::tables::BudgetStep;

use crate::batch::Writer;
use crate::connect::Context;
use crate::discover::{Process, Processes};
use crate::kernel::Policies;
pub use meter::{Ledger, Meter};
use steps::{Change, Step, Steps};
pub use steps::{Limits, Rate};

/// Changes of one pass that are logged one by one.
const LOGGED_MAX: usize = 4;

pub struct Budget {
    ledger: Arc<Ledger>,
    steps: Steps,
    policies: Option<Arc<Mutex<Policies>>>,
    /// The processes of which less is copied, as they were then.
    processes: BTreeMap<u32, Arc<Process>>,
    since_ns: u64,
}

impl Budget {
    pub fn new(limits: Limits, ledger: Arc<Ledger>, policies: Option<Arc<Mutex<Policies>>>, now_ns: u64) -> Self {
        Self { ledger, steps: Steps::new(limits), policies, processes: BTreeMap::new(), since_ns: now_ns }
    }

    /// A second or so is over.
    pub fn pass(&mut self, now_ns: u64, context: &Context, writer: &mut Writer) {
        let Some(processes) = context.processes.as_deref() else { return };
        let spent = self.ledger.take();
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
        let mut changes = self.leave_ended(processes);
        for change in self.steps.next(now_ns, elapsed_ns, &spent) {
            // one that is gone by now makes no more records
            let Some(process) = processes.get(change.pid).filter(|p| p.exit.is_none()) else {
                if !self.processes.contains_key(&change.pid) {
                    self.steps.forget(change.pid);
                }
                continue;
            };
            match change.step {
                Step::Full => self.processes.remove(&change.pid),
                _ => self.processes.insert(change.pid, process.clone()),
            };
            changes.push((process, change));
        }
        for (process, change) in &changes {
            self.tell_kernel(change);
            write(process, change, now_ns, context, writer);
        }
        log(&changes);
    }

    /// The number of a process that has ended may be another's soon.
    fn leave_ended(&mut self, processes: &Processes) -> Vec<(Arc<Process>, Change)> {
        let lives = |held: &Process| processes.get(held.pid).is_some_and(|now| now.id == held.id && now.exit.is_none());
        let ended = self.processes.extract_if(.., |_, held| !lives(held));
        let (steps, mut changes) = (&mut self.steps, vec![]);
        for (pid, process) in ended {
            if steps.forget(pid) != Step::Full {
                changes.push((process, Change::ended(pid)));
            }
        }
        changes
    }

    fn tell_kernel(&self, change: &Change) {
        let Some(policies) = &self.policies else { return };
        let most = match change.step {
            Step::Full => None,
            Step::Headers => Some(policy::HEADERS),
            Step::Counters => Some(policy::COUNTERS),
        };
        if !policies.lock().unwrap_or_else(|e| e.into_inner()).limit_process(change.pid, most) {
            tracing::warn!(pid = change.pid, "the kernel takes no budget of this process");
        }
    }
}

fn write(process: &Process, change: &Change, now_ns: u64, context: &Context, writer: &mut Writer) {
    let prefix = process.prefix(&context.host, context.clock.unix_ns(now_ns));
    let row = BudgetStep {
        step: Some(change.step.name().as_bytes()),
        reason: Some(change.reason.as_bytes()),
        events_per_second: Some(change.events_per_second as i64),
        bytes_per_second: Some(change.bytes_per_second as i64),
        ..Default::default()
    };
    writer.row(BudgetStep::TABLE, &[&prefix, &row]);
}

fn log(changes: &[(Arc<Process>, Change)]) {
    for (process, change) in changes.iter().take(LOGGED_MAX) {
        let name = String::from_utf8_lossy(&process.name);
        let (pid, step, reason) = (process.pid, change.step.name(), change.reason);
        tracing::warn!(pid, process = %name, step, reason, "what is copied of a process has changed, by its budget");
    }
    let more = changes.len().saturating_sub(LOGGED_MAX);
    if more > 0 {
        tracing::warn!(more, "what is copied of further processes has changed: see the table budget_steps");
    }
    for (_, change) in changes {
        metrics::counter!("earshot_budget_changes_total", "step" => change.step.name()).increment(1);
    }
}

//! What `probe_status` says of files, functions and processes that are not seen, or not from their beginning on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::kernel::{ProbeState, Standing};

/// Reasons that are remembered of files and functions that are not probed.
const REFUSALS_MAX: usize = 512;
/// Processes that are remembered to have been there before their probes; beyond it the one that was longest ago goes.
const LATE_MAX: usize = 256;

#[derive(Debug, Default)]
pub struct Told(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    refusals: Vec<ProbeState>,
    late: VecDeque<ProbeState>,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Why something is not probed; each target once.
    pub fn refuse(&self, target: &str, reason: &str) {
        self.without_probe(target, Standing::Refused, reason.to_owned());
    }

    /// A function is not probed, because it goes on in `other`, which is.
    pub fn replace(&self, target: &str, other: &str) {
        self.without_probe(target, Standing::Replaced, format!("not needed: it goes on in {other}"));
    }

    fn without_probe(&self, target: &str, standing: Standing, reason: String) {
        let refusals = &mut self.lock().refusals;
        if refusals.len() < REFUSALS_MAX && !refusals.iter().any(|r| r.target == target) {
            refusals.push(state(target.to_owned(), standing, reason));
        }
    }

    /// The process had mapped the file so long before its probes were there.
    pub fn late(&self, path: &str, pid: u32, by_ns: u64) {
        let late = &mut self.lock().late;
        let by = by_ns.div_ceil(1_000_000);
        let reason =
            format!("attached {by} ms after it was mapped: what the process said before is in lost_events as attached_late");
        late.push_back(state(format!("{path} in process {pid}"), Standing::Attached, reason));
        if late.len() > LATE_MAX {
            late.pop_front();
        }
    }

    pub fn states(&self) -> Vec<ProbeState> {
        let inner = self.lock();
        inner.refusals.iter().chain(&inner.late).cloned().collect()
    }
}

fn state(target: String, standing: Standing, reason: String) -> ProbeState {
    ProbeState { hook: "uprobe", target, standing, reason, hits: None, run_time_ns: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_is_told_once_and_the_latest_processes_are_kept() {
        let told = Told::default();
        told.refuse("a", "why");
        told.refuse("a", "why else");
        for pid in 0..=LATE_MAX as u32 {
            told.late("/lib/libssl.so.3", pid, 1_500_000);
        }
        let states = told.states();
        assert_eq!(states.len(), 1 + LATE_MAX);
        assert_eq!((states[0].reason.as_str(), states[0].standing), ("why", Standing::Refused));
        assert_eq!((states[1].target.as_str(), states[1].standing), ("/lib/libssl.so.3 in process 1", Standing::Attached));
        assert!(states[1].reason.starts_with("attached 2 ms after"));
    }
}

//! What reading takes: records and bytes by process, and the readers' processor time.
//!
//! In: every record of a transfer, as it is read. Out: sums, once a pass. Decides nothing.

use std::sync::{Arc, Mutex};

use ebpf_abi::{CALL_BYTES_MAX, HEADER_BYTES};
use hashbrown::HashMap;

use crate::kernel::{Record, thread_cpu_ns};

/// What was read of one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub records: u64,
    /// Copied bytes.
    pub bytes: u64,
    /// Bytes that would have been copied if nothing had been left out of transfers of which the beginning was.
    pub full_bytes: u64,
}

impl Usage {
    fn add(&mut self, other: Usage) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.full_bytes += other.full_bytes;
    }
}

/// What all readers counted.
#[derive(Debug, Default)]
pub struct Spent {
    pub by_pid: HashMap<u32, Usage>,
    pub cpu_ns: u64,
}

/// Where the readers' sums meet.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Spent>);

impl Ledger {
    /// Since the last time.
    pub fn take(&self) -> Spent {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

/// One reader's counts. Records of one process follow each other, so the last one's are kept outside the map.
#[derive(Debug)]
pub struct Meter {
    ledger: Arc<Ledger>,
    last: (u32, Usage),
    others: HashMap<u32, Usage>,
    cpu_ns: u64,
}

impl Meter {
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, last: (0, Usage::default()), others: HashMap::new(), cpu_ns: 0 }
    }

    pub fn note(&mut self, record: &Record<'_>) {
        let (pid, copied, len) = match record {
            Record::Data { header, bytes, .. } => (header.pid, bytes.len() as u64, header.len),
            Record::Plain { header, bytes } => (header.pid, bytes.len() as u64, header.len),
            _ => return,
        };
        let full_bytes = if copied == HEADER_BYTES { u64::from(len).min(CALL_BYTES_MAX) } else { copied };
        if self.last.0 != pid {
            self.put_last();
            self.last.0 = pid;
        }
        self.last.1.add(Usage { records: 1, bytes: copied, full_bytes });
    }

    fn put_last(&mut self) {
        let usage = std::mem::take(&mut self.last.1);
        if usage.records > 0 {
            self.others.entry(self.last.0).or_default().add(usage);
        }
    }

    /// To be called by the reader's thread.
    pub fn hand_over(&mut self) {
        self.put_last();
        let cpu_ns = thread_cpu_ns();
        let mut spent = self.ledger.0.lock().unwrap_or_else(|e| e.into_inner());
        spent.cpu_ns += cpu_ns.saturating_sub(self.cpu_ns);
        self.cpu_ns = cpu_ns;
        for (pid, usage) in self.others.drain() {
            spent.by_pid.entry(pid).or_default().add(usage);
        }
    }
}

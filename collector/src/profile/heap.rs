//! Samples of a process's heap: kept until it is known which of the memory was given back.

use ebpf_abi::{HeapSample, SampleHeader};
use hashbrown::HashMap;

use super::rows::{Rows, Waiting};
use crate::heap::{Fates, Sums};

/// Samples of one process; those beyond it are counted as lost.
const HELD_MAX: usize = 65536;
const LIVE: &[u8] = b"live";
const FREED: &[u8] = b"freed";

#[derive(Default)]
pub struct Held(HashMap<HeapSample, Waiting>);

impl Held {
    /// False when there is no room.
    pub fn hold(&mut self, header: &SampleHeader, waiting: Waiting) -> bool {
        if self.0.len() >= HELD_MAX {
            return false;
        }
        self.0.insert(HeapSample { time_ns: header.time_ns, tid: header.tid, _pad: 0 }, waiting);
        true
    }

    /// Makes rows of them.
    pub fn release(&mut self, fates: &Fates, rows: &mut Rows) -> Sums {
        let mut sums = Sums::default();
        for (sample, mut waiting) in std::mem::take(&mut self.0) {
            let live = fates.as_ref().map(|live| live.contains(&sample));
            waiting.state = live.map(|live| if live { LIVE } else { FREED });
            sums.samples += 1;
            sums.bytes += waiting.value_ns;
            sums.live_bytes += if live == Some(true) { waiting.value_ns } else { 0 };
            rows.push(waiting);
        }
        sums
    }
}

//! The API's heap profiles, done by the capture of this host once it has started.

use std::sync::{Arc, OnceLock};

use collector::heap::{Heaps, PORTION_BYTES_DEFAULT, Refusal, Running};
use query_engine::api::{HeapAnswer, HeapProfiler, HeapQuestion, HeapRefusal, HeapRun};
use query_engine::flamegraph::time_text;

/// Empty until the capture has started: the API has its port before.
#[derive(Clone, Default)]
pub struct Profiler(Arc<OnceLock<Heaps>>);

impl Profiler {
    pub fn is(&self, heaps: Heaps) {
        // it is told once
        let _ = self.0.set(heaps);
    }
}

impl HeapProfiler for Profiler {
    fn start(&self, question: HeapQuestion) -> Result<Box<dyn HeapRun>, HeapRefusal> {
        let none = || HeapRefusal::Unavailable("nothing is captured yet".to_owned());
        let heaps = self.0.get().ok_or_else(none)?;
        let every = question.every_bytes.unwrap_or(PORTION_BYTES_DEFAULT);
        let running = heaps.start(question.pid, every).map_err(refusal)?;
        Ok(Box::new(Run { pid: question.pid, running }))
    }
}

fn refusal(why: Refusal) -> HeapRefusal {
    let text = why.to_string();
    match why {
        Refusal::NoProcess(_) => HeapRefusal::NoProcess(text),
        Refusal::Busy(_) => HeapRefusal::Busy(text),
        Refusal::Impossible(_) => HeapRefusal::Unavailable(text),
        Refusal::Itself | Refusal::NoAllocator { .. } | Refusal::Attach { .. } => HeapRefusal::NotPossible(text),
    }
}

struct Run {
    pid: u32,
    running: Running,
}

impl HeapRun for Run {
    fn is_over(&self) -> bool {
        self.running.is_over()
    }

    fn finish(self: Box<Self>) -> HeapAnswer {
        let seen = self.running.finish();
        HeapAnswer {
            pid: self.pid,
            from: time_text(seen.from_ns),
            until: time_text(seen.until_ns),
            allocations: seen.allocations,
            allocated_bytes: seen.allocated_bytes,
            frees: seen.frees,
            samples: seen.samples,
            sampled_bytes: seen.sampled_bytes,
            live_bytes: seen.live_bytes,
            unwatched: seen.unwatched,
            functions: seen.functions,
            refused: seen.refused,
        }
    }
}

//! The profiler: stacks that the kernel programs walked along or copied become rows of `stack_samples` and `stacks`.
//!
//! In: the ring buffer of samples. Out: rows, handed over each second. `frames` turns a sample into names, by what
//! `host` knows; `named` remembers it; `written` numbers stacks; `rows` adds who it was, and `wakers` by whom it was
//! woken. Does not decide what is sampled: the kernel does.

mod frames;
mod host;
mod named;
mod python;
mod rows;
mod wakers;
mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frames::{Frames, Programs};
use host::Host;
use python::Pythons;
use rows::Rows;

use crate::batch::Writer;
use crate::connect::Context;
use crate::kernel::{self, Ring, Sample, UnwindMaps, decode_python, decode_sample, monotonic_ns};

/// Samples that are read before the clock is looked at again.
const READ_MAX: usize = 256;
/// How long the reader sleeps when no sample wakes it: one of a process that is not known yet does.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often rows go to the sink.
const FLUSH_NS: u64 = 1_000_000_000;

pub struct Profiler {
    ring: Ring,
    context: Context,
    stop: Arc<AtomicBool>,
    frames: Frames<Host>,
    rows: Rows,
    writer: Writer,
}

impl Profiler {
    pub fn new(
        ring: Ring,
        maps: Option<UnwindMaps>,
        pythons: Option<kernel::Pythons>,
        context: Context,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let writer = Writer::new(context.sink.clone(), context.host.clone());
        let frames = Frames::new(Host::new(context.processes.clone(), maps, Pythons::new(pythons)));
        Self { ring, context, stop, frames, rows: Rows::default(), writer }
    }

    pub fn run(mut self) {
        let mut flushed = monotonic_ns();
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            if !stopping {
                self.ring.wait(PATIENCE);
            }
            let n = self.read();
            let now = monotonic_ns();
            if now - flushed >= FLUSH_NS {
                flushed = now;
                self.flush(now, false);
            }
            if stopping && n < READ_MAX {
                self.flush(now, true);
                return;
            }
        }
    }

    /// Takes what waits. First all processes are looked at, because some may end while the names of others are looked up.
    fn read(&mut self) -> usize {
        let mut records: Vec<Box<[u8]>> = vec![];
        let n = self.ring.read(READ_MAX, |bytes| records.push(bytes.into()));
        let Self { frames, rows, writer, .. } = self;
        for sample in records.iter().filter_map(|bytes| decode_sample(bytes)) {
            frames.programs().expect(&sample);
        }
        for bytes in &records {
            match (decode_sample(bytes), decode_python(bytes)) {
                (Some(sample), _) => take(&sample, frames, rows, writer),
                (None, Some(told)) => frames.programs().tell_python(told),
                (None, None) => writer.losses.add("profile", "unknown_record", "stack_sample", 1, bytes.len() as u64),
            }
        }
        n
    }

    fn flush(&mut self, now_ns: u64, all: bool) {
        self.rows.write(&self.context, &mut self.writer, now_ns, all);
        self.frames.tidy();
        self.writer.flush(self.context.clock.unix_ns(now_ns));
    }
}

fn take(sample: &Sample<'_>, frames: &mut Frames<Host>, rows: &mut Rows, writer: &mut Writer) {
    let stack = frames.of(sample, |id| rows.has(id));
    if !rows.add(&sample.header, stack) {
        writer.losses.add("profile", "too_many_samples", "stack_sample", 1, 0);
    }
}

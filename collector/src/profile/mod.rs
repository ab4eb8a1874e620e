//! The profiler: stacks that the kernel programs walked along or copied become rows of `stack_samples` and `stacks`.
//!
//! In: the ring buffer of samples. Out: rows, handed over each second. `frames` turns a sample into names, by what
//! `host` knows; `named` remembers it; `written` numbers stacks; `rows` adds who it was, and `wakers` by whom it was
//! woken; `heap` keeps those of allocations until a heap profile ends. Does not decide what is sampled: the kernel does.

mod frames;
mod heap;
mod host;
mod named;
mod python;
mod rows;
mod wakers;
mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ebpf_abi::sample;
use frames::{Frames, Programs};
use heap::Held;
use host::Host;
use python::Pythons;
use rows::Rows;

use crate::batch::Writer;
use crate::connect::Context;
use crate::heap::Turn;
use crate::kernel::{self, Ring, Sample, UnwindMaps, decode_python, decode_sample, monotonic_ns};
use crate::unwind::Room;

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
    held: Held,
    turn: Arc<Turn>,
    writer: Writer,
}

impl Profiler {
    pub fn new(
        ring: Ring,
        maps: (Option<UnwindMaps>, Arc<Room>),
        pythons: Option<kernel::Pythons>,
        context: Context,
        turn: Arc<Turn>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let writer = Writer::new(context.sink.clone(), context.host.clone());
        let mut frames = Frames::new(Host::new(context.processes.clone(), maps, Pythons::new(pythons)));
        frames.programs().prepare();
        let (rows, held) = (Rows::default(), Held::default());
        Self { ring, context, stop, frames, rows, held, turn, writer }
    }

    pub fn run(mut self) {
        let mut flushed = monotonic_ns();
        loop {
            let stopping = self.stop.load(Ordering::Relaxed);
            if !stopping {
                self.ring.wait(PATIENCE);
            }
            let heap_is_over = self.turn.is_over();
            let n = self.read();
            let now = monotonic_ns();
            if heap_is_over && n < READ_MAX {
                self.write_heap(now);
            }
            if now - flushed >= FLUSH_NS {
                flushed = now;
                self.flush(now, false);
            }
            if stopping && n < READ_MAX {
                let Self { turn, held, rows, .. } = &mut self;
                turn.close(|fates| held.release(fates, rows));
                self.flush(now, true);
                return;
            }
        }
    }

    /// Takes what waits. First all processes are looked at, because some may end while the names of others are looked up.
    fn read(&mut self) -> usize {
        let mut records: Vec<Box<[u8]>> = vec![];
        let n = self.ring.read(READ_MAX, |bytes| records.push(bytes.into()));
        let Self { frames, rows, held, writer, .. } = self;
        for sample in records.iter().filter_map(|bytes| decode_sample(bytes)) {
            frames.programs().expect(&sample);
        }
        for bytes in &records {
            match (decode_sample(bytes), decode_python(bytes)) {
                (Some(sample), _) => take(&sample, frames, (&mut *rows, &mut *held), writer),
                (None, Some(told)) => frames.programs().tell_python(told),
                (None, None) => writer.losses.add("profile", "unknown_record", "stack_sample", 1, bytes.len() as u64),
            }
        }
        n
    }

    /// Rows of a heap profile that has ended; who waits for it finds them.
    fn write_heap(&mut self, now_ns: u64) {
        self.turn.clone().write(|fates| {
            let sums = self.held.release(fates, &mut self.rows);
            self.flush(now_ns, true);
            sums
        });
    }

    fn flush(&mut self, now_ns: u64, all: bool) {
        self.rows.write(&self.context, &mut self.writer, now_ns, all);
        self.frames.tidy();
        self.writer.flush(self.context.clock.unix_ns(now_ns));
    }
}

fn take(sample: &Sample<'_>, frames: &mut Frames<Host>, (rows, held): (&mut Rows, &mut Held), writer: &mut Writer) {
    let stack = frames.of(sample, |id| rows.has(id));
    let kept = if sample.header.what == sample::HEAP {
        let waiting = rows.waiting(&sample.header, stack);
        held.hold(&sample.header, waiting)
    } else {
        rows.add(&sample.header, stack)
    };
    if !kept {
        writer.losses.add("profile", "too_many_samples", "stack_sample", 1, 0);
    }
}

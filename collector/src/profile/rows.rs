//! Samples on their way to rows. They wait a moment, because a process's start and program are told by another ring buffer.

use std::sync::Arc;

use ebpf_abi::{SampleHeader, Waker, sample};
use hashbrown::HashMap;
use schema::tables::{self, StackSample};
use schema::{HostPrefix, ProcessPrefix};

use super::frames::Stack;
use super::wakers::{Woken, woken};
use super::written::Written;
use crate::batch::Writer;
use crate::connect::Context;
use crate::discover::Process;

/// Samples that may wait: those of some seconds at the highest rate on many CPUs.
const WAITING_MAX: usize = 65536;
/// How long a sample waits for what is known of its process.
const WAIT_NS: u64 = 200_000_000;
/// Position of the system call's number in the registers.
const CALL: usize = 15;

/// A sample whose row is to be written.
pub struct Waiting {
    time_ns: u64,
    pid: u32,
    tid: u32,
    cpu: u32,
    what: u8,
    pub value_ns: u64,
    comm: [u8; 16],
    waker: Waker,
    /// System call that it waited in.
    call: i64,
    stack_id: i64,
    /// Of memory that was asked for: what became of it.
    pub state: Option<&'static [u8]>,
}

#[derive(Default)]
pub struct Rows {
    waiting: Vec<Waiting>,
    written: Written,
    /// Stacks that have no row yet.
    stacks: Vec<(i64, Vec<String>)>,
}

impl Rows {
    /// Whether the stack of this number has its row.
    pub fn has(&mut self, stack_id: i64) -> bool {
        self.written.has(stack_id)
    }

    /// False when too many wait.
    pub fn add(&mut self, header: &SampleHeader, stack: Stack) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        let waiting = self.waiting(header, stack);
        self.push(waiting);
        true
    }

    pub fn push(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// The sample, whose row may be written later; its stack's is written soon.
    pub fn waiting(&mut self, header: &SampleHeader, stack: Stack) -> Waiting {
        let stack_id = stack.id;
        if let Some(frames) = stack.frames
            && self.written.is_new(stack_id)
        {
            self.stacks.push((stack_id, frames));
        }
        Waiting {
            time_ns: header.time_ns,
            pid: header.pid,
            tid: header.tid,
            cpu: header.cpu,
            what: header.what,
            value_ns: header.value_ns,
            comm: header.comm,
            waker: header.waker,
            call: header.registers[CALL] as i64,
            stack_id,
            state: None,
        }
    }

    /// Writes stacks, and the samples that waited long enough.
    pub fn write(&mut self, context: &Context, writer: &mut Writer, now_ns: u64, all: bool) {
        let now = context.clock.unix_ns(now_ns);
        for (id, frames) in self.stacks.drain(..) {
            let folded = frames.join(";");
            let texts: Vec<&[u8]> = frames.iter().map(String::as_bytes).collect();
            let row = tables::Stack {
                stack_id: Some(id),
                frames: Some(&texts),
                folded: Some(folded.as_bytes()),
                ..Default::default()
            };
            let prefix = HostPrefix { time: Some(now), host: Some(&context.host), ..Default::default() };
            writer.row(tables::Stack::TABLE, &[&prefix, &row]);
        }
        let old = if all { u64::MAX } else { now_ns.saturating_sub(WAIT_NS) };
        let mut processes: HashMap<u32, Option<Arc<Process>>> = HashMap::new();
        let (ripe, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.time_ns <= old);
        self.waiting = rest;
        for waiting in ripe {
            let mut process = |pid: u32| {
                let look_up = || context.processes.as_ref().and_then(|all| all.get(pid));
                processes.entry(pid).or_insert_with(look_up).clone()
            };
            let woken = woken(&waiting.waker, waiting.call);
            let waker = woken.as_ref().and_then(|woken| process(woken.thread.as_ref()?.pid));
            write(&waiting, process(waiting.pid).as_deref(), (woken, waker.as_deref()), context, writer);
        }
    }
}

fn is_memory(what: u8) -> bool {
    matches!(what, sample::PAGE_FAULT | sample::RSS_GROWTH | sample::HEAP)
}

/// Until the first zero.
pub fn text(comm: &[u8; 16]) -> &[u8] {
    &comm[..comm.iter().position(|b| *b == 0).unwrap_or(comm.len())]
}

fn write(
    waiting: &Waiting,
    process: Option<&Process>,
    (woken, waker): (Option<Woken<'_>>, Option<&Process>),
    context: &Context,
    writer: &mut Writer,
) {
    let thread_name = text(&waiting.comm);
    let by = woken.as_ref().and_then(|woken| woken.thread.as_ref());
    // the first thread has its process's name
    let own_name = (waiting.pid == waiting.tid).then_some(thread_name);
    let prefix = ProcessPrefix {
        time: Some(context.clock.unix_ns(waiting.time_ns)),
        host: Some(&context.host),
        process_id: process.map(|p| p.id),
        pid: Some(waiting.pid as i32),
        process_name: process.map(|p| p.name.as_slice()).or(own_name),
        container_id: process.and_then(|p| p.container_id.as_deref()),
        service: process.map(Process::service).or(own_name),
        ..Default::default()
    };
    let (kind, state): (&[u8], Option<&[u8]>) = match waiting.what {
        sample::BLOCKED => (b"off_cpu", Some(b"blocked")),
        sample::PREEMPTED => (b"off_cpu", Some(b"preempted")),
        sample::PAGE_FAULT => (b"page_fault", None),
        sample::RSS_GROWTH => (b"rss_growth", None),
        sample::HEAP => (b"heap", waiting.state),
        _ => (b"on_cpu", None),
    };
    let row = StackSample {
        kind: Some(kind),
        state,
        thread_id: Some(waiting.tid as i32),
        thread_name: Some(thread_name),
        cpu: Some(waiting.cpu as i32),
        stack_id: Some(waiting.stack_id),
        value: Some(waiting.value_ns as i64),
        value_unit: Some(if is_memory(waiting.what) { b"bytes" } else { b"ns" }),
        waker_thread_id: by.map(|thread| thread.tid as i32),
        waker_thread_name: by.map(|thread| thread.name),
        waker_context: woken.as_ref().map(|woken| woken.context),
        waker_pid: by.map(|thread| thread.pid as i32),
        waker_process_id: waker.map(|process| process.id),
        ..Default::default()
    };
    writer.row(StackSample::TABLE, &[&prefix, &row]);
}

//! uprobes at the functions of one process's memory allocator, on request: each so many bytes the stack that asked for them, and
//! which of these are not given back.
//!
//! What is at which instruction comes from user space, a [`HeapSite`] each. Most calls only add to what the thread has asked for; the
//! return is looked at of those alone that a sample stands for, or that may call others of these functions.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_NOEXIST, pt_regs},
    helpers::generated as helpers,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use ebpf_abi::{HEAP_A_SECOND_MAX, HeapSample, HeapSession, HeapSite, allocator, place, sample};

use crate::kernel::read_user;
use crate::maps::{HEAP_BUSY, HEAP_COUNTS, HEAP_LIVE, HEAP_PORTIONS, HEAP_SESSION, HEAP_SITES, HEAP_THREADS, counters};
use crate::places::value;
use crate::plain_calls::add;
use crate::portions::{self, Limits};
use crate::sample::{HEAP, take};

/// What no allocator gives: a size that was computed wrongly.
const BYTES_MAX: u64 = 1 << 47;
/// The return of the call need not be looked at.
const DONE: u32 = 1;
const RETURN_WANTED: u32 = 0;

/// What a thread has asked for, and the call that it is in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct HeapThread {
    session: u64,
    /// Bytes that no sample stands for yet.
    owed: u64,
    inside: u64,
    /// Where the call's return address is.
    stack: u64,
    bytes: u64,
    /// Of the sample that was taken; 0 when none was.
    time_ns: u64,
    /// The memory that is given back with it.
    old: u64,
    /// Where it stores the address of what it gives.
    store: u64,
}

const NEW: HeapThread = HeapThread { session: 0, owed: 0, inside: 0, stack: 0, bytes: 0, time_ns: 0, old: 0, store: 0 };

/// Where the returns are not looked at, or by a probe of their own.
#[uprobe]
pub fn heap_enters(ctx: ProbeContext) -> u32 {
    unsafe { enters(ctx.as_ptr().cast()) };
    0
}

#[uretprobe]
pub fn heap_returns(ctx: RetProbeContext) -> u32 {
    unsafe { returns(ctx.as_ptr().cast()) };
    0
}

/// Both in one, where the kernel looks only at the returns that this asks for.
#[uprobe]
pub fn heap_call(ctx: ProbeContext) -> u32 {
    unsafe {
        let regs: *mut pt_regs = ctx.as_ptr().cast();
        if helpers::bpf_get_func_ip(regs.cast()) == (*regs).rip {
            return enters(regs);
        }
        returns(regs);
    }
    0
}

#[inline(always)]
unsafe fn session() -> Option<&'static HeapSession> {
    unsafe {
        let session = HEAP_SESSION.get(0)?;
        let pid = (helpers::bpf_get_current_pid_tgid() >> 32) as u32;
        if session.pid == pid { Some(session) } else { None }
    }
}

#[inline(always)]
unsafe fn thread(create: u64) -> *mut HeapThread {
    unsafe {
        let task = helpers::bpf_get_current_task_btf();
        helpers::bpf_task_storage_get((&raw const HEAP_THREADS).cast_mut().cast(), task, core::ptr::null_mut(), create).cast()
    }
}

#[inline(always)]
unsafe fn enters(regs: *mut pt_regs) -> u32 {
    unsafe {
        let Some(session) = session() else { return DONE };
        let Some(site) = HEAP_SITES.get(helpers::bpf_get_attach_cookie(regs.cast()) as u32) else { return DONE };
        let Some(counts) = HEAP_COUNTS.get_ptr_mut(0) else { return DONE };
        if site.call == allocator::FREE {
            add(&raw mut (*counts).frees, 1);
            given_back(value(regs, &site.pointer));
            return DONE;
        }
        let thread = thread(1);
        if thread.is_null() {
            return DONE;
        }
        if (*thread).session != session.number {
            *thread = NEW;
            (*thread).session = session.number;
        }
        // what lies below the call's frame is called by it; a call that never returned is above
        if (*thread).inside != 0 && (*regs).rsp < (*thread).stack {
            return DONE;
        }
        (*thread).inside = 0;
        let bytes = asked_for(regs, site);
        if bytes > BYTES_MAX {
            return DONE;
        }
        add(&raw mut (*counts).allocations, 1);
        add(&raw mut (*counts).bytes, bytes);
        (*thread).time_ns = sampled(regs, thread, bytes, session.portion);
        if (*thread).time_ns != 0 {
            add(&raw mut (*counts).samples, 1);
        } else if site.calls_others == 0 {
            return DONE;
        }
        if site.call == allocator::COLLECTED {
            return DONE;
        }
        (*thread).inside = 1;
        (*thread).stack = (*regs).rsp;
        (*thread).bytes = bytes;
        let pointer = value(regs, &site.pointer);
        (*thread).old = if site.call == allocator::REALLOCATE { pointer } else { 0 };
        (*thread).store = if site.call == allocator::STORE { pointer } else { 0 };
        RETURN_WANTED
    }
}

#[inline(always)]
unsafe fn asked_for(regs: *mut pt_regs, site: &HeapSite) -> u64 {
    unsafe {
        let bytes = value(regs, &site.bytes);
        if site.times.kind == place::NOWHERE {
            return bytes;
        }
        let times = value(regs, &site.times);
        if bytes > BYTES_MAX || times > BYTES_MAX {
            return BYTES_MAX + 1;
        }
        bytes.wrapping_mul(times)
    }
}

/// The time of the sample that stands for this call and those before it; 0 when there is none.
#[inline(always)]
unsafe fn sampled(regs: *mut pt_regs, thread: *mut HeapThread, bytes: u64, portion: u64) -> u64 {
    unsafe {
        let Some(portions) = HEAP_PORTIONS.get_ptr_mut(0) else { return 0 };
        let limits = Limits { portion_min: portion, a_second_max: HEAP_A_SECOND_MAX };
        let value = portions::stands_for(portions, &raw mut (*thread).owed, bytes, limits);
        if value == 0 {
            return 0;
        }
        // this may lose the CPU to another thread that does the same in the same place: then the next call's sample stands for it
        let cpu = helpers::bpf_get_smp_processor_id();
        if HEAP_BUSY.insert(&cpu, &1, BPF_NOEXIST as u64).is_err() {
            (*thread).owed += value;
            return 0;
        }
        if let Some(counters) = counters() {
            add(&raw mut counters.samples_seen.events, 1);
        }
        let time_ns = take(regs.cast(), HEAP, sample::HEAP, value);
        let _ = HEAP_BUSY.remove(&cpu);
        time_ns
    }
}

#[inline(always)]
unsafe fn returns(regs: *mut pt_regs) {
    unsafe {
        let Some(session) = session() else { return };
        let thread = thread(0);
        if thread.is_null() || (*thread).session != session.number || (*thread).inside == 0 {
            return;
        }
        // of this call, and not of one in its midst
        if (*regs).rsp != (*thread).stack.wrapping_add(8) {
            return;
        }
        (*thread).inside = 0;
        let mut given = (*regs).rax;
        if (*thread).store != 0 {
            given = if given as u32 == 0 { read_user((*thread).store).unwrap_or(0) } else { 0 };
        }
        if given != 0 || (*thread).bytes == 0 {
            given_back((*thread).old);
        }
        if given == 0 || (*thread).time_ns == 0 {
            return;
        }
        let tid = helpers::bpf_get_current_pid_tgid() as u32;
        let sample = HeapSample { time_ns: (*thread).time_ns, tid, _pad: 0 };
        if HEAP_LIVE.insert(&given, &sample, 0).is_err()
            && let Some(counts) = HEAP_COUNTS.get_ptr_mut(0)
        {
            add(&raw mut (*counts).unwatched, 1);
        }
    }
}

/// A look costs less than taking away what is mostly not there.
#[inline(always)]
fn given_back(pointer: u64) {
    if pointer != 0 && HEAP_LIVE.get_ptr(&pointer).is_some() {
        let _ = HEAP_LIVE.remove(&pointer);
    }
}

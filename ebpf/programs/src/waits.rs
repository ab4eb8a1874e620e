//! BTF tracepoints of the scheduler: how long a thread did not run, and its stack, taken as soon as it runs again: it has not
//! left the place where it began to wait.
//!
//! Of a thread's waits that are shorter than a least length, each time that they have become that long together the last is told,
//! and stands for all; a longer one is always told as it is. So a thread's sum is right to within the least length, which
//! grows when too many are told; what it begins with is random, so that the sum over many threads that end soon is right, too.

use aya_ebpf::{
    EbpfContext,
    helpers::generated as helpers,
    macros::{btf_tracepoint, kprobe},
    programs::{BtfTracePointContext, ProbeContext},
};
use ebpf_abi::{WAIT_NS_MIN, WAITS_A_SECOND_MAX, hook, sample};

use crate::kernel::{OWN_PID, TASK_MM, TASK_TGID};
use crate::maps::{DUE, WAIT_BUDGET, WAITS, counters, hit};
use crate::sample::{WAIT, take};

const SECOND_NS: u64 = 1_000_000_000;
/// The least length does not grow beyond this, so that its product with 32 random bits fits.
const WAIT_NS_MAX: u64 = 1 << 31;

/// A thread that does not run. Zero at first, and while it runs.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Wait {
    pub since_ns: u64,
    /// A value of [`sample`].
    pub what: u64,
    /// How long the thread waited that no wait stands for yet; 0 before its first.
    pub owed_ns: u64,
}

/// What may be told on a CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    /// Since when `told` counts.
    pub since_ns: u64,
    pub told: u64,
    /// Waits shorter than this are told together; 0 is [`WAIT_NS_MIN`].
    pub least_ns: u64,
}

/// The wait that just ended on a CPU and is to be told: nothing while `value_ns` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Due {
    pub value_ns: u64,
    /// A value of [`sample`].
    pub what: u64,
}

/// `task` is a pointer that the tracepoint gave, as the helper asks for.
#[inline(always)]
unsafe fn wait_of(task: *const u8, create: u64) -> *mut Wait {
    unsafe {
        let task = task.cast_mut().cast();
        helpers::bpf_task_storage_get((&raw const WAITS).cast_mut().cast(), task, core::ptr::null_mut(), create).cast()
    }
}

/// Runs at every switch: one program and one look at the clock for the thread that stops and the thread that follows.
#[btf_tracepoint(function = "sched_switch")]
pub fn switch(ctx: BtfTracePointContext) -> i32 {
    hit(hook::SWITCH);
    unsafe {
        let (previous, next): (*const u8, *const u8) = (ctx.arg(1), ctx.arg(2));
        let now = helpers::bpf_ktime_get_ns();
        stops(&ctx, previous, now);
        runs_again(next, now);
    }
    0
}

/// Idle and the kernel's threads have no memory of their own; earshot's threads wait for the others'.
#[inline(always)]
pub unsafe fn is_watched(task: *const u8) -> bool {
    unsafe {
        *(task.add(TASK_MM.load() as usize) as *const u64) != 0
            && *(task.add(TASK_TGID.load() as usize) as *const u32) != OWN_PID.load()
    }
}

#[inline(always)]
unsafe fn stops(ctx: &BtfTracePointContext, task: *const u8, now: u64) {
    unsafe {
        if !is_watched(task) {
            return;
        }
        let wait = wait_of(task, 1);
        if wait.is_null() {
            return;
        }
        let (preempted, state): (u64, u64) = (ctx.arg(0), ctx.arg(3));
        (*wait).since_ns = now;
        let runnable = preempted & 0xff != 0 || state as u32 == 0;
        (*wait).what = if runnable { sample::PREEMPTED as u64 } else { sample::BLOCKED as u64 };
    }
}

#[inline(always)]
unsafe fn runs_again(task: *const u8, now: u64) {
    unsafe {
        if !is_watched(task) {
            return;
        }
        let wait = wait_of(task, 0);
        if wait.is_null() || (*wait).since_ns == 0 {
            return;
        }
        let waited = now.wrapping_sub((*wait).since_ns);
        (*wait).since_ns = 0;
        let value_ns = told_as(&raw mut (*wait).owed_ns, waited, now);
        if value_ns != 0
            && let Some(due) = DUE.get_ptr_mut(0)
        {
            *due = Due { value_ns, what: (*wait).what };
        }
    }
}

/// Runs in the thread that follows, whose memory can be read only now.
#[btf_tracepoint(function = "sched_exit_tp")]
pub fn switch_in(ctx: BtfTracePointContext) -> i32 {
    unsafe { tell_due(ctx.as_ptr()) };
    0
}

/// Does the same where the kernel has no such tracepoint (before 6.15), at the function that a thread runs first.
#[kprobe]
pub fn switched(ctx: ProbeContext) -> u32 {
    unsafe { tell_due(ctx.as_ptr()) };
    0
}

#[inline(always)]
unsafe fn tell_due(ctx: *mut core::ffi::c_void) {
    unsafe {
        let Some(due) = DUE.get_ptr_mut(0) else { return };
        let Due { value_ns, what } = *due;
        if value_ns == 0 {
            return;
        }
        hit(hook::SWITCH_IN);
        (*due).value_ns = 0;
        if let Some(counters) = counters() {
            counters.samples_seen.events += 1;
        }
        take(ctx, WAIT, what as u8, value_ns);
    }
}

/// The time that this wait stands for, 0 when it is not told.
#[inline(always)]
unsafe fn told_as(owed_ns: *mut u64, waited: u64, now: u64) -> u64 {
    unsafe {
        let Some(budget) = WAIT_BUDGET.get_ptr_mut(0) else { return 0 };
        let mut least = (*budget).least_ns;
        if least < WAIT_NS_MIN {
            least = WAIT_NS_MIN;
        }
        if now.wrapping_sub((*budget).since_ns) > SECOND_NS {
            if (*budget).told < WAITS_A_SECOND_MAX / 2 && least > WAIT_NS_MIN {
                least /= 2;
            }
            (*budget).since_ns = now;
            (*budget).told = 0;
        } else if (*budget).told >= WAITS_A_SECOND_MAX {
            // one that is used up at once is far too large
            let factor = if now.wrapping_sub((*budget).since_ns) < SECOND_NS / 8 { 4 } else { 2 };
            least = if least * factor < WAIT_NS_MAX { least * factor } else { WAIT_NS_MAX };
            (*budget).since_ns = now;
            (*budget).told = 0;
        }
        (*budget).least_ns = least;
        let mut value_ns = waited;
        if waited < least {
            if *owed_ns == 0 {
                *owed_ns = 1 + ((helpers::bpf_get_prandom_u32() as u64 * least) >> 32);
            }
            let owed = *owed_ns + waited;
            let rest = owed % least;
            *owed_ns = if rest == 0 { 1 } else { rest };
            value_ns = owed - rest;
        }
        if value_ns != 0 {
            (*budget).told += 1;
        }
        value_ns
    }
}

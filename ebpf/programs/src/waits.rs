//! BTF tracepoints of the scheduler: how long a thread did not run, and its stack, taken as soon as it runs again: it has not
//! left the place where it began to wait.
//!
//! A wait is told with the probability of its length over a least length, and then stands for that length; a longer one is
//! always told as it is. So the sum is right whatever the least length, which grows when too many are told.

use aya_ebpf::{EbpfContext, helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{WAIT_NS_MIN, WAITS_A_SECOND_MAX, hook, sample};

use crate::kernel::{OWN_PID, TASK_MM, read};
use crate::maps::{WAIT_BUDGET, WAITS, counters, hit};
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
}

/// What may be told on a CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Budget {
    /// Since when `told` counts.
    pub since_ns: u64,
    pub told: u64,
    /// Waits shorter than this are told by chance; 0 is [`WAIT_NS_MIN`].
    pub least_ns: u64,
}

#[inline(always)]
unsafe fn wait_of(task: *mut core::ffi::c_void, create: u64) -> *mut Wait {
    unsafe {
        helpers::bpf_task_storage_get((&raw const WAITS).cast_mut().cast(), task.cast(), core::ptr::null_mut(), create).cast()
    }
}

#[btf_tracepoint(function = "sched_switch")]
pub fn switch_out(ctx: BtfTracePointContext) -> i32 {
    hit(hook::SWITCH_OUT);
    unsafe {
        let id = helpers::bpf_get_current_pid_tgid();
        // idle, and earshot itself, whose threads wait for the others'
        if id == 0 || (id >> 32) as u32 == OWN_PID.load() {
            return 0;
        }
        let task = helpers::bpf_get_current_task_btf();
        if read::<u64>(task as u64 + TASK_MM.load() as u64) == 0 {
            return 0; // a thread of the kernel
        }
        let wait = wait_of(task.cast(), 1);
        if wait.is_null() {
            return 0;
        }
        let (preempted, state): (u64, u64) = (ctx.arg(0), ctx.arg(3));
        (*wait).since_ns = helpers::bpf_ktime_get_ns();
        let runnable = preempted & 0xff != 0 || state as u32 == 0;
        (*wait).what = if runnable { sample::PREEMPTED as u64 } else { sample::BLOCKED as u64 };
    }
    0
}

#[btf_tracepoint(function = "sched_exit_tp")]
pub fn switch_in(ctx: BtfTracePointContext) -> i32 {
    hit(hook::SWITCH_IN);
    unsafe {
        let wait = wait_of(helpers::bpf_get_current_task_btf().cast(), 0);
        if wait.is_null() || (*wait).since_ns == 0 {
            return 0;
        }
        let now = helpers::bpf_ktime_get_ns();
        let waited = now.wrapping_sub((*wait).since_ns);
        let what = (*wait).what as u8;
        (*wait).since_ns = 0;
        let value = told_as(waited, now);
        if value == 0 {
            return 0;
        }
        if let Some(counters) = counters() {
            counters.samples_seen.events += 1;
        }
        take(ctx.as_ptr(), WAIT, what, value);
    }
    0
}

/// The time that this wait stands for, 0 when it is not told.
#[inline(always)]
unsafe fn told_as(waited: u64, now: u64) -> u64 {
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
            if least < WAIT_NS_MAX {
                least *= 2;
            }
            (*budget).told = 0;
        }
        (*budget).least_ns = least;
        let random = helpers::bpf_get_prandom_u32() as u64;
        if waited < least && (random * least) >> 32 >= waited {
            return 0;
        }
        (*budget).told += 1;
        if waited < least { least } else { waited }
    }
}

//! The page faults of each CPU, counted by the kernel: each so manieth comes here, with the stack that touched the page.
//!
//! What comes is thinned out when it is too much, and what is told then stands for more: the sum is right whatever the rate.

use aya_ebpf::{EbpfContext, helpers::generated as helpers, macros::perf_event, programs::PerfEventContext};
use ebpf_abi::{FAULTS_A_SECOND_MAX, FAULTS_PERIOD, PAGE_BYTES, hook, sample};

use crate::maps::{FAULT_BUDGET, counters, hit};
use crate::sample::{WAIT, take};

const SECOND_NS: u64 = 1_000_000_000;
/// What is told stands for no more of what comes than this.
const EVERY_MAX: u64 = 1 << 16;

/// What may be told on a CPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FaultBudget {
    /// Since when `told` counts.
    pub since_ns: u64,
    pub told: u64,
    /// One in so many is told: a power of two; 0 is 1.
    pub every: u64,
}

#[perf_event]
pub fn fault(ctx: PerfEventContext) -> u32 {
    hit(hook::FAULT);
    unsafe {
        let every = told_for();
        if every == 0 || helpers::bpf_get_current_pid_tgid() == 0 {
            return 0;
        }
        if let Some(counters) = counters() {
            counters.samples_seen.events += 1;
        }
        // never while a wait is told: neither sleeps, and an interrupt causes no fault
        take(ctx.as_ptr(), WAIT, sample::PAGE_FAULT, every * FAULTS_PERIOD * PAGE_BYTES);
    }
    0
}

/// For how many of those that come this one stands; 0 when it is not told.
#[inline(always)]
unsafe fn told_for() -> u64 {
    unsafe {
        let Some(budget) = FAULT_BUDGET.get_ptr_mut(0) else { return 0 };
        let now = helpers::bpf_ktime_get_ns();
        let mut every = (*budget).every;
        if every == 0 {
            every = 1;
        }
        if now.wrapping_sub((*budget).since_ns) > SECOND_NS {
            if (*budget).told < FAULTS_A_SECOND_MAX / 2 && every > 1 {
                every /= 2;
            }
            (*budget).since_ns = now;
            (*budget).told = 0;
        } else if (*budget).told >= FAULTS_A_SECOND_MAX {
            if every < EVERY_MAX {
                every *= 2;
            }
            (*budget).told = 0;
        }
        (*budget).every = every;
        if helpers::bpf_get_prandom_u32() as u64 & (every - 1) != 0 {
            return 0;
        }
        (*budget).told += 1;
        every
    }
}

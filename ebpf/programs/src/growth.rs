//! BTF tracepoint of the memory accounting: by how much a process's own memory grows, and the stack that it grew at.
//!
//! The kernel counts pages on each CPU and adds them to the process's count a batch at a time (32 pages, on hosts with more than 16
//! CPUs two a CPU; a huge page at once). That count is read here: what is taken and given back within a batch is no growth. When
//! it shrinks, nothing is told. What others do to a process's memory (copy it at a fork, merge or reclaim its pages) is not its growth.

use aya_ebpf::{EbpfContext, helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{GROWTH_BYTES_MIN, GROWTHS_A_SECOND_MAX, PAGE_BYTES, hook, sample};

use crate::kernel::{MM_ANON_PAGES, TASK_MM};
use crate::maps::{GROWTH_PORTIONS, GROWTHS, counters, hit};
use crate::portions::{self, Limits};
use crate::sample::{WAIT, take};

/// Memory of the process's own, in the kernel's list of kinds (`enum` in linux/mm_types_task.h): MM_ANONPAGES.
const OWN_MEMORY: u32 = 1;
const LIMITS: Limits = Limits { portion_min: GROWTH_BYTES_MIN, a_second_max: GROWTHS_A_SECOND_MAX };

/// The memory of a process.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Growth {
    /// Its count of pages when it was last looked at.
    pub pages: i64,
    /// Bytes by which it grew that no sample stands for yet.
    pub owed: u64,
}

#[btf_tracepoint(function = "rss_stat")]
pub fn growth(ctx: BtfTracePointContext) -> i32 {
    unsafe {
        let what: u64 = ctx.arg(1);
        if what as u32 != OWN_MEMORY {
            return 0;
        }
        hit(hook::GROWTH);
        let memory: *const u8 = ctx.arg(0);
        let pages = *(memory.add(MM_ANON_PAGES.load() as usize) as *const i64);
        let key = memory as u64;
        let Some(growth) = GROWTHS.get_ptr_mut(&key) else {
            // one that is older than this look; a new one is seen first while it is being made, and empty or a copy
            let _ = GROWTHS.insert(&key, &Growth { pages, owed: portions::at_first(GROWTH_BYTES_MIN) }, 0);
            return 0;
        };
        let grown = pages - (*growth).pages;
        if grown == 0 {
            return 0;
        }
        (*growth).pages = pages;
        let current = helpers::bpf_get_current_task_btf() as *const u8;
        let own = *(current.add(TASK_MM.load() as usize) as *const u64) == key;
        if !own || grown < 0 {
            return 0;
        }
        let Some(portions) = GROWTH_PORTIONS.get_ptr_mut(0) else { return 0 };
        let bytes = grown as u64 * PAGE_BYTES;
        let value = portions::stands_for(portions, &raw mut (*growth).owed, bytes, LIMITS);
        if value == 0 {
            return 0;
        }
        if let Some(counters) = counters() {
            counters.samples_seen.events += 1;
        }
        // never while a wait is told: neither sleeps
        take(ctx.as_ptr(), WAIT, sample::RSS_GROWTH, value);
    }
    0
}

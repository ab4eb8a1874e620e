//! The clock of each CPU: which thread runs when it ticks, and the stack of that thread.
//!
//! User space sets the period and knows where programs keep their return addresses: here the registers and the bytes of the
//! stack are only copied.

use aya_ebpf::{
    EbpfContext, Global,
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, pt_regs},
    helpers::generated as helpers,
    macros::perf_event,
    programs::PerfEventContext,
};
use ebpf_abi::{KERNEL_FRAMES_MAX, SAMPLE_PLACES, STACK_BYTES_MAX, SampleHeader, hook, kind, sample};

use crate::kernel::{TASK_MM, TASK_START_BOOTTIME, bounded, read, user_registers};
use crate::maps::{RING_SAMPLES, SAMPLE_SCRATCH, counters, hit};
use crate::{python, wakers};

/// Time between two ticks.
#[unsafe(no_mangle)]
static SAMPLE_PERIOD_NS: Global<u64> = Global::new(0);

const PAGE_BYTES: u64 = 4096;
/// A stack that begins inside a page touches one page more than it fills.
const PAGES_MAX: u32 = (STACK_BYTES_MAX as u64 / PAGE_BYTES) as u32 + 1;

/// A sample in the making.
#[repr(C)]
pub struct SampleScratch {
    header: SampleHeader,
    /// A page more than is used, so that a bounded offset plus a bounded length stays inside.
    stack: [u8; STACK_BYTES_MAX + PAGE_BYTES as usize],
}

/// The places to work in on a CPU: a tick may come while a wait is told, and both while an allocation is.
const TICK: u32 = 0;
pub const WAIT: u32 = 1;
pub const HEAP: u32 = 2;

#[perf_event]
pub fn sample_tick(ctx: PerfEventContext) -> u32 {
    hit(hook::SAMPLE);
    unsafe {
        if let Some(counters) = counters() {
            counters.samples_seen.events += 1;
            if helpers::bpf_get_current_pid_tgid() == 0 {
                counters.samples_idle.events += 1;
                return 0;
            }
        }
        take(ctx.as_ptr(), TICK, sample::ON_CPU, SAMPLE_PERIOD_NS.load());
    }
    0
}

/// Tells of the current thread's stack. Returns the sample's time; 0 when there is none.
#[inline(always)]
pub unsafe fn take(ctx: *mut core::ffi::c_void, place: u32, what: u8, value_ns: u64) -> u64 {
    unsafe {
        python::tell(place);
        let cpu = helpers::bpf_get_smp_processor_id();
        let mut index = cpu * SAMPLE_PLACES + place;
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(index) else { return 0 };
        let now = helpers::bpf_ktime_get_ns();
        let header = &raw mut (*work).header;
        let id = helpers::bpf_get_current_pid_tgid();
        (*header).kind = kind::SAMPLE;
        (*header).what = what;
        (*header)._pad = 0;
        (*header).cpu = cpu;
        (*header).pid = (id >> 32) as u32;
        (*header).tid = id as u32;
        (*header).time_ns = now;
        (*header).value_ns = value_ns;
        (*header).stack_bytes = 0;
        helpers::bpf_get_current_comm((&raw mut (*header).comm).cast(), 16);
        wakers::tell(&raw mut (*header).waker, id as u32, what);
        // of a tick in user mode there is no kernel stack
        let frames = &raw mut (*header).kernel;
        let n = helpers::bpf_get_stack(ctx, frames.cast(), (KERNEL_FRAMES_MAX * 8) as u32, 0);
        (*header).kernel_frames = if n > 0 { (n / 8) as u32 } else { 0 };
        let task: u64 = helpers::bpf_get_current_task();
        let has_memory = read::<u64>(task + TASK_MM.load() as u64) != 0;
        let registers = &raw mut (*header).registers;
        // the same place whether the thread was interrupted in user mode or in a system call
        helpers::bpf_probe_read_kernel(registers.cast(), size_of::<pt_regs>() as u32, user_registers().cast());
        const USER_CS: u64 = 0x33;
        let user = has_memory && (*header).registers[CS] == USER_CS;
        (*header).user = user as u8;
        if user {
            helpers::bpf_loop(PAGES_MAX, copy_page as *mut core::ffi::c_void, (&raw mut index).cast(), 0);
        }
        hand_over(index);
        now
    }
}

/// A thread that lives for less than this is looked at while it does.
const YOUNG_NS: u64 = 1_000_000_000;

/// Positions in the registers.
const CS: usize = 17;
const SP: usize = 19;

/// Copies the stack up to the end of the page. Returns 1 to stop.
unsafe extern "C" fn copy_page(_: u32, index: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(*index.cast::<u32>()) else { return 1 };
        let done = (*work).header.stack_bytes as u64;
        let from = (*work).header.registers[SP].wrapping_add(done);
        let rest = PAGE_BYTES - (from & (PAGE_BYTES - 1));
        if done >= STACK_BYTES_MAX as u64 {
            return 1;
        }
        let at = bounded(done, STACK_BYTES_MAX as u64);
        let n = bounded(rest, PAGE_BYTES);
        let to = (&raw mut (*work).stack).cast::<u8>().add(at as usize);
        if helpers::bpf_probe_read_user(to.cast(), n as u32, from as *const _) != 0 {
            return 1;
        }
        let sum = done + n;
        (*work).header.stack_bytes = if sum > STACK_BYTES_MAX as u64 { STACK_BYTES_MAX as u32 } else { sum as u32 };
        0
    }
}

/// Whether the reader is woken, also when older records wait that woke nobody. Ticks are few; a wait of a thread that has lived
/// for long can be looked at later, but what a short-lived process maps can be read only while it lives.
#[inline(always)]
unsafe fn wakes(header: &SampleHeader) -> bool {
    unsafe {
        if header.what == sample::ON_CPU {
            return true;
        }
        let started: u64 = read(helpers::bpf_get_current_task() + TASK_START_BOOTTIME.load() as u64);
        helpers::bpf_ktime_get_boot_ns().wrapping_sub(started) < YOUNG_NS
    }
}

/// The place is looked up again, because the loop changed it behind the compiler's back.
#[inline(always)]
unsafe fn hand_over(index: u32) {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(index) else { return };
        let bytes = bounded((*work).header.stack_bytes as u64, STACK_BYTES_MAX as u64);
        let len = size_of::<SampleHeader>() as u64 + bytes;
        let ring = (&raw const RING_SAMPLES).cast_mut().cast();
        let wake = if wakes(&(*work).header) { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
        let failed = helpers::bpf_ringbuf_output(ring, work.cast(), len, wake as u64) != 0;
        if let Some(counters) = counters() {
            let count = if failed { &mut counters.samples_ring_full } else { &mut counters.samples_copied };
            count.events += 1;
            count.bytes += len;
        }
    }
}

//! The clock of each CPU: which thread runs when it ticks, and the stack of that thread.
//!
//! User space sets the period. Where it has told enough of the process's code, a sample holds the addresses of the callers; where
//! it has not, registers and the bytes of the stack, from which it finds them itself.

use aya_ebpf::{
    EbpfContext, Global,
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, pt_regs},
    helpers::generated as helpers,
    macros::perf_event,
    programs::PerfEventContext,
};
use ebpf_abi::{
    KERNEL_FRAMES_MAX, SAMPLE_PLACES, STACK_BYTES_MAX, SampleHeader, USER_FRAMES_MAX, Walk, bounded, ended, hook, kind, sample,
};

use crate::kernel::{TASK_MM, TASK_START_BOOTTIME, read, user_registers};
use crate::maps::{RING_SAMPLES, SAMPLE_SCRATCH, counters, hit};
use crate::{python, unwind, wakers};

/// Time between two ticks.
#[unsafe(no_mangle)]
static SAMPLE_PERIOD_NS: Global<u64> = Global::new(0);

/// 0 where the kernel refuses the walk along a stack: then user space finds the callers of all.
#[unsafe(no_mangle)]
static WALKS: Global<u32> = Global::new(1);

const PAGE_BYTES: u64 = 4096;
/// A stack that begins inside a page touches one page more than it fills.
const PAGES_MAX: u32 = (STACK_BYTES_MAX as u64 / PAGE_BYTES) as u32 + 1;
const KERNEL_BYTES: usize = KERNEL_FRAMES_MAX * 8;
/// With more than this, a quarter, in the ring buffer the reader is woken and little is copied of stacks, and with three times as much
/// nothing: the rest is for addresses.
#[unsafe(no_mangle)]
static SAMPLES_WAITING_BYTES: Global<u64> = Global::new(0);
/// What is copied of a stack then.
const LITTLE_BYTES: u64 = 2 * PAGE_BYTES;

/// A sample in the making.
#[repr(C)]
pub struct SampleScratch {
    pub walk: Walk,
    /// How much of the stack may be copied.
    copied_max: u64,
    pub header: SampleHeader,
    /// A page more than is used, so that a bounded offset plus a bounded length stays inside.
    pub body: [u8; KERNEL_BYTES + STACK_BYTES_MAX + PAGE_BYTES as usize],
}

const _: () = assert!(USER_FRAMES_MAX * 8 <= STACK_BYTES_MAX);

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
        (*header).ended = ended::COMPLETE;
        (*header).cpu = cpu;
        (*header).pid = (id >> 32) as u32;
        (*header).tid = id as u32;
        (*header).time_ns = now;
        (*header).value_ns = value_ns;
        (*header).program = 0;
        (*header).user_frames = 0;
        (*header).stack_bytes = 0;
        (*header).code_pages = 0;
        (*header).begins = 0;
        (*header)._pad = 0;
        (*work).walk.pid = 0;
        helpers::bpf_get_current_comm((&raw mut (*header).comm).cast(), 16);
        wakers::tell(&raw mut (*header).waker, id as u32, what);
        // of a tick in user mode there is no kernel stack
        let n = helpers::bpf_get_stack(ctx, (&raw mut (*work).body).cast(), KERNEL_BYTES as u32, 0);
        (*header).kernel_frames = if n > 0 { (n / 8) as u32 } else { 0 };
        let task: u64 = helpers::bpf_get_current_task();
        let mm: u64 = read(task + TASK_MM.load() as u64);
        let registers = &raw mut (*header).registers;
        // the same place whether the thread was interrupted in user mode or in a system call
        helpers::bpf_probe_read_kernel(registers.cast(), size_of::<pt_regs>() as u32, user_registers().cast());
        const USER_CS: u64 = 0x33;
        let user = mm != 0 && (*header).registers[CS] == USER_CS;
        (*header).user = user as u8;
        if user {
            (*header).program = unwind::program(mm);
            (*header).code_pages = unwind::code_pages(mm);
            (*header).ended = ended::UNKNOWN_PROCESS;
            if WALKS.load() != 0 {
                unwind::walk(&mut index);
            }
            add_stack(&mut index);
        }
        hand_over(index);
        now
    }
}

/// A thread that lives for less than this is looked at while it does.
const YOUNG_NS: u64 = 1_000_000_000;

/// Positions in the registers.
const IP: usize = 16;
const CS: usize = 17;
const SP: usize = 19;

fn waiting_bytes() -> u64 {
    unsafe { helpers::bpf_ringbuf_query((&raw const RING_SAMPLES).cast_mut().cast(), BPF_RB_AVAIL_DATA as u64) }
}

/// Adds what is left of the stack, when user space can do more with it.
#[inline(always)]
unsafe fn add_stack(index: &mut u32) {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(*index) else { return };
        let header = &raw mut (*work).header;
        if (*header).ended < ended::USER_SPACE {
            return;
        }
        let waiting = waiting_bytes();
        if waiting > 3 * SAMPLES_WAITING_BYTES.load() {
            if (*header).user_frames == 0 {
                unwind::write_down(work, (*header).registers[IP]);
            }
            return;
        }
        // what was walked so far holds, unless the process maps other code than was thought
        if matches!((*header).ended, ended::NOT_LOADED | ended::EXPRESSION) {
            unwind::begin_at_last(work);
        } else {
            (*header).user_frames = 0;
        }
        (*work).copied_max = if waiting > SAMPLES_WAITING_BYTES.load() { LITTLE_BYTES } else { STACK_BYTES_MAX as u64 };
        helpers::bpf_loop(PAGES_MAX, copy_page as *mut core::ffi::c_void, (&raw mut *index).cast(), 0);
    }
}

/// Copies the stack up to the end of the page. Returns 1 to stop.
unsafe extern "C" fn copy_page(_: u32, index: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(*index.cast::<u32>()) else { return 1 };
        let header = &raw mut (*work).header;
        let done = (*header).stack_bytes as u64;
        let from = (*header).registers[SP].wrapping_add(done);
        let rest = PAGE_BYTES - (from & (PAGE_BYTES - 1));
        // addresses and stack together have room for as much as a stack
        let addresses = bounded((*header).user_frames as u64, USER_FRAMES_MAX as u64) * 8;
        if addresses + done >= (*work).copied_max {
            return 1;
        }
        let before = bounded((*header).kernel_frames as u64, KERNEL_FRAMES_MAX as u64) * 8;
        let at = bounded(addresses + done, STACK_BYTES_MAX as u64);
        let n = bounded(rest, PAGE_BYTES);
        let to = (&raw mut (*work).body).cast::<u8>().add((before + at) as usize);
        if helpers::bpf_probe_read_user(to.cast(), n as u32, from as *const _) != 0 {
            return 1;
        }
        let room = STACK_BYTES_MAX as u64 - addresses;
        (*header).stack_bytes = if done + n > room { room as u32 } else { (done + n) as u32 };
        0
    }
}

/// Whether the reader is woken, also when older records wait that woke nobody. What a short-lived process maps can be read only
/// while it lives; of one that is known the reader hears in time, and of a wait of a thread that has lived for long, too.
#[inline(always)]
unsafe fn wakes(work: *const SampleScratch) -> bool {
    unsafe {
        let header = &raw const (*work).header;
        if waiting_bytes() > SAMPLES_WAITING_BYTES.load() {
            return true;
        }
        if (*header).user == 0 || ((*work).walk.pid == (*header).pid && (*header).stack_bytes == 0) {
            return false;
        }
        if (*header).what == sample::ON_CPU {
            return true;
        }
        let started: u64 = read(helpers::bpf_get_current_task() + TASK_START_BOOTTIME.load() as u64);
        helpers::bpf_ktime_get_boot_ns().wrapping_sub(started) < YOUNG_NS
    }
}

/// The place is looked up again, because the loops changed it behind the compiler's back.
#[inline(always)]
unsafe fn hand_over(index: u32) {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(index) else { return };
        let header = &raw const (*work).header;
        let kernel = bounded((*header).kernel_frames as u64, KERNEL_FRAMES_MAX as u64) * 8;
        let user = (*header).user_frames as u64 * 8 + (*header).stack_bytes as u64;
        let len = size_of::<SampleHeader>() as u64 + kernel + bounded(user, STACK_BYTES_MAX as u64);
        let flags = if wakes(work) { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP };
        let ring = (&raw const RING_SAMPLES).cast_mut().cast();
        let failed = helpers::bpf_ringbuf_output(ring, (&raw const (*work).header).cast_mut().cast(), len, flags as u64) != 0;
        if let Some(counters) = counters() {
            let count = if failed { &mut counters.samples_ring_full } else { &mut counters.samples_copied };
            count.events += 1;
            count.bytes += len;
        }
    }
}

//! BTF tracepoint of the scheduler: which thread ran where another is woken. Interrupts wake threads, too: then the thread that
//! runs has no part in it, which shows by the stack that is in use and by how that thread entered the kernel.
//!
//! It runs whenever any thread is woken, so nothing is looked up and few helpers are called: what is known is written where the
//! woken thread finds it, should its wait be told. Two threads with one place overwrite each other, and then have no waker.

use aya_ebpf::{helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{WAKERS_MAX, Waker, hook, sample, waker};

use crate::kernel::{TASK_COMM, TASK_MM, TASK_PID, TASK_TGID};
use crate::maps::{WAKERS, hit};
use crate::waits::is_watched;

/// The registers of user mode are at the end of a thread's kernel stack, which is no longer than this. Interrupts of the kernel,
/// and what delivers packets, use a stack of their own.
const KERNEL_STACK_BYTES: u64 = 16 << 10;

/// Who woke a thread.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Woken {
    /// The thread that was woken.
    tid: u32,
    _pad: u32,
    by: Waker,
}

#[btf_tracepoint(function = "sched_waking")]
pub fn waking(ctx: BtfTracePointContext) -> i32 {
    unsafe {
        let task: *const u8 = ctx.arg(0);
        if !is_watched(task) {
            return 0;
        }
        let tid = word(task, TASK_PID.load());
        let Some(woken) = WAKERS.get_ptr_mut(tid & (WAKERS_MAX - 1)) else { return 0 };
        hit(hook::WAKING);
        let current = helpers::bpf_get_current_task_btf();
        let registers = helpers::bpf_task_pt_regs(current) as *const aya_ebpf::bindings::pt_regs;
        let by = current as *const u8;
        let call = (*registers).orig_rax as i64;
        let has_memory = *(by.add(TASK_MM.load() as usize) as *const u64) != 0;
        let to = &raw mut (*woken).by;
        (*to).how = how(has_memory, call, above(registers as u64) < KERNEL_STACK_BYTES);
        (*to).call = call as i32;
        (*to).pid = word(by, TASK_TGID.load());
        (*to).tid = word(by, TASK_PID.load());
        let name = by.add(TASK_COMM.load() as usize) as *const u64;
        let to_name = (&raw mut (*to).comm).cast::<u64>();
        *to_name = *name;
        *to_name.add(1) = *name.add(1);
        (*woken).tid = tid;
    }
    0
}

#[inline(always)]
unsafe fn word(task: *const u8, offset: u32) -> u32 {
    unsafe { *(task.add(offset as usize) as *const u32) }
}

/// What runs here, on the thread's own stack or not. Whoever enters the kernel without a system call has a negative number of it.
#[inline(always)]
fn how(has_memory: bool, call: i64, own_stack: bool) -> u32 {
    let in_call = has_memory && call >= 0;
    if own_stack && (in_call || !has_memory) {
        waker::THREAD
    } else if in_call {
        waker::IN_CALL
    } else {
        waker::INTERRUPT
    }
}

/// How far an address is above the stack that is in use.
#[inline(always)]
fn above(address: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    let address = {
        let mut distance = address;
        unsafe { core::arch::asm!("{distance} -= r10", distance = inout(reg) distance) };
        distance
    };
    address
}

/// Who woke the current thread; nobody when it was not woken.
#[inline(always)]
pub unsafe fn tell(to: *mut Waker, tid: u32, what: u8) {
    unsafe {
        *to = Waker { how: waker::NONE, call: 0, pid: 0, tid: 0, comm: [0; 16] };
        if what == sample::BLOCKED
            && let Some(woken) = WAKERS.get_ptr_mut(tid & (WAKERS_MAX - 1))
            && (*woken).tid == tid
        {
            *to = (*woken).by;
            (*woken).tid = 0;
        }
    }
}

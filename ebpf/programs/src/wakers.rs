//! BTF tracepoint of the scheduler: which thread ran where another is woken. Interrupts wake threads, too: then the thread that
//! runs has no part in it, which shows by the stack that is in use and by how that thread entered the kernel.

use aya_ebpf::{helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{Waker, hook, sample, waker};

use crate::kernel::{TASK_MM, user_registers};
use crate::maps::hit;
use crate::waits::{is_watched, wait_of};

/// The registers of user mode are at the end of a thread's kernel stack, which is no longer than this. Interrupts of the kernel,
/// and what delivers packets, use a stack of their own.
const KERNEL_STACK_BYTES: u64 = 16 << 10;

#[btf_tracepoint(function = "sched_waking")]
pub fn waking(ctx: BtfTracePointContext) -> i32 {
    unsafe {
        let woken: *const u8 = ctx.arg(0);
        if !is_watched(woken) {
            return 0;
        }
        let wait = wait_of(woken, 0);
        if wait.is_null() {
            return 0;
        }
        hit(hook::WAKING);
        let to = &raw mut (*wait).waker;
        let registers = user_registers();
        let call = (*registers).orig_rax as i64;
        let id = helpers::bpf_get_current_pid_tgid();
        (*to).how = how(call, above(registers as u64) < KERNEL_STACK_BYTES);
        (*to).call = call as i32;
        (*to).pid = (id >> 32) as u32;
        (*to).tid = id as u32;
        helpers::bpf_get_current_comm((&raw mut (*to).comm).cast(), 16);
    }
    0
}

/// What runs here, on the thread's own stack or not. Whoever enters the kernel without a system call has a negative number of it.
#[inline(always)]
unsafe fn how(call: i64, own_stack: bool) -> u32 {
    unsafe {
        let task = helpers::bpf_get_current_task_btf() as *const u8;
        let has_memory = *(task.add(TASK_MM.load() as usize) as *const u64) != 0;
        let in_call = has_memory && call >= 0;
        if own_stack && (in_call || !has_memory) {
            waker::THREAD
        } else if in_call {
            waker::IN_CALL
        } else {
            waker::INTERRUPT
        }
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
pub unsafe fn tell(to: *mut Waker, what: u8) {
    unsafe {
        *to = Waker { how: waker::NONE, call: 0, pid: 0, tid: 0, comm: [0; 16] };
        if what != sample::BLOCKED {
            return;
        }
        let wait = wait_of(helpers::bpf_get_current_task_btf().cast::<u8>(), 0);
        if !wait.is_null() {
            *to = (*wait).waker;
            (*wait).waker.how = waker::NONE;
        }
    }
}

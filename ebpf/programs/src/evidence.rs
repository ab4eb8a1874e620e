//! Which sockets each thread used last: what tells a TLS session's connection when nothing else does.

use aya_ebpf::helpers::generated as helpers;
use ebpf_abi::{SessionKey, SocketState, evidence};

use crate::kernel::user_registers;
use crate::maps::{PLAIN_ON, SESSIONS, THREADS};
use crate::sessions;

/// One direction's last use of a socket by a thread.
#[repr(C)]
pub struct Touch {
    pub connection: u64,
    /// Counts this thread's uses in this direction; 0 before the first.
    pub number: u64,
    /// First argument of the system call.
    pub fd: u32,
    pub ring: u8,
    /// A session has been told by it.
    pub taken: u8,
    pub _pad: u16,
}

/// What is kept of a thread, in its task storage.
#[repr(C)]
pub struct ThreadState {
    pub received: Touch,
    pub sent: Touch,
    /// A session that wrote and whose connection is unknown: the next send is its.
    pub waiting: SessionKey,
}

/// The current thread's state; null when the kernel has no memory for it.
#[inline(always)]
pub unsafe fn of_this_thread() -> *mut ThreadState {
    unsafe {
        helpers::bpf_task_storage_get(
            (&raw const THREADS).cast_mut().cast(),
            helpers::bpf_get_current_task_btf(),
            core::ptr::null_mut(),
            1,
        )
        .cast()
    }
}

/// A socket was used; called only from the thread that did.
#[inline(always)]
pub unsafe fn note(state: &SocketState, sending: bool) {
    unsafe {
        if !matches!(PLAIN_ON.get(0), Some(1)) {
            return;
        }
        let thread = of_this_thread();
        if thread.is_null() {
            return;
        }
        let touch = if sending { &raw mut (*thread).sent } else { &raw mut (*thread).received };
        (*touch).connection = state.connection;
        (*touch).number += 1;
        (*touch).fd = (*user_registers()).rdi as u32;
        (*touch).ring = state.ring;
        (*touch).taken = 0;
        if sending && (*thread).waiting.object != 0 {
            let key = SessionKey { object: (*thread).waiting.object, pid: (*thread).waiting.pid, _pad: 0 };
            (*thread).waiting.object = 0;
            if let Some(session) = SESSIONS.get_ptr_mut(key) {
                (*touch).taken = 1;
                sessions::bind(session, touch, evidence::FOLLOWED);
            }
        }
    }
}

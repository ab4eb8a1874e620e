//! Which sockets each thread used last: what tells a TLS session's connection when nothing else does.

use aya_ebpf::{bindings::task_struct, helpers::generated as helpers};
use ebpf_abi::{SessionKey, SocketState, evidence};

use crate::calls::Call;
use crate::kernel::{TASK_GROUP_LEADER, user_registers};
use crate::maps::{PLAIN_ON, SESSIONS, THREADS, TLS_EPOCH};
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
    /// Its second argument: where the bytes are, if it is a call with one buffer.
    pub buffer: u64,
    /// How many bytes it moved.
    pub len: u64,
}

impl Touch {
    /// Whether what is at this address is what was moved: a library that decrypts in place gives out what it received there.
    #[inline(always)]
    pub fn holds(&self, address: u64) -> bool {
        address.wrapping_sub(self.buffer) < self.len
    }
}

/// What is kept of a thread, in its task storage.
#[repr(C)]
pub struct ThreadState {
    pub received: Touch,
    pub sent: Touch,
    /// A session that wrote and whose connection is unknown: the next send is its.
    pub waiting: SessionKey,
    /// Of a process's first thread: 1 when any of its threads has made a TLS call.
    pub calls_tls: u64,
    /// 1 when the process's first thread knows that this one makes TLS calls.
    pub told: u64,
    /// Which TLS call the thread is in, plus one; 0 when it is in none.
    pub call_plus_one: u64,
    pub call: Call,
}

/// A connection that carried more than this before its process made any TLS call is taken for one without.
const TLS_BEGINS_BYTES: u64 = 64 << 10;

/// The state of a task; null when the kernel has no memory for it.
#[inline(always)]
unsafe fn of(task: *mut task_struct) -> *mut ThreadState {
    unsafe {
        let map = (&raw const THREADS).cast_mut().cast();
        helpers::bpf_task_storage_get(map, task, core::ptr::null_mut(), 1).cast()
    }
}

/// The state of the first thread of a task's process.
#[inline(always)]
unsafe fn of_process(task: *mut task_struct) -> *mut ThreadState {
    unsafe { of(*task.cast::<u8>().add(TASK_GROUP_LEADER.load() as usize).cast::<*mut task_struct>()) }
}

/// The state of a thread that makes a TLS call; null when the kernel has no memory for it.
#[inline(always)]
pub unsafe fn of_this_thread() -> *mut ThreadState {
    unsafe {
        let task = helpers::bpf_get_current_task_btf();
        let thread = of(task);
        if thread.is_null() || (*thread).told != 0 {
            return thread;
        }
        (*thread).told = 1;
        let process = of_process(task);
        if !process.is_null() && (*process).calls_tls == 0 {
            (*process).calls_tls = 1;
            if let Some(epoch) = TLS_EPOCH.get_ptr_mut(0) {
                // another CPU's change at the same moment may be lost: the value is another one all the same
                *epoch += 1;
            }
        }
        thread
    }
}

/// A socket was used; called only from the thread that did. TLS begins where a connection begins: beyond that, nothing is kept
/// of what processes without TLS calls do.
#[inline(always)]
pub unsafe fn note(state: &mut SocketState, sending: bool, len: u64) {
    unsafe {
        if !matches!(PLAIN_ON.get(0), Some(1)) {
            return;
        }
        let Some(epoch) = TLS_EPOCH.get(0) else { return };
        let now = *epoch + 1;
        if state.no_tls == now {
            return;
        }
        let task = helpers::bpf_get_current_task_btf();
        if state.sent_bytes + state.received_bytes > TLS_BEGINS_BYTES {
            let process = of_process(task);
            if process.is_null() || (*process).calls_tls == 0 {
                state.no_tls = now;
                return;
            }
        }
        let thread = of(task);
        if thread.is_null() {
            return;
        }
        let touch = if sending { &raw mut (*thread).sent } else { &raw mut (*thread).received };
        (*touch).connection = state.connection;
        (*touch).number += 1;
        let registers = user_registers();
        (*touch).fd = (*registers).rdi as u32;
        (*touch).buffer = (*registers).rsi;
        (*touch).len = len;
        (*touch).ring = state.ring;
        (*touch).taken = 0;
        if sending && (*thread).waiting.object != 0 {
            let key = SessionKey { object: (*thread).waiting.object, pid: (*thread).waiting.pid, _pad: 0 };
            (*thread).waiting.object = 0;
            if let Some(session) = SESSIONS.get_ptr_mut(key) {
                (*touch).taken = 1;
                let unknown = (*session).connection == 0;
                sessions::bind(session, touch, evidence::FOLLOWED);
                // what was written waits for this, and may be all that is said by this object
                if unknown {
                    sessions::tell(session);
                }
            }
        }
    }
}

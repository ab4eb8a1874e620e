//! Calls of TLS libraries that are under way: what their entry told, kept for their return.
//!
//! A thread's call is in its own state, where it costs no look-up; a goroutine's, and one inside another of the thread, in a map.

use crate::evidence::ThreadState;
use crate::maps::CALLS;
use crate::plain_copy::Progress;

/// Names a call: of a thread, or of a goroutine.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CallKey {
    pub process: u32,
    /// 0 for a goroutine.
    pub thread: u32,
    /// The goroutine's structure; else 0.
    pub goroutine: u64,
    /// A value of [`ebpf_abi::call`]: a handshake may run inside a read, and functions may share code with a probe in it.
    pub call: u64,
}

/// What its entry told.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Call {
    pub object: u64,
    pub buffer: u64,
    /// Slices in the list at `buffer`; 0 when the bytes themselves are there.
    pub slices: u64,
    /// Bytes of the slices that are not meant.
    pub skip: u64,
    /// What is left of the list, and how many of its bytes.
    pub list: u64,
    pub left: u64,
    /// Address at which an `_ex` function stores how many bytes it moved.
    pub length: u64,
    /// The thread's uses of sockets before the call.
    pub received: u64,
    pub sent: u64,
    /// What is being copied: see [`crate::plain_copy`].
    pub copy: Progress,
}

const NEW: Call = Call {
    object: 0,
    buffer: 0,
    slices: 0,
    skip: 0,
    list: 0,
    left: 0,
    length: 0,
    received: 0,
    sent: 0,
    copy: Progress { left: 0, wanted: 0, left_out: 0, offset: 0, time_ns: 0, session: 0, connection: 0, lost: 0, about: 0 },
};

/// Room for what the entry of a call tells; `thread` may be null.
#[inline(always)]
pub unsafe fn begin(key: &CallKey, thread: *mut ThreadState) -> Option<*mut Call> {
    unsafe {
        let this = key.call + 1;
        if key.thread != 0 && !thread.is_null() && ((*thread).call_plus_one == 0 || (*thread).call_plus_one == this) {
            (*thread).call_plus_one = this;
            return Some(&raw mut (*thread).call);
        }
        let _ = CALLS.insert(*key, NEW, 0);
        CALLS.get_ptr_mut(*key)
    }
}

/// None: its entry was not seen.
#[inline(always)]
pub unsafe fn under_way(key: &CallKey, thread: *mut ThreadState) -> Option<*mut Call> {
    unsafe {
        if key.thread != 0 && !thread.is_null() && (*thread).call_plus_one == key.call + 1 {
            return Some(&raw mut (*thread).call);
        }
        CALLS.get_ptr_mut(*key)
    }
}

#[inline(always)]
pub unsafe fn end(key: &CallKey, thread: *mut ThreadState) {
    unsafe {
        if key.thread != 0 && !thread.is_null() && (*thread).call_plus_one == key.call + 1 {
            (*thread).call_plus_one = 0;
        } else {
            let _ = CALLS.remove(*key);
        }
    }
}

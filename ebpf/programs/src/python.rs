//! Which functions of Python code the current thread is in, beside its stack of machine code.
//!
//! User space says which processes run Python, and how their runtime's structures are laid out. What is read is in the process's
//! own memory and is only copied; code objects get their names in user space.

use aya_ebpf::{bindings::BPF_RB_NO_WAKEUP, helpers::generated as helpers};
use ebpf_abi::{PYTHON_FRAMES_MAX, PYTHON_THREADS_MAX, Python, PythonHeader, kind};

use crate::kernel::{TASK_FSBASE, bounded, read, read_user};
use crate::maps::{PYTHON_WALKS, PYTHONS, RING_SAMPLES, counters};

/// A walk from a thread's innermost frame to its outermost. Not on the stack, for the loops.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Walk {
    header: PythonHeader,
    /// One more than is used.
    codes: [u64; PYTHON_FRAMES_MAX + 1],
    python: Python,
    /// The thread, then the frame, that is looked at.
    at: u64,
    /// Of the current thread, as its C library numbers it.
    thread_id: u64,
    found: u64,
}

/// Tells the current thread's functions, when its process runs Python. `place` is one of those of a CPU, as for samples.
#[inline(always)]
pub unsafe fn tell(mut place: u32) {
    unsafe {
        let id = helpers::bpf_get_current_pid_tgid();
        let pid = (id >> 32) as u32;
        let Some(python) = PYTHONS.get_ptr(&pid) else { return };
        let Some(walk) = PYTHON_WALKS.get_ptr_mut(place) else { return };
        (*walk).python = *python;
        (*walk).thread_id = read::<u64>(helpers::bpf_get_current_task() + TASK_FSBASE.load() as u64);
        (*walk).found = 0;
        let Some(interpreter) = read_user::<u64>((*python).interpreter_at) else { return };
        (*walk).at = read_user::<u64>(interpreter.wrapping_add((*python).threads as u64)).unwrap_or(0);
        let context = (&raw mut place).cast();
        helpers::bpf_loop(PYTHON_THREADS_MAX, find_thread as *mut core::ffi::c_void, context, 0);
        if (*walk).found == 0 {
            return;
        }
        (*walk).header = PythonHeader {
            kind: kind::PYTHON,
            _pad: [0; 3],
            frames: 0,
            pid,
            tid: id as u32,
            time_ns: helpers::bpf_ktime_get_ns(),
        };
        (*walk).at = innermost(&(*walk).python, (*walk).at);
        helpers::bpf_loop(PYTHON_FRAMES_MAX as u32, take_frame as *mut core::ffi::c_void, context, 0);
        hand_over(place);
    }
}

/// 0 when the thread runs no Python code.
#[inline(always)]
unsafe fn innermost(python: &Python, thread: u64) -> u64 {
    unsafe {
        let first = read_user::<u64>(thread.wrapping_add(python.thread_frame as u64)).unwrap_or(0);
        if first == 0 || python.in_between == Python::DIRECT {
            return first;
        }
        read_user::<u64>(first.wrapping_add(python.in_between as u64)).unwrap_or(0)
    }
}

/// Returns 1 to stop.
unsafe extern "C" fn find_thread(_: u32, place: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let Some(walk) = PYTHON_WALKS.get_ptr_mut(*place.cast::<u32>()) else { return 1 };
        let thread = (*walk).at;
        if thread == 0 {
            return 1;
        }
        let id = read_user::<u64>(thread.wrapping_add((*walk).python.thread_id as u64));
        if id == Some((*walk).thread_id) {
            (*walk).found = 1;
            return 1;
        }
        (*walk).at = read_user::<u64>(thread.wrapping_add((*walk).python.thread_next as u64)).unwrap_or(0);
        0
    }
}

/// Returns 1 to stop.
unsafe extern "C" fn take_frame(_: u32, place: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let Some(walk) = PYTHON_WALKS.get_ptr_mut(*place.cast::<u32>()) else { return 1 };
        let (frame, python) = ((*walk).at, &(*walk).python);
        if frame == 0 {
            return 1;
        }
        let Some(code) = read_user::<u64>(frame.wrapping_add(python.frame_code as u64)) else { return 1 };
        let mark = read_user::<u8>(frame.wrapping_add(python.frame_mark as u64)).unwrap_or(0);
        let last = (mark as u16 == python.mark) as u64;
        let n = bounded((*walk).header.frames as u64, PYTHON_FRAMES_MAX as u64);
        (&raw mut (*walk).codes).cast::<u64>().add(n as usize).write((code & !1) | last);
        (*walk).header.frames = n as u32 + 1;
        (*walk).at = read_user::<u64>(frame.wrapping_add(python.frame_caller as u64)).unwrap_or(0);
        0
    }
}

/// The sample that follows wakes the reader.
#[inline(always)]
unsafe fn hand_over(place: u32) {
    unsafe {
        let Some(walk) = PYTHON_WALKS.get_ptr_mut(place) else { return };
        let frames = bounded((*walk).header.frames as u64, PYTHON_FRAMES_MAX as u64);
        if frames == 0 {
            return;
        }
        (*walk).header.frames = frames as u32;
        let len = size_of::<PythonHeader>() as u64 + 8 * frames;
        let ring = (&raw const RING_SAMPLES).cast_mut().cast();
        // without it the sample shows the interpreter's own functions
        if helpers::bpf_ringbuf_output(ring, walk.cast(), len, BPF_RB_NO_WAKEUP as u64) != 0
            && let Some(counters) = counters()
        {
            counters.notices_lost.events += 1;
        }
    }
}

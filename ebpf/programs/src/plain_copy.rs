//! Copies a TLS call's bytes straight into ring buffer records.

use aya_ebpf::helpers::generated as helpers;
use ebpf_abi::{CALL_BYTES_MAX, CHUNK_BYTES, HEADER_BYTES, PlainHeader, kind, policy};

use crate::calls::{self, Call, CallKey};
use crate::evidence;
use crate::kernel::bounded;
use crate::maps::{reserve, submit};

/// How far a call's bytes are copied. It is in a map and not on the stack: the verifier does not follow what is in a map, so the
/// loop over it needs to be looked at only once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Progress {
    /// Bytes that are not yet in a record.
    pub left: u64,
    /// How many of them are to be copied.
    pub wanted: u64,
    /// How many more would be, were their process not over its budget.
    pub left_out: u64,
    /// Where the next record stands in the session's bytes.
    pub offset: u64,
    pub time_ns: u64,
    pub session: u64,
    pub connection: u64,
    /// 0, or one of the reasons below.
    pub lost: u64,
    /// Direction, evidence and ring.
    pub about: u64,
}

pub const LOST_RING_FULL: u64 = 1;
pub const LOST_UNREADABLE: u64 = 2;

const CHUNK: u64 = CHUNK_BYTES as u64;
const STEPS_MAX: u32 = (CALL_BYTES_MAX / CHUNK) as u32 + 2;
/// Sizes of records: a record of a size is reserved whole, and says how much of it is used.
const SMALL: u64 = 256;
const MEDIUM: u64 = 1536;

#[inline(always)]
pub fn about(direction: u8, evidence: u8, ring: u8) -> u64 {
    direction as u64 | (evidence as u64) << 8 | (ring as u64) << 16
}

/// How much of a transfer is copied.
#[inline(always)]
pub fn wanted(len: u64, policy_: u32) -> u64 {
    let most = if policy_ == policy::HEADERS { HEADER_BYTES } else { CALL_BYTES_MAX };
    if len < most { len } else { most }
}

/// Copies what the call's progress asks for.
#[inline(always)]
pub unsafe fn all(key: &CallKey) {
    unsafe {
        let mut key = *key;
        helpers::bpf_loop(STEPS_MAX, step as *mut core::ffi::c_void, (&raw mut key).cast(), 0);
    }
}

unsafe extern "C" fn step(_: u32, key: *mut core::ffi::c_void) -> i64 {
    unsafe {
        match calls::under_way(&*key.cast::<CallKey>(), evidence::of_this_thread()) {
            Some(call) => next(call),
            None => 1,
        }
    }
}

/// One record: all that is asked for, when that fits into one. Returns 1 when nothing is left.
#[inline(always)]
pub unsafe fn next(call: *mut Call) -> i64 {
    unsafe {
        let copy = &raw mut (*call).copy;
        let left = (*copy).left;
        if left == 0 {
            return 1;
        }
        let wanted = (*copy).wanted;
        let n = bounded(if wanted < left { wanted } else { left }, CHUNK);
        // what is not wanted is told by its size, in the last record that has bytes
        let stands_for = if n == wanted { left } else { n };
        let from = (*call).buffer;
        let done = if n <= SMALL {
            record::<{ SMALL as usize }>(copy, from, n, stands_for)
        } else if n <= MEDIUM {
            record::<{ MEDIUM as usize }>(copy, from, n, stands_for)
        } else {
            record::<CHUNK_BYTES>(copy, from, n, stands_for)
        };
        if done != 0 {
            (*copy).lost = done;
        }
        (*call).buffer = from.wrapping_add(n);
        (*copy).offset += stands_for;
        (*copy).left = left - stands_for;
        (*copy).wanted = wanted - n;
        0
    }
}

#[repr(C)]
struct Sized<const N: usize> {
    header: PlainHeader,
    data: [u8; N],
}

/// Returns 0, or why there is no whole record.
#[inline(always)]
unsafe fn record<const N: usize>(copy: *mut Progress, from: u64, n: u64, stands_for: u64) -> u64 {
    unsafe {
        let about = (*copy).about;
        let place: *mut Sized<N> = reserve((about >> 16) as u8, size_of::<Sized<N>>() as u64).cast();
        if place.is_null() {
            return LOST_RING_FULL;
        }
        let id = helpers::bpf_get_current_pid_tgid();
        let header = &raw mut (*place).header;
        (*header).kind = kind::PLAIN;
        (*header).direction = about as u8;
        (*header).evidence = (about >> 8) as u8;
        (*header)._pad = 0;
        (*header).session = (*copy).session;
        (*header).connection = (*copy).connection;
        (*header).time_ns = (*copy).time_ns;
        (*header).offset = (*copy).offset;
        (*header).len = stands_for as u32;
        (*header).pid = (id >> 32) as u32;
        (*header).tid = id as u32;
        (*header)._pad2 = 0;
        let n = bounded(n, N as u64);
        let failed = helpers::bpf_probe_read_user((&raw mut (*place).data).cast(), n as u32, from as *const _) != 0;
        (*header).copied = if failed { 0 } else { n as u32 };
        submit(place.cast());
        if failed { LOST_UNREADABLE } else { 0 }
    }
}

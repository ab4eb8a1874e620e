//! Heap profile of one process: the functions of its allocator, and what is known of memory that a sample stands for.

use crate::Place;

pub mod allocator {
    /// Gives new memory.
    pub const ALLOCATE: u8 = 0;
    /// Gives memory in place of the one at `pointer`.
    pub const REALLOCATE: u8 = 1;
    /// Gives new memory, stores its address at `pointer` and returns 0.
    pub const STORE: u8 = 2;
    /// Takes memory back.
    pub const FREE: u8 = 3;
    /// Gives new memory, of which it is never seen where it is and when it is given back.
    pub const COLLECTED: u8 = 4;
}

/// A probed function of an allocator, and where its arguments are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapSite {
    /// A value of [`allocator`].
    pub call: u8,
    /// 1 when it may call others of these functions, whose calls are then its own.
    pub calls_others: u8,
    pub _pad: [u8; 6],
    /// How many bytes are asked for.
    pub bytes: Place,
    /// How many times that.
    pub times: Place,
    pub pointer: Place,
}

/// Whose heap is profiled.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapSession {
    /// What is left of an earlier one counts no more.
    pub number: u64,
    /// A sample stands for at least so many bytes.
    pub portion: u64,
    pub pid: u32,
    pub _pad: u32,
}

/// Names a sample.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeapSample {
    pub time_ns: u64,
    pub tid: u32,
    pub _pad: u32,
}

/// One a CPU, over all sessions.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapCounts {
    pub allocations: u64,
    /// That were asked for.
    pub bytes: u64,
    pub frees: u64,
    pub samples: u64,
    /// Samples of which it cannot be told whether their memory was given back: too many were not.
    pub unwatched: u64,
}

const _: () = assert!(size_of::<HeapSite>() == 32);
const _: () = assert!(size_of::<HeapSession>() == 24);

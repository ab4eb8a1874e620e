//! Types that the kernel programs write and user space reads.
//!
//! Fixed layout, explicit padding, no `bool`, enum, `Option` or `usize`; sizes are asserted at compile time. A change here
//! changes [`VERSION`], because recordings hold these bytes.

#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod counters;
mod data_event;
mod heap_event;
mod limits;
mod plain_event;
mod process_event;
mod python;
mod sample_event;
mod socket_event;
mod steps;
mod unwind;
mod walk;

pub use counters::{Count, Counters, hook};
pub use data_event::{DataHeader, Peer, direction, flags};
pub use heap_event::{HeapCounts, HeapSample, HeapSession, HeapSite, allocator};
pub use limits::*;
pub use plain_event::{
    Condition, GoDescriptor, Place, PlainHeader, SessionKey, Site, call, evidence, moment, place, runtime, words,
};
pub use process_event::{ExecEvent, ExitEvent, ForkEvent, RenameEvent};
pub use python::{PYTHON_FRAMES_MAX, PYTHON_THREADS_MAX, PYTHONS_MAX, Python, PythonHeader};
pub use sample_event::{SampleHeader, Waker, begins, ended, sample, waker};
pub use socket_event::{
    CloseEvent, Decision, EndEvent, ListenKey, OwnerEvent, Policy, SocketEvent, SocketState, policy, role, transport,
};
pub use steps::{Frame, Memory};
pub use unwind::*;
pub use walk::{Known, Walk, bounded};

/// Layout version of everything here.
pub const VERSION: u32 = 1;

/// First byte of every ring buffer record.
pub mod kind {
    pub const DATA: u8 = 1;
    pub const SOCKET: u8 = 2;
    pub const OWNER: u8 = 3;
    pub const END: u8 = 4;
    pub const CLOSE: u8 = 5;
    pub const EXEC: u8 = 6;
    pub const FORK: u8 = 7;
    pub const EXIT: u8 = 8;
    pub const RENAME: u8 = 9;
    pub const PLAIN: u8 = 10;
    pub const SAMPLE: u8 = 11;
    pub const PYTHON: u8 = 12;
}

//! Processes: start, program, name, end.

use crate::{ARGUMENT_BYTES, EXECUTABLE_BYTES};

/// A process was started by another.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ForkEvent {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub parent_pid: u32,
    pub pid: u32,
    pub uid: u32,
    pub time_ns: u64,
    /// Nanoseconds since boot, suspended time included.
    pub started_ns: u64,
    pub comm: [u8; 16],
}

/// A process runs another program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ExecEvent {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub pid: u32,
    pub parent_pid: u32,
    pub uid: u32,
    pub time_ns: u64,
    pub started_ns: u64,
    pub cgroup: u64,
    pub comm: [u8; 16],
    /// Bytes of `executable` in use.
    pub executable_len: u32,
    /// Bytes of `arguments` in use; the arguments are separated by zero bytes.
    pub arguments_len: u32,
    pub executable: [u8; EXECUTABLE_BYTES],
    pub arguments: [u8; ARGUMENT_BYTES],
}

/// The last thread of a process ended.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ExitEvent {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub pid: u32,
    pub time_ns: u64,
    pub started_ns: u64,
    /// As `wait` gives it: exit code in bits 8 to 15, signal in bits 0 to 6.
    pub status: u32,
    pub _pad2: u32,
}

/// The name of a process changed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RenameEvent {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub pid: u32,
    pub time_ns: u64,
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<ForkEvent>() == 48 && size_of::<ExitEvent>() == 32 && size_of::<RenameEvent>() == 32);
const _: () = assert!(size_of::<ExecEvent>() == 64 + EXECUTABLE_BYTES + ARGUMENT_BYTES);

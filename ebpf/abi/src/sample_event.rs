//! Stacks: what ran when the clock ticked, and where a thread was that waited and who woke it.

use crate::KERNEL_FRAMES_MAX;

pub mod sample {
    /// The thread ran when the clock of its CPU ticked.
    pub const ON_CPU: u8 = 0;
    /// The thread slept, by its own will, until now.
    pub const BLOCKED: u8 = 1;
    /// The thread could have run and another ran instead, until now.
    pub const PREEMPTED: u8 = 2;
    /// The thread touched memory that had to be found first.
    pub const PAGE_FAULT: u8 = 3;
    /// The memory of the thread's process grew.
    pub const RSS_GROWTH: u8 = 4;
    /// The thread asked its allocator for memory.
    pub const HEAP: u8 = 5;
}

pub mod waker {
    /// Nobody was seen.
    pub const NONE: u32 = 0;
    /// The thread itself.
    pub const THREAD: u32 = 1;
    /// Something on top of the thread while it was in a system call: it delivered a packet, or an interrupt came.
    pub const IN_CALL: u32 = 2;
    /// Something that the thread had no part in: its own code was interrupted, or it is the one that idles.
    pub const INTERRUPT: u32 = 3;
}

/// Which thread ran where another was made ready to run.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Waker {
    /// A value of [`waker`].
    pub how: u32,
    /// Number of the system call that it was in.
    pub call: i32,
    pub pid: u32,
    pub tid: u32,
    pub comm: [u8; 16],
}

/// Followed by `stack_bytes` bytes of the thread's stack, from its stack pointer upwards.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SampleHeader {
    pub kind: u8,
    /// A value of [`sample`].
    pub what: u8,
    /// 1 when the thread has 64-bit user code, so that `registers` mean something.
    pub user: u8,
    pub _pad: u8,
    pub cpu: u32,
    pub pid: u32,
    pub tid: u32,
    /// Nanoseconds on the monotonic clock.
    pub time_ns: u64,
    /// How much time the sample stands for; of those that are about memory, how many bytes.
    pub value_ns: u64,
    /// Name of the thread.
    pub comm: [u8; 16],
    /// Of a wait that ended by being woken.
    pub waker: Waker,
    /// Of user mode, in the order of `struct pt_regs`: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss.
    pub registers: [u64; 21],
    /// Return addresses in `kernel` that are in use; the leaf is the first.
    pub kernel_frames: u32,
    pub stack_bytes: u32,
    pub kernel: [u64; KERNEL_FRAMES_MAX],
}

const _: () = assert!(size_of::<SampleHeader>() == 56 + 32 + 8 * (21 + KERNEL_FRAMES_MAX));

//! Stacks: what ran when the clock ticked, and where a thread was that waited and who woke it.

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

/// How the walk along the user stack ended in the kernel program.
pub mod ended {
    /// It has not ended: only between two steps.
    pub const GOES_ON: u8 = 0;
    /// The outermost function was reached.
    pub const COMPLETE: u8 = 1;
    /// The frame is in memory that cannot be read now.
    pub const UNREADABLE: u8 = 2;
    pub const TOO_DEEP: u8 = 3;
    /// Neither a rule for the code nor a frame pointer.
    pub const NO_FRAME_POINTER: u8 = 4;
    /// The next frame lies on another stack.
    pub const ANOTHER_STACK: u8 = 5;
    /// The rule needs a register that is not known any more.
    pub const RULE: u8 = 6;
    /// The caller's frame would not lie above.
    pub const STUCK: u8 = 7;
    /// From here on user space can do more, and gets registers and stack.
    pub const USER_SPACE: u8 = 32;
    /// What the process maps has not been told.
    pub const UNKNOWN_PROCESS: u8 = 32;
    /// The rules for the code have not been told.
    pub const NOT_LOADED: u8 = 33;
    /// The rule is of a kind that only user space knows.
    pub const EXPRESSION: u8 = 34;
    /// No code is known where the next frame should be.
    pub const NO_CODE: u8 = 35;
    /// The end was not reached, and the process maps other code than it did when that was told.
    pub const CHANGED: u8 = 36;
}

/// What a stack that follows begins with, bits of [`SampleHeader::begins`].
pub mod begins {
    /// At the last of the addresses of the program, whose registers these are, and not at the first.
    pub const AT_LAST: u32 = 1;
    /// The frame pointer is known.
    pub const BP_KNOWN: u32 = 2;
    /// The registers beside instruction, stack and frame pointer are.
    pub const REST_KNOWN: u32 = 4;
}

/// Followed by `kernel_frames` return addresses in the kernel, `user_frames` addresses of the program, both leaf first, and
/// `stack_bytes` bytes of the thread's stack, from its stack pointer upwards.
///
/// The first address of the program is where it was, the others are return addresses unless marked
/// [`INTERRUPTED`](crate::INTERRUPTED).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SampleHeader {
    pub kind: u8,
    /// A value of [`sample`].
    pub what: u8,
    /// 1 when the thread has 64-bit user code, so that `registers` mean something.
    pub user: u8,
    /// A value of [`ended`].
    pub ended: u8,
    pub cpu: u32,
    pub pid: u32,
    pub tid: u32,
    /// Nanoseconds on the monotonic clock.
    pub time_ns: u64,
    /// How much time the sample stands for; of those that are about memory, how many bytes.
    pub value_ns: u64,
    /// Differs from one run of a program to the next; a forked process has its parent's.
    pub program: u64,
    /// Name of the thread.
    pub comm: [u8; 16],
    /// Of a wait that ended by being woken.
    pub waker: Waker,
    pub kernel_frames: u32,
    pub user_frames: u32,
    pub stack_bytes: u32,
    /// Pages of code that the process maps, as the kernel counts them.
    pub code_pages: u32,
    /// Bits of [`begins`].
    pub begins: u32,
    pub _pad: u32,
    /// Of user mode, in the order of `struct pt_regs`: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss.
    pub registers: [u64; 21],
}

const _: () = assert!(size_of::<SampleHeader>() == 80 + 32 + 8 * 21);

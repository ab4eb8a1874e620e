//! Functions of Python code that a thread is in: which of them, by the addresses of their code objects.

/// Processes that run Python code and are known.
pub const PYTHONS_MAX: u32 = 4096;
/// Threads of one process among which the current one is looked for.
pub const PYTHON_THREADS_MAX: u32 = 128;
/// Frames of one thread; what is behind is left out.
pub const PYTHON_FRAMES_MAX: usize = 192;

/// Where the runtime of a process keeps what its threads run. Offsets are in bytes, within the runtime's own structures.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Python {
    /// The address of the pointer to the main interpreter.
    pub interpreter_at: u64,
    /// In an interpreter: its first thread.
    pub threads: u32,
    /// In a thread: the next one, its `pthread_t`, and what leads to its innermost frame.
    pub thread_next: u16,
    pub thread_id: u16,
    pub thread_frame: u16,
    /// In that: the innermost frame; [`DIRECT`](Python::DIRECT) when it is the frame.
    pub in_between: u16,
    /// In a frame: its code object, its caller, and the byte that says that its caller is another call of the interpreter.
    pub frame_code: u16,
    pub frame_caller: u16,
    pub frame_mark: u16,
    pub mark: u16,
    pub _pad: u32,
}

impl Python {
    pub const DIRECT: u16 = u16::MAX;
}

/// Comes right before the sample that it belongs to, of the same thread. Followed by `frames` code objects, 8 bytes each, the leaf
/// first; the lowest bit is set in the last one of each call of the interpreter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PythonHeader {
    pub kind: u8,
    pub _pad: [u8; 3],
    pub frames: u32,
    pub pid: u32,
    pub tid: u32,
    /// Nanoseconds on the monotonic clock.
    pub time_ns: u64,
}

const _: () = assert!(size_of::<Python>() == 32);
const _: () = assert!(size_of::<PythonHeader>() == 24);

//! Limits of the kernel programs, with their units.

/// Ring buffers, one a worker.
pub const RINGS_MAX: usize = 4;
/// Bytes of each of them.
pub const RING_BYTES: u32 = 8 << 20;
/// Data bytes of one ring buffer record.
pub const CHUNK_BYTES: usize = 8192;
/// Bytes of one system call that are copied at the most.
pub const CALL_BYTES_MAX: u64 = (1 << 20) + (64 << 10);
/// Bytes that are copied in each direction of a connection before user space has said what it is.
pub const UNCLASSIFIED_BYTES_MAX: u64 = 16 << 20;
/// Bytes of each system call that the policy `HEADERS` copies.
pub const HEADER_BYTES: u64 = 512;
/// Bytes that are copied of any call, however much waits in the ring buffer to be read.
pub const SHORT_CALL_BYTES: u64 = 8 << 10;
/// Vector entries of one system call that are looked at; the kernel's own limit is the same (UIO_MAXIOV).
pub const IOVECS_MAX: u32 = 1024;
/// Bytes of a Unix socket's path (sun_path).
pub const UNIX_PATH_BYTES: usize = 108;
/// Bytes of a program's path.
pub const EXECUTABLE_BYTES: usize = 256;
/// Bytes of a program's arguments.
pub const ARGUMENT_BYTES: usize = 1024;
/// Connections that may have a policy of their own at one time.
pub const POLICIES_MAX: u32 = 65536;
/// Processes of which less is copied at one time, because they are over their budget.
pub const STEPS_MAX: u32 = 4096;
/// Listening ports that are known from before the start.
pub const LISTENERS_MAX: u32 = 16384;
/// Threads that may be inside a `sendmmsg` or `recvmmsg` at one time.
pub const MULTI_MESSAGE_THREADS_MAX: u32 = 4096;
/// Probed instructions of TLS libraries and Go programs at one time.
pub const SITES_MAX: u32 = 4096;
/// TLS sessions that are known at one time; beyond it the one that was silent longest is forgotten.
pub const SESSIONS_MAX: u32 = 65536;
/// Calls of TLS libraries that may be under way at one time.
pub const CALLS_MAX: u32 = 16384;
/// Slices of one call to a TLS library that are copied.
pub const SLICES_MAX: u32 = 8;
/// Connections that are remembered as closed, so that nothing said later is taken for theirs.
pub const CLOSED_MAX: u32 = 16384;
/// Frames of a kernel stack; the kernel's own limit is the same (kernel.perf_event_max_stack).
pub const KERNEL_FRAMES_MAX: usize = 127;
/// Bytes of a thread's stack that a sample holds.
pub const STACK_BYTES_MAX: usize = 64 << 10;
/// Bytes of samples that may wait for their reader: user space says how many it is, by what is sampled.
pub const SAMPLES_BYTES_MIN: u32 = 4 << 20;
pub const SAMPLES_BYTES_MAX: u32 = 16 << 20;
/// Waits shorter than this are not all told: one stands for several, so that the sum is right.
pub const WAIT_NS_MIN: u64 = 1_000_000;
/// Waits that are told on a CPU in a second; with more, one stands for more.
pub const WAITS_A_SECOND_MAX: u64 = 100;
/// Bytes of a page; one fault may bring in more of them.
pub const PAGE_BYTES: u64 = 4096;
/// One page fault in so many is told: a MiB of pages. A prime, so that a program that touches memory in a pattern is not always seen
/// at the same place of it.
pub const FAULTS_PERIOD: u64 = 251;
/// Page faults that are told on a CPU in a second; with more, one stands for more.
pub const FAULTS_A_SECOND_MAX: u64 = 20;
/// A process's memory grows by this much before a sample stands for it.
pub const GROWTH_BYTES_MIN: u64 = 1 << 20;
/// Growths that are told on a CPU in a second; with more, one stands for more.
pub const GROWTHS_A_SECOND_MAX: u64 = 100;
/// Processes whose memory is watched; beyond it the one that changed longest ago is forgotten.
pub const GROWTHS_MAX: u32 = 16384;
/// Places to work in on a CPU: stacks that are taken in the midst of each other.
pub const SAMPLE_PLACES: u32 = 3;
/// Probed functions of the allocators of a process whose heap is profiled.
pub const HEAP_SITES_MAX: u32 = 256;
/// Sampled allocations that are told on a CPU in a second; with more, one stands for more.
pub const HEAP_A_SECOND_MAX: u64 = 250;
/// Sampled allocations that may not be given back at one time.
pub const HEAP_LIVE_MAX: u32 = 65536;
/// CPUs on which allocations can be sampled.
pub const HEAP_CPUS_MAX: u32 = 4096;
/// Threads whose wakers are kept: a power of two.
pub const WAKERS_MAX: u32 = 16384;

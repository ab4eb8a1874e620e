//! What the programs share with each other and with user space.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_RB_AVAIL_DATA, BPF_RB_NO_WAKEUP},
    btf_maps::SkStorage,
    helpers::generated as helpers,
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use ebpf_abi::{
    CALL_BYTES_MAX, CALLS_MAX, CHUNK_BYTES, CLOSED_MAX, Counters, DataHeader, Decision, GROWTHS_MAX, HEADER_BYTES,
    HEAP_CPUS_MAX, HEAP_LIVE_MAX, HEAP_SITES_MAX, HeapCounts, HeapSample, HeapSession, HeapSite, LISTENERS_MAX, ListenKey,
    MULTI_MESSAGE_THREADS_MAX, POLICIES_MAX, PYTHONS_MAX, Peer, Policy, Python, RING_BYTES, SAMPLE_PLACES, SAMPLES_BYTES_MAX,
    SESSIONS_MAX, SHORT_CALL_BYTES, SITES_MAX, STEPS_MAX, SessionKey, Site, SocketState, WAKERS_MAX,
};

use crate::calls::{Call, CallKey};
use crate::copy::Transfer;
use crate::evidence::ThreadState;
use crate::faults::FaultBudget;
use crate::growth::Growth;
use crate::heap::HeapThread;
use crate::portions::Portions;
use crate::python::Walk;
use crate::sample::SampleScratch;
use crate::sessions::Session;
use crate::waits::{Budget, Due, Wait};
use crate::wakers::Woken;

/// Of a long transfer, by how many quarters of the ring buffer wait to be read. A table and no comparisons: the verifier would look
/// at all that follows once for each outcome.
static AFFORDABLE_BYTES: [u64; 4] = [CALL_BYTES_MAX, CALL_BYTES_MAX, HEADER_BYTES, 0];

#[map]
static RING_0: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
#[map]
static RING_1: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
#[map]
static RING_2: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
#[map]
static RING_3: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// State of each socket that has carried data or changed its state since the start.
#[btf_map]
pub static SOCKETS: SkStorage<SocketState> = SkStorage::new();

/// State of each thread that used a socket since TLS calls are probed. aya-ebpf has no type for it: its layout is BTF's, as for
/// the other maps.
#[repr(C)]
pub struct TaskStorage<T> {
    r#type: *const [i32; BPF_MAP_TYPE_TASK_STORAGE],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
}

const BPF_MAP_TYPE_TASK_STORAGE: usize = 29;

unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    const fn new() -> Self {
        use core::ptr::null;
        Self { r#type: null(), key: null(), value: null(), max_entries: null(), map_flags: null() }
    }
}

#[btf_map]
pub static THREADS: TaskStorage<ThreadState> = TaskStorage::new();

/// 1 while any TLS call is probed.
#[map]
pub static PLAIN_ON: Array<u32> = Array::with_max_entries(1, 0);
/// One value that grows whenever a process makes its first TLS call.
#[map]
pub static TLS_EPOCH: Array<u32> = Array::with_max_entries(1, 0);
/// The probed instructions, by the probes' cookie.
#[map]
pub static SITES: Array<Site> = Array::with_max_entries(SITES_MAX, 0);
/// How often each ran.
#[map]
pub static SITE_HITS: PerCpuArray<u64> = PerCpuArray::with_max_entries(SITES_MAX, 0);
#[map]
pub static SESSIONS: LruHashMap<SessionKey, Session> = LruHashMap::with_max_entries(SESSIONS_MAX, 0);
/// Connections that closed lately: 1 while their program may still use what it has of them, else 0.
#[map]
pub static CLOSED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(CLOSED_MAX, 0);
#[map]
pub static CALLS: LruHashMap<CallKey, Call> = LruHashMap::with_max_entries(CALLS_MAX, 0);

/// What user space decided, by connection; for its plaintext with the highest bit set.
#[map]
pub static POLICIES: HashMap<u64, Decision> = HashMap::with_max_entries(POLICIES_MAX, BPF_F_NO_PREALLOC);
/// The processes that are over their budget, and the most that is copied of their connections.
#[map]
pub static STEPS: HashMap<u32, Policy> = HashMap::with_max_entries(STEPS_MAX, BPF_F_NO_PREALLOC);
/// One value that grows with each change of `POLICIES` and `STEPS`.
#[map]
pub static EPOCH: Array<u32> = Array::with_max_entries(1, 0);

/// Ports that were listened on when earshot started.
#[map]
pub static LISTENERS: HashMap<ListenKey, u32> = HashMap::with_max_entries(LISTENERS_MAX, BPF_F_NO_PREALLOC);

#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// The last connection number given on each CPU.
#[map]
pub static NUMBERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Where a thread is in the messages of one `sendmmsg` or `recvmmsg`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MultiMessage {
    pub vector: u64,
    pub stack: u64,
    pub next: u32,
    pub number: u32,
}

#[map]
pub static MULTI_MESSAGES: LruHashMap<u32, MultiMessage> = LruHashMap::with_max_entries(MULTI_MESSAGE_THREADS_MAX, 0);

/// A transfer that is being copied, and its next record. All of it is here and not on the stack: the verifier does not follow
/// what is in a map, so a loop over it needs to be looked at only once.
#[repr(C)]
pub struct Scratch {
    pub transfer: Transfer,
    pub header: DataHeader,
    /// The header is copied to the end of this, or of this and the peer, so that it stands right before what follows it.
    pub place: [u64; 6],
    pub peer: Peer,
    /// Twice a chunk, so that a bounded offset plus a bounded length stays inside.
    pub data: [u8; 2 * CHUNK_BYTES],
}

/// One for sending (0) and one for receiving (1) on each CPU.
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(2, 0);

/// Stacks have a ring buffer of their own, so that they never take the room of data.
#[map]
pub static RING_SAMPLES: RingBuf = RingBuf::with_byte_size(SAMPLES_BYTES_MAX, 0);
/// So many a CPU: user space sets how many there are. A per-CPU map cannot hold values of this size.
#[map]
pub static SAMPLE_SCRATCH: Array<SampleScratch> = Array::with_max_entries(SAMPLE_PLACES, 0);
/// Since when a thread does not run.
#[btf_map]
pub static WAITS: TaskStorage<Wait> = TaskStorage::new();
#[map]
pub static WAIT_BUDGET: PerCpuArray<Budget> = PerCpuArray::with_max_entries(1, 0);
/// Who woke threads, by the lowest bits of their ids.
#[map]
pub static WAKERS: Array<Woken> = Array::with_max_entries(WAKERS_MAX, 0);
#[map]
pub static FAULT_BUDGET: PerCpuArray<FaultBudget> = PerCpuArray::with_max_entries(1, 0);
/// Processes' memory, by the address of what describes it: user space makes it small when nobody asks for it.
#[map]
pub static GROWTHS: LruHashMap<u64, Growth> = LruHashMap::with_max_entries(GROWTHS_MAX, 0);
#[map]
pub static GROWTH_PORTIONS: PerCpuArray<Portions> = PerCpuArray::with_max_entries(1, 0);
/// The wait that is to be told as soon as its thread runs.
#[map]
pub static DUE: PerCpuArray<Due> = PerCpuArray::with_max_entries(1, 0);

/// Processes that run Python code, by their id.
#[map]
pub static PYTHONS: HashMap<u32, Python> = HashMap::with_max_entries(PYTHONS_MAX, 0);
/// So many a CPU as for samples.
#[map]
pub static PYTHON_WALKS: PerCpuArray<Walk> = PerCpuArray::with_max_entries(SAMPLE_PLACES, 0);

/// Whose heap is profiled; nobody's while its process is 0.
#[map]
pub static HEAP_SESSION: Array<HeapSession> = Array::with_max_entries(1, 0);
/// The probed functions, by the probes' cookie.
#[map]
pub static HEAP_SITES: Array<HeapSite> = Array::with_max_entries(HEAP_SITES_MAX, 0);
#[btf_map]
pub static HEAP_THREADS: TaskStorage<HeapThread> = TaskStorage::new();
/// Memory that a sample stands for, by its address, until it is given back.
#[map]
pub static HEAP_LIVE: HashMap<u64, HeapSample> = HashMap::with_max_entries(HEAP_LIVE_MAX, BPF_F_NO_PREALLOC);
#[map]
pub static HEAP_COUNTS: PerCpuArray<HeapCounts> = PerCpuArray::with_max_entries(1, 0);
#[map]
pub static HEAP_PORTIONS: PerCpuArray<Portions> = PerCpuArray::with_max_entries(1, 0);
/// The CPUs on which an allocation is being told.
#[map]
pub static HEAP_BUSY: HashMap<u32, u32> = HashMap::with_max_entries(HEAP_CPUS_MAX, BPF_F_NO_PREALLOC);

/// A record of processes or sockets that is too large for the stack.
#[map]
pub static NOTICE: PerCpuArray<[u64; 200]> = PerCpuArray::with_max_entries(3, 0);

pub fn counters() -> Option<&'static mut Counters> {
    COUNTERS.get_ptr_mut(0).map(|c| unsafe { &mut *c })
}

/// Counts a run of a hook.
#[inline(always)]
pub fn hit(hook: usize) {
    if let Some(counters) = counters() {
        counters.hits[hook] += 1;
    }
}

/// Hands a record to a worker; the reader polls, so nobody is woken.
#[inline(always)]
pub unsafe fn output(ring: u8, record: *const core::ffi::c_void, len: u64) -> bool {
    let ring = ring_of(ring);
    unsafe { helpers::bpf_ringbuf_output(ring.cast_mut().cast(), record.cast_mut(), len, BPF_RB_NO_WAKEUP as u64) == 0 }
}

#[inline(always)]
fn ring_of(ring: u8) -> *const RingBuf {
    match ring {
        0 => &raw const RING_0,
        1 => &raw const RING_1,
        2 => &raw const RING_2,
        _ => &raw const RING_3,
    }
}

/// How much of a transfer may be copied: of a long one the less the more waits in the ring buffer, so that one that is faster than
/// its reader leaves room for the others.
#[inline(always)]
pub unsafe fn affordable(ring: u8, wanted: u64) -> u64 {
    if wanted <= SHORT_CALL_BYTES {
        return wanted;
    }
    let waiting = unsafe { helpers::bpf_ringbuf_query(ring_of(ring).cast_mut().cast(), BPF_RB_AVAIL_DATA as u64) };
    let quarters = (waiting / (RING_BYTES as u64 / 4)) as usize & 3;
    let most = unsafe { (&raw const AFFORDABLE_BYTES).cast::<u64>().add(quarters).read_volatile() };
    if wanted < most { wanted } else { most }
}

/// Room for a record of a size that is known when the program is built; null when the ring is full.
#[inline(always)]
pub unsafe fn reserve(ring: u8, len: u64) -> *mut core::ffi::c_void {
    unsafe { helpers::bpf_ringbuf_reserve(ring_of(ring).cast_mut().cast(), len, 0) }
}

#[inline(always)]
pub unsafe fn submit(record: *mut core::ffi::c_void) {
    unsafe { helpers::bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP as u64) }
}

/// A record that is not about a transfer.
#[inline(always)]
pub unsafe fn notice<T>(ring: u8, record: &T) {
    unsafe {
        if !output(ring, (&raw const *record).cast(), size_of::<T>() as u64)
            && let Some(counters) = counters()
        {
            counters.notices_lost.events += 1;
        }
    }
}

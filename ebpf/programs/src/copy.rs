//! Copies one transfer's bytes from the process's memory into ring buffer records.

use aya_ebpf::helpers::generated as helpers;
use ebpf_abi::{CALL_BYTES_MAX, CHUNK_BYTES, DataHeader, IOVECS_MAX, Peer, flags, kind};

use crate::kernel::{bounded, read_user};
use crate::maps::{SCRATCH, Scratch, output};
use crate::user_buffer::UserBuffer;

/// What a transfer's records have in common, and how far it is copied.
#[repr(C)]
pub struct Transfer {
    /// Bytes transferred that are not yet in a record.
    pub left: u64,
    /// How many of them are to be copied.
    pub wanted: u64,
    /// Offset in the connection of the next record.
    pub offset: u64,
    /// The vector's next entry, and how much of it is done.
    pub vector: u64,
    pub entry: u64,
    pub entries: u64,
    pub done: u64,
    /// Bytes in the scratch record.
    pub filled: u64,
    /// A record did not fit into the ring buffer.
    pub lost: u64,
    pub ring: u64,
    /// The records have a [`Peer`].
    pub peer: u64,
}

const CHUNK: u64 = CHUNK_BYTES as u64;
/// Steps of the gathering loop: each finishes a vector entry or fills a record.
const STEPS_MAX: u32 = IOVECS_MAX + (CALL_BYTES_MAX / CHUNK) as u32 + 1;

/// The place to work in: one for each direction.
#[inline(always)]
pub fn scratch(direction: u64) -> Option<&'static mut Scratch> {
    SCRATCH.get_ptr_mut(if direction == 0 { 0 } else { 1 }).map(|s| unsafe { &mut *s })
}

/// What a transfer begins with.
pub struct Beginning {
    pub len: u64,
    pub wanted: u64,
    pub offset: u64,
    pub connection: u64,
    /// Process and thread, as the kernel's helper gives them.
    pub thread: u64,
    pub direction: u8,
    pub ring: u8,
}

/// Fills what all records of a transfer share: field by field, because a copy of a structure would be a loop over its bytes, and
/// so would many zeros in a row. What only the gathering loop uses, [`gather`] sets.
#[inline(always)]
pub unsafe fn begin(work: &mut Scratch, transfer: &Beginning, peer: Option<Peer>) {
    work.header.kind = kind::DATA;
    work.header.direction = transfer.direction;
    work.header.flags = if peer.is_some() { flags::PEER } else { 0 };
    work.header.connection = transfer.connection;
    work.header.time_ns = unsafe { helpers::bpf_ktime_get_ns() };
    work.header.pid = (transfer.thread >> 32) as u32;
    work.header.tid = transfer.thread as u32;
    work.transfer.left = transfer.len;
    work.transfer.wanted = transfer.wanted;
    work.transfer.offset = transfer.offset;
    work.transfer.lost = 0;
    work.transfer.ring = transfer.ring as u64;
    work.transfer.peer = peer.is_some() as u64;
    if let Some(peer) = peer {
        work.peer = peer;
    }
}

/// Hands the record over as standing for `len` bytes of which `copied` are in it.
#[inline(always)]
unsafe fn flush(work: &mut Scratch, copied: u64, len: u64) {
    let copied = bounded(copied, CHUNK);
    work.header.copied = copied as u32;
    work.header.len = len as u32;
    work.header.offset = work.transfer.offset;
    let ring = work.transfer.ring as u8;
    let fits = unsafe {
        let place = (&raw mut work.place).cast::<u64>();
        let peer_words = size_of::<Peer>() / size_of::<u64>();
        if work.transfer.peer == 0 {
            let at = place.add(peer_words);
            put_header(work, at);
            output(ring, at.cast(), size_of::<DataHeader>() as u64 + copied)
        } else {
            put_header(work, place);
            output(ring, place.cast(), (size_of::<DataHeader>() + size_of::<Peer>()) as u64 + copied)
        }
    };
    let transfer = &mut work.transfer;
    if !fits {
        transfer.lost = 1;
    }
    transfer.offset += len;
    transfer.left -= if len > transfer.left { transfer.left } else { len };
}

/// Copies the header word by word.
#[inline(always)]
unsafe fn put_header(work: &Scratch, to: *mut u64) {
    let from = (&raw const work.header).cast::<u64>();
    unsafe {
        to.write_volatile(from.read_volatile());
        to.add(1).write_volatile(from.add(1).read_volatile());
        to.add(2).write_volatile(from.add(2).read_volatile());
        to.add(3).write_volatile(from.add(3).read_volatile());
        to.add(4).write_volatile(from.add(4).read_volatile());
        to.add(5).write_volatile(from.add(5).read_volatile());
    }
}

/// The common case: one buffer that fits into one record.
#[inline(always)]
pub unsafe fn one(work: &mut Scratch, from: u64, wanted: u64) {
    unsafe {
        let n = bounded(wanted, CHUNK);
        let failed = helpers::bpf_probe_read_user((&raw mut work.data).cast(), n as u32, from as *const _);
        let len = work.transfer.left;
        flush(work, if failed == 0 { n } else { 0 }, len);
    }
}

/// What cannot be had is told by its size.
#[inline(always)]
unsafe fn none(work: &mut Scratch) {
    let len = work.transfer.left;
    unsafe { flush(work, 0, len) };
}

/// A vector, or more bytes than one record holds, or none. What needs no loop does without: a loop costs as much as the rest of
/// a small transfer. The place to work in is looked up again after the loop, whose steps change it behind the compiler's back.
#[inline(always)]
pub unsafe fn gather(direction: u64, buffer: &UserBuffer) {
    unsafe {
        let Some(work) = scratch(direction) else { return };
        if buffer.at == 0 || work.transfer.wanted == 0 {
            return none(work);
        }
        // most vectors have one entry
        if buffer.count == 1 && work.transfer.wanted <= CHUNK {
            let Some([base, len]) = read_user::<[u64; 2]>(buffer.at) else { return none(work) };
            let wanted = work.transfer.wanted;
            return one(work, base, if wanted < len { wanted } else { len });
        }
        work.transfer.done = 0;
        work.transfer.filled = 0;
        if buffer.count == 0 {
            work.transfer.vector = 0;
            work.transfer.entry = buffer.at;
            work.transfer.entries = 1;
        } else {
            work.transfer.vector = buffer.at;
            work.transfer.entries = buffer.count as u64;
        }
        let mut way = direction;
        helpers::bpf_loop(STEPS_MAX, step as *mut core::ffi::c_void, (&raw mut way).cast(), 0);
        let Some(work) = scratch(direction) else { return };
        // what is left was not wanted or could not be had: it is told by its size
        let (filled, left) = (work.transfer.filled, work.transfer.left);
        if filled > 0 || left > 0 {
            flush(work, filled, left);
        }
    }
}

/// One step: as much of the current entry as fits into the record. Returns 1 to stop.
unsafe extern "C" fn step(_: u32, direction: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let Some(work) = scratch(*direction.cast::<u64>()) else { return 1 };
        if work.transfer.wanted == 0 || work.transfer.entries == 0 {
            return 1;
        }
        let (base, len) = if work.transfer.vector == 0 {
            (work.transfer.entry, u64::MAX)
        } else {
            match read_user::<[u64; 2]>(work.transfer.vector) {
                Some([base, len]) => (base, len),
                None => return 1,
            }
        };
        let done = work.transfer.done;
        let rest = len - if done > len { len } else { done };
        let to = bounded(work.transfer.filled, CHUNK);
        let room = CHUNK - to;
        let mut n = if rest < work.transfer.wanted { rest } else { work.transfer.wanted };
        if n > room {
            n = room;
        }
        let n = bounded(n, CHUNK);
        let at = (&raw mut work.data).cast::<u8>().add(to as usize);
        if n > 0 && helpers::bpf_probe_read_user(at.cast(), n as u32, base.wrapping_add(done) as *const _) != 0 {
            return 1;
        }
        let transfer = &mut work.transfer;
        transfer.filled = to + n;
        transfer.done = done + n;
        transfer.wanted -= if n > transfer.wanted { transfer.wanted } else { n };
        if n == rest {
            transfer.vector += 16;
            transfer.entries -= 1;
            transfer.done = 0;
        }
        if transfer.filled >= CHUNK {
            flush(work, CHUNK, CHUNK);
            work.transfer.filled = 0;
        }
        0
    }
}

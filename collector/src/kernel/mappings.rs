//! Files that processes map as code, told by the kernel as it happens: `mmap` records of a perf event on each CPU.
//!
//! In: nothing. Out: [`Mapped`], and when (on the monotonic clock). A mapping that was there before the start is not told; `/proc` has it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A file was mapped executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub pid: u32,
    pub start: u64,
    pub end: u64,
    pub device: (u32, u32),
    pub inode: u64,
    /// As the process sees it.
    pub path: Vec<u8>,
}

/// Bytes of records that wait for the reader on each CPU: a power of two.
const BUFFER_BYTES: usize = 256 << 10;
const PAGE_BYTES: usize = 4096;

const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_DUMMY: u64 = 9;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_MMAP2: u32 = 10;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;

/// `struct perf_event_attr`, up to the clock (PERF_ATTR_SIZE_VER3).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clock: libc::clockid_t,
}

/// Bits of `Attributes::flags`.
const MMAP: u64 = 1 << 8;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const MMAP2: u64 = 1 << 23;
const USE_CLOCK: u64 = 1 << 25;
/// With `SAMPLE_ID_ALL`: every record ends with its time.
const PERF_SAMPLE_TIME: u64 = 1 << 2;
const TIME_BYTES: usize = 8;

/// `struct perf_event_mmap_page`, as far as it is needed.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

struct Buffer {
    file: File,
    memory: NonNull<u8>,
}

// SAFETY: the memory is a mapping of its own that only this value refers to.
unsafe impl Send for Buffer {}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length and nothing refers to it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), PAGE_BYTES + BUFFER_BYTES) };
    }
}

impl Buffer {
    fn open(cpu: i32) -> io::Result<Self> {
        let attributes = Attributes {
            kind: PERF_TYPE_SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: PERF_COUNT_SW_DUMMY,
            sample_type: PERF_SAMPLE_TIME,
            flags: MMAP | MMAP2 | WATERMARK | SAMPLE_ID_ALL | USE_CLOCK,
            wakeup_watermark: 1,
            clock: libc::CLOCK_MONOTONIC,
            ..Default::default()
        };
        // SAFETY: the attributes live through the call and say how large they are.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, &raw const attributes, -1 as libc::pid_t, cpu, -1, PERF_FLAG_FD_CLOEXEC)
        };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that was just opened and belongs to nobody else.
        let file = unsafe { File::from_raw_fd(fd as i32) };
        // SAFETY: a new shared mapping of the event, where the kernel chooses.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE_BYTES + BUFFER_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { file, memory })
    }

    fn position(&self, at: usize) -> &AtomicU64 {
        // SAFETY: both positions are aligned, inside the first page, and shared with the kernel as atomics.
        unsafe { AtomicU64::from_ptr(self.memory.as_ptr().add(at).cast()) }
    }

    /// Calls `each` with the body of every record that waits.
    fn read(&self, each: &mut impl FnMut(u32, &[u8])) {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        let mut record = vec![];
        while tail < head {
            let header = self.copy(tail, 8, &mut record);
            let kind = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
            let size = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if size < 8 || tail + size as u64 > head {
                break;
            }
            let body = self.copy(tail + 8, size - 8, &mut record);
            each(kind, body);
            tail += size as u64;
        }
        self.position(DATA_TAIL).store(head, Ordering::Release);
    }

    /// Bytes of the ring, put together where they wrap.
    fn copy<'a>(&self, at: u64, len: usize, into: &'a mut Vec<u8>) -> &'a [u8] {
        into.clear();
        for i in 0..len as u64 {
            let place = PAGE_BYTES + (at + i) as usize % BUFFER_BYTES;
            // SAFETY: inside the mapping; the kernel does not write to what lies between tail and head.
            into.push(unsafe { self.memory.as_ptr().add(place).read() });
        }
        into
    }
}

pub struct Mappings {
    buffers: Vec<Buffer>,
}

impl Mappings {
    /// Watches all processes on all CPUs that are online.
    pub fn watch() -> io::Result<Self> {
        let online = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
        Ok(Self { buffers: cpus(&online).into_iter().map(Buffer::open).collect::<io::Result<_>>()? })
    }

    /// Waits until something is mapped, at most so long; returns how many records the kernel had no room for.
    pub fn wait(&self, at_most: Duration, mut each: impl FnMut(Mapped, u64)) -> u64 {
        let mut polled: Vec<libc::pollfd> =
            self.buffers.iter().map(|b| libc::pollfd { fd: b.file.as_raw_fd(), events: libc::POLLIN, revents: 0 }).collect();
        // SAFETY: the array is as long as said; an interrupted wait is as good as one that ended.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, at_most.as_millis() as i32) };
        let mut lost = 0;
        for buffer in &self.buffers {
            buffer.read(&mut |kind, body| match kind {
                PERF_RECORD_MMAP2 => {
                    if let Some((mapped, at_ns)) = mapped(body) {
                        each(mapped, at_ns);
                    }
                }
                PERF_RECORD_LOST => lost += word64(body, 8).unwrap_or(1),
                _ => {}
            });
        }
        lost
    }
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn word64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The body of PERF_RECORD_MMAP2: pid, tid, addr, len, pgoff, maj, min, ino, ino_generation, prot, flags, filename, time.
/// None for memory without a file.
fn mapped(body: &[u8]) -> Option<(Mapped, u64)> {
    let (start, len, inode) = (word64(body, 8)?, word64(body, 16)?, word64(body, 40)?);
    let time_at = body.len().checked_sub(TIME_BYTES)?;
    let path = body.get(64..time_at)?.split(|b| *b == 0).next()?.to_vec();
    let (device, at_ns) = ((word32(body, 32)?, word32(body, 36)?), word64(body, time_at)?);
    let mapped = Mapped { pid: word32(body, 0)?, start, end: start.checked_add(len)?, device, inode, path };
    (inode != 0).then_some((mapped, at_ns))
}

/// Numbers of a list such as `0-3,8`.
fn cpus(list: &str) -> Vec<i32> {
    let mut out = vec![];
    for part in list.trim().split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(from), Ok(to)) = (from.parse::<i32>(), to.parse::<i32>()) {
            out.extend(from..=to);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cpus("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(cpus("0"), [0]);
        assert_eq!(cpus(""), [0i32; 0]);
    }

    #[test]
    fn a_mapping_of_a_file_is_told_and_one_of_no_file_is_not() {
        let mut body = vec![];
        body.extend_from_slice(&7u32.to_ne_bytes());
        body.extend_from_slice(&8u32.to_ne_bytes());
        for n in [0x1000u64, 0x2000, 0] {
            body.extend_from_slice(&n.to_ne_bytes());
        }
        for n in [254u32, 1] {
            body.extend_from_slice(&n.to_ne_bytes());
        }
        for n in [99u64, 0] {
            body.extend_from_slice(&n.to_ne_bytes());
        }
        body.extend_from_slice(&[0; 8]);
        body.extend_from_slice(b"/usr/lib/libssl.so.3\0\0\0\0");
        body.extend_from_slice(&1234u64.to_ne_bytes());
        let expected =
            Mapped { pid: 7, start: 0x1000, end: 0x3000, device: (254, 1), inode: 99, path: b"/usr/lib/libssl.so.3".to_vec() };
        assert_eq!(mapped(&body), Some((expected, 1234)));
        body[40..48].fill(0);
        assert_eq!(mapped(&body), None);
        assert_eq!(mapped(&body[..20]), None);
    }
}

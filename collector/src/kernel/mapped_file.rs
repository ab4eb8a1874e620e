//! A file's bytes where the kernel keeps them, so that nothing is copied.
//!
//! In: an open file. Out: all of its bytes as one slice. Where the kernel cannot give a page after all (the file has become shorter, its
//! disk fails), whoever touches it gets SIGBUS: zeros then stand for the rest, and the mapping is told to be torn. Other
//! SIGBUS go where they went before.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Files that may be mapped at the same time; more are read.
const MAPPED_MAX: usize = 16;

/// What the signal's handler knows of a mapping.
struct Place {
    /// 0 when nothing is mapped, 1 while that changes.
    start: AtomicUsize,
    len: AtomicUsize,
    torn: AtomicBool,
}

static PLACES: [Place; MAPPED_MAX] =
    [const { Place { start: AtomicUsize::new(0), len: AtomicUsize::new(0), torn: AtomicBool::new(false) } }; MAPPED_MAX];

/// How SIGBUS was handled before; `None` when that cannot be changed.
static BEFORE: OnceLock<Option<libc::sigaction>> = OnceLock::new();

pub struct MappedFile {
    place: &'static Place,
    start: *mut libc::c_void,
    len: usize,
}

// SAFETY: the mapping is only read, from any thread, and unmapped once.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl MappedFile {
    /// `None` where a file cannot be mapped: it is a pipe, it is empty, its file system has no mappings.
    pub fn of(file: &File) -> Option<Self> {
        let metadata = file.metadata().ok().filter(|m| m.is_file())?;
        let len = usize::try_from(metadata.len()).ok().filter(|&len| len > 0)?;
        BEFORE.get_or_init(handle).as_ref()?;
        let place =
            PLACES.iter().find(|place| place.start.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok())?;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            place.start.store(0, Ordering::Release);
            return None;
        }
        place.torn.store(false, Ordering::Relaxed);
        place.len.store(len, Ordering::Relaxed);
        place.start.store(start.addr(), Ordering::Release);
        Some(Self { place, start, len })
    }

    /// Another program that changes the file meanwhile changes what is read, as it would if it were read by system calls.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has this length and lives as long as `self`; a page that is gone becomes one of zeros.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }

    /// Zeros stand for a part of the file.
    pub fn is_torn(&self) -> bool {
        self.place.torn.load(Ordering::Relaxed)
    }

    /// These bytes are read next: the kernel may fetch them.
    pub fn will_need(&self, offset: usize, len: usize) {
        self.advise(offset, len, libc::MADV_WILLNEED);
    }

    /// These bytes are not of use any more; they would be read from the file again.
    pub fn has_read(&self, offset: usize, len: usize) {
        self.advise(offset, len, libc::MADV_DONTNEED);
    }

    fn advise(&self, offset: usize, len: usize, advice: libc::c_int) {
        let page = page_bytes();
        let (from, to) = (offset.min(self.len) / page * page, offset.saturating_add(len).min(self.len));
        if from < to {
            // SAFETY: the range lies in the mapping, which is shared: no bytes are lost. Refused advice changes nothing.
            unsafe { libc::madvise(self.start.byte_add(from), to - from, advice) };
        }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        self.place.start.store(1, Ordering::Release);
        // SAFETY: it was mapped by `of`, and no slice of it outlives `self`.
        unsafe { libc::munmap(self.start, self.len) };
        self.place.start.store(0, Ordering::Release);
    }
}

fn page_bytes() -> usize {
    // SAFETY: asks for a constant.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Handles SIGBUS, and says how it was handled before.
fn handle() -> Option<libc::sigaction> {
    // SAFETY: a zeroed action is a valid one; the handler calls only what may be called in one.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = on_sigbus as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let mut before = MaybeUninit::zeroed();
        (libc::sigaction(libc::SIGBUS, &action, before.as_mut_ptr()) == 0).then(|| before.assume_init())
    }
}

/// Touches no lock and no heap: it may run in the midst of anything.
extern "C" fn on_sigbus(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives the signal's information; the pages replaced are those of a mapping that only `MappedFile` knows.
    unsafe {
        let at = (*info).si_addr().addr();
        for place in &PLACES {
            let (start, len) = (place.start.load(Ordering::Acquire), place.len.load(Ordering::Relaxed));
            if start <= 1 || at.wrapping_sub(start) >= len {
                continue;
            }
            let from = at & !(page_bytes() - 1);
            let (read, fixed) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
            let zeros = libc::mmap(ptr::with_exposed_provenance_mut(from), start + len - from, read, fixed, -1, 0);
            if zeros != libc::MAP_FAILED {
                place.torn.store(true, Ordering::Relaxed);
                return;
            }
        }
        // not ours: what touched it does so once more, and gets what it would have got
        match BEFORE.get() {
            Some(Some(before)) => libc::sigaction(libc::SIGBUS, before, ptr::null_mut()),
            _ => libc::abort(),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_mapped_whole_and_what_is_cut_off_meanwhile_is_zeros() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        let mapped = MappedFile::of(&file).unwrap();
        assert!(mapped.bytes().len() == 100_000 && mapped.bytes().iter().all(|&b| b == 7));
        mapped.has_read(0, 50_000);
        assert!(mapped.bytes()[..50_000].iter().all(|&b| b == 7) && !mapped.is_torn());
        file.set_len(page_bytes() as u64).unwrap();
        assert_eq!((mapped.bytes()[0], mapped.bytes()[90_000]), (7, 0));
        assert!(mapped.is_torn());
        // the next one in the same place begins whole
        drop(mapped);
        assert!(!MappedFile::of(&file).unwrap().is_torn());
    }

    #[test]
    fn what_cannot_be_mapped_is_not() {
        assert!(MappedFile::of(&tempfile::tempfile().unwrap()).is_none());
        assert!(MappedFile::of(&File::open("/").unwrap()).is_none());
        let (read, _write) = std::io::pipe().unwrap();
        assert!(MappedFile::of(&File::from(std::os::fd::OwnedFd::from(read))).is_none());
    }

    #[test]
    fn no_more_are_mapped_than_the_handler_knows() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"some bytes").unwrap();
        let mapped: Vec<_> = (0..=MAPPED_MAX).map_while(|_| MappedFile::of(&file)).collect();
        assert!(mapped.len() <= MAPPED_MAX && mapped.iter().all(|m| m.bytes() == b"some bytes"));
    }
}

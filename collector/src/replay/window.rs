//! The unread part of a file, as much of it as the next packet needs.
//!
//! In: a mapped file, or anything that can be read. Out: slices of the mapping, or of one buffer that is used again and again. Knows no
//! file format.

use std::io::{self, Read};
use std::sync::Arc;

use super::limits::{MAPPED_STEP_BYTES, PACKET_BYTES_MAX, READ_BYTES};
use crate::kernel::MappedFile;

/// A window holds a packet of the largest size with its headers and options, and what one read adds to it.
const WINDOW_BYTES: usize = PACKET_BYTES_MAX + 2 * READ_BYTES;
/// The most that `fill` can be asked for.
pub const FILL_BYTES_MAX: usize = PACKET_BYTES_MAX + READ_BYTES;

/// A part of the file could not be had any more.
pub fn torn() -> io::Error {
    io::Error::other("it became shorter while it was read, or its disk gives no more of it")
}

enum Source<R> {
    Read {
        input: R,
        buffer: Vec<u8>,
    },
    Mapped {
        file: Arc<MappedFile>,
        /// Where the kernel is next told what was read and what will be.
        next_step: usize,
    },
}

impl<R> Source<R> {
    fn bytes(&self) -> &[u8] {
        match self {
            Source::Read { buffer, .. } => buffer,
            Source::Mapped { file, .. } => file.bytes(),
        }
    }
}

pub struct Window<R> {
    source: Source<R>,
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Read> Window<R> {
    pub fn new(input: R) -> Self {
        Self { source: Source::Read { input, buffer: vec![0; WINDOW_BYTES] }, start: 0, end: 0, offset: 0 }
    }

    pub fn mapped(file: Arc<MappedFile>) -> Self {
        let end = file.bytes().len();
        Self { source: Source::Mapped { file, next_step: 0 }, start: 0, end, offset: 0 }
    }

    /// Where in the file the first unread byte stands.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The unread bytes that are at hand.
    pub fn unread(&self) -> &[u8] {
        &self.source.bytes()[self.start..self.end]
    }

    /// Brings at least `len` bytes to hand (no more than `FILL_BYTES_MAX`) and says how many there are: fewer only when the file
    /// ends before.
    pub fn fill(&mut self, len: usize) -> io::Result<usize> {
        let len = len.min(FILL_BYTES_MAX);
        match &mut self.source {
            Source::Read { input, buffer } => {
                while self.end - self.start < len {
                    if self.start > 0 && buffer.len() - self.end < READ_BYTES {
                        buffer.copy_within(self.start..self.end, 0);
                        self.end -= self.start;
                        self.start = 0;
                    }
                    let room = buffer.len().min(self.end + READ_BYTES);
                    match input.read(&mut buffer[self.end..room]) {
                        Ok(0) => break,
                        Ok(read) => self.end += read,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
            }
            Source::Mapped { file, next_step } => {
                if file.is_torn() {
                    return Err(torn());
                }
                if self.start >= *next_step {
                    *next_step = self.start + MAPPED_STEP_BYTES;
                    file.will_need(self.start, 2 * MAPPED_STEP_BYTES);
                    // another thread may still look at what was read last
                    let to = self.start.saturating_sub(2 * MAPPED_STEP_BYTES);
                    // what came before was given back in the steps before; a step may be longer by a packet
                    let from = to.saturating_sub(2 * MAPPED_STEP_BYTES);
                    file.has_read(from, to - from);
                }
            }
        }
        Ok(self.end - self.start)
    }

    /// Passes over bytes that are at hand, and gives them.
    pub fn consume(&mut self, len: usize) -> &[u8] {
        let from = self.start;
        self.start = self.end.min(from + len);
        self.offset += (self.start - from) as u64;
        &self.source.bytes()[from..self.start]
    }

    /// Passes over bytes whether at hand or not; false when the file ends before.
    pub fn skip(&mut self, mut len: u64) -> io::Result<bool> {
        while len > 0 {
            let step = usize::try_from(len).unwrap_or(usize::MAX).min(READ_BYTES);
            let have = self.fill(step)?.min(step);
            if have == 0 {
                return Ok(false);
            }
            self.consume(have);
            len -= have as u64;
        }
        Ok(true)
    }
}

impl<R: Read> Read for Window<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let len = self.fill(1)?.min(to.len());
        to[..len].copy_from_slice(self.consume(len));
        Ok(len)
    }
}

//! One allocation for all columns of a batch.
//!
//! A hundred small buffers a batch would be freed at other times than their neighbours and leave holes in the heap; and memory
//! that is new to the process is touched once a row, here, and not at each growth of a column.

use std::sync::Mutex;

use arrow_buffer::{ArrowNativeType, Buffer, MutableBuffer};
use bytes::Bytes;

/// What every part begins at a multiple of.
const ALIGNMENT_BYTES: usize = 64;

/// Smaller blocks are the allocator's business: it uses their memory again.
const KEPT_BYTES_MIN: usize = 512 << 10;
/// Memory of blocks that are gone, kept for the next ones: the system would have to make each page of it anew.
const KEPT_MAX: usize = 4;
/// A block may have so much more memory than it needs, as a part of what it needs.
const SPARE_PART: usize = 8;

static KEPT: Mutex<Vec<MutableBuffer>> = Mutex::new(Vec::new());

/// Memory that is kept when nobody reads it any more.
struct Lent(MutableBuffer);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = KEPT.lock().unwrap_or_else(|e| e.into_inner());
        // the oldest makes room: blocks of its size may not be made any more
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push(std::mem::take(&mut self.0));
    }
}

/// Empty memory with room for so many bytes.
fn memory(bytes: usize) -> MutableBuffer {
    let fits = |kept: &MutableBuffer| (bytes..=bytes + bytes / SPARE_PART).contains(&kept.capacity());
    if bytes >= KEPT_BYTES_MIN {
        let mut kept = KEPT.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(at) = kept.iter().position(fits) {
            let mut memory = kept.remove(at);
            memory.clear();
            return memory;
        }
    }
    MutableBuffer::with_capacity(bytes)
}

/// Where a part is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    at: usize,
    len: usize,
}

impl Part {
    pub fn of(self, bytes: &Buffer) -> Buffer {
        bytes.slice_with_length(self.at, self.len)
    }
}

/// The memory that a part of so many bytes takes.
pub fn room(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT_BYTES)
}

#[derive(Debug)]
pub struct Block {
    bytes: MutableBuffer,
    zeros: Part,
}

impl Block {
    /// `zero_bytes` of them are zeros, for whatever consists of nothing else.
    pub fn new(bytes: usize, zero_bytes: usize) -> Self {
        let mut bytes = memory(bytes + room(zero_bytes));
        bytes.extend_zeros(zero_bytes);
        Self { bytes, zeros: Part { at: 0, len: zero_bytes } }
    }

    pub fn add<T: ArrowNativeType>(&mut self, items: &[T]) -> Part {
        let at = room(self.bytes.len());
        self.bytes.extend_zeros(at - self.bytes.len());
        self.bytes.extend_from_slice(items);
        Part { at, len: size_of_val(items) }
    }

    /// The first of the zeros.
    pub fn zeros(&self, bytes: usize) -> Part {
        debug_assert!(bytes <= self.zeros.len);
        Part { len: bytes.min(self.zeros.len), ..self.zeros }
    }

    pub fn finish(self) -> Buffer {
        match self.bytes.capacity() {
            ..KEPT_BYTES_MIN => self.bytes.into(),
            _ => Bytes::from_owner(Lent(self.bytes)).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of these bytes and what it was made of.
    fn block(byte: u8, len: usize) -> Buffer {
        let mut block = Block::new(len, 64);
        let part = block.add(&vec![byte; len]);
        part.of(&block.finish())
    }

    #[test]
    fn memory_is_used_again_and_has_nothing_of_what_was_there() {
        const LEN: usize = 3 << 20;
        let first = block(1, LEN);
        let at = first.as_ptr();
        let (reader, other) = (first.clone(), block(2, LEN));
        drop(first);
        let third = block(3, LEN);
        let then = third.as_ptr();
        assert_ne!(then, at, "somebody reads it");
        drop(third);
        assert!(reader.iter().all(|byte| *byte == 1) && other.iter().all(|byte| *byte == 2));
        drop(reader);
        let again = block(4, LEN - 1000);
        assert!([at, then].contains(&again.as_ptr()));
        assert!(again.len() == LEN - 1000 && again.iter().all(|byte| *byte == 4));
        let mut zeros = Block::new(0, LEN);
        zeros.add(&[5u8]);
        assert!(zeros.zeros(LEN).of(&zeros.finish()).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let blocks: Vec<Buffer> = (0..2 * KEPT_MAX).map(|n| block(n as u8, (8 << 20) + n)).collect();
        drop(blocks);
        let kept = KEPT.lock().unwrap_or_else(|e| e.into_inner()).len();
        assert!(kept <= KEPT_MAX, "{kept}");
        assert!(memory(64).capacity() < KEPT_BYTES_MIN);
    }
}

//! One allocation for all columns of a batch.
//!
//! A hundred small buffers a batch would be freed at other times than their neighbours and leave holes in the heap; and memory
//! that is new to the process is touched once a row, here, and not at each growth of a column.

use arrow_buffer::{ArrowNativeType, Buffer, MutableBuffer};

/// What every part begins at a multiple of.
const ALIGNMENT_BYTES: usize = 64;

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
        let mut bytes = MutableBuffer::with_capacity(bytes + room(zero_bytes));
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
        self.bytes.into()
    }
}

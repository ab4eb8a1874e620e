//! Bytes of which perhaps only the first were captured.

/// `len` bytes were on the wire; `bytes` holds the first of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut<'a> {
    pub bytes: &'a [u8],
    pub len: usize,
}

impl<'a> Cut<'a> {
    /// What follows the first `skipped` bytes, whether those were captured or not.
    pub fn after(self, skipped: usize) -> Self {
        Self { bytes: self.bytes.get(skipped..).unwrap_or_default(), len: self.len.saturating_sub(skipped) }
    }

    /// The first `len` bytes.
    pub fn first(self, len: usize) -> Self {
        Self { bytes: &self.bytes[..self.bytes.len().min(len)], len: self.len.min(len) }
    }

    /// The captured bytes from `at` on as an array; `None` when they were not captured.
    pub fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..)?.first_chunk().copied()
    }

    pub fn u8(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// In network byte order, as all numbers in packets.
    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }
}

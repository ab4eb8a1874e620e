//! Parts of a sequence of bytes that came before the parts in front of them.
//!
//! In: parts in any order, overlapping as they like. Out: disjoint pieces in order; of bytes that came twice, the first win.

use std::collections::BTreeMap;

use super::cut::Cut;

/// What a piece costs beside its bytes.
const PIECE_OVERHEAD_BYTES: usize = 96;

#[derive(Default)]
pub struct Pieces {
    by_start: BTreeMap<u64, Piece>,
    heap_bytes: usize,
    covered_bytes: u64,
}

pub struct Piece {
    /// The first of its `len` bytes.
    pub bytes: Box<[u8]>,
    pub len: u64,
    pub at_ns: u64,
}

impl Pieces {
    pub fn insert(&mut self, start: u64, part: Cut<'_>, at_ns: u64) {
        let end = start + part.len as u64;
        let mut at = start;
        while at < end {
            if let Some((&before, piece)) = self.by_start.range(..=at).next_back()
                && before + piece.len > at
            {
                at = before + piece.len;
                continue;
            }
            let stop = self.by_start.range(at..).next().map_or(end, |(&next, _)| next.min(end));
            let part = part.after((at - start) as usize).first((stop - at) as usize);
            self.heap_bytes += part.bytes.len() + PIECE_OVERHEAD_BYTES;
            self.covered_bytes += stop - at;
            self.by_start.insert(at, Piece { bytes: part.bytes.into(), len: stop - at, at_ns });
            at = stop;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    pub fn first_start(&self) -> Option<u64> {
        self.by_start.first_key_value().map(|(&start, _)| start)
    }

    /// Where the last piece ends.
    pub fn end(&self) -> u64 {
        self.by_start.last_key_value().map_or(0, |(&start, piece)| start + piece.len)
    }

    /// Removes the piece that begins at `start`, if there is one.
    pub fn take_at(&mut self, start: u64) -> Option<Piece> {
        let entry = self.by_start.first_entry().filter(|entry| *entry.key() == start)?;
        let piece = entry.remove();
        self.heap_bytes -= piece.bytes.len() + PIECE_OVERHEAD_BYTES;
        self.covered_bytes -= piece.len;
        Some(piece)
    }

    /// Bytes of heap.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// How many bytes the pieces stand for, captured or not.
    pub fn covered_bytes(&self) -> u64 {
        self.covered_bytes
    }

    /// Writes the captured bytes from the beginning up to the first byte that is missing.
    pub fn write_prefix(&self, to: &mut Vec<u8>) {
        for (&start, piece) in &self.by_start {
            if start != to.len() as u64 {
                return;
            }
            to.extend_from_slice(&piece.bytes);
        }
    }
}

//! Which rows of a column have a value, while rows are added; and the bits that say so.

use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};

use super::block::{Block, Part, room};

/// Memory that a column keeps for the next batch, as a multiple of what the last one needed.
const KEPT_RATIO_MAX: usize = 4;

/// Ready for the next batch. What only a flood needed is given back, by halves: small batches come between large ones.
pub fn empty<T>(values: &mut Vec<T>) {
    if values.capacity() > KEPT_RATIO_MAX * values.len() {
        values.shrink_to(values.capacity() / 2);
    }
    values.clear();
}

/// One bit a row, the first row's the lowest of its byte. Those behind the last that is set are not there yet.
#[derive(Debug, Default)]
pub struct Bits(Vec<u8>);

impl Bits {
    #[inline]
    pub fn set(&mut self, row: usize) {
        let byte = row / 8;
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= 1 << (row % 8);
    }

    /// Sets the first `rows`, of which none is set yet.
    fn set_first(&mut self, rows: usize) {
        self.0.resize(rows / 8, 0xff);
        if !rows.is_multiple_of(8) {
            self.0.push((1 << (rows % 8)) - 1);
        }
    }

    /// There are so many rows. Where no bit is set, there is nothing.
    pub fn end(&mut self, rows: usize) {
        if !self.0.is_empty() {
            self.0.resize(rows.div_ceil(8), 0);
        }
    }

    pub fn clear(&mut self) {
        empty(&mut self.0);
    }

    pub fn room(&self) -> usize {
        room(self.0.len())
    }

    /// Nothing is stored of bits of which none is set.
    pub fn store(&self, block: &mut Block, rows: usize) -> Part {
        if self.0.is_empty() { block.zeros(rows.div_ceil(8)) } else { block.add(&self.0) }
    }
}

/// Which rows have a value. Costs nothing for those that have none, and little while all have one.
#[derive(Debug, Default)]
pub struct Present {
    /// Empty while all rows have a value.
    bits: Bits,
    /// Rows up to the last that has a value.
    told: usize,
    rows: usize,
    part: Part,
}

impl Present {
    #[inline]
    pub fn push(&mut self, row: usize) {
        if row > self.told || !self.bits.0.is_empty() {
            self.note(row);
        }
        self.told = row + 1;
    }

    fn note(&mut self, row: usize) {
        self.distinguish();
        self.bits.set(row);
    }

    /// Not all rows have a value.
    fn distinguish(&mut self) {
        if self.bits.0.is_empty() {
            self.bits.set_first(self.told);
        }
    }

    /// Whether any row has a value.
    pub fn any(&self) -> bool {
        self.told > 0
    }

    pub fn told(&self) -> usize {
        self.told
    }

    /// How many there are, once no other follows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn end(&mut self, rows: usize) {
        self.rows = rows;
        if self.any() && self.told < rows {
            self.distinguish();
        }
        self.bits.end(rows);
    }

    pub fn room(&self) -> usize {
        self.bits.room()
    }

    pub fn store(&mut self, block: &mut Block) {
        self.part = self.bits.store(block, self.rows);
    }

    /// `None` when all rows have a value.
    pub fn nulls(&mut self, bytes: &Buffer) -> Option<NullBuffer> {
        let all = self.told == self.rows && self.bits.0.is_empty();
        let nulls = (!all).then(|| NullBuffer::new(BooleanBuffer::new(self.part.of(bytes), 0, self.rows)));
        self.bits.clear();
        self.told = 0;
        nulls
    }
}

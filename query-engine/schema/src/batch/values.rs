//! The values of one column while rows are added. Their memory is used again for the next batch.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, TimestampNanosecondArray,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, FieldRef};
use hashbrown::HashMap;

use super::block::{Block, Part, room};
use super::present::{Bits, Present, empty};

#[derive(Debug, Default)]
pub struct Bools {
    present: Present,
    values: Bits,
    part: Part,
}

impl Bools {
    #[inline]
    pub fn push(&mut self, row: usize, value: bool) {
        self.present.push(row);
        if value {
            self.values.set(row);
        }
    }

    pub fn end(&mut self, rows: usize) {
        self.present.end(rows);
        self.values.end(rows);
    }

    pub fn room(&self) -> usize {
        self.present.room() + self.values.room()
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = self.values.store(block, self.present.rows());
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let values = BooleanBuffer::new(self.part.of(bytes), 0, self.present.rows());
        self.values.clear();
        Arc::new(BooleanArray::new(values, self.present.nulls(bytes)))
    }
}

/// Numbers.
#[derive(Debug, Default)]
pub struct Numbers<T> {
    present: Present,
    values: Vec<T>,
    part: Part,
}

impl<T: ArrowNativeType> Numbers<T> {
    #[inline]
    pub fn push(&mut self, row: usize, value: T) {
        self.present.push(row);
        if self.values.len() < row {
            self.values.resize(row, T::default());
        }
        self.values.push(value);
    }

    pub fn end(&mut self, rows: usize) {
        self.present.end(rows);
        if self.present.any() {
            self.values.resize(rows, T::default());
        }
    }

    pub fn room(&self) -> usize {
        self.present.room() + room(size_of_val(self.values.as_slice()))
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = match self.values.len() {
            0 => block.zeros(self.present.rows() * size_of::<T>()),
            _ => block.add(&self.values),
        };
    }

    fn parts(&mut self, bytes: &Buffer) -> (ScalarBuffer<T>, Option<NullBuffer>) {
        let values = ScalarBuffer::new(self.part.of(bytes), 0, self.present.rows());
        empty(&mut self.values);
        (values, self.present.nulls(bytes))
    }
}

impl Numbers<i32> {
    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let (values, nulls) = self.parts(bytes);
        Arc::new(Int32Array::new(values, nulls))
    }
}

impl Numbers<i64> {
    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let (values, nulls) = self.parts(bytes);
        Arc::new(Int64Array::new(values, nulls))
    }

    pub fn times(&mut self, bytes: &Buffer) -> ArrayRef {
        let (values, nulls) = self.parts(bytes);
        Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone("UTC"))
    }
}

/// Where each row's part of what all have together begins, and the last one's ends.
#[derive(Debug)]
struct Offsets(Vec<i32>);

impl Default for Offsets {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Offsets {
    fn rows(&self) -> usize {
        self.0.len() - 1
    }

    /// The row's part ends here; rows before it that were not told have none.
    #[inline]
    fn push(&mut self, row: usize, end: usize) {
        if self.rows() < row {
            self.end(row);
        }
        self.0.push(i32::try_from(end).expect("a batch is handed over long before it has 2^31 bytes or items"));
    }

    /// The last rows have no part.
    fn end(&mut self, rows: usize) {
        let last = self.0.last().copied().unwrap_or_default();
        self.0.resize(rows + 1, last);
    }

    fn clear(&mut self) {
        empty(&mut self.0);
        self.0.push(0);
    }
}

/// Texts, one after the other. Whether they are UTF-8 is looked at when all are there.
#[derive(Debug, Default)]
pub struct Texts {
    present: Present,
    offsets: Offsets,
    bytes: Vec<u8>,
    offsets_part: Part,
    bytes_part: Part,
}

impl Texts {
    #[inline]
    pub fn push(&mut self, row: usize, value: &[u8]) {
        self.present.push(row);
        self.bytes.extend_from_slice(value);
        self.offsets.push(row, self.bytes.len());
    }

    /// Where a row's text is among the bytes of all.
    #[inline]
    fn place(&self, row: usize) -> Range<usize> {
        match self.offsets.0.get(row..) {
            Some(&[from, to, ..]) => from as usize..to as usize,
            _ => 0..0,
        }
    }

    fn get(&self, row: usize) -> &[u8] {
        &self.bytes[self.place(row)]
    }

    pub fn end(&mut self, rows: usize) {
        self.present.end(rows);
        if !self.bytes.is_empty() {
            self.offsets.end(rows);
        }
    }

    pub fn room(&self) -> usize {
        self.present.room() + room(size_of_val(self.offsets.0.as_slice())) + room(self.bytes.len())
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.offsets_part = match self.bytes.len() {
            0 => block.zeros((self.present.rows() + 1) * size_of::<i32>()),
            _ => block.add(&self.offsets.0),
        };
        self.bytes_part = block.add(&self.bytes);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let offsets = ScalarBuffer::new(self.offsets_part.of(bytes), 0, self.present.rows() + 1);
        let nulls = self.present.nulls(bytes);
        let array = StringArray::try_new(OffsetBuffer::new(offsets), self.bytes_part.of(bytes), nulls.clone());
        let array = array.unwrap_or_else(|_| escaped(&self.offsets.0, &self.bytes, nulls.as_ref()));
        self.offsets.clear();
        empty(&mut self.bytes);
        Arc::new(array)
    }
}

/// Texts of which each is stored once for many rows, and which of them each row has.
#[derive(Debug)]
pub struct Shared {
    present: Present,
    /// Which of the texts each row has; empty while that is the first for all of them.
    keys: Vec<i32>,
    texts: Texts,
    known: Known,
    /// The text of the last row that has one, and where it is among the bytes of all.
    last: i32,
    last_bytes: Range<usize>,
    part: Part,
}

/// Which of the stored texts are found again.
#[derive(Debug)]
enum Known {
    /// All: there are few.
    All(HashMap<Box<[u8]>, i32>),
    /// The last of each mark, plus one. So one that never comes again costs hardly more than to store it.
    Lately(Box<[u32; MARKS]>),
}

/// Texts that are found again, at most, where not all are.
const MARKS: usize = 64;

impl Shared {
    fn new(known: Known) -> Self {
        Self {
            present: Present::default(),
            keys: vec![],
            texts: Texts::default(),
            known,
            last: 0,
            last_bytes: 0..0,
            part: Part::default(),
        }
    }

    /// Few different texts.
    pub fn names() -> Self {
        Self::new(Known::All(HashMap::new()))
    }

    /// Texts of any length, of which many come again soon.
    pub fn recurring() -> Self {
        Self::new(Known::Lately(Box::new([0; MARKS])))
    }

    /// Returns how many bytes had to be stored.
    #[inline]
    pub fn push(&mut self, row: usize, value: &[u8]) -> usize {
        // rows of one connection follow each other, so the last text is the likeliest
        let last = self.texts.bytes.get(self.last_bytes.clone()).filter(|_| self.present.any());
        let stored = if last.is_some_and(|last| same(last, value)) { 0 } else { self.find(row, value) };
        if !self.keys.is_empty() {
            self.keys.resize(row, 0);
            self.keys.push(self.last);
        }
        self.present.push(row);
        stored
    }

    fn find(&mut self, row: usize, value: &[u8]) -> usize {
        let next = self.texts.offsets.rows() as i32;
        self.last = match &mut self.known {
            Known::All(known) => match known.get(value) {
                Some(key) => *key,
                None => {
                    known.insert(value.into(), next);
                    next
                }
            },
            Known::Lately(lately) => {
                let lately = &mut lately[mark(value)];
                match lately.checked_sub(1) {
                    Some(key) if same(self.texts.get(key as usize), value) => key as i32,
                    _ => {
                        *lately = next as u32 + 1;
                        next
                    }
                }
            }
        };
        let is_new = self.last == next;
        if is_new {
            self.texts.push(next as usize, value);
        }
        self.last_bytes = self.texts.place(self.last as usize);
        if self.last > 0 && self.keys.is_empty() {
            self.keys.resize(row, 0);
        }
        if is_new { value.len() } else { 0 }
    }

    pub fn end(&mut self, rows: usize) {
        self.present.end(rows);
        if !self.keys.is_empty() {
            self.keys.resize(rows, 0);
        }
        self.texts.end(self.texts.offsets.rows());
    }

    pub fn room(&self) -> usize {
        self.present.room() + room(size_of_val(self.keys.as_slice())) + self.texts.room()
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = match self.keys.len() {
            0 => block.zeros(self.present.rows() * size_of::<i32>()),
            _ => block.add(&self.keys),
        };
        self.texts.store(block);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let keys = ScalarBuffer::new(self.part.of(bytes), 0, self.present.rows());
        let keys = Int32Array::new(keys, self.present.nulls(bytes));
        empty(&mut self.keys);
        match &mut self.known {
            Known::All(known) => known.clear(),
            Known::Lately(lately) => lately.fill(0),
        }
        Arc::new(DictionaryArray::<Int32Type>::new(keys, self.texts.array(bytes)))
    }
}

/// Texts of one mark may be the same, others are not.
#[inline]
fn mark(text: &[u8]) -> usize {
    const WORD: usize = size_of::<u64>();
    // the middle is where texts that begin and end alike differ first: an id, a name
    let word = |at: usize| text.get(at..).and_then(|t| t.first_chunk::<WORD>()).map_or(0, |word| u64::from_le_bytes(*word));
    let words = match text.len().checked_sub(WORD) {
        Some(end) => [word(0), word(end / 2), word(end)],
        None => [text.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 0, 0],
    };
    let mixed =
        words.iter().fold(text.len() as u64, |sum, word| (sum ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29));
    mixed as usize % MARKS
}

/// Whether two texts are the same. Most are short: a call for each would take longer than to compare them.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    const WORD: usize = size_of::<u64>();
    match (a.first_chunk::<WORD>(), a.last_chunk::<WORD>(), b.first_chunk::<WORD>(), b.last_chunk::<WORD>()) {
        _ if a.len() != b.len() => false,
        // the two words overlap, or meet
        (Some(a_first), Some(a_last), Some(b_first), Some(b_last)) if a.len() <= 2 * WORD => {
            a_first == b_first && a_last == b_last
        }
        (Some(_), ..) => a == b,
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

/// Lists of texts: where each begins in one long list.
#[derive(Debug, Default)]
pub struct Lists {
    present: Present,
    offsets: Offsets,
    items: Texts,
    part: Part,
}

/// What Arrow calls the texts of a list.
pub fn list_item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Utf8, true))
}

impl Lists {
    pub fn push(&mut self, row: usize, value: &[&[u8]]) {
        self.present.push(row);
        for text in value {
            self.items.push(self.items.present.told(), text);
        }
        self.offsets.push(row, self.items());
    }

    pub fn end(&mut self, rows: usize) {
        self.present.end(rows);
        self.offsets.end(rows);
        self.items.end(self.items());
    }

    pub fn items(&self) -> usize {
        self.items.present.told()
    }

    pub fn room(&self) -> usize {
        self.present.room() + room(size_of_val(self.offsets.0.as_slice())) + self.items.room()
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = block.add(&self.offsets.0);
        self.items.store(block);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let offsets = OffsetBuffer::new(ScalarBuffer::new(self.part.of(bytes), 0, self.present.rows() + 1));
        let nulls = self.present.nulls(bytes);
        self.offsets.clear();
        Arc::new(ListArray::new(list_item(), offsets, self.items.array(bytes), nulls))
    }
}

/// The same texts, where they are not UTF-8, with each byte that is not as `\xNN`.
fn escaped(offsets: &[i32], bytes: &[u8], nulls: Option<&NullBuffer>) -> StringArray {
    use std::fmt::Write;
    let texts = offsets.windows(2).enumerate().map(|(row, ends)| {
        if nulls.is_some_and(|n| n.is_null(row)) {
            return None;
        }
        let mut text = String::new();
        for chunk in bytes[ends[0] as usize..ends[1] as usize].utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
        Some(text)
    });
    texts.collect()
}

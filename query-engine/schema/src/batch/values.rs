//! The values of one column while rows are added. Their memory is used again for the next batch.

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, ListArray, StringArray, TimestampNanosecondArray,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, FieldRef};
use hashbrown::HashMap;

use super::block::{Block, Part, room};

/// Memory that a column keeps for the next batch, as a multiple of what the last one needed.
const KEPT_RATIO_MAX: usize = 4;

/// Ready for the next batch. What only a flood needed is given back, by halves: small batches come between large ones.
fn empty<T>(values: &mut Vec<T>) {
    if values.capacity() > KEPT_RATIO_MAX * values.len() {
        values.shrink_to(values.capacity() / 2);
    }
    values.clear();
}

/// One bit a row, the first row's the lowest of its byte.
#[derive(Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    rows: usize,
    set: usize,
    part: Part,
}

impl Bits {
    #[inline]
    fn push(&mut self, bit: bool) {
        let place = self.rows % 8;
        match self.bytes.last_mut() {
            Some(last) if place > 0 => *last |= u8::from(bit) << place,
            _ => self.bytes.push(u8::from(bit)),
        }
        self.rows += 1;
        self.set += usize::from(bit);
    }

    fn store(&mut self, block: &mut Block) {
        self.part = block.add(&self.bytes);
    }

    fn bits(&mut self, bytes: &Buffer) -> BooleanBuffer {
        let bits = BooleanBuffer::new(self.part.of(bytes), 0, self.rows);
        empty(&mut self.bytes);
        (self.rows, self.set) = (0, 0);
        bits
    }

    /// As the rows that have a value; `None` when all have.
    fn nulls(&mut self, bytes: &Buffer) -> Option<NullBuffer> {
        let all = self.set == self.rows;
        let bits = self.bits(bytes);
        (!all).then(|| NullBuffer::new(bits))
    }
}

#[derive(Debug, Default)]
pub struct Bools {
    present: Bits,
    values: Bits,
}

impl Bools {
    #[inline]
    pub fn push(&mut self, value: Option<bool>) {
        self.present.push(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    pub fn room(&self) -> usize {
        2 * room(self.values.bytes.len())
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.values.store(block);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let nulls = self.present.nulls(bytes);
        Arc::new(BooleanArray::new(self.values.bits(bytes), nulls))
    }
}

/// Numbers.
#[derive(Debug, Default)]
pub struct Numbers<T> {
    present: Bits,
    values: Vec<T>,
    part: Part,
}

impl<T: ArrowNativeType> Numbers<T> {
    #[inline]
    pub fn push(&mut self, value: Option<T>) {
        self.present.push(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    pub fn room(&self) -> usize {
        room(self.present.bytes.len()) + room(size_of_val(self.values.as_slice()))
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = match self.present.set {
            0 => block.zeros(size_of_val(self.values.as_slice())),
            _ => block.add(&self.values),
        };
    }

    fn parts(&mut self, bytes: &Buffer) -> (ScalarBuffer<T>, Option<NullBuffer>) {
        let values = ScalarBuffer::new(self.part.of(bytes), 0, self.values.len());
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

/// Texts, one after the other. Whether they are UTF-8 is looked at when all are there.
#[derive(Debug)]
pub struct Texts {
    present: Bits,
    /// Where each text begins, and the last one ends.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    offsets_part: Part,
    bytes_part: Part,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            present: Bits::default(),
            offsets: vec![0],
            bytes: vec![],
            offsets_part: Part::default(),
            bytes_part: Part::default(),
        }
    }
}

impl Texts {
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        self.present.push(value.is_some());
        self.bytes.extend_from_slice(value.unwrap_or_default());
        self.offsets.push(i32::try_from(self.bytes.len()).expect("a batch is handed over long before 2 GiB"));
    }

    pub fn room(&self) -> usize {
        room(self.present.bytes.len()) + room(size_of_val(self.offsets.as_slice())) + room(self.bytes.len())
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.offsets_part = match self.bytes.len() {
            0 => block.zeros(size_of_val(self.offsets.as_slice())),
            _ => block.add(&self.offsets),
        };
        self.bytes_part = block.add(&self.bytes);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let offsets = ScalarBuffer::new(self.offsets_part.of(bytes), 0, self.offsets.len());
        let nulls = self.present.nulls(bytes);
        let array = StringArray::try_new(OffsetBuffer::new(offsets), self.bytes_part.of(bytes), nulls.clone());
        let array = array.unwrap_or_else(|_| escaped(&self.offsets, &self.bytes, nulls.as_ref()));
        empty(&mut self.offsets);
        self.offsets.push(0);
        empty(&mut self.bytes);
        Arc::new(array)
    }
}

/// Few different texts, one after the other: each is stored once a batch.
#[derive(Debug, Default)]
pub struct Names {
    present: Bits,
    /// Which of the texts each row has; empty while that is the first for all of them.
    keys: Vec<i32>,
    texts: Texts,
    known: HashMap<Box<[u8]>, i32>,
    last: i32,
    part: Part,
}

impl Names {
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        if let Some(value) = value
            && !self.is_last(value)
        {
            self.find(value);
        }
        if !self.keys.is_empty() {
            self.keys.push(self.last);
        }
        self.present.push(value.is_some());
    }

    /// Rows of one connection follow each other, so the last text is the likeliest.
    #[inline]
    fn is_last(&self, value: &[u8]) -> bool {
        let last = self.last as usize;
        match self.texts.offsets.get(last..last + 2) {
            Some(&[from, to]) => self.texts.bytes.get(from as usize..to as usize) == Some(value),
            _ => false,
        }
    }

    fn find(&mut self, value: &[u8]) {
        self.last = match self.known.get(value) {
            Some(key) => *key,
            None => {
                let key = self.known.len() as i32;
                self.known.insert(value.into(), key);
                self.texts.push(Some(value));
                key
            }
        };
        if self.last > 0 && self.keys.is_empty() {
            self.keys.resize(self.present.rows, 0);
        }
    }

    pub fn room(&self) -> usize {
        room(self.present.bytes.len()) + room(size_of_val(self.keys.as_slice())) + self.texts.room()
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = match self.keys.len() {
            0 => block.zeros(self.present.rows * size_of::<i32>()),
            _ => block.add(&self.keys),
        };
        self.texts.store(block);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let keys = ScalarBuffer::new(self.part.of(bytes), 0, self.present.rows);
        let keys = Int32Array::new(keys, self.present.nulls(bytes));
        empty(&mut self.keys);
        self.known.clear();
        self.last = 0;
        Arc::new(DictionaryArray::<Int32Type>::new(keys, self.texts.array(bytes)))
    }
}

/// Lists of texts: where each begins in one long list.
#[derive(Debug)]
pub struct Lists {
    present: Bits,
    offsets: Vec<i32>,
    items: Texts,
    part: Part,
}

impl Default for Lists {
    fn default() -> Self {
        Self { present: Bits::default(), offsets: vec![0], items: Texts::default(), part: Part::default() }
    }
}

/// What Arrow calls the texts of a list.
pub fn list_item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Utf8, true))
}

impl Lists {
    pub fn push(&mut self, value: Option<&[&[u8]]>) {
        self.present.push(value.is_some());
        for text in value.unwrap_or_default() {
            self.items.push(Some(text));
        }
        self.offsets.push(i32::try_from(self.items()).expect("a batch is handed over long before 2^31 texts"));
    }

    pub fn items(&self) -> usize {
        self.items.present.rows
    }

    pub fn room(&self) -> usize {
        room(self.present.bytes.len()) + room(size_of_val(self.offsets.as_slice())) + self.items.room()
    }

    pub fn store(&mut self, block: &mut Block) {
        self.present.store(block);
        self.part = block.add(&self.offsets);
        self.items.store(block);
    }

    pub fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        let offsets = OffsetBuffer::new(ScalarBuffer::new(self.part.of(bytes), 0, self.offsets.len()));
        let nulls = self.present.nulls(bytes);
        empty(&mut self.offsets);
        self.offsets.push(0);
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

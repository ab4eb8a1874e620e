//! Header compression (RFC 7541): a block of bytes becomes fields.
//!
//! In: whole header blocks, in order. Out: the fields that are known. A field that depends on entries of the dynamic table
//! that were not seen is counted as unknown, never guessed.

mod huffman;
mod table;

use super::fields::Fields;
use table::{Entry, Found, Table};

#[derive(Debug)]
pub struct Decoder {
    table: Table,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Scratch memory that is kept from block to block.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// The block is no header block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl Decoder {
    /// `from_start`: the table is empty, and not merely unknown.
    pub fn new(from_start: bool) -> Self {
        Self { table: Table::new(from_start), name: Vec::new(), value: Vec::new() }
    }

    /// A block was not seen, or cannot be decoded.
    pub fn lose(&mut self) {
        self.table.lose();
    }

    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes() + self.name.capacity() + self.value.capacity()
    }

    /// Appends the fields of a block. After an error the table is unknown.
    pub fn decode(&mut self, mut block: &[u8], fields: &mut Fields) -> Result<(), Malformed> {
        let mut result = Ok(());
        while let Some(&first) = block.first() {
            result = self.field(first, &mut block, fields);
            if result.is_err() {
                self.lose();
                break;
            }
        }
        self.name.shrink_to(KEPT_BYTES_MAX);
        self.value.shrink_to(KEPT_BYTES_MAX);
        result
    }

    /// One representation (RFC 7541, section 6).
    fn field(&mut self, first: u8, block: &mut &[u8], fields: &mut Fields) -> Result<(), Malformed> {
        if first & 0x80 != 0 {
            let index = integer(block, 7)?;
            match self.table.get(index) {
                Found::Entry(Entry { name: Some(name), value }) => fields.push(name, value),
                Found::Entry(Entry { name: None, .. }) | Found::Unknown => fields.unknown += 1,
                Found::Nothing => return Err(Malformed),
            }
            return Ok(());
        }
        if first & 0xe0 == 0x20 {
            let size_max = integer(block, 5)?;
            self.table.resize(size_max);
            return Ok(());
        }
        let inserts = first & 0x40 != 0;
        let index = integer(block, if inserts { 6 } else { 4 })?;
        let mut name_known = true;
        self.name.clear();
        if index == 0 {
            string(block, &mut self.name)?;
        } else {
            match self.table.get(index) {
                Found::Entry(Entry { name: Some(name), .. }) => self.name.extend_from_slice(name),
                Found::Entry(Entry { name: None, .. }) | Found::Unknown => name_known = false,
                Found::Nothing => return Err(Malformed),
            }
        }
        self.value.clear();
        string(block, &mut self.value)?;
        if name_known {
            fields.push(&self.name, &self.value);
        } else {
            fields.unknown += 1;
        }
        if inserts {
            self.table.insert(name_known.then_some(&self.name), &self.value);
        }
        Ok(())
    }
}

/// An integer whose first octet has `prefix` bits of it (RFC 7541, section 5.1).
fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, Malformed> {
    let (&first, mut rest) = block.split_first().ok_or(Malformed)?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        // 2^28 is more than any index, length or size here
        let mut shift = 0;
        loop {
            let (&octet, after) = rest.split_first().ok_or(Malformed)?;
            rest = after;
            if shift > 21 {
                return Err(Malformed);
            }
            value += usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    Ok(value)
}

/// A string, Huffman-coded or not (RFC 7541, section 5.2).
fn string(block: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(len).ok_or(Malformed)?;
    *block = rest;
    if !coded {
        out.extend_from_slice(text);
        return Ok(());
    }
    if huffman::decode(text, out) { Ok(()) } else { Err(Malformed) }
}

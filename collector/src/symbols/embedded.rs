//! `.gnu_debugdata`: a small program file, compressed by xz inside a stripped one, with the symbols of functions that are not
//! exported.
//!
//! In: the section's bytes. Out: a [`Table`] in memory. How much there is to unpack is added up first, so that a small section
//! cannot become endless.

use std::io::Cursor;

use object::elf::FileHeader64;
use object::read::elf::ElfFile;
use object::{LittleEndian, Object, ObjectSymbol, SymbolKind};

use crate::binary::elf::Elf;

use super::table::{Function, Names, Table};

const PACKED_BYTES_MAX: u64 = 16 << 20;
const UNPACKED_BYTES_MAX: usize = 64 << 20;
const STREAM_HEADER_BYTES: usize = 12;

pub fn table(elf: &Elf<'_>, is_code: &dyn Fn(u64) -> bool) -> Option<Table> {
    let section = elf.section(".gnu_debugdata").filter(|s| s.size <= PACKED_BYTES_MAX)?;
    let packed = elf.bytes(section.offset, usize::try_from(section.size).ok()?).ok()?;
    symbols(&unpacked(&packed)?, is_code)
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let size = unpacked_size(packed).filter(|size| *size <= UNPACKED_BYTES_MAX)?;
    let mut out = Vec::with_capacity(size);
    lzma_rs::xz_decompress(&mut Cursor::new(packed), &mut out).ok()?;
    Some(out)
}

/// What the chunks of all blocks say that they hold.
fn unpacked_size(packed: &[u8]) -> Option<usize> {
    if !packed.starts_with(b"\xfd7zXZ\0") {
        return None;
    }
    let check_bytes = match packed.get(7)? & 0xf {
        0 => 0,
        1 => 4,
        4 => 8,
        10 => 32,
        _ => return None,
    };
    let (mut at, mut size) = (STREAM_HEADER_BYTES, 0usize);
    // a block begins with the size of its header in words; the index behind the last has 0 there
    while let Some(words) = packed.get(at).copied().filter(|words| *words != 0) {
        at += (usize::from(words) + 1) * 4;
        let (end, bytes) = chunks(packed, at)?;
        at = end.next_multiple_of(4) + check_bytes;
        size = size.checked_add(bytes)?;
    }
    Some(size)
}

/// The end of the chunks that begin here, and how much they unpack to.
fn chunks(packed: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let word = |at: usize| Some(usize::from(u16::from_be_bytes(packed.get(at..at + 2)?.try_into().ok()?)));
    let mut size = 0usize;
    loop {
        let control = *packed.get(at)?;
        match control {
            0 => return Some((at + 1, size)),
            1 | 2 => {
                let bytes = word(at + 1)? + 1;
                size = size.checked_add(bytes)?;
                at += 3 + bytes;
            }
            0x80.. => {
                size = size.checked_add((usize::from(control & 0x1f) << 16) + word(at + 1)? + 1)?;
                let properties = usize::from(control >= 0xc0);
                at += 5 + properties + word(at + 3)? + 1;
            }
            _ => return None,
        }
    }
}

fn symbols(program: &[u8], is_code: &dyn Fn(u64) -> bool) -> Option<Table> {
    let elf = ElfFile::<FileHeader64<LittleEndian>>::parse(program).ok()?;
    let mut names = vec![0];
    let mut functions = vec![];
    for symbol in elf.symbols() {
        let Ok(name) = symbol.name_bytes() else { continue };
        if symbol.kind() == SymbolKind::Text && !symbol.is_undefined() && !name.is_empty() && is_code(symbol.address()) {
            functions.push(Function { address: symbol.address(), size: symbol.size(), name: names.len() as u64 });
            names.extend_from_slice(name);
            names.push(0);
        }
    }
    names.shrink_to_fit();
    (!functions.is_empty()).then(|| Table::new(functions, Names::Memory(names)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let text = b"some text, some text, some text".repeat(10_000);
        let mut packed = vec![];
        lzma_rs::xz_compress(&mut Cursor::new(&text[..]), &mut packed).expect("it can be packed");
        assert_eq!(unpacked_size(&packed), Some(text.len()));
        assert_eq!(unpacked(&packed).as_deref(), Some(&text[..]));
    }

    #[test]
    fn damage_is_none_and_no_panic() {
        let mut packed = vec![];
        lzma_rs::xz_compress(&mut Cursor::new(&[7; 5000][..]), &mut packed).expect("it can be packed");
        for end in 0..packed.len() {
            assert_eq!(unpacked(&packed[..end]), None, "cut at {end}");
        }
        assert_eq!(unpacked_size(b"\xfd7zXZ\0\0\x04"), Some(0));
        assert!(symbols(b"\x7fELF", &|_| true).is_none());
    }

    #[test]
    fn more_than_the_limit_is_not_unpacked() {
        // one chunk of 2 MiB, said 40 times over
        let mut packed = b"\xfd7zXZ\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        for _ in 0..40 {
            packed.extend_from_slice(&[0x9f, 0xff, 0xff, 0, 0, 0]);
        }
        packed.extend_from_slice(&[0, 0, 0, 0]);
        assert_eq!(unpacked_size(&packed), Some(40 << 21));
        assert_eq!(unpacked(&packed), None);
    }
}

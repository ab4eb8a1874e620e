//! ELF files and Go function tables made to order.

use std::fs::File;
use std::io::{Seek, Write};

/// Where code begins: in the file and in memory.
pub const TEXT_OFFSET: u64 = 0x1000;
pub const TEXT: u64 = 0x40_1000;
/// Room for a function; calls go to what lies behind its own code.
pub const FUNCTION_BYTES: usize = 0x400;

/// A section: name, type, link, contents.
type Section = (&'static str, u32, u32, Vec<u8>);

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const NOTE: u32 = 7;
const DYNSYM: u32 = 11;
const GNU_HASH: u32 = 0x6fff_fff6;

pub fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

pub fn address(function: usize) -> u64 {
    TEXT + (function * FUNCTION_BYTES) as u64
}

/// A library whose functions are named by the dynamic symbol table (`exported`) or by the other one.
pub fn library(functions: &[(&str, &[u8])], exported: bool) -> Vec<u8> {
    let mut strings = vec![0];
    let mut symbols = vec![0; 24];
    for (number, (name, code)) in functions.iter().enumerate() {
        symbols.extend((strings.len() as u32).to_le_bytes());
        // global function, in the section after none
        symbols.extend([0x12, 0, 1, 0]);
        symbols.extend(address(number).to_le_bytes());
        symbols.extend((code.len() as u64).to_le_bytes());
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    strings.extend(b"OPENSSL_3.0.0\0OPENSSL_3.10.0\0OPENSSL_init\0");
    let kind = if exported { DYNSYM } else { SYMTAB };
    let note = [&[4, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0][..], b"GNU\0", &[0xab, 0xcd, 0xef, 0]].concat();
    elf(
        &text(functions),
        vec![(".note.gnu.build-id", NOTE, 0, note), (".symbols", kind, 4, symbols), (".strings", STRTAB, 0, strings)],
    )
}

/// A library with the loader's hash table, in which all functions share one bucket and the filter lets all pass.
pub fn hashed_library(functions: &[(&str, &[u8])]) -> Vec<u8> {
    let mut strings = vec![0];
    let mut symbols = vec![0; 24];
    let mut chain = vec![];
    for (number, (name, code)) in functions.iter().enumerate() {
        symbols.extend((strings.len() as u32).to_le_bytes());
        symbols.extend([0x12, 0, 1, 0]);
        symbols.extend(address(number).to_le_bytes());
        symbols.extend((code.len() as u64).to_le_bytes());
        strings.extend(name.as_bytes());
        strings.push(0);
        let hash = name.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)));
        let last = number + 1 == functions.len();
        chain.extend((hash & !1 | u32::from(last)).to_le_bytes());
    }
    let mut table: Vec<u8> = [1_u32, 1, 1, 6].iter().flat_map(|word| word.to_le_bytes()).collect();
    table.extend([0xff; 8]);
    table.extend(1_u32.to_le_bytes());
    table.extend(chain);
    let sections = vec![(".dynsym", DYNSYM, 3, symbols), (".dynstr", STRTAB, 0, strings), (".gnu.hash", GNU_HASH, 2, table)];
    elf(&text(functions), sections)
}

/// A Go program without symbols.
pub fn go_program(functions: &[(&str, &[u8])], layout: Layout, version: &str) -> Vec<u8> {
    let mut information = b"\xff Go buildinf:\x08\x02".to_vec();
    information.resize(32, 0);
    information.push(version.len() as u8);
    information.extend(version.as_bytes());
    elf(
        &text(functions),
        vec![(".go.buildinfo", PROGBITS, 0, information), (".gopclntab", PROGBITS, 0, function_table(functions, layout))],
    )
}

/// Of Go's function table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    Go116,
    Go118,
    Go120,
    /// Without the address of the code, as since 1.26.
    Go126,
}

fn function_table(functions: &[(&str, &[u8])], layout: Layout) -> Vec<u8> {
    let absolute = layout == Layout::Go116;
    let mut names = vec![0];
    let places: Vec<u32> = functions
        .iter()
        .map(|(name, _)| {
            let place = names.len() as u32;
            names.extend(name.as_bytes());
            names.push(0);
            place
        })
        .collect();
    let width = if absolute { 8 } else { 4 };
    let put = |into: &mut Vec<u8>, value: u64| into.extend(&value.to_le_bytes()[..width]);
    let code = |number: usize| if absolute { address(number) } else { address(number) - TEXT };
    let lines = 2 * width * functions.len() + width;
    let (mut table, mut structures) = (vec![], vec![]);
    for (number, place) in places.iter().enumerate() {
        put(&mut table, code(number));
        put(&mut table, (lines + structures.len()) as u64);
        put(&mut structures, code(number));
        structures.extend(place.to_le_bytes());
        structures.extend([0; 32]);
    }
    put(&mut table, code(functions.len()));
    let header_bytes = 8 + 8 * 8;
    let names_at = header_bytes as u64;
    let table_at = names_at + names.len() as u64;
    let (magic, words): (u32, Vec<u64>) = match layout {
        Layout::Go116 => (0xffff_fffa, vec![names_at, table_at, table_at, table_at, table_at, 0]),
        Layout::Go118 => (0xffff_fff0, vec![TEXT, names_at, table_at, table_at, table_at, table_at]),
        Layout::Go120 => (0xffff_fff1, vec![TEXT, names_at, table_at, table_at, table_at, table_at]),
        Layout::Go126 => (0xffff_fff1, vec![0, names_at, table_at, table_at, table_at, table_at]),
    };
    let mut bytes = magic.to_le_bytes().to_vec();
    bytes.extend([0, 0, 1, 8]);
    let counts = [functions.len() as u64, 1];
    bytes.extend(counts.iter().chain(&words).flat_map(|word| word.to_le_bytes()));
    [bytes, names, table, structures].concat()
}

fn text(functions: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = vec![];
    for (_, code) in functions {
        text.extend(*code);
        text.resize(text.len().next_multiple_of(FUNCTION_BYTES), 0xc3);
    }
    text
}

/// One executable segment that holds `.text`, the first section after none.
fn elf(text: &[u8], sections: Vec<Section>) -> Vec<u8> {
    let mut all: Vec<Section> = vec![("", 0, 0, vec![]), (".text", PROGBITS, 0, text.to_vec())];
    all.extend(sections);
    let mut names = vec![];
    let places: Vec<u32> = all
        .iter()
        .map(|(name, ..)| {
            let place = names.len() as u32;
            names.extend(name.as_bytes());
            names.push(0);
            place
        })
        .collect();
    let mut body = vec![];
    let mut headers = vec![];
    for ((_, kind, link, contents), place) in all.iter().zip(&places) {
        let address = if body.is_empty() { TEXT } else { 0 };
        let (address, offset) = if *kind == 0 { (0, 0) } else { (address, TEXT_OFFSET + body.len() as u64) };
        headers.extend([place.to_le_bytes(), kind.to_le_bytes()].concat());
        headers.extend([0, address, offset, contents.len() as u64].iter().flat_map(|word: &u64| word.to_le_bytes()));
        headers.extend([link.to_le_bytes(), [0; 4]].concat());
        headers.extend([0; 16]);
        body.extend(contents);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    // the section of names is behind the others
    let names_offset = TEXT_OFFSET + body.len() as u64;
    headers.extend([[0; 4], STRTAB.to_le_bytes()].concat());
    headers.extend([0, 0, names_offset, names.len() as u64].iter().flat_map(|word: &u64| word.to_le_bytes()));
    headers.extend([0; 24]);
    let headers_offset = names_offset + names.len() as u64;

    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([3, 0, 62, 0, 1, 0, 0, 0]);
    bytes.extend([0, 64, headers_offset].iter().flat_map(|word: &u64| word.to_le_bytes()));
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0]);
    bytes.extend([(all.len() + 1) as u16, all.len() as u16].iter().flat_map(|half| half.to_le_bytes()));
    // loaded, readable and executable
    bytes.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let size = text.len() as u64;
    bytes.extend([TEXT_OFFSET, TEXT, TEXT, size, size, 4096].iter().flat_map(|word| word.to_le_bytes()));
    bytes.resize(TEXT_OFFSET as usize, 0);
    [bytes, body, names, headers].concat()
}

//! Go's own table of functions, which every Go program carries, stripped or not.
//!
//! In: an ELF file. Out: functions by name with their place and size, and the name of the function at an address. Knows the
//! layouts of Go 1.16 (also in 1.17), 1.18 and 1.20 (still in 1.26); reads the tables in pieces.

use std::ops::Range;

use super::Error;
use super::elf::{Elf, PIECE_BYTES, Section};
use super::symbols::Symbol;

const MAGIC_1_16: u32 = 0xffff_fffa;
const MAGIC_1_18: u32 = 0xffff_fff0;
const MAGIC_1_20: u32 = 0xffff_fff1;

const HEADER_BYTES: usize = 8 + 8 * 8;
/// Kubernetes' largest programs have a tenth of this.
const FUNCTIONS_MAX: u64 = 4 << 20;
const NAME_BYTES_MAX: usize = 512;
/// Pieces read from one table: a gigabyte.
const READS_MAX: usize = 16_384;
/// Read at a time where little of it is wanted.
const SCATTERED_BYTES: usize = 64;
/// How far into the code of other languages Go's may begin, where both are in one section.
const FOREIGN_CODE_BYTES_MAX: u64 = 16 << 20;
/// Of a function, to recognise one.
const START_BYTES: usize = 8;
/// Go aligns functions to this, and its code as a whole to at least as much.
const ALIGNMENT_BYTES: u64 = 16;

/// Where things are in the table, in bytes from its start.
pub struct Pclntab<'a> {
    elf: &'a Elf<'a>,
    /// In the file, with all that may belong to it.
    pub offset: u64,
    pub size: u64,
    functions: u64,
    names: Range<u64>,
    /// The function table, and what its offsets count from.
    table: u64,
    /// Before 1.18 the table holds addresses, 8 bytes wide, and not offsets.
    absolute: bool,
    /// What offsets of code count from; 0 when absolute.
    text: u64,
}

/// A line of the function table.
#[derive(Debug, Clone, Copy)]
struct Line {
    code: u64,
    function: u64,
}

impl<'a> Pclntab<'a> {
    /// None: there is no such table, or none of a known layout.
    pub fn find(elf: &'a Elf<'a>) -> Result<Option<Pclntab<'a>>, Error> {
        let named = elf.sections.iter().find(|s| s.name.ends_with("gopclntab"));
        if let Some(section) = named {
            return Pclntab::read(elf, section.offset, section.size);
        }
        if elf.section(".go.buildinfo").is_none() && elf.section(".note.go.buildid").is_none() {
            return Ok(None);
        }
        // position-independent programs of other linkers keep it in a section for all read-only data
        let places = [".data.rel.ro", ".rodata"];
        for section in elf.sections.iter().filter(|s| places.contains(&s.name.as_str())) {
            if let Some(at) = search(elf, section)?
                && let Some(found) = Pclntab::read(elf, section.offset + at, section.size - at)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn read(elf: &'a Elf<'a>, offset: u64, size: u64) -> Result<Option<Pclntab<'a>>, Error> {
        let header = elf.bytes(offset, HEADER_BYTES)?;
        let word = |n: usize| {
            let at = 8 + 8 * n;
            header.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
        };
        let (absolute, text, names, end_of_names, table) = match magic(&header) {
            Some(MAGIC_1_16) => (true, 0, word(2), word(3), word(6)),
            Some(MAGIC_1_18 | MAGIC_1_20) => (false, word(2), word(3), word(4), word(7)),
            _ => return Ok(None),
        };
        let functions = word(0);
        if functions > FUNCTIONS_MAX || names > end_of_names || end_of_names > size || table > size {
            return Err(Error::Damaged("Go's function table"));
        }
        Ok(Some(Pclntab { elf, offset, size, functions, names: names..end_of_names, table, absolute, text }))
    }

    /// The functions of these names, with addresses. `begins` tells from the first bytes of code whether a function can begin
    /// there: where the program's code begins is not written down in every program, and then is searched for.
    pub fn functions(&mut self, names: &[&str], begins: fn(&[u8]) -> bool) -> Result<Vec<Symbol>, Error> {
        let places = self.places(names)?;
        if places.is_empty() {
            return Ok(vec![]);
        }
        let mut found: Vec<Symbol> = vec![];
        let mut structures = Pieces::new(self.elf);
        let mut lines = Pieces::new(self.elf);
        for number in 0..self.functions {
            let Some(line) = self.line(&mut lines, number)? else { break };
            let Some(place) = self.name_place(&mut structures, line)? else { continue };
            if let Some((_, name)) = places.iter().find(|(at, _)| *at == place) {
                let end = self.line(&mut lines, number + 1)?.map_or(line.code, |next| next.code);
                found.push(Symbol { name: (*name).to_owned(), address: line.code, size: end.saturating_sub(line.code) });
            }
        }
        if !self.absolute && !found.is_empty() {
            self.text = self.find_text(&found, begins)?;
            found.iter_mut().for_each(|symbol| symbol.address = symbol.address.saturating_add(self.text));
        }
        Ok(found)
    }

    /// Where the code begins that offsets count from; 0 where the table has addresses.
    pub fn text(&mut self, begins: fn(&[u8]) -> bool) -> Result<u64, Error> {
        const IN_EVERY_PROGRAM: [&str; 2] = ["runtime.main", "runtime.gcStart"];
        self.functions(&IN_EVERY_PROGRAM, begins)?;
        Ok(self.text)
    }

    /// Every function: its address, its bytes, and where its name begins, counted from `names_offset`. False when it is not known
    /// where the code begins.
    pub fn each(&mut self, found: &mut dyn FnMut(u64, u64, u64)) -> Result<bool, Error> {
        const EVERYWHERE: [&str; 3] = ["runtime.main", "runtime.newproc", "runtime.mallocgc"];
        if !self.absolute && self.functions(&EVERYWHERE, super::go::begins_function)?.is_empty() {
            return Ok(false);
        }
        let mut structures = Pieces::new(self.elf);
        let mut lines = Pieces::new(self.elf);
        for number in 0..self.functions {
            let (Some(line), Some(next)) = (self.line(&mut lines, number)?, self.line(&mut lines, number + 1)?) else { break };
            if let Some(place) = self.name_place(&mut structures, line)? {
                found(self.text.saturating_add(line.code), next.code.saturating_sub(line.code), place);
            }
        }
        Ok(true)
    }

    /// Where in the file the table of names begins.
    pub fn names_offset(&self) -> u64 {
        self.offset.saturating_add(self.names.start)
    }

    /// The name of the function that begins at this address.
    pub fn name_of(&self, address: u64) -> Result<Option<String>, Error> {
        let Some(code) = address.checked_sub(self.text) else { return Ok(None) };
        let mut lines = Pieces::scattered(self.elf);
        let (mut low, mut high) = (0, self.functions);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(line) = self.line(&mut lines, middle)? else { return Ok(None) };
            match line.code.cmp(&code) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.name(line),
            }
        }
        Ok(None)
    }

    fn name(&self, line: Line) -> Result<Option<String>, Error> {
        let mut pieces = Pieces::scattered(self.elf);
        let Some(place) = self.name_place(&mut pieces, line)? else { return Ok(None) };
        let mut bytes = [0; NAME_BYTES_MAX];
        let filled = self.elf.fill(self.offset.saturating_add(self.names.start).saturating_add(place), &mut bytes)?;
        let end = bytes[..filled].iter().position(|b| *b == 0);
        Ok(end.map(|end| String::from_utf8_lossy(&bytes[..end]).into_owned()))
    }

    /// Where in the table of names these are.
    fn places<'n>(&self, names: &[&'n str]) -> Result<Vec<(u64, &'n str)>, Error> {
        let longest = names.iter().map(|n| n.len() + 2).max().unwrap_or(0);
        let mut places = vec![];
        let size = self.names.end - self.names.start;
        let mut position = 0;
        let mut piece = vec![0; PIECE_BYTES];
        while position < size && places.len() < names.len() {
            let length = usize::try_from(size - position).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let filled = self.elf.fill(self.offset + self.names.start + position, &mut piece[..length])?;
            for name in names {
                let known = places.iter().any(|(_, found)| found == name);
                let whole = [&[0], name.as_bytes(), &[0]].concat();
                if let Some(at) = memchr::memmem::find(&piece[..filled], &whole).filter(|_| !known) {
                    places.push((position + at as u64 + 1, *name));
                }
            }
            if filled <= longest || position + filled as u64 >= size {
                break;
            }
            position += (filled - longest) as u64;
        }
        Ok(places)
    }

    /// None at the end of the table; its last line has an end of code alone.
    fn line(&self, pieces: &mut Pieces<'_>, number: u64) -> Result<Option<Line>, Error> {
        let width: usize = if self.absolute { 8 } else { 4 };
        let at = (self.offset + self.table).saturating_add(number * 2 * width as u64);
        let Some(bytes) = pieces.bytes(at, 2 * width)? else { return Ok(None) };
        let value = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Ok(Some(Line { code: value(&bytes[..width]), function: value(&bytes[width..]) }))
    }

    /// Where in the table of names a function's is: behind its entry in its structure.
    fn name_place(&self, pieces: &mut Pieces<'_>, line: Line) -> Result<Option<u64>, Error> {
        let entry_bytes = if self.absolute { 8 } else { 4 };
        let at = (self.offset + self.table).saturating_add(line.function).saturating_add(entry_bytes);
        let bytes = pieces.bytes(at, 4)?.and_then(|bytes| bytes.try_into().ok());
        Ok(bytes.map(|bytes| u64::from(u32::from_le_bytes(bytes))))
    }

    /// Where the code begins: as the header says, else where the section begins, else the first place in it from which all
    /// the functions begin as functions do.
    fn find_text(&self, functions: &[Symbol], begins: fn(&[u8]) -> bool) -> Result<u64, Error> {
        let mut pieces: Vec<Pieces<'_>> = functions.iter().map(|_| Pieces::new(self.elf)).collect();
        let mut fits = |text: u64| -> Result<bool, Error> {
            for (function, pieces) in functions.iter().zip(&mut pieces) {
                let Some((offset, _)) = self.elf.locate_code(text.saturating_add(function.address)) else { return Ok(false) };
                if !pieces.bytes(offset, START_BYTES)?.is_some_and(begins) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let section = self.elf.section(".text").ok_or(Error::Damaged("no code in a Go program"))?;
        for text in [self.text, section.address] {
            if text != 0 && fits(text)? {
                return Ok(text);
            }
        }
        let end = section.size.min(FOREIGN_CODE_BYTES_MAX) / ALIGNMENT_BYTES;
        for number in 0..end {
            let text = section.address + number * ALIGNMENT_BYTES;
            if fits(text)? {
                return Ok(text);
            }
        }
        Err(Error::Damaged("Go's function table does not fit its code"))
    }
}

fn magic(header: &[u8]) -> Option<u32> {
    // zero, zero, the smallest instruction of x86-64, the size of a pointer
    let rest = header.get(4..8)?;
    (rest == [0, 0, 1, 8]).then(|| u32::from_le_bytes([header[0], header[1], header[2], header[3]]))
}

/// The position in the section of something that looks like the table's header.
fn search(elf: &Elf<'_>, section: &Section) -> Result<Option<u64>, Error> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    while position < section.size {
        let length = usize::try_from(section.size - position).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let filled = elf.fill(section.offset + position, &mut piece[..length])?;
        let known = |bytes: &[u8]| matches!(magic(bytes), Some(MAGIC_1_16 | MAGIC_1_18 | MAGIC_1_20));
        if let Some(at) = piece[..filled].chunks_exact(8).position(known) {
            return Ok(Some(position + 8 * at as u64));
        }
        if filled < length {
            break;
        }
        position += filled as u64;
    }
    Ok(None)
}

/// Bytes of the file, mostly asked for in rising order: one piece is kept.
struct Pieces<'a> {
    elf: &'a Elf<'a>,
    offset: u64,
    piece: Vec<u8>,
    piece_bytes: usize,
    reads: usize,
}

impl<'a> Pieces<'a> {
    fn new(elf: &'a Elf<'a>) -> Pieces<'a> {
        Pieces { elf, offset: 0, piece: vec![], piece_bytes: PIECE_BYTES, reads: 0 }
    }

    /// For a few bytes here and there.
    fn scattered(elf: &'a Elf<'a>) -> Pieces<'a> {
        Pieces { piece_bytes: SCATTERED_BYTES, ..Pieces::new(elf) }
    }

    /// None: the file ends before.
    fn bytes(&mut self, offset: u64, length: usize) -> Result<Option<&[u8]>, Error> {
        let inside = offset.checked_sub(self.offset).and_then(|inside| usize::try_from(inside).ok());
        let inside = match inside.filter(|inside| inside.saturating_add(length) <= self.piece.len()) {
            Some(inside) => inside,
            None => {
                self.reads += 1;
                if self.reads > READS_MAX {
                    return Err(Error::Damaged("Go's function table is in no order"));
                }
                self.piece.resize(self.piece_bytes.max(length), 0);
                let filled = self.elf.fill(offset, &mut self.piece)?;
                self.piece.truncate(filled);
                self.offset = offset;
                0
            }
        };
        Ok(self.piece.get(inside..inside + length))
    }
}

//! Functions by name, from a symbol table of any size.
//!
//! In: a symbol section and the names looked for. Out: those that are defined, with address and size. First the string
//! table is searched for the names, then the symbols for those strings: two passes in pieces, and no map of all symbols.

use std::ffi::CStr;

use object::elf::{STT_FUNC, STT_GNU_IFUNC, Sym64};
use object::{LittleEndian, pod};

use super::Error;
use super::elf::{Elf, PIECE_BYTES, Section};

/// Longer names are only looked at up to here.
const NAME_BYTES_MAX: usize = 1024;
/// Linkers let a name share the tail of a longer one, so that one name can stand in several places.
const PLACES_MAX: usize = 65_536;
const VERSIONS_MAX: usize = 64;

const LE: LittleEndian = LittleEndian;

/// A function that the file defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    pub address: u64,
    /// 0 when the table does not say.
    pub size: u64,
}

/// Which of a table's strings are wanted.
pub trait Wanted {
    /// For a string of the table, calls `found` with the start (in the string) of each wanted name that it ends with.
    fn look(&mut self, string: &[u8], found: &mut dyn FnMut(usize));
}

/// A fixed list of whole names; and, on the way, symbol versions that begin with one of some prefixes.
pub struct Names<'a> {
    names: &'a [&'a str],
    prefixes: &'a [&'a str],
    versions: Vec<String>,
}

impl<'a> Names<'a> {
    pub fn new(names: &'a [&'a str], prefixes: &'a [&'a str]) -> Names<'a> {
        Names { names, prefixes, versions: vec![] }
    }

    /// The newest version seen with this prefix.
    pub fn newest(&self, prefix: &str) -> Option<String> {
        let numbers = |version: &&String| -> Vec<u32> {
            version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
        };
        self.versions.iter().filter(|version| version.starts_with(prefix)).max_by_key(numbers).cloned()
    }
}

impl Wanted for Names<'_> {
    fn look(&mut self, string: &[u8], found: &mut dyn FnMut(usize)) {
        for name in self.names {
            if string.ends_with(name.as_bytes()) {
                found(string.len() - name.len());
            }
        }
        let version = |prefix: &&str| {
            let rest = string.strip_prefix(prefix.as_bytes());
            rest.is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit))
        };
        if self.prefixes.iter().any(version) && self.versions.len() < VERSIONS_MAX {
            self.versions.push(String::from_utf8_lossy(string).into_owned());
        }
    }
}

/// The defined functions among the wanted names, in the table's order, each address and name once.
pub fn functions(elf: &Elf<'_>, table: &Section, wanted: &mut dyn Wanted) -> Result<Vec<Symbol>, Error> {
    let Some(strings) = elf.sections.get(table.link) else { return Ok(vec![]) };
    let places = places(elf, strings, wanted)?;
    if places.is_empty() {
        return Ok(vec![]);
    }
    let mut symbols: Vec<Symbol> = vec![];
    each_piece(elf, table, size_of::<Sym64<LittleEndian>>(), &mut |_, piece| {
        let count = piece.len() / size_of::<Sym64<LittleEndian>>();
        let Ok((entries, _)) = pod::slice_from_bytes::<Sym64<LittleEndian>>(piece, count) else { return piece.len() };
        for entry in entries {
            let function = [STT_FUNC, STT_GNU_IFUNC].contains(&entry.st_info.st_type());
            let defined = entry.st_shndx.get(LE) != object::elf::SHN_UNDEF;
            if !function || !defined {
                continue;
            }
            let at = u64::from(entry.st_name.get(LE));
            if let Ok(found) = places.binary_search_by_key(&at, |(place, _)| *place) {
                let symbol =
                    Symbol { name: places[found].1.clone(), address: entry.st_value.get(LE), size: entry.st_size.get(LE) };
                if !symbols.contains(&symbol) {
                    symbols.push(symbol);
                }
            }
        }
        count * size_of::<Sym64<LittleEndian>>()
    })?;
    Ok(symbols)
}

/// Whether the table's names hold any of these bytes.
pub fn mentions(elf: &Elf<'_>, table: &Section, wanted: &[Vec<u8>]) -> Result<bool, Error> {
    let Some(strings) = elf.sections.get(table.link) else { return Ok(false) };
    let overlap = wanted.iter().map(Vec::len).max().unwrap_or(1);
    let mut found = false;
    each_piece(elf, strings, NAME_BYTES_MAX, &mut |_, piece| {
        found = found || wanted.iter().any(|bytes| memchr::memmem::find(piece, bytes).is_some());
        if found { piece.len() } else { piece.len().saturating_sub(overlap) }
    })?;
    Ok(found)
}

/// Where in the string table the wanted names are, sorted.
fn places(elf: &Elf<'_>, strings: &Section, wanted: &mut dyn Wanted) -> Result<Vec<(u64, String)>, Error> {
    let mut places = vec![];
    each_piece(elf, strings, NAME_BYTES_MAX, &mut |start, piece| {
        let mut used = 0;
        while let Ok(string) = CStr::from_bytes_until_nul(&piece[used..]) {
            let string = string.to_bytes();
            wanted.look(string, &mut |at| {
                if places.len() < PLACES_MAX {
                    let name = String::from_utf8_lossy(&string[at..]).into_owned();
                    places.push((start + (used + at) as u64, name));
                }
            });
            used += string.len() + 1;
        }
        used
    })?;
    places.sort();
    Ok(places)
}

/// Calls `each` with the position in the section and its bytes, piece after piece; `each` says how many it has used, and the
/// rest comes again with what follows. A piece of which nothing was used is skipped up to its last `keep` bytes.
fn each_piece(elf: &Elf<'_>, section: &Section, keep: usize, each: &mut dyn FnMut(u64, &[u8]) -> usize) -> Result<(), Error> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    while position < section.size {
        let length = usize::try_from(section.size - position).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let filled = elf.fill(section.offset.saturating_add(position), &mut piece[..length])?;
        if filled == 0 {
            return Err(Error::Damaged("symbol table"));
        }
        let used = match each(position, &piece[..filled]) {
            0 => filled.saturating_sub(keep).max(1),
            used => used,
        };
        let last = position + filled as u64 >= section.size;
        if last {
            break;
        }
        position += used as u64;
    }
    Ok(())
}

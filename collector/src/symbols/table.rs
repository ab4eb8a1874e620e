//! Functions of one table, sorted by address: compact, with names that stay in the file until they are asked for.
//!
//! In: addresses, sizes and places of names, in any order. Out: the function that an address is inside of. An address that is in
//! none has none here: a function without a size reaches to the next one, and never out of its section.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use object::elf::{SHN_UNDEF, STB_LOCAL, STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, Sym64};
use object::{LittleEndian, pod};

use crate::binary::elf::{Elf, PIECE_BYTES, Section};
use crate::libraries::files::FileId;

/// Functions of one table that are kept: 18 MiB of them.
pub const FUNCTIONS_MAX: usize = 3 << 19;
/// Longer names are cut.
const NAME_BYTES_MAX: usize = 2048;
/// Entries looked through for one that an address is inside of, before it: parts and labels within a function.
const STEPS_MAX: usize = 64;
/// Names for one address among which the best is chosen.
const ALIASES_MAX: usize = 16;
const SYMBOL_BYTES: usize = size_of::<Sym64<LittleEndian>>();
const LE: LittleEndian = LittleEndian;

/// A function as a table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    pub address: u64,
    /// 0: the table does not say.
    pub size: u64,
    /// Where its name is, from the start of the names.
    pub name: u64,
}

/// The same in 12 bytes, counted from the table's lowest address.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    size: u32,
    name: u32,
}

/// Where names are: each ends with a zero.
#[derive(Debug)]
pub enum Names {
    /// Behind this offset. The file is as it was when the table was read, or has no names any more.
    File {
        file: Arc<File>,
        id: FileId,
        offset: u64,
    },
    Memory(Vec<u8>),
}

impl Names {
    pub fn of_file(file: &Arc<File>, offset: u64) -> Option<Names> {
        let id = FileId::of(&file.metadata().ok()?);
        Some(Names::File { file: Arc::clone(file), id, offset })
    }

    fn read(&self, at: u32) -> Option<String> {
        let mut buffer = [0; NAME_BYTES_MAX];
        let bytes = match self {
            Names::Memory(bytes) => bytes.get(at as usize..)?,
            Names::File { file, id, offset } => {
                // a file written anew would give other functions' names
                if FileId::of(&file.metadata().ok()?) != *id {
                    return None;
                }
                let read = file.read_at(&mut buffer, offset.checked_add(u64::from(at))?).ok()?;
                &buffer[..read]
            }
        };
        let bytes = &bytes[..bytes.len().min(NAME_BYTES_MAX)];
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        Some(String::from_utf8_lossy(&bytes[..end]).into_owned()).filter(|name| !name.is_empty())
    }
}

/// Where in a table the functions for an address begin, and whether the table says that they reach so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub entry: usize,
    pub sized: bool,
}

#[derive(Debug)]
pub struct Table {
    base: u64,
    entries: Vec<Entry>,
    names: Names,
}

impl Table {
    pub fn new(mut functions: Vec<Function>, names: Names) -> Table {
        functions.sort_unstable_by_key(|f| (f.address, f.size == LOCAL_LABEL));
        let mut known_until = Some(0);
        functions.retain_mut(|function| keep(function, &mut known_until));
        let base = functions.first().map_or(0, |f| f.address);
        // the code of a program is within 2 GiB; what is farther away is no function of it
        let entry = |f: &Function| {
            let size = u32::try_from(f.size).unwrap_or(u32::MAX);
            Some(Entry { start: u32::try_from(f.address - base).ok()?, size, name: u32::try_from(f.name).ok()? })
        };
        Table { base, entries: functions.iter().filter_map(entry).collect(), names }
    }

    /// The functions of a symbol section; None when there are none.
    pub fn of_symbols(elf: &Elf<'_>, file: &Arc<File>, section: &Section, is_code: &dyn Fn(u64) -> bool) -> Option<Table> {
        let strings = elf.sections.get(section.link)?;
        let mut functions = vec![];
        let mut piece = vec![0; PIECE_BYTES / SYMBOL_BYTES * SYMBOL_BYTES];
        let mut position = 0;
        while position < section.size && functions.len() < FUNCTIONS_MAX {
            let length = usize::try_from(section.size - position).unwrap_or(piece.len()).min(piece.len());
            let filled = elf.fill(section.offset.saturating_add(position), &mut piece[..length]).ok()?;
            let (symbols, _) = pod::slice_from_bytes::<Sym64<LittleEndian>>(&piece[..filled], filled / SYMBOL_BYTES).ok()?;
            functions.extend(symbols.iter().filter_map(|symbol| function(symbol, is_code)));
            if filled < length || symbols.is_empty() {
                break;
            }
            position += filled as u64;
        }
        if functions.is_empty() {
            return None;
        }
        Some(Table::new(functions, Names::of_file(file, strings.offset)?))
    }

    pub fn bytes(&self) -> usize {
        let names = if let Names::Memory(bytes) = &self.names { bytes.capacity() } else { 0 };
        self.entries.capacity() * size_of::<Entry>() + names
    }

    /// `section_start`: where the section begins that the address is in.
    pub fn find(&self, address: u64, section_start: u64) -> Option<Found> {
        let at = u32::try_from(address.checked_sub(self.base)?).ok()?;
        let after = self.entries.partition_point(|e| e.start <= at);
        let before = &self.entries[..after];
        let inside = |e: &Entry| e.size != 0 && at - e.start < e.size;
        if let Some(entry) = before.iter().rev().take(STEPS_MAX).position(inside).map(|back| after - 1 - back) {
            return Some(Found { entry, sized: true });
        }
        let last = before.last()?;
        // one of them with a size says that the others end there too
        let aliases = before.iter().rev().take(STEPS_MAX).take_while(|e| e.start == last.start);
        let open = aliases.clone().all(|e| e.size == 0) && self.base + u64::from(last.start) >= section_start;
        open.then_some(Found { entry: after - 1, sized: false })
    }

    /// Several functions may share an address: the name is the one with the fewest leading underscores, then the shortest.
    pub fn name(&self, found: Found) -> Option<String> {
        let start = self.entries.get(found.entry)?.start;
        let first = self.entries[..found.entry].partition_point(|e| e.start < start);
        let aliases = self.entries[first..].iter().take(ALIASES_MAX).take_while(|e| e.start == start);
        let wanted = aliases.filter(|e| (e.size != 0) == found.sized);
        wanted.filter_map(|e| self.names.read(e.name)).min_by_key(|name| {
            let underscores = name.bytes().take_while(|b| *b == b'_').count();
            (underscores, name.len(), name.clone())
        })
    }

    /// The same for every address of one function, and for no other.
    pub fn key(&self, found: Found) -> u64 {
        self.entries.get(found.entry).map_or(0, |e| self.base + u64::from(e.start))
    }
}

/// The size of a local label, until it is known whether it marks a function.
const LOCAL_LABEL: u64 = u64::MAX;

/// A local label marks a function only where no other is: behind those that say where they end. `known_until` is where that is, None
/// behind one that does not say it.
fn keep(function: &mut Function, known_until: &mut Option<u64>) -> bool {
    if function.size == LOCAL_LABEL {
        function.size = 0;
        return known_until.is_some_and(|end| end <= function.address);
    }
    let end = function.address.saturating_add(function.size);
    *known_until = (function.size != 0).then(|| known_until.unwrap_or(0).max(end));
    true
}

/// Functions, and labels in code that have no type: those of assembly.
fn function(symbol: &Sym64<LittleEndian>, is_code: &dyn Fn(u64) -> bool) -> Option<Function> {
    let kind = symbol.st_info.st_type();
    let typed = [STT_FUNC, STT_GNU_IFUNC].contains(&kind);
    let label = kind == STT_NOTYPE;
    let local = label && symbol.st_info.st_bind() == STB_LOCAL;
    let address = symbol.st_value.get(LE);
    let wanted = (typed || label) && symbol.st_shndx.get(LE) != SHN_UNDEF && symbol.st_name.get(LE) != 0 && is_code(address);
    let size = if local { LOCAL_LABEL } else { symbol.st_size.get(LE) };
    wanted.then(|| Function { address, size, name: u64::from(symbol.st_name.get(LE)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(functions: &[(u64, u64, &str)]) -> Table {
        let mut names = vec![0];
        let mut out = vec![];
        for (address, size, name) in functions {
            out.push(Function { address: *address, size: *size, name: names.len() as u64 });
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        Table::new(out, Names::Memory(names))
    }

    fn name(table: &Table, address: u64) -> Option<String> {
        table.name(table.find(address, 0x1000)?)
    }

    #[test]
    fn an_address_belongs_to_the_function_that_it_is_inside_of() {
        let table = table(&[(0x2000, 0x10, "second"), (0x1000, 0x100, "first"), (0x1040, 0, "label"), (0x3000, 0, "open")]);
        let named = |address| name(&table, address);
        assert_eq!(named(0xfff), None);
        assert_eq!(named(0x1000).as_deref(), Some("first"));
        assert_eq!(named(0x1050).as_deref(), Some("first"), "the label is within first");
        assert_eq!(named(0x2000).as_deref(), Some("second"));
        assert_eq!(named(0x2010), None, "behind second");
        assert_eq!(named(0x3abc).as_deref(), Some("open"), "nothing says where it ends");
        assert_eq!(named(u64::MAX), None);
    }

    #[test]
    fn a_local_label_is_a_function_only_where_no_other_is() {
        let local = LOCAL_LABEL;
        let table = table(&[
            (0x1000, local, "_start"),
            (0x1008, local, "_start_user"),
            (0x1100, 0x100, "sized"),
            (0x1180, local, "inside"),
            (0x1200, local, "behind"),
            (0x1300, 0, "open"),
            (0x1380, local, "within_open"),
        ]);
        let named = |address| name(&table, address);
        assert_eq!((named(0x1004).as_deref(), named(0x1010).as_deref()), (Some("_start"), Some("_start_user")));
        assert_eq!((named(0x1190).as_deref(), named(0x1210).as_deref()), (Some("sized"), Some("behind")));
        assert_eq!(named(0x1390).as_deref(), Some("open"), "which may reach further");
    }

    #[test]
    fn a_function_without_size_ends_with_its_section() {
        let table = table(&[(0x1000, 0, "_init")]);
        assert_eq!(table.find(0x1010, 0x1000), Some(Found { entry: 0, sized: false }));
        assert_eq!(table.find(0x1030, 0x1020), None, "in the section behind");
    }

    #[test]
    fn the_plainest_of_several_names_is_taken() {
        let table = table(&[(0x1000, 4, "__read"), (0x1000, 4, "read"), (0x1000, 4, "__GI_read"), (0x1000, 0, "r")]);
        assert_eq!(name(&table, 0x1001).as_deref(), Some("read"));
    }

    #[test]
    fn names_out_of_bounds_are_none() {
        let table = Table::new(vec![Function { address: 8, size: 8, name: 77 }], Names::Memory(vec![0; 4]));
        assert_eq!(table.find(8, 0).and_then(|found| table.name(found)), None);
        assert_eq!(Table::new(vec![], Names::Memory(vec![])).find(0, 0), None);
    }
}

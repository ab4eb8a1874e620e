//! One program or library: from a place in the file to the name of the function there.
//!
//! In: the open file, and where it is. Out: names. Read from the file's own symbols, else from a separate file's, then from those
//! packed into it, Go's own table and the exported ones. What is no program for this processor has no names.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use object::elf::SHT_DYNSYM;

use crate::binary::elf::{Elf, Section};
use crate::binary::pclntab::Pclntab;

use super::inlined::{self, Inlined, Worker};
use super::separate::Place;
use super::table::{FUNCTIONS_MAX, Found, Function, Names, Table};
use super::{demangle, embedded, plt, separate};

/// Names of one file that were asked for and are kept; beyond it all are forgotten.
const NAMES_BYTES_MAX: usize = 1 << 20;
/// What a kept name costs beside its text.
const NAME_COST_BYTES: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Code {
    offset: u64,
    address: u64,
    size: u64,
}

/// From where names come.
struct SymbolTables {
    tables: Vec<Table>,
    /// The file with what was stripped, if there is one.
    separate: Option<Arc<File>>,
}

#[derive(Debug)]
pub struct Binary {
    file: Arc<File>,
    code: Vec<Code>,
    /// The sections of code.
    sections: Vec<Section>,
    /// The first that says that a function reaches to an address names it.
    tables: Vec<Table>,
    /// By table and function, or by stub.
    names: HashMap<(usize, u64), Option<String>>,
    names_bytes: usize,
    inlined: Inlined,
}

impl Binary {
    pub fn read(file: File, place: &Place) -> Binary {
        let file = Arc::new(file);
        let mut binary = Binary {
            file: Arc::clone(&file),
            code: vec![],
            sections: vec![],
            tables: vec![],
            names: HashMap::new(),
            names_bytes: 0,
            inlined: Inlined::Nothing,
        };
        if let Ok(Some(elf)) = Elf::read(&file) {
            binary.code = elf.code().map(|(address, offset, size)| Code { offset, address, size }).collect();
            binary.sections = elf.sections.iter().filter(|s| binary.is_code(s.address)).cloned().collect();
            let symbols = binary.read_tables(&elf, place);
            binary.tables = symbols.tables;
            let told =
                [Some(Arc::clone(&binary.file)), symbols.separate].into_iter().flatten().find(|file| inlined::is_told_by(file));
            binary.inlined = told.map_or(Inlined::Nothing, |file| Inlined::Unasked(file, binary.code_ranges()));
        }
        binary
    }

    /// Not even a program: something else may know the names of code in it.
    pub fn is_program(&self) -> bool {
        !self.code.is_empty()
    }

    fn is_code(&self, address: u64) -> bool {
        self.code.iter().any(|c| address.checked_sub(c.address).is_some_and(|inside| inside < c.size))
    }

    fn code_ranges(&self) -> Vec<Range<u64>> {
        self.code.iter().map(|c| c.address..c.address.saturating_add(c.size)).collect()
    }

    fn read_tables(&self, elf: &Elf<'_>, place: &Place) -> SymbolTables {
        let is_code = |address| self.is_code(address);
        let of = |elf: &Elf<'_>, file: &Arc<File>, section: Option<&Section>| {
            section.and_then(|section| Table::of_symbols(elf, file, section, &is_code))
        };
        if let Some(table) = of(elf, &self.file, elf.symbol_table()) {
            return SymbolTables { tables: vec![table], separate: None };
        }
        let separate = separate::find(elf, place).map(Arc::new);
        let separately = || {
            let file = separate.as_ref()?;
            let elf = Elf::read(file).ok()??;
            of(&elf, file, elf.symbol_table())
        };
        let exported = elf.sections.iter().find(|s| s.kind == SHT_DYNSYM);
        let go = || go_functions(elf, &self.file).ok().flatten();
        let packed = separately().or_else(|| embedded::table(elf, &is_code));
        let tables = [packed, go(), of(elf, &self.file, exported)].into_iter().flatten().collect();
        SymbolTables { tables, separate }
    }

    /// Of the functions, and of what was asked for.
    pub fn bytes(&self) -> usize {
        let sections = self.sections.capacity() * size_of::<Section>();
        self.tables.iter().map(Table::bytes).sum::<usize>() + self.names_bytes + sections + self.inlined.bytes()
    }

    pub fn name_at_offset(&mut self, offset: u64) -> Option<String> {
        self.name(self.address(offset)?)
    }

    /// Appends what is inlined there, the outermost first. False when more may become known.
    pub fn inlined_at_offset(&mut self, offset: u64, worker: &mut Worker, out: &mut Vec<String>) -> bool {
        let Some(address) = self.address(offset) else { return true };
        self.inlined.names_at(address, worker, out);
        self.inlined.is_settled()
    }

    fn address(&self, offset: u64) -> Option<u64> {
        let inside = |c: &Code| offset.checked_sub(c.offset).filter(|inside| *inside < c.size).map(|inside| c.address + inside);
        self.code.iter().find_map(inside)
    }

    pub fn name(&mut self, address: u64) -> Option<String> {
        let section = self.sections.iter().find(|s| address.checked_sub(s.address).is_some_and(|inside| inside < s.size));
        // without sections nothing ends a function that does not end itself
        let start = section.map_or(u64::MAX, |s| s.address);
        let all = self.tables.iter().enumerate().filter_map(|(number, table)| Some((number, table.find(address, start)?)));
        let found = all.clone().find(|(_, found)| found.sized).or_else(|| all.clone().next());
        match (found, section) {
            (Some((number, found)), _) => self.function_name(number, found),
            (None, Some(section)) if plt::is_stubs(&section.name) => {
                let section = section.clone();
                let key = (usize::MAX, address);
                self.kept(key, |binary| plt::name(&Elf::read(&binary.file).ok()??, &section, address))
            }
            _ => None,
        }
    }

    fn function_name(&mut self, number: usize, found: Found) -> Option<String> {
        let key = (2 * number + usize::from(found.sized), self.tables.get(number)?.key(found));
        self.kept(key, |binary| Some(demangle::function(&binary.tables[number].name(found)?)))
    }

    fn kept(&mut self, key: (usize, u64), read: impl FnOnce(&Binary) -> Option<String>) -> Option<String> {
        if let Some(name) = self.names.get(&key) {
            return name.clone();
        }
        let name = read(self);
        if self.names_bytes > NAMES_BYTES_MAX {
            self.names.clear();
            self.names_bytes = 0;
        }
        self.names_bytes += NAME_COST_BYTES + name.as_ref().map_or(0, String::len);
        self.names.insert(key, name.clone());
        name
    }
}

fn go_functions(elf: &Elf<'_>, file: &Arc<File>) -> Result<Option<Table>, crate::binary::Error> {
    let Some(mut table) = Pclntab::find(elf)? else { return Ok(None) };
    let mut functions = vec![];
    let known = table.each(&mut |address, size, name| {
        if functions.len() < FUNCTIONS_MAX {
            functions.push(Function { address, size, name });
        }
    })?;
    let names = Names::of_file(file, table.names_offset()).filter(|_| known && !functions.is_empty());
    Ok(names.map(|names| Table::new(functions, names)))
}

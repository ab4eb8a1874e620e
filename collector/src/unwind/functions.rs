//! The rules of one program, a function's read when it is first asked for.
//!
//! In: the sections `.eh_frame` and `.eh_frame_hdr`, whose index leads from an address to the function's description. Out: a small
//! [`Table`] a function. A program has tens of thousands of functions, and its stacks some hundreds. A program without the index, or
//! with descriptions elsewhere, has one table for all of it, which [`image`](super::image) makes.

use std::collections::BTreeMap;

use gimli::{BaseAddresses, EhFrame, EhFrameHdr, FrameDescriptionEntry, LittleEndian, UnwindContext, UnwindSection};

use super::frames::{self, Slice};
use super::table::{Builder, Code, Rule, Table};

/// Bytes of an address.
const ADDRESS_BYTES: u8 = 8;
/// What a function needs beside its table.
const ENTRY_BYTES: usize = 64;
/// Functions of one program whose tables are kept; beyond it they are read anew.
const FUNCTIONS_MAX: usize = 16 << 10;

/// A section: where it is in the program, and its bytes.
pub struct Section {
    pub address: u64,
    pub bytes: Vec<u8>,
}

pub struct Functions {
    code: Vec<Code>,
    index: Section,
    frames: Section,
    text: u64,
    /// By their first address: the address behind them, and their rules.
    known: BTreeMap<u64, (u64, Table)>,
    known_bytes: usize,
}

impl Functions {
    /// None: the index is none, or is damaged.
    pub fn of(code: Vec<Code>, index: Section, frames: Section, text: u64) -> Option<Self> {
        let functions = Self { code, index, frames, text, known: BTreeMap::new(), known_bytes: 0 };
        let bases = functions.bases();
        let header = EhFrameHdr::new(&functions.index.bytes, LittleEndian).parse(&bases, ADDRESS_BYTES).ok()?;
        let indexed = header.table()?.iter(&bases).next().ok()?.is_some();
        let of_these = header.eh_frame_ptr().direct().is_ok_and(|at| at == functions.frames.address);
        (indexed && of_these).then_some(functions)
    }

    pub fn code(&self) -> &[Code] {
        &self.code
    }

    /// What it occupies.
    pub fn bytes(&self) -> usize {
        self.index.bytes.len() + self.frames.bytes.len() + self.known_bytes
    }

    /// The table of the function at an address of the program. None: nothing describes it.
    pub fn table(&mut self, address: u64) -> Option<&Table> {
        let around = self.known.range(..=address).next_back().filter(|(_, (end, _))| address < *end);
        let start = match around {
            Some((start, _)) => *start,
            None => self.read(address)?,
        };
        self.known.get(&start).map(|(_, table)| table)
    }

    /// The rule at `from`, and those that follow it before `to`, each with the place from which on it holds.
    pub fn between(&self, from: u64, to: u64) -> Vec<(u64, Rule)> {
        let bases = self.bases();
        let section = self.section();
        let functions = self.described(&section, &bases, from, to).unwrap_or_default();
        let start = functions.iter().map(|function| function.initial_address()).min().unwrap_or(from).min(from);
        let mut builder = Builder::new(vec![Code { address: start, offset: 0, bytes: to.saturating_sub(start) }]);
        let mut context = UnwindContext::new();
        for function in &functions {
            frames::add_function(&mut builder, &section, &bases, &mut context, function);
        }
        builder.build().between(from, to)
    }

    /// What describes the functions that have code between two addresses.
    fn described<'a>(
        &'a self,
        section: &EhFrame<Slice<'a>>,
        bases: &BaseAddresses,
        from: u64,
        to: u64,
    ) -> Option<Vec<FrameDescriptionEntry<Slice<'a>>>> {
        let header = EhFrameHdr::new(&self.index.bytes, LittleEndian).parse(bases, ADDRESS_BYTES).ok()?;
        let index = header.table()?;
        let entry = |n: usize| index.iter(bases).nth(n).ok().flatten();
        let start = |n: usize| entry(n).and_then(|(start, _)| start.direct().ok());
        // the index rises; an entry has at least four bytes
        let (mut first, mut behind) = (0, self.index.bytes.len() / 4);
        while first < behind {
            let middle = first + (behind - first) / 2;
            if start(middle).is_some_and(|start| start <= from) { first = middle + 1 } else { behind = middle }
        }
        let mut found = vec![];
        for n in first.saturating_sub(1).. {
            let Some((start, description)) = entry(n) else { break };
            // each has a byte of its own there, unless the index is damaged
            if start.direct().ok().is_none_or(|start| start >= to) || found.len() as u64 >= to - from {
                break;
            }
            let offset = index.pointer_to_offset(description).ok();
            let function = offset.and_then(|at| section.fde_from_offset(bases, at, EhFrame::cie_from_offset).ok());
            found.extend(function.filter(|function| function.end_address() > from && function.initial_address() < to));
        }
        Some(found)
    }

    /// Reads the function at an address; returns where it begins.
    fn read(&mut self, address: u64) -> Option<u64> {
        let bases = self.bases();
        let header = EhFrameHdr::new(&self.index.bytes, LittleEndian).parse(&bases, ADDRESS_BYTES).ok()?;
        let section = self.section();
        let function = header.table()?.fde_for_address(&section, &bases, address, EhFrame::cie_from_offset).ok()?;
        let (start, end) = (function.initial_address(), function.end_address());
        // rules of one function count from its beginning
        let mut builder = Builder::new(vec![Code { address: start, offset: 0, bytes: end.saturating_sub(start) }]);
        frames::add_function(&mut builder, &section, &bases, &mut UnwindContext::new(), &function);
        let table = builder.build();
        if self.known.len() >= FUNCTIONS_MAX {
            self.known.clear();
            self.known_bytes = 0;
        }
        self.known_bytes += table.bytes() + ENTRY_BYTES;
        self.known.insert(start, (end, table));
        Some(start)
    }

    fn section(&self) -> EhFrame<Slice<'_>> {
        let mut section = EhFrame::new(&self.frames.bytes, LittleEndian);
        section.set_address_size(ADDRESS_BYTES);
        section
    }

    fn bases(&self) -> BaseAddresses {
        let bases = BaseAddresses::default().set_eh_frame_hdr(self.index.address);
        bases.set_eh_frame(self.frames.address).set_text(self.text)
    }
}

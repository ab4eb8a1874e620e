//! The rules of one program, a function's read when it is first asked for.
//!
//! In: the sections `.eh_frame` and `.eh_frame_hdr`, whose index leads from an address to the function's description. Out: a small
//! [`Table`] a function. A program has tens of thousands of functions, and its stacks some hundreds. A program without the index, or
//! with descriptions elsewhere, has one table for all of it, which [`image`](super::image) makes.

use std::collections::BTreeMap;

use gimli::{BaseAddresses, EhFrame, EhFrameHdr, LittleEndian, UnwindContext, UnwindSection};

use super::frames::{self, Slice};
use super::table::{Builder, Code, Table};

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

    /// Reads the function at an address; returns where it begins.
    fn read(&mut self, address: u64) -> Option<u64> {
        let bases = self.bases();
        let header = EhFrameHdr::new(&self.index.bytes, LittleEndian).parse(&bases, ADDRESS_BYTES).ok()?;
        let mut section: EhFrame<Slice<'_>> = EhFrame::new(&self.frames.bytes, LittleEndian);
        section.set_address_size(ADDRESS_BYTES);
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

    fn bases(&self) -> BaseAddresses {
        let bases = BaseAddresses::default().set_eh_frame_hdr(self.index.address);
        bases.set_eh_frame(self.frames.address).set_text(self.text)
    }
}

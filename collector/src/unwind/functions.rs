//! The rules of one program, a function's read when it is first asked for.
//!
//! In: the program's open file, and where in it the sections `.eh_frame` and `.eh_frame_hdr` are, whose index leads from an address to
//! the function's description. Out: a small [`Table`] a function. A program has up to half a million functions, and its stacks some
//! hundreds: what describes the others is never read. A program without the index, or with descriptions elsewhere, has one table for
//! all of it, which [`image`](super::image) makes.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use gimli::{BaseAddresses, EhFrame, EhFrameOffset, FrameDescriptionEntry, LittleEndian, UnwindContext, UnwindSection};

use super::frames::{self, Slice};
use super::table::{Builder, Code, Rule, Table};

/// The index's head: its version, how three numbers are written, where the descriptions are, how many entries there are.
const HEAD_BYTES: u64 = 12;
/// All linkers write 32-bit numbers: counted from their own place, plain, and counted from the index (LSB core, 10.6.2).
const HEAD: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
/// An entry of the index: where the function begins, and where its description is.
const INDEX_ENTRY_BYTES: u64 = 8;
/// A description's length, which does not count itself.
const LENGTH_BYTES: usize = 4;
/// Where a description says how far before this place the one is that it shares with others.
const SHARED_AT: usize = 4;
/// The longest description that is read: of the largest functions it has some thousands.
const DESCRIPTION_BYTES_MAX: usize = 1 << 20;
/// Most descriptions are shorter, and read at once.
const READ_BYTES: usize = 128;
/// What a function needs beside its table.
const ENTRY_BYTES: usize = 64;
/// Functions of one program whose tables are kept; beyond it they are read anew.
const FUNCTIONS_MAX: usize = 16 << 10;

/// A section: where it is in the program, and in its file.
#[derive(Clone, Copy)]
pub struct Section {
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

pub struct Functions {
    code: Vec<Code>,
    file: File,
    index: Section,
    /// Entries of the index.
    entries: u64,
    frames: Section,
    text: u64,
    /// By their first address: the address behind them, and their rules.
    known: BTreeMap<u64, (u64, Table)>,
    known_bytes: usize,
}

/// What describes one function, after what it shares with others: a section of its own, which stands where that one would be if it
/// were right before the description, so that what counts from its own place counts right.
struct Description {
    bytes: Vec<u8>,
    at: usize,
    bases: BaseAddresses,
}

impl Description {
    fn section(&self) -> EhFrame<Slice<'_>> {
        let mut section = EhFrame::new(&self.bytes, LittleEndian);
        section.set_address_size(8);
        section
    }

    fn function<'a>(&self, section: &EhFrame<Slice<'a>>) -> Option<FrameDescriptionEntry<Slice<'a>>> {
        section.fde_from_offset(&self.bases, EhFrameOffset(self.at), EhFrame::cie_from_offset).ok()
    }
}

impl Functions {
    /// None: the index is none, is written in another way, or is damaged.
    pub fn of(file: File, code: Vec<Code>, index: Section, frames: Section, text: u64) -> Option<Self> {
        let mut head = [0; HEAD_BYTES as usize];
        file.read_exact_at(&mut head, index.offset).ok()?;
        let (frames_at, count) = (number(&head[4..8])?, number(&head[8..12])?);
        let of_these = index.address.wrapping_add(4).wrapping_add_signed(i64::from(frames_at)) == frames.address;
        let entries = u64::from(count.cast_unsigned());
        let whole = entries > 0 && HEAD_BYTES + entries * INDEX_ENTRY_BYTES <= index.size;
        let functions = Self { code, file, index, entries, frames, text, known: BTreeMap::new(), known_bytes: 0 };
        (head[..4] == HEAD && of_these && whole).then_some(functions)
    }

    pub fn code(&self) -> &[Code] {
        &self.code
    }

    /// What it occupies.
    pub fn bytes(&self) -> usize {
        self.known_bytes
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
        let described = self.described(from, to);
        let sections: Vec<_> = described.iter().map(Description::section).collect();
        let functions = described.iter().zip(&sections).filter_map(|(d, section)| Some((d, section, d.function(section)?)));
        let functions: Vec<_> =
            functions.filter(|(.., function)| function.end_address() > from && function.initial_address() < to).collect();
        let start = functions.iter().map(|(.., function)| function.initial_address()).min().unwrap_or(from).min(from);
        let mut builder = Builder::new(vec![Code { address: start, offset: 0, bytes: to.saturating_sub(start) }]);
        let mut context = UnwindContext::new();
        for (description, section, function) in &functions {
            frames::add_function(&mut builder, *section, &description.bases, &mut context, function);
        }
        builder.build().between(from, to)
    }

    /// What describes the functions that begin between two addresses, and the one before them.
    fn described(&self, from: u64, to: u64) -> Vec<Description> {
        let mut found = vec![];
        for n in self.first_behind(from).saturating_sub(1)..self.entries {
            let Some((start, description)) = self.entry(n) else { break };
            // each has a byte of its own there, unless the index is damaged
            if start >= to || found.len() as u64 >= to - from {
                break;
            }
            found.extend(self.description(description));
        }
        found
    }

    /// The first entry of the index whose function begins behind an address.
    fn first_behind(&self, address: u64) -> u64 {
        let (mut first, mut behind) = (0, self.entries);
        while first < behind {
            let middle = first + (behind - first) / 2;
            if self.entry(middle).is_some_and(|(start, _)| start <= address) { first = middle + 1 } else { behind = middle }
        }
        first
    }

    /// Where the function of an entry of the index begins, and where its description is.
    fn entry(&self, n: u64) -> Option<(u64, u64)> {
        let mut entry = [0; INDEX_ENTRY_BYTES as usize];
        self.file.read_exact_at(&mut entry, self.index.offset + HEAD_BYTES + n * INDEX_ENTRY_BYTES).ok()?;
        let from_index = |bytes| number(bytes).map(|far| self.index.address.wrapping_add_signed(i64::from(far)));
        Some((from_index(&entry[..4])?, from_index(&entry[4..])?))
    }

    /// The description at an address of the program.
    fn description(&self, address: u64) -> Option<Description> {
        let own = self.piece(address)?;
        let shared_is_before = u64::from(number(own.get(SHARED_AT..SHARED_AT + 4)?)?.cast_unsigned());
        let mut bytes = self.piece((address + SHARED_AT as u64).checked_sub(shared_is_before)?)?;
        let at = bytes.len();
        bytes.extend_from_slice(&own);
        let far = u32::try_from(at + SHARED_AT).ok()?;
        bytes[at + SHARED_AT..at + SHARED_AT + 4].copy_from_slice(&far.to_le_bytes());
        let bases = BaseAddresses::default().set_eh_frame(address.wrapping_sub(at as u64)).set_text(self.text);
        Some(Description { bytes, at, bases })
    }

    /// What begins at an address of `.eh_frame`, as long as it says itself to be.
    fn piece(&self, address: u64) -> Option<Vec<u8>> {
        let within = address.checked_sub(self.frames.address)?;
        let left = usize::try_from(self.frames.size.checked_sub(within)?).ok()?;
        let offset = self.frames.offset + within;
        let mut bytes = vec![0; READ_BYTES.min(left)];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        // a length of 64 bits is told by 32 that are set, and is used by nobody
        let length = LENGTH_BYTES + number(bytes.get(..LENGTH_BYTES)?)?.cast_unsigned() as usize;
        if length > left.min(DESCRIPTION_BYTES_MAX) {
            return None;
        }
        let read = bytes.len();
        bytes.resize(length, 0);
        if length > read {
            self.file.read_exact_at(&mut bytes[read..], offset + read as u64).ok()?;
        }
        Some(bytes)
    }

    /// Reads the function at an address; returns where it begins.
    fn read(&mut self, address: u64) -> Option<u64> {
        let (_, at) = self.entry(self.first_behind(address).checked_sub(1)?)?;
        let description = self.description(at)?;
        let section = description.section();
        let function = description.function(&section).filter(|function| function.contains(address))?;
        let (start, end) = (function.initial_address(), function.end_address());
        // rules of one function count from its beginning
        let mut builder = Builder::new(vec![Code { address: start, offset: 0, bytes: end.saturating_sub(start) }]);
        frames::add_function(&mut builder, &section, &description.bases, &mut UnwindContext::new(), &function);
        let table = builder.build();
        if self.known.len() >= FUNCTIONS_MAX {
            self.known.clear();
            self.known_bytes = 0;
        }
        self.known_bytes += table.bytes() + ENTRY_BYTES;
        self.known.insert(start, (end, table));
        Some(start)
    }
}

fn number(bytes: &[u8]) -> Option<i32> {
    bytes.try_into().ok().map(i32::from_le_bytes)
}

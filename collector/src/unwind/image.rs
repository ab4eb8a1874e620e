//! From a program's file, or the kernel's piece of code that every process has, to its rules.
//!
//! In: an open file, or bytes. Out: an [`Image`], empty for what is no program of this processor. Sections are read by position and
//! bounded, as a whole or what a function needs of them: a file that shrinks is an error and no signal.

use std::fs::File;

use object::{Object, ObjectSection, ObjectSegment, SegmentFlags};

use super::frames::{self, Places};
use super::functions::{self, Functions};
use super::go;
use super::table::{self, Builder, Code, Rule, Table};
use crate::binary::Error;
use crate::binary::elf::{Elf, Section};
use crate::binary::pclntab::Pclntab;

/// The largest programs have a tenth of this; held only while its table is made.
pub const SECTION_BYTES_MAX: u64 = 64 << 20;

/// The rules of one program.
pub enum Image {
    /// Of all its code.
    Whole(Table),
    /// Of the functions that were asked for.
    Functions(Box<Functions>),
}

impl Default for Image {
    fn default() -> Self {
        Image::Whole(Table::default())
    }
}

impl Image {
    pub fn is_empty(&self) -> bool {
        matches!(self, Image::Whole(table) if table.is_empty())
    }

    /// What it occupies.
    pub fn bytes(&self) -> usize {
        match self {
            Image::Whole(table) => table.bytes(),
            Image::Functions(functions) => functions.bytes(),
        }
    }

    pub fn code(&self) -> &[Code] {
        match self {
            Image::Whole(table) => table.code(),
            Image::Functions(functions) => functions.code(),
        }
    }

    /// The address in the program of a place in its file.
    pub fn address(&self, offset: u64) -> Option<u64> {
        table::address(self.code(), offset)
    }

    /// The rule at `from`, and those that follow it before `to`, each with the place from which on it holds.
    pub fn between(&self, from: u64, to: u64) -> Vec<(u64, Rule)> {
        match self {
            Image::Whole(table) => table.between(from, to),
            Image::Functions(functions) => functions.between(from, to),
        }
    }

    /// The table that holds the rule for an address, if any does.
    pub fn table(&mut self, address: u64) -> Option<&Table> {
        match self {
            Image::Whole(table) => Some(table),
            Image::Functions(functions) => functions.table(address),
        }
    }
}

pub fn of_file(file: &File) -> Result<Image, Error> {
    let Some(elf) = Elf::read(file)? else { return Ok(Image::default()) };
    Ok(match functions(file, &elf)? {
        Some(functions) => Image::Functions(Box::new(functions)),
        None => Image::Whole(whole(&elf)?),
    })
}

/// None: not all that is described is in the index of functions, or there is none.
fn functions(file: &File, elf: &Elf<'_>) -> Result<Option<Functions>, Error> {
    if elf.section(".debug_frame").is_some_and(plain) || Pclntab::find(elf)?.is_some() {
        return Ok(None);
    }
    let section = |name| elf.section(name).filter(|s| s.size > 0);
    let (Some(index), Some(frames)) = (section(".eh_frame_hdr"), section(".eh_frame")) else { return Ok(None) };
    let place = |found: &Section| functions::Section { address: found.address, offset: found.offset, size: found.size };
    Ok(Functions::of(file.try_clone()?, code(elf), place(index), place(frames), text(elf)))
}

fn whole(elf: &Elf<'_>) -> Result<Table, Error> {
    let mut builder = Builder::new(code(elf));
    let section = |name| elf.section(name).filter(|s| plain(s));
    if let Some(found) = section(".eh_frame") {
        let bytes = elf.bytes(found.offset, found.size as usize)?;
        frames::add_eh_frame(&mut builder, &bytes, Places { eh_frame: found.address, text: text(elf) });
    }
    // for what the first does not describe, such as code whose description is for debuggers only
    builder.settle();
    if let Some(found) = section(".debug_frame") {
        let bytes = elf.bytes(found.offset, found.size as usize)?;
        frames::add_debug_frame(&mut builder, &bytes, Places { eh_frame: 0, text: text(elf) });
        builder.settle();
    }
    go::add(&mut builder, elf)?;
    Ok(builder.build())
}

fn code(elf: &Elf<'_>) -> Vec<Code> {
    elf.code().map(|(address, offset, bytes)| Code { address, offset, bytes }).collect()
}

fn text(elf: &Elf<'_>) -> u64 {
    elf.section(".text").map_or(0, |s| s.address)
}

fn plain(section: &Section) -> bool {
    section.size > 0 && section.size <= SECTION_BYTES_MAX
}

/// A program that is in memory as it is in its file: the kernel's (vDSO).
pub fn of_memory(bytes: &[u8]) -> Table {
    let Ok(elf) = object::read::elf::ElfFile64::<object::LittleEndian>::parse(bytes) else { return Table::default() };
    let executable = |flags| matches!(flags, SegmentFlags::Elf { p_flags, .. } if p_flags.contains(object::elf::PF_X));
    let code = elf.segments().filter(|s| executable(s.flags())).map(|s| {
        let (offset, bytes) = s.file_range();
        Code { address: s.address(), offset, bytes }
    });
    let mut builder = Builder::new(code.collect());
    let text = elf.section_by_name(".text").map_or(0, |s| s.address());
    if let Some(section) = elf.section_by_name(".eh_frame")
        && let Ok(frames) = section.data()
    {
        frames::add_eh_frame(&mut builder, frames, Places { eh_frame: section.address(), text });
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    /// A part of this test's own program, so that each change is looked at quickly.
    fn own() -> (File, Vec<u8>, u64) {
        let file = File::open("/proc/self/exe").unwrap();
        let elf = Elf::read(&file).unwrap().unwrap();
        let section = elf.section(".eh_frame").unwrap();
        let (bytes, address) = (elf.bytes(section.offset, (section.size as usize).min(20_000)).unwrap(), section.address);
        (file, bytes, address)
    }

    #[test]
    fn damaged_frames_are_read_as_far_as_they_go() {
        let (file, mut bytes, eh_frame) = own();
        let elf = Elf::read(&file).unwrap().unwrap();
        let code = code(&elf);
        let rows = |bytes: &[u8]| {
            let mut builder = Builder::new(code.clone());
            frames::add_eh_frame(&mut builder, bytes, Places { eh_frame, text: 0 });
            builder.build().rows().1.len()
        };
        let whole = rows(&bytes);
        assert!(whole > 100, "{whole}");
        assert!(rows(&bytes[..10_000]) < whole);
        for at in (0..bytes.len()).step_by(97) {
            let kept = bytes[at];
            for changed in [0, 0xff, kept ^ 0x80] {
                bytes[at] = changed;
                assert!(rows(&bytes) < 4 * whole);
            }
            bytes[at] = kept;
        }
    }

    /// A section as a test may change it.
    struct Changed {
        address: u64,
        bytes: Vec<u8>,
    }

    /// The sections of this test's own program, in a file of their own.
    fn own_functions(change: impl FnOnce(&mut Changed, &mut Changed)) -> Option<Functions> {
        let file = File::open("/proc/self/exe").unwrap();
        let elf = Elf::read(&file).unwrap().unwrap();
        let read = |name| {
            let found = elf.section(name).unwrap();
            Changed { address: found.address, bytes: elf.bytes(found.offset, found.size as usize).unwrap() }
        };
        let (mut index, mut frames) = (read(".eh_frame_hdr"), read(".eh_frame"));
        change(&mut index, &mut frames);
        let changed = tempfile::tempfile().unwrap();
        let write = |section: &Changed, offset: u64| {
            changed.write_all_at(&section.bytes, offset).unwrap();
            functions::Section { address: section.address, offset, size: section.bytes.len() as u64 }
        };
        let (index, frames) = (write(&index, 0), write(&frames, index.bytes.len() as u64));
        Functions::of(changed, code(&elf), index, frames, text(&elf))
    }

    #[test]
    fn functions_have_the_rules_that_the_whole_program_has() {
        let file = File::open("/proc/self/exe").unwrap();
        let whole = whole(&Elf::read(&file).unwrap().unwrap()).unwrap();
        let mut functions = own_functions(|_, _| {}).unwrap();
        let (base, starts, _) = whole.rows();
        let places = starts.iter().step_by(starts.len() / 5000).flat_map(|start| {
            let at = base + u64::from(*start);
            [at - 1, at, at + 1]
        });
        let mut described = 0;
        for place in places {
            let rule = functions.table(place).and_then(|table| table.rule(place)).copied();
            assert_eq!(rule, whole.rule(place).copied(), "{place:x}");
            described += usize::from(rule.is_some());
        }
        assert!(described > 5000, "{described}");
        assert!(functions.table(0).is_none() && functions.table(u64::MAX).is_none());
    }

    #[test]
    fn a_damaged_index_is_refused_or_misleads_to_no_other_function() {
        assert!(own_functions(|index, _| index.bytes.truncate(8)).is_none());
        assert!(own_functions(|index, _| index.bytes[0] = 0xff).is_none());
        assert!(own_functions(|_, frames| frames.address += 8).is_none(), "descriptions are elsewhere");
        let place = a_damaged_index_is_refused_or_misleads_to_no_other_function as *const () as u64;
        let rules = |functions: Option<Functions>| {
            let mut functions = functions?;
            (0..1 << 20)
                .step_by(4099)
                .map(|far| functions.table(place % (1 << 20) + far).map(|table| table.rows().1.len()))
                .max()?
        };
        let unchanged = rules(own_functions(|_, _| {}));
        for at in (12..4000).step_by(37) {
            let damaged = rules(own_functions(|index, _| index.bytes[at] ^= 0x55));
            assert!(damaged <= unchanged.max(Some(4096)));
        }
        assert!(own_functions(|_, frames| frames.bytes.truncate(100)).is_some_and(|mut f| f.table(place).is_none()));
    }

    #[test]
    fn damaged_programs_are_refused_or_have_some_rows() {
        let file = File::open("/proc/self/exe").unwrap();
        assert!(matches!(of_file(&file).unwrap(), Image::Functions(_)));
        let whole = whole(&Elf::read(&file).unwrap().unwrap()).unwrap();
        assert!(whole.rows().1.len() > 10_000 && whole.bytes() < 8 << 20);
        let (file, _, _) = own();
        let mut head = vec![0; 64 << 10];
        let read = file.read_at(&mut head, 0).unwrap();
        let cut = tempfile::tempfile().unwrap();
        cut.write_all_at(&head[..read], 0).unwrap();
        assert!(of_file(&cut).is_err() || of_file(&cut).unwrap().is_empty());
        assert!(of_file(&tempfile::tempfile().unwrap()).unwrap().is_empty());
        assert!(of_memory(&head[..read]).is_empty());
    }
}

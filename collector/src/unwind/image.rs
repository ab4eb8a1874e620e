//! From a program's file, or the kernel's piece of code that every process has, to its [`Table`].
//!
//! In: an open file, or bytes. Out: a table, empty for what is no program of this processor. Sections are read as a whole, by
//! position and bounded: a file that shrinks is an error and no signal.

use std::fs::File;

use object::{Object, ObjectSection, ObjectSegment, SegmentFlags};

use super::frames::{self, Places};
use super::go;
use super::table::{Builder, Code, Table};
use crate::binary::Error;
use crate::binary::elf::{Elf, Section};

/// The largest programs have a tenth of this; held only while its table is made.
pub const SECTION_BYTES_MAX: u64 = 64 << 20;

pub fn of_file(file: &File) -> Result<Table, Error> {
    let Some(elf) = Elf::read(file)? else { return Ok(Table::default()) };
    let code = elf.code().map(|(address, offset, bytes)| Code { address, offset, bytes }).collect();
    let mut builder = Builder::new(code);
    let text = elf.section(".text").map_or(0, |s| s.address);
    let section = |name| elf.section(name).filter(|s| plain(s));
    if let Some(found) = section(".eh_frame") {
        let bytes = elf.bytes(found.offset, found.size as usize)?;
        frames::add_eh_frame(&mut builder, &bytes, Places { eh_frame: found.address, text });
    }
    // for what the first does not describe, such as code whose description is for debuggers only
    builder.settle();
    if let Some(found) = section(".debug_frame") {
        let bytes = elf.bytes(found.offset, found.size as usize)?;
        frames::add_debug_frame(&mut builder, &bytes, Places { eh_frame: 0, text });
        builder.settle();
    }
    go::add(&mut builder, &elf)?;
    Ok(builder.build())
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

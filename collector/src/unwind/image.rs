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
        let code: Vec<Code> = elf.code().map(|(address, offset, bytes)| Code { address, offset, bytes }).collect();
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

    #[test]
    fn damaged_programs_are_refused_or_have_some_rows() {
        let whole = of_file(&File::open("/proc/self/exe").unwrap()).unwrap();
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

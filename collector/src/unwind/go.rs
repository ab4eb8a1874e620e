//! How deep the stack is at each place of a Go program, from the function table that each has, stripped or not.
//!
//! In: an ELF file. Out: rows for functions that nothing else describes. Where code changes to another stack there is no row.

use super::image::SECTION_BYTES_MAX;
use super::table::{Bp, Builder, Cfa, Ra, Rule};
use crate::binary::Error;
use crate::binary::elf::Elf;
use crate::binary::go::begins_function;
use crate::binary::pclntab::Pclntab;

const SP: u8 = 7;
const MAGIC_1_16: u32 = 0xffff_fffa;
const MAGIC_1_18: u32 = 0xffff_fff0;
/// Bits of a function's flags: nothing called it; it sets the stack pointer.
const OUTERMOST: u8 = 1;
const SETS_SP: u8 = 2;
/// No function has a larger frame.
const DEPTH_BYTES_MAX: i32 = 1 << 30;

/// The table in memory.
struct Functions<'a> {
    bytes: &'a [u8],
    text: u64,
    count: usize,
    /// Where changes of depth are, and where the function table is.
    changes: usize,
    table: usize,
    /// Bytes of an address or offset of code.
    width: usize,
    /// Where in a function's structure its flags are, after the address.
    flags: usize,
}

pub fn add(builder: &mut Builder, elf: &Elf<'_>) -> Result<(), Error> {
    let Some(mut found) = Pclntab::find(elf)? else { return Ok(()) };
    let text = found.text(begins_function)?;
    let mut bytes = vec![0; found.size.min(SECTION_BYTES_MAX) as usize];
    let filled = elf.fill(found.offset, &mut bytes)?;
    bytes.truncate(filled);
    let Some(functions) = Functions::of(&bytes, text) else { return Err(Error::Damaged("Go's function table")) };
    for number in 0..functions.count {
        if functions.add(builder, number).is_none() {
            break;
        }
    }
    Ok(())
}

impl<'a> Functions<'a> {
    fn of(bytes: &'a [u8], text: u64) -> Option<Self> {
        let magic = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
        let word = |n: usize| usize::try_from(number(bytes, 8 + 8 * n, 8)?).ok();
        // since 1.18 (1.20 is the same here, but for a number more in each function) there is an address of code before
        let old = magic == MAGIC_1_16;
        let (changes, table) = if old { (word(5)?, word(6)?) } else { (word(6)?, word(7)?) };
        let flags = if old || magic == MAGIC_1_18 { 33 } else { 37 };
        Some(Self { bytes, text, count: word(0)?, changes, table, width: if old { 8 } else { 4 }, flags: flags - 4 })
    }

    /// None: the table ends, or is full.
    fn add(&self, builder: &mut Builder, index: usize) -> Option<()> {
        let line = self.table.checked_add(index.checked_mul(2 * self.width)?)?;
        let start = self.text.wrapping_add(number(self.bytes, line, self.width)?);
        let structure = usize::try_from(number(self.bytes, line.checked_add(self.width)?, self.width)?).ok()?;
        let end = self.text.wrapping_add(number(self.bytes, line.checked_add(2 * self.width)?, self.width)?);
        if builder.describes(start) || !builder.is_code(start) || end <= start {
            return Some(());
        }
        let after_address = self.table.checked_add(structure)?.checked_add(self.width)?;
        let flags = number(self.bytes, after_address.checked_add(self.flags)?, 1)? as u8;
        let changes = usize::try_from(number(self.bytes, after_address.checked_add(12)?, 4)?).ok()?;
        builder.end(end);
        if flags & OUTERMOST != 0 {
            let rule = Rule { cfa: Cfa::Register, cfa_register: SP, cfa_offset: 8, ra: Ra::Outermost, ..Rule::default() };
            return builder.row(start, rule).then_some(());
        }
        if flags & SETS_SP != 0 || changes == 0 {
            return Some(());
        }
        self.add_depths(builder, start..end, self.changes.checked_add(changes)?)
    }

    /// Pairs of a change of the depth and how many bytes of code have it.
    fn add_depths(&self, builder: &mut Builder, code: std::ops::Range<u64>, mut at: usize) -> Option<()> {
        let (mut depth, mut place) = (-1_i32, code.start);
        while place < code.end {
            let change = varint(self.bytes, &mut at)?;
            if change == 0 && place != code.start {
                break;
            }
            depth = depth.checked_add(((change >> 1) as i32) ^ -((change & 1) as i32))?;
            let bytes = varint(self.bytes, &mut at)?;
            let rule = if (0..DEPTH_BYTES_MAX).contains(&depth) { rule(depth) } else { Rule::default() };
            if !builder.row(place, rule) {
                return None;
            }
            place = place.checked_add(bytes.into())?;
        }
        Some(())
    }
}

/// The frame pointer is saved first, in every function that has a frame.
fn rule(depth: i32) -> Rule {
    let bp = if depth >= 8 { Bp::AtCfa } else { Bp::Same };
    Rule {
        cfa: Cfa::Register,
        cfa_register: SP,
        cfa_offset: depth + 8,
        bp,
        bp_offset: if depth >= 8 { -16 } else { 0 },
        ra_offset: -8,
        ..Rule::default()
    }
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

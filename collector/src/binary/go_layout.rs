//! Where a Go program keeps the descriptor behind a `tls.Conn`: by its debug information, else by its version of Go.
//!
//! In: an ELF file, and the version that it tells. Out: a [`Layout`], and how it is known. The table of versions
//! ([`super::go_layouts`]) comes from programs that each of them built. What is read with a wrong layout does no harm: a descriptor
//! counts only when the thread has just used it.

use std::io::Read;

use flate2::read::ZlibDecoder;
use gimli::constants::{DW_AT_data_member_location, DW_AT_name, DW_TAG_member, DW_TAG_structure_type};
use gimli::{
    AttributeValue, DebugAbbrev, DebugInfo, DebuggingInformationEntry, EndianSlice, LittleEndian, UnitHeader, UnitOffset,
};
use memchr::memmem;

use super::elf::Elf;
use super::go_layouts::LAYOUTS;
use super::site::Layout;

/// Debug information of greater programs is left alone: their first connections would be over before it is read.
const INFO_BYTES_MAX: usize = 16 << 20;
const ABBREVIATIONS_BYTES_MAX: usize = 1 << 20;
const UNITS_MAX: usize = 64 << 10;
/// Places at which a structure's name may stand.
const PLACES_MAX: usize = 64;
const FIELDS_MAX: usize = 256;
/// Decompressed at a time: the structures stand in the middle.
const STEP_BYTES: usize = 128 << 10;
/// Before the compressed bytes of a section: `Elf64_Chdr`; and what it was before Go 1.19, 'ZLIB' and the size.
const HEADER_BYTES: usize = 24;
const OLD_HEADER_BYTES: usize = 12;

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Structures and fields, in the order in which they add up to a [`Layout`].
const FIELDS: [(&str, &str); 5] = [
    ("crypto/tls.Conn", "conn"),
    ("net.TCPConn", "conn"),
    ("net.conn", "fd"),
    ("net.netFD", "pfd"),
    ("internal/poll.FD", "Sysfd"),
];

/// The layout, and how it is known.
pub fn of(elf: &Elf<'_>, minor: Option<u32>) -> (Layout, String) {
    if let Some(layout) = told(elf) {
        return (layout, "its debug information".to_owned());
    }
    by_version(minor)
}

/// A version that is not in the table is taken for the one before it.
fn by_version(minor: Option<u32>) -> (Layout, String) {
    let [(first, oldest), .., (last, newest)] = LAYOUTS;
    let Some(minor) = minor else { return (newest, format!("the table of go1.{last}, the newest")) };
    match LAYOUTS.iter().rev().find(|(version, _)| *version <= minor) {
        Some((version, layout)) if *version == minor => (*layout, format!("the table of go1.{version}")),
        Some((version, layout)) => (*layout, format!("the table of go1.{version}, the nearest")),
        None => (oldest, format!("the table of go1.{first}, the nearest")),
    }
}

/// By the file's debug information. None: there is none, or too much, or it does not tell.
fn told(elf: &Elf<'_>) -> Option<Layout> {
    let mut seen = Seen::default();
    let info = contents(elf, "info", INFO_BYTES_MAX, &mut |so_far| seen.all(so_far))?;
    let abbreviations = contents(elf, "abbrev", ABBREVIATIONS_BYTES_MAX, &mut |_| false)?;
    let (debug_info, debug_abbrev) = (DebugInfo::new(&info, LittleEndian), DebugAbbrev::new(&abbreviations, LittleEndian));
    let mut headers = debug_info.units();
    let units: Vec<_> = std::iter::from_fn(|| headers.next().ok().flatten()).take(UNITS_MAX).collect();
    let mut offsets = [0; FIELDS.len()];
    for ((structure, field), offset) in FIELDS.iter().zip(&mut offsets) {
        let name = [structure.as_bytes(), b"\0"].concat();
        let mut places = memmem::find_iter(&info, &name).take(PLACES_MAX);
        *offset = places.find_map(|place| offset_of(&units, &debug_abbrev, place, structure, field))?;
    }
    let [conn, outer, fd, pfd, sysfd] = offsets;
    let small = |offset: u64| u8::try_from(offset).ok();
    Some(Layout { conn: small(conn)?, fd: small(outer.checked_add(fd)?)?, sysfd: small(pfd.checked_add(sysfd)?)? })
}

/// The field's offset, if this place is the name of the structure: Go's entries begin with the name, behind one byte.
fn offset_of(
    units: &[UnitHeader<Slice<'_>>],
    abbrev: &DebugAbbrev<Slice<'_>>,
    place: usize,
    structure: &str,
    field: &str,
) -> Option<u64> {
    let start = |unit: &UnitHeader<Slice<'_>>| unit.debug_info_offset().map_or(0, |offset| offset.0);
    let unit = &units[units.partition_point(|unit| start(unit) < place).checked_sub(1)?];
    let at = UnitOffset(place.checked_sub(1)?.checked_sub(start(unit))?);
    let abbreviations = unit.abbreviations(abbrev).ok()?;
    let mut entries = unit.entries_at_offset(&abbreviations, at).ok()?;
    let outer = entries.next_dfs().ok()??;
    let depth = outer.depth();
    if outer.tag() != DW_TAG_structure_type || !is_named(outer, structure) {
        return None;
    }
    for _ in 0..FIELDS_MAX {
        let entry = entries.next_dfs().ok()?.filter(|entry| entry.depth() > depth)?;
        if entry.tag() == DW_TAG_member && is_named(entry, field) {
            return entry.attr_value(DW_AT_data_member_location)?.udata_value();
        }
    }
    None
}

fn is_named(entry: &DebuggingInformationEntry<Slice<'_>>, name: &str) -> bool {
    matches!(entry.attr_value(DW_AT_name), Some(AttributeValue::String(text)) if text.slice() == name.as_bytes())
}

/// A section of debug information as the compiler wrote it, compressed or not. What is behind the place where `enough` is told of
/// what there is so far may be zeros.
fn contents(elf: &Elf<'_>, name: &str, bytes_max: usize, enough: &mut dyn FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
    let number = |bytes: &[u8], at: usize| bytes.get(at..at + 8)?.try_into().ok();
    if let Some(section) = elf.section(&format!(".debug_{name}")) {
        let bytes = elf.bytes(section.offset, usize::try_from(section.size).ok().filter(|size| *size <= bytes_max)?).ok()?;
        return match section.compressed {
            false => Some(bytes),
            true => inflated(bytes.get(HEADER_BYTES..)?, u64::from_le_bytes(number(&bytes, 8)?), bytes_max, enough),
        };
    }
    let section = elf.section(&format!(".zdebug_{name}"))?;
    let bytes = elf.bytes(section.offset, usize::try_from(section.size).ok().filter(|size| *size <= bytes_max)?).ok()?;
    inflated(bytes.get(OLD_HEADER_BYTES..)?, u64::from_be_bytes(number(&bytes, 4)?), bytes_max, enough)
}

fn inflated(packed: &[u8], size: u64, bytes_max: usize, enough: &mut dyn FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut plain = vec![0; usize::try_from(size).ok().filter(|size| *size <= bytes_max)?];
    let (mut decoder, mut filled) = (ZlibDecoder::new(packed), 0);
    while filled < plain.len() && !enough(&plain[..filled]) {
        let step = plain.len().min(filled + STEP_BYTES);
        decoder.read_exact(&mut plain[filled..step]).ok()?;
        filled = step;
    }
    Some(plain)
}

/// Whether all structures are there, of what comes piece after piece.
#[derive(Default)]
struct Seen {
    searched: usize,
    found: [bool; FIELDS.len()],
    /// What follows the last one's name may be in the next piece.
    complete: bool,
}

impl Seen {
    fn all(&mut self, so_far: &[u8]) -> bool {
        if self.found.iter().all(|found| *found) {
            return std::mem::replace(&mut self.complete, true);
        }
        for ((structure, _), found) in FIELDS.iter().zip(&mut self.found) {
            let name = [structure.as_bytes(), b"\0"].concat();
            // it may have been cut
            let from = self.searched.saturating_sub(name.len());
            let mut places = memmem::find_iter(&so_far[from..], &name).filter_map(|at| so_far.get((from + at).checked_sub(1)?));
            // not a pointer to it, or what else has its name inside
            *found = *found || places.any(|before| !b"*](. ".contains(before));
        }
        self.searched = so_far.len();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_not_in_the_table_is_taken_for_the_one_before_it() {
        let (first, last) = (LAYOUTS[0].0, LAYOUTS[LAYOUTS.len() - 1].0);
        assert_eq!(by_version(Some(last)).1, format!("the table of go1.{last}"));
        assert_eq!(by_version(Some(last + 3)).1, format!("the table of go1.{last}, the nearest"));
        assert_eq!(by_version(Some(first - 1)).1, format!("the table of go1.{first}, the nearest"));
        assert_eq!(by_version(None).1, format!("the table of go1.{last}, the newest"));
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(LAYOUTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}

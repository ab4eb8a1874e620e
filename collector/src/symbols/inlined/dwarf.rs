//! From a file's debug information (DWARF 2 to 5) to the table of what is inlined where.
//!
//! In: an open file, and where its program has code: what the linker left out is elsewhere. Out: a [`Table`], of as much as could
//! be read within the limits. Compressed sections, split (`.dwo`) and shared (`dwz`) information are not read.

use std::fs::File;
use std::ops::Range;
use std::time::{Duration, Instant};

use gimli::constants as dw;
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, LittleEndian, SectionId, Unit, UnitHeader, UnitOffset,
};
use hashbrown::HashMap;

use super::super::demangle;
use super::table::{Found, NAMES_BYTES_MAX, RANGES_MAX, Table};
use crate::binary::elf::Elf;

/// Of all sections of a file together, which are in memory while they are looked through: less than a second's work.
const SECTIONS_BYTES_MAX: u64 = 64 << 20;
/// What was found till then holds.
const TIME_MAX: Duration = Duration::from_secs(3);
const UNITS_MAX: usize = 64 << 10;
/// References that are followed from one function to its name.
const REFERENCES_MAX: usize = 8;
/// Other sections have nothing to say here, the numbers of lines above all.
const WANTED: [SectionId; 9] = [
    SectionId::DebugInfo,
    SectionId::DebugAbbrev,
    SectionId::DebugStr,
    SectionId::DebugLineStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugAddr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugTypes,
];
/// Of a function whose name cannot be had.
const NAMELESS: &str = "[inlined]";

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = DebuggingInformationEntry<Slice<'a>>;

pub fn read(file: &File, code: &[Range<u64>]) -> Option<Table> {
    let elf = Elf::read(file).ok()??;
    let sections = sections(&elf)?;
    let bytes = |id: SectionId| -> Result<Slice<'_>, gimli::Error> {
        Ok(EndianSlice::new(sections.get(id.name()).map_or(&[], Vec::as_slice), LittleEndian))
    };
    let dwarf = Dwarf::load(bytes).ok()?;
    Some(Reader::new(&dwarf, code).table())
}

/// Whether there is anything to read.
pub fn is_in(elf: &Elf<'_>) -> bool {
    elf.section(SectionId::DebugInfo.name()).is_some_and(|s| s.size > 0 && !s.compressed)
}

fn sections(elf: &Elf<'_>) -> Option<HashMap<&'static str, Vec<u8>>> {
    let found: Vec<_> = WANTED.iter().filter_map(|id| Some((id.name(), elf.section(id.name())?))).collect();
    let sum: u64 = found.iter().map(|(_, section)| section.size).sum();
    if sum > SECTIONS_BYTES_MAX || found.iter().any(|(_, section)| section.compressed) {
        return None;
    }
    let read = |section: &crate::binary::elf::Section| elf.bytes(section.offset, usize::try_from(section.size).ok()?).ok();
    found.into_iter().map(|(name, section)| Some((name, read(section)?))).collect()
}

struct Reader<'a> {
    dwarf: &'a Dwarf<Slice<'a>>,
    code: &'a [Range<u64>],
    units: Vec<Unit<Slice<'a>>>,
    found: Vec<Found>,
    names: String,
    /// Where a function's name is, by the function's place in the section.
    by_place: HashMap<usize, u32>,
}

impl<'a> Reader<'a> {
    fn new(dwarf: &'a Dwarf<Slice<'a>>, code: &'a [Range<u64>]) -> Self {
        let mut headers = dwarf.units();
        let headers = std::iter::from_fn(|| headers.next().ok().flatten()).take(UNITS_MAX);
        let units = headers.filter_map(|header| unit(dwarf, header)).collect();
        Self { dwarf, code, units, found: vec![], names: String::new(), by_place: HashMap::new() }
    }

    fn table(mut self) -> Table {
        let started = Instant::now();
        for number in 0..self.units.len() {
            if started.elapsed() > TIME_MAX || self.is_full() {
                break;
            }
            // what is damaged ends its unit
            let _ = self.unit(number);
        }
        Table::new(&self.found, self.names)
    }

    fn is_full(&self) -> bool {
        self.found.len() >= RANGES_MAX || self.names.len() >= NAMES_BYTES_MAX
    }

    fn unit(&mut self, number: usize) -> gimli::Result<()> {
        let (header, abbreviations) = (self.units[number].header, self.units[number].abbreviations.clone());
        let mut entries = header.entries_raw(&abbreviations, None)?;
        let mut entry = Entry::null();
        // how deep in the tree the calls are that enclose an entry
        let mut enclosing: Vec<isize> = vec![];
        while !entries.is_empty() && !self.is_full() {
            let depth = entries.next_depth();
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            while enclosing.last().is_some_and(|outer| *outer >= depth) {
                enclosing.pop();
            }
            match abbreviation.tag() {
                dw::DW_TAG_inlined_subroutine => {
                    entries.read_attributes(abbreviation.attributes(), &mut entry.attrs)?;
                    self.call(number, &entry, enclosing.len())?;
                    enclosing.push(depth);
                }
                tag => {
                    entries.skip_attributes(abbreviation.attributes())?;
                    if tag == dw::DW_TAG_subprogram {
                        enclosing.clear();
                    }
                }
            }
        }
        Ok(())
    }

    /// One call that was inlined.
    fn call(&mut self, number: usize, entry: &Entry<'a>, depth: usize) -> gimli::Result<()> {
        let mut ranges = self.dwarf.die_ranges(&self.units[number], entry)?;
        let mut name = None;
        while let Some(range) = ranges.next()? {
            let inside = range.begin < range.end && self.code.iter().any(|c| c.start <= range.begin && range.end <= c.end);
            if inside && self.found.len() < RANGES_MAX {
                let name = *name.get_or_insert_with(|| self.name(number, entry));
                self.found.push(Found { start: range.begin, end: range.end, depth, name });
            }
        }
        Ok(())
    }

    fn name(&mut self, number: usize, entry: &Entry<'a>) -> u32 {
        let place = self.reference(number, entry, dw::DW_AT_abstract_origin);
        let key = place
            .map_or(usize::MAX, |(number, offset)| self.units[number].header.debug_info_offset().map_or(0, |o| o.0) + offset.0);
        if let Some(known) = self.by_place.get(&key) {
            return *known;
        }
        let name = place.and_then(|(number, offset)| self.function_name(number, offset));
        let at = self.names.len() as u32;
        self.names.push_str(name.as_deref().unwrap_or(NAMELESS));
        self.names.push('\0');
        self.by_place.insert(key, at);
        at
    }

    /// The linker's name says the most; it may be at a declaration that the definition refers to.
    fn function_name(&self, mut number: usize, mut offset: UnitOffset) -> Option<String> {
        let mut plain = None;
        for _ in 0..REFERENCES_MAX {
            let unit = &self.units[number];
            let entry = unit.header.entry(&unit.abbreviations, offset).ok()?;
            let text = |name| {
                let text = self.dwarf.attr_string(unit, entry.attr_value(name)?).ok()?;
                Some(text.to_string_lossy().into_owned()).filter(|text| !text.is_empty())
            };
            if let Some(mangled) = text(dw::DW_AT_linkage_name).or_else(|| text(dw::DW_AT_MIPS_linkage_name)) {
                return Some(demangle::function(&mangled));
            }
            plain = plain.or_else(|| text(dw::DW_AT_name));
            let next = self.reference(number, &entry, dw::DW_AT_specification);
            match next.or_else(|| self.reference(number, &entry, dw::DW_AT_abstract_origin)) {
                Some(next) => (number, offset) = next,
                None => break,
            }
        }
        plain.map(|name| demangle::function(&name))
    }

    /// The unit and the place in it that an attribute refers to.
    fn reference(&self, number: usize, entry: &Entry<'a>, attribute: gimli::DwAt) -> Option<(usize, UnitOffset)> {
        match entry.attr_value(attribute)? {
            AttributeValue::UnitRef(offset) => Some((number, offset)),
            AttributeValue::DebugInfoRef(place) => {
                let start = |unit: &Unit<Slice<'a>>| unit.header.debug_info_offset().map_or(0, |offset| offset.0);
                let number = self.units.partition_point(|unit| start(unit) <= place.0).checked_sub(1)?;
                Some((number, place.to_unit_offset(&self.units[number].header)?))
            }
            _ => None,
        }
    }
}

/// Where a unit's attributes count from. Made by hand: of the lines, which the unit would begin with, nothing is wanted.
fn unit<'a>(dwarf: &Dwarf<Slice<'a>>, header: UnitHeader<Slice<'a>>) -> Option<Unit<Slice<'a>>> {
    let abbreviations = dwarf.abbreviations(&header).ok()?;
    let mut root = Entry::null();
    header.entries_raw(&abbreviations, None).ok()?.read_entry(&mut root).ok().filter(|is_entry| *is_entry)?;
    let (encoding, file) = (header.encoding(), dwarf.file_type);
    let mut unit = Unit {
        header,
        abbreviations,
        name: None,
        comp_dir: None,
        low_pc: 0,
        str_offsets_base: gimli::DebugStrOffsetsBase::default_for_encoding_and_file(encoding, file),
        addr_base: gimli::DebugAddrBase(0),
        loclists_base: gimli::DebugLocListsBase::default_for_encoding_and_file(encoding, file),
        rnglists_base: gimli::DebugRngListsBase::default_for_encoding_and_file(encoding, file),
        line_program: None,
        dwo_id: None,
    };
    for attribute in root.attrs() {
        match (attribute.name(), attribute.value()) {
            (_, AttributeValue::DebugStrOffsetsBase(base)) => unit.str_offsets_base = base,
            (_, AttributeValue::DebugAddrBase(base)) => unit.addr_base = base,
            (_, AttributeValue::DebugRngListsBase(base)) => unit.rnglists_base = base,
            _ => {}
        }
    }
    if let Some(value) = root.attr_value(dw::DW_AT_low_pc) {
        unit.low_pc = dwarf.attr_address(&unit, value).ok()?.unwrap_or(0);
    }
    Some(unit)
}

//! Stubs through which a program calls functions of libraries: `name@plt`.
//!
//! In: an address in a section of stubs. Out: the name of the function that the stub jumps to, by the slot it jumps through and
//! the relocation that fills this slot; nothing is assumed of the order of either.

use object::elf::{Rela64, SHT_RELA, Sym64};
use object::{LittleEndian, pod};

use crate::binary::elf::{Elf, PIECE_BYTES, Section};

use super::demangle;

const STUB_BYTES: u64 = 16;
const NAME_BYTES_MAX: usize = 1024;
const RELA_BYTES: usize = size_of::<Rela64<LittleEndian>>();
const SYMBOL_BYTES: usize = size_of::<Sym64<LittleEndian>>();
/// Bytes of relocations that are looked through for one stub.
const RELOCATIONS_BYTES_MAX: u64 = 4 << 20;
const LE: LittleEndian = LittleEndian;

pub fn is_stubs(section_name: &str) -> bool {
    section_name == ".plt" || section_name.starts_with(".plt.")
}

pub fn name(elf: &Elf<'_>, section: &Section, address: u64) -> Option<String> {
    let bytes = stub_bytes(elf, section)?;
    let stub = section.address + address.checked_sub(section.address)? / bytes * bytes;
    let (offset, left) = elf.locate(stub)?;
    let code = elf.bytes(offset, left.min(bytes) as usize).ok()?;
    let slot = slot(&code, stub)?;
    let relocations = elf.sections.iter().filter(|s| s.kind == SHT_RELA);
    let name = relocations.filter_map(|s| symbol_name(elf, s, slot)).next()?;
    Some(format!("{}@plt", demangle::readable(&name)))
}

/// Stubs for functions whose address is taken too are but a jump and a filler, unless they begin with a landing pad.
fn stub_bytes(elf: &Elf<'_>, section: &Section) -> Option<u64> {
    const LANDING_PAD: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];
    let short = section.name == ".plt.got" && elf.bytes(section.offset, LANDING_PAD.len()).ok()? != LANDING_PAD;
    Some(if short { STUB_BYTES / 2 } else { STUB_BYTES })
}

/// The address that an indirect jump within the code reads: `jmp [rip+n]`.
fn slot(code: &[u8], address: u64) -> Option<u64> {
    const JUMP: [u8; 2] = [0xff, 0x25];
    let at = memchr::memmem::find(code, &JUMP)?;
    let distance = i32::from_le_bytes(code.get(at + 2..at + 6)?.try_into().ok()?);
    (address + at as u64 + 6).checked_add_signed(i64::from(distance))
}

/// The symbol whose address the loader writes into the slot.
fn symbol_name(elf: &Elf<'_>, relocations: &Section, slot: u64) -> Option<String> {
    let symbols = elf.sections.get(relocations.link)?;
    let strings = elf.sections.get(symbols.link)?;
    let mut piece = vec![0; PIECE_BYTES / RELA_BYTES * RELA_BYTES];
    let mut position = 0;
    while position < relocations.size.min(RELOCATIONS_BYTES_MAX) {
        let length = usize::try_from(relocations.size - position).unwrap_or(piece.len()).min(piece.len());
        let filled = elf.fill(relocations.offset.saturating_add(position), &mut piece[..length]).ok()?;
        let (entries, _) = pod::slice_from_bytes::<Rela64<LittleEndian>>(&piece[..filled], filled / RELA_BYTES).ok()?;
        if let Some(entry) = entries.iter().find(|e| e.r_offset.get(LE) == slot) {
            let at = u64::from(entry.r_sym(LE, false))
                .checked_mul(SYMBOL_BYTES as u64)
                .filter(|at| *at != 0 && *at < symbols.size)?;
            let symbol = elf.bytes(symbols.offset.checked_add(at)?, SYMBOL_BYTES).ok()?;
            let (symbol, _) = pod::from_bytes::<Sym64<LittleEndian>>(&symbol).ok()?;
            return text(elf, strings.offset.checked_add(u64::from(symbol.st_name.get(LE)))?);
        }
        if filled < length || entries.is_empty() {
            return None;
        }
        position += filled as u64;
    }
    None
}

fn text(elf: &Elf<'_>, offset: u64) -> Option<String> {
    let mut bytes = [0; NAME_BYTES_MAX];
    let filled = elf.fill(offset, &mut bytes).ok()?;
    let end = bytes[..filled].iter().position(|b| *b == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_a_jump_is_found_with_and_without_a_landing_pad() {
        let plain = [0xff, 0x25, 0x10, 0, 0, 0, 0x68, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0];
        assert_eq!(slot(&plain, 0x1000), Some(0x1016));
        let padded = [0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0xf0, 0xff, 0xff, 0xff, 0x66, 0x0f, 0x1f, 0x44, 0, 0];
        assert_eq!(slot(&padded, 0x1000), Some(0xffa));
        assert_eq!(slot(&[0xff, 0x25, 1], 0), None);
        assert_eq!(slot(&[], 0), None);
    }
}

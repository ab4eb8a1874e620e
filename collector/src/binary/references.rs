//! What refers to what in a file whose symbols are gone: texts, code that loads an address or calls it, and functions by the
//! information for unwinding, which stripping leaves.

use std::collections::{BTreeMap, BTreeSet};

use gimli::{BaseAddresses, CieOrFde, EhFrame, EndianSlice, LittleEndian, UnwindSection};
use memchr::memmem;

use super::Error;
use super::elf::{Elf, PIECE_BYTES};

const FRAMES_BYTES_MAX: u64 = 16 << 20;
/// Pieces share so many bytes, so that nothing looked for is cut: more than the longest text.
pub const OVERLAP_BYTES: usize = 512;
/// References that are looked at; a text that more refer to is no function's own.
const REFERENCES_MAX: usize = 4096;

/// Sizes by where they start.
pub type Functions = BTreeMap<u64, u64>;

/// How code refers to what is somewhere else.
#[derive(Clone, Copy, PartialEq)]
pub enum Reference {
    /// Loads its address.
    Address,
    /// Calls it, or goes on there.
    Call,
}

/// Where in the code something may refer to one of these addresses, and to which.
pub fn references(elf: &Elf<'_>, to: &[u64], how: Reference) -> Result<Vec<(u64, u64)>, Error> {
    let mut found = vec![];
    if to.is_empty() {
        return Ok(found);
    }
    for place in elf.code() {
        pieces(elf, place, &mut |address, piece| {
            let mut refers = |at: usize, target: u64| {
                if to.contains(&target) && found.len() < REFERENCES_MAX {
                    found.push((address + at as u64, target));
                }
            };
            match how {
                Reference::Address => addresses(piece, address, to, &mut refers),
                Reference::Call => calls(piece, address, &mut refers),
            }
        })?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The target of a displacement in the instruction that ends behind it.
fn relative(piece: &[u8], address: u64, at: usize) -> Option<u64> {
    let displacement = i32::from_le_bytes(piece.get(at..at + 4)?.try_into().ok()?);
    Some((address + at as u64 + 4).wrapping_add_signed(i64::from(displacement)))
}

/// `lea r64, [rip+x]`, and `mov r32, x` in programs that are linked to one place.
fn addresses(piece: &[u8], address: u64, to: &[u64], refers: &mut dyn FnMut(usize, u64)) {
    for at in memchr::memchr_iter(0x8d, piece).filter(|at| *at > 0) {
        let by_rip = matches!(piece[at - 1], 0x48 | 0x4c) && piece.get(at + 1).is_some_and(|mode| mode & 0xc7 == 0x05);
        if let Some(target) = relative(piece, address, at + 2).filter(|_| by_rip) {
            refers(at, target);
        }
    }
    for target in to {
        let Ok(absolute) = u32::try_from(*target) else { continue };
        for at in memmem::find_iter(piece, &absolute.to_le_bytes()).filter(|at| *at > 0) {
            if piece[at - 1] & 0xf8 == 0xb8 {
                refers(at, *target);
            }
        }
    }
}

/// `call x` and `jmp x`.
fn calls(piece: &[u8], address: u64, refers: &mut dyn FnMut(usize, u64)) {
    for at in memchr::memchr2_iter(0xe8, 0xe9, piece) {
        if let Some(target) = relative(piece, address, at + 1) {
            refers(at, target);
        }
    }
}

/// Calls `each` with the address and the bytes of one piece after another, which overlap.
pub fn pieces(elf: &Elf<'_>, (address, offset, size): (u64, u64, u64), each: &mut dyn FnMut(u64, &[u8])) -> Result<(), Error> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    while position < size {
        let length = usize::try_from(size - position).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let filled = elf.fill(offset + position, &mut piece[..length])?;
        each(address + position, &piece[..filled]);
        if filled < PIECE_BYTES {
            break;
        }
        position += (PIECE_BYTES - OVERLAP_BYTES) as u64;
    }
    Ok(())
}

pub fn start_of(functions: &Functions, address: u64) -> Option<u64> {
    let (start, size) = functions.range(..=address).next_back()?;
    (address - start < *size).then_some(*start)
}

/// The functions that hold these addresses.
pub fn functions_at(elf: &Elf<'_>, addresses: BTreeSet<u64>) -> Result<Functions, Error> {
    let mut functions = Functions::new();
    let Some(section) = elf.section(".eh_frame").filter(|section| section.size <= FRAMES_BYTES_MAX) else {
        return Ok(functions);
    };
    let bytes = elf.bytes(section.offset, section.size as usize)?;
    let text = elf.section(".text").map_or(0, |text| text.address);
    let mut frames = EhFrame::from(EndianSlice::new(&bytes, LittleEndian));
    frames.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(section.address).set_text(text);
    let mut entries = frames.entries(&bases);
    // what is damaged ends the reading
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(function) = partial.parse(EhFrame::cie_from_offset) else { continue };
        let (start, size) = (function.initial_address(), function.len());
        if addresses.range(start..start.saturating_add(size)).next().is_some() {
            functions.insert(start, size);
        }
    }
    Ok(functions)
}

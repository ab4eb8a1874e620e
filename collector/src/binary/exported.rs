//! Functions that a library exports, by the hash table that the loader itself uses: a few reads, however many symbols there are.
//!
//! In: an ELF file and names. Out: those that it defines, with address and size; and the newest version that it defines.

use object::elf::{SHT_GNU_HASH, SHT_GNU_VERDEF, STT_FUNC, STT_GNU_IFUNC, Sym64};
use object::{LittleEndian, pod};

use super::Error;
use super::elf::{Elf, Section};
use super::symbols::Symbol;

/// Symbols looked at for one name: those whose hashes share a bucket.
const CHAIN_MAX: u64 = 256;
const NAME_BYTES_MAX: usize = 64;
const VERSIONS_MAX: usize = 64;

const LE: LittleEndian = LittleEndian;
const HEADER_BYTES: u64 = 16;
const SYMBOL_BYTES: u64 = size_of::<Sym64<LittleEndian>>() as u64;

/// The table, as its header describes it (`DT_GNU_HASH`).
struct HashTable<'a> {
    elf: &'a Elf<'a>,
    section: &'a Section,
    symbols: &'a Section,
    strings: &'a Section,
    buckets: u64,
    first_symbol: u64,
    filter_words: u64,
    filter_shift: u32,
}

/// None: the file has no such table, or one that does not fit; then its symbols are to be looked through.
pub fn functions(elf: &Elf<'_>, names: &[&str]) -> Result<Option<Vec<Symbol>>, Error> {
    let Some(table) = HashTable::of(elf)? else { return Ok(None) };
    let mut found = vec![];
    for name in names {
        table.find(name, &mut found)?;
    }
    Ok(Some(found))
}

impl<'a> HashTable<'a> {
    fn of(elf: &'a Elf<'a>) -> Result<Option<Self>, Error> {
        let section = elf.sections.iter().find(|s| s.kind == SHT_GNU_HASH && s.size > HEADER_BYTES);
        let Some(section) = section else { return Ok(None) };
        let Some(symbols) = elf.sections.get(section.link) else { return Ok(None) };
        let Some(strings) = elf.sections.get(symbols.link) else { return Ok(None) };
        let head = elf.bytes(section.offset, HEADER_BYTES as usize)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let table = Self {
            elf,
            section,
            symbols,
            strings,
            buckets: u64::from(word(0)),
            first_symbol: u64::from(word(4)),
            filter_words: u64::from(word(8)),
            filter_shift: word(12),
        };
        let fits = table.buckets > 0 && table.filter_words > 0 && table.chains_at() <= section.size && table.filter_shift < 32;
        Ok(fits.then_some(table))
    }

    fn buckets_at(&self) -> u64 {
        HEADER_BYTES + self.filter_words * 8
    }

    fn chains_at(&self) -> u64 {
        self.buckets_at() + self.buckets * 4
    }

    /// A word of the table; None behind its end.
    fn word(&self, at: u64) -> Result<Option<u32>, Error> {
        if at + 4 > self.section.size {
            return Ok(None);
        }
        let bytes = self.elf.bytes(self.section.offset + at, 4)?;
        Ok(Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
    }

    fn find(&self, name: &str, found: &mut Vec<Symbol>) -> Result<(), Error> {
        let hash = hash_of(name);
        let filter_at = HEADER_BYTES + u64::from(hash / 64) % self.filter_words * 8;
        let halves = (self.word(filter_at)?, self.word(filter_at + 4)?);
        let (Some(low), Some(high)) = halves else { return Ok(()) };
        let filter = u64::from(low) | u64::from(high) << 32;
        if filter >> (hash % 64) & filter >> ((hash >> self.filter_shift) % 64) & 1 == 0 {
            return Ok(());
        }
        let Some(first) = self.word(self.buckets_at() + u64::from(hash) % self.buckets * 4)? else { return Ok(()) };
        let Some(first) = u64::from(first).checked_sub(self.first_symbol).filter(|_| first != 0) else { return Ok(()) };
        for at in first..first + CHAIN_MAX {
            let Some(known) = self.word(self.chains_at() + at * 4)? else { break };
            if known | 1 == hash | 1 {
                found.extend(self.symbol(self.first_symbol + at, name)?.filter(|symbol| !found.contains(symbol)));
            }
            if known & 1 == 1 {
                break;
            }
        }
        Ok(())
    }

    /// The symbol, if it is a function of this name that the file defines.
    fn symbol(&self, number: u64, name: &str) -> Result<Option<Symbol>, Error> {
        let at = number * SYMBOL_BYTES;
        if at + SYMBOL_BYTES > self.symbols.size || name.len() >= NAME_BYTES_MAX {
            return Ok(None);
        }
        let bytes = self.elf.bytes(self.symbols.offset + at, SYMBOL_BYTES as usize)?;
        let Ok((entry, _)) = pod::from_bytes::<Sym64<LittleEndian>>(&bytes) else { return Ok(None) };
        let mut text = [0; NAME_BYTES_MAX];
        let name_at = u64::from(entry.st_name.get(LE));
        let filled = self.elf.fill(self.strings.offset.saturating_add(name_at), &mut text[..=name.len()])?;
        let named = filled > name.len() && text[..name.len()] == *name.as_bytes() && text[name.len()] == 0;
        let function = [STT_FUNC, STT_GNU_IFUNC].contains(&entry.st_info.st_type());
        let defined = entry.st_shndx.get(LE) != object::elf::SHN_UNDEF;
        let symbol = Symbol { name: name.to_owned(), address: entry.st_value.get(LE), size: entry.st_size.get(LE) };
        Ok((named && function && defined).then_some(symbol))
    }
}

/// The hash of the GNU tables.
fn hash_of(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

/// The newest of the versions that the file defines and that begin so: 'OPENSSL_3.0.0'.
pub fn newest_version(elf: &Elf<'_>, prefix: &str) -> Option<String> {
    let section = elf.sections.iter().find(|s| s.kind == SHT_GNU_VERDEF)?;
    let strings = elf.sections.get(section.link)?;
    let mut versions = vec![];
    let mut at = 0;
    for _ in 0..VERSIONS_MAX {
        // vd_version, vd_flags, vd_ndx, vd_cnt: 2 bytes each; vd_hash, vd_aux, vd_next: 4 bytes each
        let entry = elf.bytes(section.offset.checked_add(at)?, 20).ok()?;
        let word = |at: usize| u64::from(u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]));
        let name = elf.bytes(section.offset.checked_add(at + word(12))?, 4).ok()?;
        let name_at = u64::from(u32::from_le_bytes([name[0], name[1], name[2], name[3]]));
        let mut text = [0; NAME_BYTES_MAX];
        let filled = elf.fill(strings.offset.checked_add(name_at)?, &mut text).ok()?;
        let end = text[..filled].iter().position(|b| *b == 0).unwrap_or(filled);
        versions.push(String::from_utf8_lossy(&text[..end]).into_owned());
        at += word(16);
        if word(16) == 0 || at >= section.size {
            break;
        }
    }
    let numbers = |version: &String| -> Vec<u32> {
        version.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    let wanted = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    versions.into_iter().filter(|v| v.strip_prefix(prefix).is_some_and(wanted)).max_by_key(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_loader() {
        assert_eq!((hash_of(""), hash_of("printf"), hash_of("exit")), (0x1505, 0x156b_2bb8, 0x7c96_7e3f));
    }
}

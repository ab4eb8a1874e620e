//! Rules of the programs that were seen, read when they are first needed, and let go when others need the space.
//!
//! They belong to a file as it is now (device, inode, size, time of change), however many processes map it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use hashbrown::HashMap;

use super::image::{self, Image};
use super::maps::{Kind, Mapping};
use super::table::Table;
use crate::libraries::files::{self, FileId, MappingId};

/// Of all programs together. The largest that are read as a whole need 15 MiB. What the kernel program was told is not among it.
pub const TABLES_BYTES_MAX: usize = 64 << 20;
/// Files whose number is known; beyond it all are looked at anew.
const FILES_MAX: usize = 16 << 10;
/// The kernel's own code has two pages.
const VDSO_BYTES_MAX: u64 = 64 << 10;
/// What an entry needs beside its table.
const ENTRY_BYTES: usize = 512;
/// Programs whose rules are held: each has its file open, so that it can be read when it was deleted and nothing runs it any more.
const HELD_MAX: usize = 1024;

const VDSO: u32 = 0;

struct Held {
    image: Image,
    /// As it was counted.
    bytes: usize,
    used: u64,
}

pub struct Tables {
    held: HashMap<u32, Held>,
    numbers: HashMap<FileId, u32>,
    /// For processes that are gone: what the same mapping was elsewhere.
    by_mapping: HashMap<MappingId, u32>,
    next: u32,
    bytes: usize,
    bytes_max: usize,
}

impl Tables {
    pub fn new(bytes_max: usize) -> Self {
        let empty = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { held: empty.0, numbers: empty.1, by_mapping: empty.2, next: VDSO + 1, bytes: 0, bytes_max }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the program that is mapped there, whose rules are held from now on. None: there is no file, or it cannot be
    /// read any more.
    pub fn of(&mut self, mapping: &mut Mapping, now: u64) -> Option<u32> {
        if let Some(number) = mapping.table
            && self.use_again(number, now)
        {
            return Some(number);
        }
        match mapping.kind {
            Kind::File => self.of_file(mapping, now),
            Kind::Vdso => {
                mapping.table = Some(VDSO);
                Some(self.hold(VDSO, Image::Whole(vdso()), now))
            }
            Kind::Anonymous => None,
        }
    }

    /// The number of the program that is mapped there, if it was met on the stack of any process.
    pub fn number_of(&self, mapping: &mut Mapping) -> Option<u32> {
        if mapping.table.is_none() {
            mapping.table = match mapping.kind {
                Kind::Vdso => Some(VDSO),
                // another file may have that name and inode now
                Kind::File if self.by_mapping.contains_key(&MappingId::of(&mapping.mapped)) => {
                    files::open(&mapping.mapped).and_then(|(_, id)| self.numbers.get(&id).copied())
                }
                Kind::File | Kind::Anonymous => None,
            };
        }
        mapping.table
    }

    /// The kernel program used what it was told of this program, whose rules are of use here, too.
    pub fn used(&mut self, number: u32, now: u64) {
        if let Some(held) = self.held.get_mut(&number) {
            held.used = now;
        }
    }

    /// The rules of the program of this number, while they are kept.
    pub fn held(&self, number: u32) -> Option<&Image> {
        self.held.get(&number).map(|held| &held.image)
    }

    /// The rules of a program that [`of`](Self::of) has just told.
    pub fn image(&mut self, number: u32) -> Option<&mut Image> {
        self.held.get_mut(&number).map(|held| &mut held.image)
    }

    fn use_again(&mut self, number: u32, now: u64) -> bool {
        let Some(held) = self.held.get_mut(&number) else { return false };
        held.used = now;
        // it may have read functions since
        let bytes = held.image.bytes();
        self.bytes = self.bytes - held.bytes + bytes;
        held.bytes = bytes;
        true
    }

    fn of_file(&mut self, mapping: &mut Mapping, now: u64) -> Option<u32> {
        let by = MappingId::of(&mapping.mapped);
        let Some((file, id)) = files::open(&mapping.mapped) else {
            let number = *self.by_mapping.get(&by)?;
            mapping.table = Some(number);
            return self.use_again(number, now).then_some(number);
        };
        if self.numbers.len().max(self.by_mapping.len()) >= FILES_MAX {
            self.clear();
        }
        let number = *self.numbers.entry(id).or_insert(self.next);
        if number == self.next {
            self.next += 1;
        }
        mapping.table = Some(number);
        self.by_mapping.insert(by, number);
        if self.use_again(number, now) {
            return Some(number);
        }
        // a file that cannot be read has no rules, so that it is not tried at every frame
        let image = image::of_file(&file).unwrap_or_default();
        Some(self.hold(number, image, now))
    }

    fn hold(&mut self, number: u32, image: Image, now: u64) -> u32 {
        let bytes = image.bytes();
        self.bytes += bytes + ENTRY_BYTES;
        self.held.insert(number, Held { image, bytes, used: now });
        while (self.bytes > self.bytes_max && self.held.len() > 1) || self.held.len() > HELD_MAX {
            self.evict(number);
        }
        number
    }

    /// Lets the one go that was not used for longest, but not the newest.
    fn evict(&mut self, newest: u32) {
        let oldest = self.held.iter().filter(|(n, _)| **n != newest).min_by_key(|(_, h)| h.used).map(|(n, _)| *n);
        if let Some(held) = oldest.and_then(|n| self.held.remove(&n)) {
            self.bytes -= held.bytes + ENTRY_BYTES;
        }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.numbers.clear();
        self.by_mapping.clear();
        self.bytes = 0;
    }
}

/// The kernel's code as it is in this process; it is the same in all.
fn vdso() -> Table {
    let Some(maps) = super::maps::Maps::read(std::process::id()) else { return Table::default() };
    let Some((start, end)) = maps.vdso() else { return Table::default() };
    let mut bytes = vec![0; end.saturating_sub(start).min(VDSO_BYTES_MAX) as usize];
    let read = File::open("/proc/self/mem").and_then(|memory| memory.read_exact_at(&mut bytes, start));
    if read.is_ok() { image::of_memory(&bytes) } else { Table::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_code_in_every_process_has_rules() {
        let table = vdso();
        let (base, starts, numbers) = table.rows();
        assert_eq!(starts.len(), numbers.len());
        let first = starts.iter().find(|start| table.rule(base + u64::from(**start)).is_some());
        assert!(first.is_some() && table.rules().len() > 1);
    }
}

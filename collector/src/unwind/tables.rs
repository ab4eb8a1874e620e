//! Tables of the programs that were seen, made when they are first needed, and let go when others need the space.
//!
//! A table belongs to a file as it is now (device, inode, size, time of change), however many processes map it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::image;
use super::maps::{Kind, Mapping};
use super::table::Table;
use crate::libraries::files::{self, FileId, MappingId};

/// Of all tables together. The largest programs need 3 to 5 MiB, C's library 160 KiB. What the kernel program has been told is not
/// among them.
pub const TABLES_BYTES_MAX: usize = 64 << 20;
/// Files whose number is known; beyond it all are looked at anew.
const FILES_MAX: usize = 16 << 10;
/// The kernel's own code has two pages.
const VDSO_BYTES_MAX: u64 = 64 << 10;
/// What an entry needs beside its table.
const ENTRY_BYTES: usize = 512;

/// A table that made room more than once in this time is not made again before it is over.
const REMADE_AFTER: Duration = Duration::from_secs(60);

const VDSO: u32 = 0;

struct Held {
    table: Arc<Table>,
    used: u64,
}

/// A table that made room.
struct Evicted {
    last: Instant,
    /// How often, with less than [`REMADE_AFTER`] between.
    times: u32,
}

pub struct Tables {
    held: HashMap<u32, Held>,
    evicted: HashMap<u32, Evicted>,
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
        let evicted = HashMap::new();
        Self { held: empty.0, evicted, numbers: empty.1, by_mapping: empty.2, next: VDSO + 1, bytes: 0, bytes_max }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
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

    /// The kernel program used what it was told of this table, which is of use here too: for processes that it does not know yet.
    pub fn used(&mut self, number: u32, now: u64) {
        if let Some(held) = self.held.get_mut(&number) {
            held.used = now;
        }
    }

    /// The table of this number, while it is kept.
    pub fn held(&self, number: u32) -> Option<Arc<Table>> {
        self.held.get(&number).map(|held| held.table.clone())
    }

    /// Whether there is no table for what is mapped there because all that are in use together do not find room.
    pub fn has_no_room(&self, mapping: &Mapping) -> bool {
        mapping.table.is_some_and(|number| !self.held.contains_key(&number) && self.comes_and_goes(number))
    }

    fn comes_and_goes(&self, number: u32) -> bool {
        self.evicted.get(&number).is_some_and(|evicted| evicted.times > 1 && evicted.last.elapsed() < REMADE_AFTER)
    }

    /// The table of the program that is mapped there. None: there is no file, it cannot be read any more, or there is no room.
    pub fn of(&mut self, mapping: &mut Mapping, now: u64) -> Option<Arc<Table>> {
        if let Some(number) = mapping.table
            && let Some(held) = self.held.get_mut(&number)
        {
            held.used = now;
            return Some(held.table.clone());
        }
        match mapping.kind {
            Kind::File => self.of_file(mapping, now),
            Kind::Vdso => {
                mapping.table = Some(VDSO);
                Some(self.hold(VDSO, Arc::new(vdso()), now))
            }
            Kind::Anonymous => None,
        }
    }

    fn of_file(&mut self, mapping: &mut Mapping, now: u64) -> Option<Arc<Table>> {
        let by = MappingId::of(&mapping.mapped);
        let Some((file, id)) = files::open(&mapping.mapped) else {
            let number = *self.by_mapping.get(&by)?;
            let held = self.held.get_mut(&number)?;
            held.used = now;
            mapping.table = Some(number);
            return Some(held.table.clone());
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
        if let Some(held) = self.held.get_mut(&number) {
            held.used = now;
            return Some(held.table.clone());
        }
        if self.comes_and_goes(number) {
            return None;
        }
        // a file that cannot be read has an empty table, so that it is not tried at every frame
        let table = image::of_file(&file).unwrap_or_default();
        Some(self.hold(number, Arc::new(table), now))
    }

    fn hold(&mut self, number: u32, table: Arc<Table>, now: u64) -> Arc<Table> {
        self.bytes += table.bytes() + ENTRY_BYTES;
        self.held.insert(number, Held { table: table.clone(), used: now });
        while self.bytes > self.bytes_max && self.held.len() > 1 {
            self.evict(number);
        }
        table
    }

    /// Lets the one go that was not used for longest, but not the newest.
    fn evict(&mut self, newest: u32) {
        let oldest = self.held.iter().filter(|(n, _)| **n != newest).min_by_key(|(_, h)| h.used).map(|(n, _)| *n);
        if let Some(held) = oldest.and_then(|n| self.held.remove(&n)) {
            self.bytes -= held.table.bytes() + ENTRY_BYTES;
        }
        if let Some(number) = oldest {
            let now = Instant::now();
            let evicted = self.evicted.entry(number).or_insert(Evicted { last: now, times: 0 });
            evicted.times = if now.duration_since(evicted.last) < REMADE_AFTER { evicted.times + 1 } else { 1 };
            evicted.last = now;
        }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.evicted.clear();
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

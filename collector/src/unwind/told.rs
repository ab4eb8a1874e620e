//! What the kernel program has been told, so that it unwinds by itself: which code processes map, and the rules of those pages of
//! code that were met on stacks.
//!
//! In: mappings and rules. Out: the kernel's maps, filled under limits: what was not used for longest makes room. The kernel
//! program asks for what it lacks by handing over stacks, so nothing here has to be complete; what finds no room is counted.

use std::sync::Arc;

use ebpf_abi::{
    CODE_PAGES_MAX, CodeMapping, NO_PART, PART_MAPPINGS, PARTS_MAX, PROCESS_PARTS_MAX, PageKey, PageRows, PartKey, ProcessPart,
    TABLE_NONE, TABLE_NOT_LOADED, UnwindRule,
};
use hashbrown::HashMap;

use super::image::Image;
use super::maps::{Kind, Mapping, Maps};
use super::room::{Lacking, Room};
use super::tables::Tables;
use super::told_tables::ToldTables;
use crate::kernel::UnwindMaps;

/// Where the kernel program reads. False: there is no room.
pub trait Store: Send {
    fn put_part(&mut self, key: PartKey, part: &ProcessPart) -> bool;
    fn put_page(&mut self, key: PageKey, rows: &PageRows) -> bool;
    fn put_rule(&mut self, number: u16, rule: UnwindRule) -> bool;
    fn remove_part(&mut self, key: PartKey);
    fn remove_page(&mut self, key: PageKey);
}

impl Store for UnwindMaps {
    fn put_part(&mut self, key: PartKey, part: &ProcessPart) -> bool {
        self.put_part(key, part)
    }
    fn put_page(&mut self, key: PageKey, rows: &PageRows) -> bool {
        self.put_page(key, rows)
    }
    fn put_rule(&mut self, number: u16, rule: UnwindRule) -> bool {
        self.put_rule(number, rule)
    }
    fn remove_part(&mut self, key: PartKey) {
        self.remove_part(key);
    }
    fn remove_page(&mut self, key: PageKey) {
        self.remove_page(key);
    }
}

#[derive(PartialEq, Eq)]
struct Runs {
    program: u64,
    code_pages: u32,
}

struct Process {
    runs: Runs,
    code: Vec<CodeMapping>,
    used: u64,
}

impl Process {
    fn parts(&self) -> usize {
        self.code.len().div_ceil(PART_MAPPINGS).max(1)
    }
}

pub struct Told {
    store: Box<dyn Store>,
    processes: HashMap<u32, Process>,
    parts: usize,
    tables: ToldTables,
    room: Arc<Room>,
}

impl Told {
    pub fn new(store: Box<dyn Store>, room: Arc<Room>) -> Self {
        Self::with_pages(store, CODE_PAGES_MAX, room)
    }

    pub fn with_pages(mut store: Box<dyn Store>, pages_max: u32, room: Arc<Room>) -> Self {
        let tables = ToldTables::new(pages_max, room.clone(), &mut *store);
        Self { store, processes: HashMap::new(), parts: 0, tables, room }
    }

    /// Lets the kernel program unwind this process as far as tables are known.
    pub fn tell(&mut self, pid: u32, maps: &mut Maps, tables: &Tables, now: u64) {
        if self.tables.rules_full {
            self.clear();
        }
        let code = self.code_of(maps, tables, now);
        let runs = Runs { program: maps.program, code_pages: maps.code_pages };
        if let Some(known) = self.processes.get_mut(&pid) {
            known.used = now;
            if known.runs == runs && known.code == code {
                return;
            }
        }
        let process = Process { runs, code, used: now };
        if process.parts() > PARTS_MAX {
            self.room.lacks(Lacking::Process);
            self.forget(pid);
            return;
        }
        self.make_room(pid, process.parts());
        self.write(pid, process);
    }

    fn make_room(&mut self, pid: u32, parts: usize) {
        self.forget_parts(pid, parts);
        while self.parts + parts > PROCESS_PARTS_MAX as usize {
            let oldest = self.processes.iter().filter(|(other, _)| **other != pid).min_by_key(|(_, p)| p.used).map(|(p, _)| *p);
            match oldest {
                Some(oldest) => self.forget(oldest),
                None => return,
            }
        }
    }

    /// Lets go of the parts of a process beyond so many, which are to be overwritten.
    fn forget_parts(&mut self, pid: u32, kept: usize) {
        let Some(known) = self.processes.remove(&pid) else { return };
        self.parts -= known.parts();
        for part in kept..known.parts() {
            self.store.remove_part(PartKey { pid, part: part as u32 });
        }
    }

    fn write(&mut self, pid: u32, process: Process) {
        let mut starts = [NO_PART; PARTS_MAX];
        for (start, code) in starts.iter_mut().zip(process.code.chunks(PART_MAPPINGS)) {
            *start = code[0].start;
        }
        // the first is last: it makes the others valid
        for number in (0..process.parts()).rev() {
            let from = number * PART_MAPPINGS;
            let code = &process.code[from..process.code.len().min(from + PART_MAPPINGS)];
            let mut part = ProcessPart {
                program: process.runs.program,
                mappings: code.len() as u32,
                code_pages: process.runs.code_pages,
                starts,
                code: [CodeMapping::default(); PART_MAPPINGS],
            };
            part.code[..code.len()].copy_from_slice(code);
            if !self.store.put_part(PartKey { pid, part: number as u32 }, &part) {
                for part in 0..process.parts() {
                    self.store.remove_part(PartKey { pid, part: part as u32 });
                }
                self.room.lacks(Lacking::Process);
                return;
            }
        }
        self.parts += process.parts();
        self.processes.insert(pid, process);
    }

    pub fn forget(&mut self, pid: u32) {
        self.forget_parts(pid, 0);
    }

    /// Tells the rules of the page of code that an address of a program is in.
    pub fn load(&mut self, number: u32, image: &Image, address: u64, now: u64) {
        self.tables.load(number, image, address, now, &mut *self.store);
    }

    /// Frames of the process were found by this table.
    pub fn used(&mut self, pid: u32, table: Option<u32>, now: u64) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.used = now;
        }
        if let Some(table) = table {
            self.tables.used(table, now);
        }
    }

    pub fn knows(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// Whether the kernel program has rules for the program of this number.
    pub fn describes(&self, table: u32) -> bool {
        self.tables.describes(table)
    }

    fn code_of(&mut self, maps: &mut Maps, tables: &Tables, now: u64) -> Vec<CodeMapping> {
        let mut out: Vec<CodeMapping> = vec![];
        // what lies higher is the kernel's, and out of the search's numbers
        for mapping in maps.all().iter_mut().filter(|mapping| mapping.mapped.start < NO_PART) {
            let (start, end) = (mapping.mapped.start, mapping.mapped.end);
            let (table, bias) = match mapping.kind {
                Kind::Anonymous => (TABLE_NONE, 0),
                Kind::File | Kind::Vdso => self.table_of(mapping, tables, now).unwrap_or((TABLE_NOT_LOADED, 0)),
            };
            match out.last_mut() {
                Some(last) if table == TABLE_NONE && last.table == TABLE_NONE && last.end == start => last.end = end,
                _ => out.push(CodeMapping { start, end, bias, table, numbering: self.tables.numbering }),
            }
        }
        out
    }

    /// None: the program is not at hand, and will be when its code is met on a stack.
    fn table_of(&mut self, mapping: &mut Mapping, tables: &Tables, now: u64) -> Option<(u32, u64)> {
        let number = tables.number_of(mapping)?;
        if let Some(found) = self.tables.mapped(number, mapping) {
            return Some(found);
        }
        self.tables.begin(number, tables.held(number)?, now);
        self.tables.mapped(number, mapping)
    }

    fn clear(&mut self) {
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        for pid in pids {
            self.forget(pid);
        }
        self.tables.clear(&mut *self.store);
    }
}

//! Tables in the form and in the place where the kernel program reads them.
//!
//! In: tables. Out: pages, chunks and rules in the [`Store`]. The table that was not used for longest makes room.

use ebpf_abi::{
    CHUNK_ROWS, CODE_PAGE_BYTES, CODE_PAGES_MAX, Chunk, PageKey, PageRows, TABLE_NONE, UNWIND_RULES_MAX, UnwindRow, UnwindRule,
    cfa,
};
use hashbrown::HashMap;

use super::maps::Mapping;
use super::table::{Cfa, Code, Ra, Rule, Table};
use super::told::Store;

/// Numberings of rules that the kernel program tells apart.
const NUMBERINGS_MAX: u32 = 255;
/// Number of the rule that sends a stack to user space.
const ASK: u16 = 1;
/// Stacks after which a table that found no room is tried again, and for which one that was used keeps its room.
const STACKS_BETWEEN_LOADS: u64 = 5000;

/// A table that the kernel program has.
struct Loaded {
    code: Vec<Code>,
    /// Where its first page begins.
    base: u64,
    /// Whether it has any rules.
    described: bool,
    pages: u32,
    chunks: Vec<u32>,
    used: u64,
}

impl Loaded {
    /// What an address less the place in the table is, in this mapping.
    fn bias(&self, mapping: &Mapping) -> Option<u64> {
        let end = mapping.offset.saturating_add(mapping.mapped.end - mapping.mapped.start);
        // pieces that share a page of the file are both in the mapping of either
        let inside = |c: &Code| end.min(c.offset.saturating_add(c.bytes)).saturating_sub(mapping.offset.max(c.offset));
        let code = self.code.iter().max_by_key(|c| inside(c)).filter(|c| inside(c) > 0)?;
        let address = code.address.wrapping_sub(code.offset).wrapping_add(mapping.offset);
        Some(mapping.mapped.start.wrapping_sub(address.wrapping_sub(self.base)))
    }
}

pub struct ToldTables {
    loaded: HashMap<u32, Loaded>,
    pages: u32,
    free_chunks: Vec<u32>,
    /// Tables that found no room, and when.
    refused: HashMap<u32, u64>,
    rules: HashMap<UnwindRule, u16>,
    /// Changes when the rules are numbered anew; from 1 to [`NUMBERINGS_MAX`].
    pub numbering: u32,
    /// There are more different rules than the kernel program can have.
    pub rules_full: bool,
}

impl ToldTables {
    pub fn new(chunks_max: u32, store: &mut dyn Store) -> Self {
        let free_chunks = (0..chunks_max).rev().collect();
        let (loaded, refused, rules) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut new = Self { loaded, pages: 0, free_chunks, refused, rules, numbering: 0, rules_full: false };
        new.begin_rules(store);
        new
    }

    fn begin_rules(&mut self, store: &mut dyn Store) {
        self.rules_full = false;
        self.numbering = if self.numbering == NUMBERINGS_MAX { 1 } else { self.numbering + 1 };
        self.rules.clear();
        for (number, rule) in [(0, UnwindRule::default()), (ASK, UnwindRule { cfa: cfa::EXPRESSION, ..Default::default() })] {
            store.put_rule(number, rule);
            self.rules.insert(rule, number);
        }
    }

    pub fn clear(&mut self, store: &mut dyn Store) {
        while self.evict(u64::MAX, store).is_some() {}
        self.refused.clear();
        self.begin_rules(store);
    }

    pub fn used(&mut self, number: u32, now: u64) {
        if let Some(loaded) = self.loaded.get_mut(&number) {
            loaded.used = now;
        }
    }

    /// Whether there are any rules for the program of this number.
    pub fn describes(&self, number: u32) -> bool {
        self.loaded.get(&number).is_some_and(|loaded| loaded.described)
    }

    /// The number that the kernel program knows the mapped program by, and its bias. None: it is not loaded.
    pub fn mapped(&self, number: u32, mapping: &Mapping) -> Option<(u32, u64)> {
        // what is no code in its file is as code that no file has
        Some(self.loaded.get(&number)?.bias(mapping).map_or((TABLE_NONE, 0), |bias| (number, bias)))
    }

    /// Does nothing when there is no room.
    pub fn load(&mut self, number: u32, table: &Table, now: u64, store: &mut dyn Store) {
        if self.refused.get(&number).is_some_and(|then| now - then < STACKS_BETWEEN_LOADS) {
            return;
        }
        self.refused.insert(number, now);
        let base = table.rows().0 & !(CODE_PAGE_BYTES - 1);
        let end = table.code().iter().map(|c| c.address.saturating_add(c.bytes)).max().unwrap_or(base);
        let pages = u32::try_from(end.saturating_sub(base).div_ceil(CODE_PAGE_BYTES)).unwrap_or(u32::MAX);
        while self.pages.saturating_add(pages) > CODE_PAGES_MAX {
            if self.evict(now, store).is_none() {
                return;
            }
        }
        self.pages += pages;
        let (code, described) = (table.code().to_vec(), !table.is_empty());
        let mut loaded = Loaded { code, base, described, pages, chunks: vec![], used: now };
        if self.write(number, table, &mut loaded, store) {
            self.loaded.insert(number, loaded);
            self.refused.remove(&number);
        } else {
            self.unload(number, &loaded, store);
        }
    }

    fn write(&mut self, number: u32, table: &Table, loaded: &mut Loaded, store: &mut dyn Store) -> bool {
        let rules: Vec<u16> = table.rules().iter().map(|rule| self.number(rule, store)).collect();
        let mut cut = Cut { table, rules, base: loaded.base, row: 0 };
        let mut chunk: Vec<UnwindRow> = Vec::with_capacity(CHUNK_ROWS);
        for page in 0..loaded.pages {
            let mut rows = cut.page(page);
            if rows.len() > CHUNK_ROWS {
                rows.clear(); // is left to user space
            }
            if chunk.is_empty() || chunk.len() + rows.len() > CHUNK_ROWS {
                if !finish(loaded, &mut chunk, store) || !self.begin_chunk(loaded, store) {
                    return false;
                }
            }
            let place = PageRows {
                chunk: loaded.chunks.last().copied().unwrap_or_default(),
                first: chunk.len() as u16,
                rows: rows.len() as u16,
            };
            chunk.append(&mut rows);
            if !store.put_page(PageKey { table: number, page }, place) {
                return false;
            }
        }
        finish(loaded, &mut chunk, store)
    }

    fn begin_chunk(&mut self, loaded: &mut Loaded, store: &mut dyn Store) -> bool {
        while self.free_chunks.is_empty() {
            if self.evict(loaded.used, store).is_none() {
                return false;
            }
        }
        loaded.chunks.extend(self.free_chunks.pop());
        true
    }

    /// Lets the table go that was not used for longest. None: all are in use.
    fn evict(&mut self, before: u64, store: &mut dyn Store) -> Option<()> {
        let old = self.loaded.iter().filter(|(_, loaded)| loaded.used.saturating_add(STACKS_BETWEEN_LOADS) < before);
        let oldest = old.min_by_key(|(_, loaded)| loaded.used).map(|(number, _)| *number)?;
        let loaded = self.loaded.remove(&oldest)?;
        self.unload(oldest, &loaded, store);
        Some(())
    }

    fn unload(&mut self, table: u32, loaded: &Loaded, store: &mut dyn Store) {
        // pages first: nothing must lead to rows of another table
        for page in 0..loaded.pages {
            store.remove_page(PageKey { table, page });
        }
        for chunk in &loaded.chunks {
            store.remove_chunk(*chunk);
        }
        self.pages -= loaded.pages;
        self.free_chunks.extend(&loaded.chunks);
    }

    fn number(&mut self, rule: &Rule, store: &mut dyn Store) -> u16 {
        let rule = UnwindRule::from(rule);
        if let Some(number) = self.rules.get(&rule) {
            return *number;
        }
        let number = self.rules.len() as u32;
        if number >= UNWIND_RULES_MAX || !store.put_rule(number as u16, rule) {
            self.rules_full = true;
            return ASK;
        }
        self.rules.insert(rule, number as u16);
        number as u16
    }
}

/// Hands a filled chunk over. False: there is no room.
fn finish(loaded: &Loaded, filled: &mut Vec<UnwindRow>, store: &mut dyn Store) -> bool {
    let Some(number) = loaded.chunks.last().filter(|_| !filled.is_empty()) else { return true };
    let mut chunk = Chunk { rows: [UnwindRow::default(); CHUNK_ROWS] };
    chunk.rows[..filled.len()].copy_from_slice(filled);
    filled.clear();
    store.put_chunk(*number, &chunk)
}

/// A table on its way into pages.
struct Cut<'a> {
    table: &'a Table,
    /// The kernel program's numbers of the table's rules.
    rules: Vec<u16>,
    base: u64,
    /// The first row that no page has yet.
    row: usize,
}

impl Cut<'_> {
    /// The rows of the page, which is the next. The first is at its beginning.
    fn page(&mut self, page: u32) -> Vec<UnwindRow> {
        let (base, starts, _) = self.table.rows();
        let from = self.base + u64::from(page) * CODE_PAGE_BYTES;
        let before = self.row.checked_sub(1).map_or(0, |row| self.rule(row));
        let mut rows = vec![UnwindRow { at: 0, rule: before }];
        while let Some(start) = starts.get(self.row) {
            let at = (base + u64::from(*start)).saturating_sub(from);
            if at >= CODE_PAGE_BYTES {
                break;
            }
            if at == 0 {
                rows.clear();
            }
            rows.push(UnwindRow { at: at as u16, rule: self.rule(self.row) });
            self.row += 1;
        }
        rows
    }

    fn rule(&self, row: usize) -> u16 {
        let number = self.table.rows().2.get(row).copied().unwrap_or_default();
        self.rules.get(usize::from(number)).copied().unwrap_or(ASK)
    }
}

impl From<&Rule> for UnwindRule {
    fn from(rule: &Rule) -> Self {
        if rule.cfa == Cfa::Expression && rule.ra != Ra::Outermost {
            return Self { cfa: cfa::EXPRESSION, ..Self::default() };
        }
        Self {
            cfa: rule.cfa as u8,
            cfa_register: rule.cfa_register,
            bp: rule.bp as u8,
            bp_register: rule.bp_register,
            ra: rule.ra as u8,
            ra_register: rule.ra_register,
            _pad: [0; 2],
            cfa_offset: rule.cfa_offset,
            cfa_add: rule.cfa_add,
            bp_offset: rule.bp_offset,
            ra_offset: rule.ra_offset,
        }
    }
}

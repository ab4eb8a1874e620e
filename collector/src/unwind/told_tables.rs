//! Rules in the form and in the place where the kernel program reads them.
//!
//! In: programs and places in them. Out: pages and rules in the [`Store`], for the pages of code that were asked for. The
//! program that was not used for longest makes room.

use std::sync::Arc;

use ebpf_abi::{
    CODE_PAGE_BITS, CODE_PAGE_BYTES, PAGE_ROWS, PageKey, PageRows, TABLE_NONE, UNWIND_RULES_MAX, UnwindRow, UnwindRule, cfa,
};
use hashbrown::{HashMap, HashSet};

use super::image::Image;
use super::maps::Mapping;
use super::room::{Lacking, Room};
use super::table::{Cfa, Code, Ra, Rule};
use super::told::Store;

/// Numberings of rules that the kernel program tells apart.
const NUMBERINGS_MAX: u32 = 255;
/// Number of the rule that sends a stack to user space.
const ASK: u16 = 1;
/// Pages that are told at once.
const PAGES_TOGETHER: u32 = 4;
/// Beyond it the one that was not used for longest is forgotten.
const PROGRAMS_MAX: usize = 16 << 10;
/// For so many stacks a program that was used keeps its room.
const STACKS_KEPT: u64 = 5000;

/// A program of which the kernel program has pages.
struct Loaded {
    code: Vec<Code>,
    /// Where its first page begins.
    base: u64,
    /// Whether it has any rules.
    described: bool,
    pages: HashSet<u32>,
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

    fn page(&self, address: u64) -> Option<u32> {
        u32::try_from(address.checked_sub(self.base)? >> CODE_PAGE_BITS).ok()
    }
}

pub struct ToldTables {
    loaded: HashMap<u32, Loaded>,
    pages: u32,
    pages_max: u32,
    rules: HashMap<UnwindRule, u16>,
    /// Changes when the rules are numbered anew; from 1 to [`NUMBERINGS_MAX`].
    pub numbering: u32,
    /// There are more different rules than the kernel program can have.
    pub rules_full: bool,
    room: Arc<Room>,
}

impl ToldTables {
    pub fn new(pages_max: u32, room: Arc<Room>, store: &mut dyn Store) -> Self {
        let (loaded, rules) = (HashMap::new(), HashMap::new());
        let mut new = Self { loaded, pages: 0, pages_max, rules, numbering: 0, rules_full: false, room };
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

    /// The number that the kernel program knows the mapped program by, and its bias. None: no stack came upon it.
    pub fn mapped(&self, number: u32, mapping: &Mapping) -> Option<(u32, u64)> {
        // what is no code in its file is as code that no file has
        Some(self.loaded.get(&number)?.bias(mapping).map_or((TABLE_NONE, 0), |bias| (number, bias)))
    }

    /// The program is one whose pages may be told.
    pub fn begin(&mut self, number: u32, image: &Image, now: u64) {
        self.loaded.entry(number).or_insert_with(|| {
            let code = image.code().to_vec();
            let base = code.iter().map(|c| c.address).min().unwrap_or(0) & !(CODE_PAGE_BYTES - 1);
            Loaded { code, base, described: !image.is_empty(), pages: HashSet::new(), used: now }
        });
    }

    /// Tells the page that an address is in, and those around it, where the next stacks will be. Does nothing when it is told already;
    /// where there is no room, that is counted.
    pub fn load(&mut self, number: u32, image: &Image, address: u64, now: u64, store: &mut dyn Store) {
        self.begin(number, image, now);
        let Some(loaded) = self.loaded.get_mut(&number) else { return };
        loaded.used = now;
        let Some(page) = loaded.page(address).filter(|page| !loaded.pages.contains(page)) else { return };
        let first = page - page % PAGES_TOGETHER;
        let missing: Vec<u32> = (first..first + PAGES_TOGETHER).filter(|page| !loaded.pages.contains(page)).collect();
        let from = loaded.base + (u64::from(first) << CODE_PAGE_BITS);
        while self.pages + PAGES_TOGETHER > self.pages_max || self.loaded.len() > PROGRAMS_MAX {
            if self.evict(now, store).is_none() {
                return self.room.lacks(Lacking::Page);
            }
        }
        let rules = image.between(from, from + u64::from(PAGES_TOGETHER) * CODE_PAGE_BYTES);
        for page in missing {
            let rows = self.rows(&rules, from + (u64::from(page - first) << CODE_PAGE_BITS), store);
            if !store.put_page(PageKey { table: number, page }, &rows) {
                self.room.lacks(Lacking::Page);
            } else if let Some(loaded) = self.loaded.get_mut(&number) {
                loaded.pages.insert(page);
                self.pages += 1;
            }
        }
    }

    /// The rows of the page at `from`. More than find room are none: the kernel program leaves the page to user space.
    fn rows(&mut self, rules: &[(u64, Rule)], from: u64, store: &mut dyn Store) -> PageRows {
        let first = rules.partition_point(|(at, _)| *at <= from).saturating_sub(1);
        let behind = rules.partition_point(|(at, _)| *at < from + CODE_PAGE_BYTES);
        let here = &rules[first.min(behind)..behind];
        let mut rows = PageRows { count: 0, rows: [UnwindRow::default(); PAGE_ROWS] };
        if here.len() > PAGE_ROWS {
            self.room.lacks(Lacking::Rows);
        } else {
            for (row, (at, rule)) in rows.rows.iter_mut().zip(here) {
                *row = UnwindRow { at: at.saturating_sub(from) as u16, rule: self.number(rule, store) };
                rows.count += 1;
            }
        }
        rows
    }

    /// Lets the program go that was not used for longest. None: all are in use.
    fn evict(&mut self, before: u64, store: &mut dyn Store) -> Option<()> {
        let old = self.loaded.iter().filter(|(_, loaded)| loaded.used.saturating_add(STACKS_KEPT) < before);
        let oldest = old.min_by_key(|(_, loaded)| loaded.used).map(|(number, _)| *number)?;
        let loaded = self.loaded.remove(&oldest)?;
        for page in &loaded.pages {
            store.remove_page(PageKey { table: oldest, page: *page });
        }
        self.pages -= loaded.pages.len() as u32;
        Some(())
    }

    /// The kernel program's number of a rule.
    fn number(&mut self, rule: &Rule, store: &mut dyn Store) -> u16 {
        let rule = UnwindRule::from(rule);
        if let Some(number) = self.rules.get(&rule) {
            return *number;
        }
        let number = self.rules.len() as u32;
        if number >= UNWIND_RULES_MAX || !store.put_rule(number as u16, rule) {
            self.rules_full = true;
            self.room.lacks(Lacking::Rule);
            return ASK;
        }
        self.rules.insert(rule, number as u16);
        number as u16
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

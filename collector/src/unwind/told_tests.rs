//! The kernel program's walk, by the same code and what it is told, must find what user space finds.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};

use ebpf_abi::{
    CODE_PAGE_BITS, CODE_PAGE_BYTES, Chunk, INTERRUPTED, Known, Memory, PLACES_MAX, PageKey, PageRows, PartKey, PlaceRule,
    ProcessPart, USER_FRAMES_MAX, UnwindRule, Walk, ended,
};

use super::table::{Cfa, Rule};
use super::tests::{PROGRAM, Waiting, built, go};
use super::*;

/// What the kernel would hold.
#[derive(Default)]
struct Kept {
    parts: HashMap<PartKey, Box<ProcessPart>>,
    pages: HashMap<PageKey, PageRows>,
    chunks: HashMap<u32, Box<Chunk>>,
    rules: HashMap<u16, UnwindRule>,
    places: RefCell<HashMap<u32, PlaceRule>>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Kept>>);

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap()
    }
}

impl Store for Shared {
    fn put_part(&mut self, key: PartKey, part: &ProcessPart) -> bool {
        self.kept().parts.insert(key, Box::new(*part));
        true
    }
    fn put_page(&mut self, key: PageKey, rows: PageRows) -> bool {
        self.kept().pages.insert(key, rows);
        true
    }
    fn put_chunk(&mut self, number: u32, chunk: &Chunk) -> bool {
        self.kept().chunks.insert(number, Box::new(*chunk));
        true
    }
    fn put_rule(&mut self, number: u16, rule: UnwindRule) -> bool {
        self.kept().rules.insert(number, rule);
        true
    }
    fn remove_part(&mut self, key: PartKey) {
        self.kept().parts.remove(&key);
    }
    fn remove_page(&mut self, key: PageKey) {
        self.kept().pages.remove(&key);
    }
    fn remove_chunk(&mut self, number: u32) {
        self.kept().chunks.remove(&number);
    }
}

impl Known for Kept {
    fn part(&self, key: PartKey) -> Option<&ProcessPart> {
        self.parts.get(&key).map(|part| &**part)
    }
    fn page(&self, key: PageKey) -> Option<PageRows> {
        self.pages.get(&key).copied()
    }
    fn chunk(&self, number: u32) -> Option<&Chunk> {
        self.chunks.get(&number).map(|chunk| &**chunk)
    }
    fn rule(&self, number: u16) -> Option<&UnwindRule> {
        self.rules.get(&number)
    }
    fn remembered(&self, slot: u32) -> PlaceRule {
        assert!(slot < PLACES_MAX);
        self.places.borrow().get(&slot).copied().unwrap_or_default()
    }
    fn remember(&self, slot: u32, place: PlaceRule) {
        self.places.borrow_mut().insert(slot, place);
    }
}

/// A process's memory as it is.
struct Live(File);

impl Memory for Live {
    fn word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.0.read_exact_at(&mut word, address).ok().map(|()| u64::from_ne_bytes(word))
    }
}

/// As the kernel program does it.
fn walked(kept: &Kept, pid: u32, registers: &Registers) -> (Vec<u64>, u8) {
    let memory = Live(File::open(format!("/proc/{pid}/mem")).unwrap());
    let mut walk = Walk { pid, ..Walk::default() };
    (walk.frame.ip, walk.frame.sp, walk.frame.bp) = (registers.ip, registers.sp, registers.bp);
    (walk.frame.rest, walk.frame.bp_known, walk.frame.rest_known, walk.frame.interrupted) = (registers.rest, 1, 1, 1);
    let mut frames = vec![];
    while frames.len() < USER_FRAMES_MAX {
        let found = walk.find_code(kept);
        if found == ended::GOES_ON || frames.is_empty() {
            let mark = walk.frame.interrupted != 0 && !frames.is_empty();
            frames.push(walk.frame.ip | if mark { INTERRUPTED } else { 0 });
        }
        let how = if found == ended::GOES_ON { walk.step(kept, &memory) } else { found };
        if how != ended::GOES_ON {
            return (frames, how);
        }
        if walk.frame.ip == 0 {
            return (frames, ended::COMPLETE);
        }
    }
    (frames, ended::TOO_DEEP)
}

fn marked(stack: &Stack) -> Vec<u64> {
    let mark = |depth: usize| if stack.interrupted.contains(&depth) { INTERRUPTED } else { 0 };
    stack.frames.iter().enumerate().map(|(depth, address)| address | mark(depth)).collect()
}

#[test]
fn the_kernel_program_finds_what_user_space_finds() {
    let folder = tempfile::tempdir().unwrap();
    let ways: [(&str, &[&str]); 6] = [
        ("pie", &["-O2", "-fomit-frame-pointer", "-pthread"]),
        ("fixed", &["-O2", "-no-pie", "-fomit-frame-pointer", "-pthread"]),
        ("linked", &["-O2", "-static", "-DSTATIC", "-pthread"]),
        ("clear", &["-O2", "-static-pie", "-DSTATIC", "-pthread"]),
        ("bare", &["-O2", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-pthread"]),
        ("debugged", &["-O2", "-g", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables", "-pthread"]),
    ];
    for (way, arguments) in ways {
        let program = built(folder.path(), way, PROGRAM, arguments);
        for what in ["plain", "variable", "aligned", "sort", "made", "signal", "restored", "thread", "deep"] {
            finds_the_same(&Waiting::start(&program, &[what, "300"]), &format!("{way} {what}"));
        }
    }
    for flags in ["-ldflags=", "-ldflags=-s -w"] {
        finds_the_same(&Waiting::start(&go(folder.path(), "go", flags), &[]), flags);
    }
}

fn finds_the_same(waiting: &Waiting, case: &str) {
    let pid = waiting.pid();
    let store = Shared::default();
    let mut unwinder = Unwinder::telling(Some(store.clone()));
    assert_eq!(walked(&store.kept(), pid, &waiting.registers).1, ended::UNKNOWN_PROCESS);
    unwinder.expect(pid, 9, 1);
    let (first, asked) = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!((first, asked), (vec![waiting.registers.ip], ended::NOT_LOADED), "{case}: no table yet");
    let stack = unwinder.unwind(pid, &waiting.registers, &waiting.stack);
    unwinder.tell(pid);
    let (frames, how) = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!((&frames, how), (&marked(&stack), ended::COMPLETE), "{case}: {stack:x?}");
    store.kept().chunks.clear();
    let again = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!(again, (frames.clone(), how), "{case}: by what was found before");
    assert_eq!(unwinder.walked(pid, frames.into_iter(), how), stack, "{case}");
    unwinder.forget(pid);
    assert_eq!(walked(&store.kept(), pid, &waiting.registers).1, ended::UNKNOWN_PROCESS);
}

#[test]
fn deeper_stacks_than_are_copied_are_walked_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path(), "deep", PROGRAM, &["-O2", "-fno-optimize-sibling-calls", "-fno-inline"]);
    let waiting = Waiting::start(&program, &["deep", "2000"]);
    let (store, pid) = (Shared::default(), waiting.pid());
    let mut unwinder = Unwinder::telling(Some(store.clone()));
    unwinder.expect(pid, 9, 1);
    let stack = unwinder.unwind(pid, &waiting.registers, &waiting.stack);
    unwinder.tell(pid);
    let (frames, how) = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!((frames.len(), how), (FRAMES_MAX, ended::TOO_DEEP));
    assert_eq!(frames, stack.frames);
    assert_eq!(unwinder.walked(pid, frames.into_iter(), how).ended, End::TooDeep);
}

/// An unwinder that has the tables of everything that this test maps.
fn knowing_itself(store: &Shared) -> Unwinder {
    let own = std::process::id();
    let mut unwinder = Unwinder::telling(Some(store.clone()));
    unwinder.expect(own, 7, 1);
    let maps = unwinder.processes.get_mut(&own).unwrap();
    let places: Vec<u64> = maps.all().iter().map(|m| m.mapped.start).collect();
    for place in places {
        unwinder.tables.of(maps.find(place).unwrap(), 1);
    }
    unwinder
}

#[test]
fn every_row_of_every_program_is_told_as_it_is() {
    let store = Shared::default();
    let mut unwinder = knowing_itself(&store);
    let own = std::process::id();
    unwinder.tell(own);
    let kept = store.kept();
    let known = |table: u32, base: u64, address: u64| {
        let place = address - (base & !(CODE_PAGE_BYTES - 1));
        let page = kept.page(PageKey { table, page: (place >> CODE_PAGE_BITS) as u32 }).expect("a page");
        let number = kept.chunk(page.chunk).expect("a chunk").rule(page, place & (CODE_PAGE_BYTES - 1));
        *kept.rule(number).expect("a rule")
    };
    let maps = unwinder.processes.get_mut(&own).unwrap();
    let numbers: Vec<u32> = maps.all().iter().filter_map(|m| m.table).collect();
    let mut rows = 0;
    for number in numbers {
        let table = unwinder.tables.held(number).unwrap();
        let (base, starts, _) = table.rows();
        let end = table.code().iter().map(|c| c.address + c.bytes).max().unwrap_or(0);
        for start in starts {
            for address in [base + u64::from(*start), base + u64::from(*start) + 1, base + u64::from(*start).saturating_sub(1)]
            {
                if address < end {
                    let expected = table.rule(address).copied().unwrap_or(Rule { cfa: Cfa::Unknown, ..Rule::default() });
                    assert_eq!(known(number, base, address), UnwindRule::from(&expected), "{number} {address:x}");
                }
            }
        }
        rows += starts.len();
    }
    assert!(rows > 20_000, "{rows}");
}

#[test]
fn what_was_not_used_makes_room() {
    let store = Shared::default();
    let own = std::process::id();
    let mut unwinder = knowing_itself(&store);
    unwinder.told = Some(Told::with_chunks(Box::new(store.clone()), 40));
    for now in 2..6 {
        unwinder.now = now;
        unwinder.tell(own);
        let kept = store.kept();
        assert!(kept.chunks.len() <= 40 && !kept.parts.is_empty());
        assert!(kept.pages.values().all(|page| kept.chunks.contains_key(&page.chunk)), "no page leads nowhere");
    }
}

#[test]
fn thousands_of_mappings_are_found_in_parts() {
    let line = |n: u64| format!("{:x}-{:x} r-xp 00000000 00:00 0\n", n << 20, (n << 20) + 0x1000);
    let text: String = (1..=1500).map(line).collect();
    let store = Shared::default();
    let mut told = Told::with_chunks(Box::new(store.clone()), 8);
    let tables = Tables::new(1 << 20);
    let maps = |text: &str, program: u64| {
        let mut maps = Maps::of(5, text.as_bytes());
        maps.program = program;
        maps
    };
    told.tell(5, &mut maps(&text, 1), &tables, 1);
    let find = |address: u64| {
        let mut walk = Walk { pid: 5, ..Walk::default() };
        (walk.frame.ip, walk.frame.interrupted) = (address, 1);
        walk.find_code(&*store.kept())
    };
    for n in 1..=1500_u64 {
        let at = n << 20;
        let found = [at - 1, at, at + 0xfff, at + 0x1000].map(find);
        assert_eq!(found, [ended::NO_CODE, ended::GOES_ON, ended::GOES_ON, ended::NO_CODE], "{n}");
    }
    assert_eq!(store.kept().parts.len(), 13);
    told.tell(5, &mut maps(&line(3), 2), &tables, 2);
    let parts = store.kept().parts.len();
    assert_eq!((parts, find(3 << 20), find(4 << 20)), (1, ended::GOES_ON, ended::NO_CODE));
    told.forget(5);
    assert!(store.kept().parts.is_empty());
    let too_many: String = (1..=3000).map(line).collect();
    told.tell(5, &mut maps(&too_many, 3), &tables, 3);
    assert!(store.kept().parts.is_empty());
}

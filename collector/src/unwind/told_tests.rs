//! The kernel program's walk, by the same code and what it is told, must find what user space finds.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};

use ebpf_abi::{
    CODE_PAGE_BITS, CODE_PAGE_BYTES, Frame, INTERRUPTED, Known, Memory, PLACES_MAX, PageKey, PageRows, PartKey, PlaceRule,
    ProcessPart, USER_FRAMES_MAX, UnwindRule, Walk, begins, ended,
};

use super::tests::{PROGRAM, Waiting, built, go};
use super::*;

/// What the kernel would hold.
#[derive(Default)]
struct Kept {
    parts: HashMap<PartKey, Box<ProcessPart>>,
    pages: HashMap<PageKey, Box<PageRows>>,
    rules: HashMap<u16, UnwindRule>,
    places: RefCell<HashMap<u32, PlaceRule>>,
    /// Takes nothing more.
    full: bool,
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
        let mut kept = self.kept();
        if !kept.full {
            kept.parts.insert(key, Box::new(*part));
        }
        !kept.full
    }
    fn put_page(&mut self, key: PageKey, rows: &PageRows) -> bool {
        let mut kept = self.kept();
        if !kept.full {
            kept.pages.insert(key, Box::new(*rows));
        }
        !kept.full
    }
    fn put_rule(&mut self, number: u16, rule: UnwindRule) -> bool {
        let mut kept = self.kept();
        if !kept.full {
            kept.rules.insert(number, rule);
        }
        !kept.full
    }
    fn remove_part(&mut self, key: PartKey) {
        self.kept().parts.remove(&key);
    }
    fn remove_page(&mut self, key: PageKey) {
        self.kept().pages.remove(&key);
    }
}

impl Known for Kept {
    fn part(&self, key: PartKey) -> Option<&ProcessPart> {
        self.parts.get(&key).map(|part| &**part)
    }
    fn page(&self, key: PageKey) -> Option<&PageRows> {
        self.pages.get(&key).map(|page| &**page)
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
    let (_, frames, how) = walk(kept, pid, registers);
    (frames, how)
}

/// The same, with where it stopped.
fn walk(kept: &Kept, pid: u32, registers: &Registers) -> (Frame, Vec<u64>, u8) {
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
            return (walk.frame, frames, how);
        }
        if walk.frame.ip == 0 {
            return (walk.frame, frames, ended::COMPLETE);
        }
    }
    (walk.frame, frames, ended::TOO_DEEP)
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
        for what in ["plain", "variable", "aligned", "sort", "made", "signal", "restored", "borrowed", "thread", "deep"] {
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
    let mut unwinder = Unwinder::telling(Some(store.clone()), Arc::default());
    assert_eq!(walked(&store.kept(), pid, &waiting.registers).1, ended::UNKNOWN_PROCESS);
    unwinder.expect(pid, 9, 1);
    let (first, asked) = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!((&first, asked), (&vec![waiting.registers.ip], ended::NOT_LOADED), "{case}: no table yet");
    let known = begins::BP_KNOWN | begins::REST_KNOWN;
    let stack = unwinder.resume(pid, first.into_iter(), (&waiting.registers, known), &waiting.stack);
    assert_eq!(stack, Unwinder::new().unwind(pid, &waiting.registers, &waiting.stack), "{case}");
    unwinder.tell(pid);
    let (frames, how) = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!((&frames, how), (&marked(&stack), ended::COMPLETE), "{case}: {stack:x?}");
    stops_anywhere(waiting, &store, &mut unwinder, &stack, case);
    assert_eq!(walked(&store.kept(), pid, &waiting.registers), (frames.clone(), how), "{case}");
    store.kept().pages.clear();
    let again = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!(again, (frames.clone(), how), "{case}: by what was found before");
    assert_eq!(unwinder.walked(pid, frames.into_iter(), how), stack, "{case}");
    unwinder.forget(pid);
    assert_eq!(walked(&store.kept(), pid, &waiting.registers).1, ended::UNKNOWN_PROCESS);
}

/// Without one page after the other: where the walk stops then, user space goes on.
fn stops_anywhere(waiting: &Waiting, store: &Shared, unwinder: &mut Unwinder, stack: &Stack, case: &str) {
    let pid = waiting.pid();
    let mut stops = 0;
    let keys: Vec<PageKey> = store.kept().pages.keys().copied().collect();
    for key in keys {
        store.kept().places.borrow_mut().clear();
        let page = store.kept().pages.remove(&key).expect("a page");
        let (frame, frames, how) = walk(&store.kept(), pid, &waiting.registers);
        if how == ended::COMPLETE {
            // one of those that were told together with it
            assert_eq!(frames, marked(stack), "{case}");
            store.kept().pages.insert(key, page);
            continue;
        }
        assert_eq!(how, ended::NOT_LOADED, "{case}");
        stops += 1;
        let registers = Registers { ip: frame.ip, sp: frame.sp, bp: frame.bp, rest: frame.rest };
        let known = frame.bp_known * begins::BP_KNOWN + frame.rest_known * begins::REST_KNOWN;
        let left = &waiting.stack[(frame.sp - waiting.registers.sp) as usize..];
        let resumed = unwinder.resume(pid, frames.into_iter(), (&registers, known), left);
        assert_eq!(&resumed, stack, "{case}");
        store.kept().pages.insert(key, page);
    }
    assert!(stops > 1, "{case}: {stops}");
}

#[test]
fn deeper_stacks_than_are_copied_are_walked_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path(), "deep", PROGRAM, &["-O2", "-fno-optimize-sibling-calls", "-fno-inline"]);
    let waiting = Waiting::start(&program, &["deep", "2000"]);
    let (store, pid) = (Shared::default(), waiting.pid());
    let mut unwinder = Unwinder::telling(Some(store.clone()), Arc::default());
    unwinder.expect(pid, 9, 1);
    let stack = unwinder.unwind(pid, &waiting.registers, &waiting.stack);
    unwinder.tell(pid);
    let (frames, how) = walked(&store.kept(), pid, &waiting.registers);
    assert_eq!((frames.len(), how), (FRAMES_MAX, ended::TOO_DEEP));
    assert_eq!(frames, stack.frames);
    assert_eq!(unwinder.walked(pid, frames.into_iter(), how).ended, End::TooDeep);
}

/// An unwinder that has met all programs that this test maps, and what they are told by.
fn knowing_itself(told: Told) -> (Unwinder, Vec<u32>) {
    let own = std::process::id();
    let mut unwinder = Unwinder { told: Some(told), ..Unwinder::new() };
    unwinder.expect(own, 7, 1);
    let maps = unwinder.processes.get_mut(&own).unwrap();
    let numbers = maps.all().iter_mut().filter_map(|mapping| unwinder.tables.of(mapping, 1)).collect();
    (unwinder, numbers)
}

#[test]
fn every_rule_of_every_program_is_told_as_it_is() {
    let store = Shared::default();
    let (mut unwinder, numbers) = knowing_itself(Told::new(Box::new(store.clone()), Arc::default()));
    let (mut rules, mut refused) = (0, 0);
    for number in numbers {
        let Unwinder { tables, told, .. } = &mut unwinder;
        let (image, told) = (tables.image(number).unwrap(), told.as_mut().unwrap());
        let code = image.code().to_vec();
        let base = code.iter().map(|c| c.address).min().unwrap_or(0) & !(CODE_PAGE_BYTES - 1);
        for piece in code {
            for from in (piece.address..piece.address + piece.bytes).step_by(29 * CODE_PAGE_BYTES as usize) {
                told.load(number, image, from, 1);
                let key = PageKey { table: number, page: ((from - base) >> CODE_PAGE_BITS) as u32 };
                let page = *store.kept().pages.get(&key).expect("a page").clone();
                refused += usize::from(page.count == 0);
                for address in (from..(from | (CODE_PAGE_BYTES - 1)) + 1).filter(|_| page.count > 0) {
                    let told = page.rule((address - base) & (CODE_PAGE_BYTES - 1));
                    let expected = image.table(address).and_then(|table| table.rule(address)).copied().unwrap_or_default();
                    let told = *store.kept().rule(told).expect("a rule");
                    assert_eq!(told, UnwindRule::from(&expected), "{number} {address:x}");
                }
                rules += page.count as usize;
            }
        }
    }
    assert!(rules > 2000 && refused == 0, "{rules} rows, {refused} pages without");
}

fn lacks(room: &Room) -> Vec<(String, u64)> {
    room.states().into_iter().map(|state| (state.target, state.hits.expect("a count"))).collect()
}

#[test]
fn what_was_not_used_makes_room() {
    const PAGES: usize = 40;
    let store = Shared::default();
    let room = Arc::new(Room::default());
    let (mut unwinder, numbers) = knowing_itself(Told::with_pages(Box::new(store.clone()), PAGES as u32, room.clone()));
    let pages_of = |number: u32| store.kept().pages.keys().filter(|key| key.table == number).count();
    let mut load = |number: u32, pages: u64, now: u64| {
        let Unwinder { tables, told, .. } = &mut unwinder;
        let image = tables.image(number).unwrap();
        let first = image.code().first().expect("code").address;
        for page in 0..pages {
            told.as_mut().unwrap().load(number, image, first + page * CODE_PAGE_BYTES, now);
        }
    };
    let (first, second) = (numbers[0], *numbers.iter().find(|number| **number != numbers[0]).expect("a library"));
    load(first, 28, 1);
    load(first, 28, 1);
    assert!(lacks(&room).is_empty());
    let told = pages_of(first);
    assert!((28..=32).contains(&told), "{told}: each is told once");
    load(second, 28, 2);
    assert_eq!(pages_of(first), told, "both are in use");
    assert!((4..=PAGES - told).contains(&pages_of(second)));
    // a page of each four that are told together was asked for in vain
    let lacking = 28 - pages_of(second) as u64;
    assert_eq!(lacks(&room), [("pages of code".to_owned(), lacking)]);
    load(second, 28, 1_000_000);
    assert_eq!(lacks(&room), [("pages of code".to_owned(), lacking)]);
    assert_eq!(pages_of(first), 0);
    assert!((28..=32).contains(&pages_of(second)));
}

#[test]
fn thousands_of_mappings_are_found_in_parts() {
    let line = |n: u64| format!("{:x}-{:x} r-xp 00000000 00:00 0\n", n << 20, (n << 20) + 0x1000);
    let text: String = (1..=1500).map(line).collect();
    let store = Shared::default();
    let room = Arc::new(Room::default());
    let mut told = Told::with_pages(Box::new(store.clone()), 8, room.clone());
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
    assert!(lacks(&room).is_empty());
    told.tell(5, &mut maps(&too_many, 3), &tables, 3);
    assert!(store.kept().parts.is_empty());
    assert_eq!(lacks(&room), [("mappings of processes".to_owned(), 1)]);
}

#[test]
fn a_kernel_without_memory_is_told_of() {
    let (store, room) = (Shared::default(), Arc::new(Room::default()));
    store.kept().full = true;
    let (mut unwinder, numbers) = knowing_itself(Told::new(Box::new(store.clone()), room.clone()));
    let Unwinder { tables, told, .. } = &mut unwinder;
    let image = tables.image(numbers[0]).unwrap();
    told.as_mut().unwrap().load(numbers[0], image, image.code().first().expect("code").address, 1);
    assert!(store.kept().pages.is_empty() && store.kept().parts.is_empty());
    let told = lacks(&room);
    let of = |what: &str| told.iter().find(|(target, _)| target == what).map(|(_, times)| *times);
    assert_eq!((of("pages of code"), of("mappings of processes")), (Some(4), Some(1)), "{told:?}");
    assert!(of("rules of all programs").is_some_and(|times| times > 0), "{told:?}");
}

//! Callers on a stack, found without frame pointers: from registers and a copy of the stack to return addresses.
//!
//! In: what a sample holds. Out: a [`Stack`], leaf first, with how it ended. Rules come from the programs' own call frame
//! information, read function by function, or from Go's function table, and are kept per file as compact [`table`]s; code without
//! any (translated at run time, mostly) is taken to keep frame pointers. What was needed is `told` to the kernel program, page
//! by page of code, which then finds the callers itself. Knows processes by `/proc` alone, bounds all it keeps, and names nothing.

mod expression;
mod frames;
mod functions;
mod go;
mod image;
mod maps;
mod room;
mod step;
#[cfg(test)]
mod step_tests;
pub mod table;
mod tables;
#[cfg(test)]
mod tests;
mod told;
mod told_tables;
#[cfg(test)]
mod told_tests;
mod walked;

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use hashbrown::HashMap;

use maps::{Kind, Maps};
pub use room::Room;
pub use step::Registers;
use step::{State, Stop, Window};
use tables::{TABLES_BYTES_MAX, Tables};
use told::{Store, Told};

/// Frames of one stack.
pub const FRAMES_MAX: usize = 1024;
/// What is known of the mappings of all processes.
const MAPS_BYTES_MAX: usize = 16 << 20;
/// Places without rules of which is known whether signal handlers return there.
const TRAMPOLINES_MAX: usize = 4096;
/// `mov $15, %rax; syscall` and `mov $15, %eax; syscall`: the return from a signal handler.
const TRAMPOLINES: [&[u8]; 2] = [&[0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 5], &[0xb8, 15, 0, 0, 0, 0x0f, 5]];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Leaf first: where the program was, then return addresses.
    pub frames: Vec<u64>,
    /// Which frames, beside the first, are no return addresses: those that a signal interrupted.
    pub interrupted: Vec<usize>,
    pub ended: End,
}

/// Why there are no more frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The outermost function was reached.
    Complete,
    /// More frames lie behind what was copied of the stack.
    StackCut,
    /// The kernel program could not read the stack there.
    Unreadable,
    /// Too many stacks waited for more to be copied.
    NotCopied,
    /// The next frame lies on another stack: of a signal handler, a coroutine or a goroutine.
    AnotherStack,
    TooDeep,
    ProcessGone,
    /// No code is mapped where the next frame should be.
    NoCode,
    /// The file at this path has no rule for its code, and there is no frame pointer either.
    NoTable(String),
    /// Code that no file has, without a frame pointer.
    NoFramePointer,
    /// The rule needs what is not known.
    Rule,
    /// The caller's frame would not lie above.
    Stuck,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Complete => "complete",
            End::StackCut => "stack cut",
            End::Unreadable => "stack unreadable",
            End::NotCopied => "stack not copied",
            End::AnotherStack => "another stack",
            End::TooDeep => "too deep",
            End::ProcessGone => "process gone",
            End::NoCode => "no code",
            End::NoTable(path) => return write!(f, "no unwind table for {path}"),
            End::NoFramePointer => "no frame pointer",
            End::Rule => "unwind rule unknown",
            End::Stuck => "frames do not rise",
        })
    }
}

pub struct Unwinder {
    processes: HashMap<u32, Maps>,
    maps_bytes: usize,
    tables: Tables,
    /// By a program's number and the place in its file.
    trampolines: HashMap<(u32, u64), bool>,
    told: Option<Told>,
    /// Counts stacks: what was used when.
    now: u64,
}

impl Default for Unwinder {
    fn default() -> Self {
        Self::new()
    }
}

impl Unwinder {
    pub fn new() -> Self {
        Self::with_tables_of(TABLES_BYTES_MAX)
    }

    fn with_tables_of(bytes_max: usize) -> Self {
        let (processes, trampolines) = (HashMap::new(), HashMap::new());
        Self { processes, maps_bytes: 0, tables: Tables::new(bytes_max), trampolines, told: None, now: 0 }
    }

    /// One that tells the kernel program what it learns, and `room` what finds none there.
    pub fn telling(store: Option<impl Store + 'static>, room: Arc<Room>) -> Self {
        Self { told: store.map(|store| Told::new(Box::new(store), room)), ..Self::new() }
    }

    /// Bytes that are held for tables and mappings.
    pub fn bytes(&self) -> usize {
        self.tables.bytes() + self.maps_bytes
    }

    /// The process has ended or is another program now: what it mapped counts no more. Without this a number that is used again
    /// is taken for the former process for up to 10 s.
    pub fn forget(&mut self, pid: u32) {
        self.drop_maps(pid);
        if let Some(told) = &mut self.told {
            told.forget(pid);
        }
    }

    fn drop_maps(&mut self, pid: u32) {
        if let Some(maps) = self.processes.remove(&pid) {
            self.maps_bytes -= maps.bytes;
        }
    }

    /// Reads what the process maps now, so that its stacks can be unwound when it is gone.
    pub fn look_at(&mut self, pid: u32) {
        let (program, code_pages) = self.processes.get(&pid).map_or((0, 0), |maps| (maps.program, maps.code_pages));
        self.read(pid, program, code_pages);
    }

    /// Looks at it unless that was done since it runs this program with so much code: numbers of the kernel program, which can
    /// unwind it from now on as far as its programs were met before.
    pub fn expect(&mut self, pid: u32, program: u64, code_pages: u32) {
        if self.processes.get(&pid).is_none_or(|maps| maps.program != program || maps.changed(code_pages)) {
            self.read(pid, program, code_pages);
            self.tell(pid);
        }
    }

    fn read(&mut self, pid: u32, program: u64, code_pages: u32) {
        let mut maps = Maps::read(pid);
        // what another program mapped under this number says nothing
        if maps.is_none() && self.processes.get(&pid).is_some_and(|known| known.program != program) {
            self.forget(pid);
        }
        if let Some(maps) = &mut maps {
            (maps.program, maps.code_pages) = (program, code_pages);
        }
        self.put(pid, maps);
    }

    /// Whether it is known how to get from the code at an address to its caller; what tells it is read if need be.
    pub fn describes(&mut self, pid: u32, address: u64) -> bool {
        let Some(mapping) = self.processes.get_mut(&pid).and_then(|maps| maps.find(address)) else { return false };
        let Some(image) = self.tables.of(mapping, self.now).and_then(|number| self.tables.image(number)) else { return false };
        let place = image.address(address - mapping.mapped.start + mapping.offset);
        place.is_some_and(|place| image.table(place).is_some_and(|table| table.rule(place).is_some()))
    }

    /// Whether code at an address was there at the last look.
    #[cfg(test)]
    pub fn has_seen(&mut self, pid: u32, address: u64) -> bool {
        self.processes.get_mut(&pid).is_some_and(|maps| maps.find(address).is_some())
    }

    /// Whether all functions are in code that files have: of code that is made at run time, another may take the place.
    pub fn is_in_files(&mut self, pid: u32, stack: &Stack) -> bool {
        let Some(maps) = self.processes.get_mut(&pid) else { return false };
        let is_return_address = |depth: usize| depth > 0 && !stack.interrupted.contains(&depth);
        let mut places =
            stack.frames.iter().enumerate().map(|(depth, at)| at.wrapping_sub(u64::from(is_return_address(depth))));
        places.all(|place| maps.find(place).is_some_and(|mapping| mapping.kind != Kind::Anonymous))
    }

    /// `stack` are the bytes from the stack pointer upwards.
    pub fn unwind(&mut self, pid: u32, registers: &Registers, stack: &[u8]) -> Stack {
        self.now += 1;
        let mut out = Stack { frames: vec![registers.ip], interrupted: vec![], ended: End::Complete };
        if !self.know(pid) {
            out.ended = End::ProcessGone;
            return out;
        }
        let stack = Window { start: registers.sp, bytes: stack };
        self.go_on(pid, out, State::new(registers), stack)
    }

    /// To the root from the last of the frames, whose state it is.
    fn go_on(&mut self, pid: u32, mut out: Stack, mut state: State, stack: Window<'_>) -> Stack {
        loop {
            match self.caller(pid, &state, stack) {
                Ok(caller) if out.frames.len() < FRAMES_MAX => {
                    if caller.interrupted {
                        out.interrupted.push(out.frames.len());
                    }
                    out.frames.push(caller.ip);
                    state = caller;
                }
                Ok(_) => {
                    out.ended = End::TooDeep;
                    return out;
                }
                Err(end) => {
                    out.ended = end;
                    return out;
                }
            }
        }
    }

    /// False: nothing is known of the process, and it cannot be read any more.
    fn know(&mut self, pid: u32) -> bool {
        if self.processes.get(&pid).is_none_or(Maps::old) {
            self.look_at(pid);
        }
        let Some(maps) = self.processes.get_mut(&pid) else { return false };
        maps.used = self.now;
        true
    }

    fn put(&mut self, pid: u32, maps: Option<Maps>) {
        let Some(mut maps) = maps else {
            if let Some(kept) = self.processes.get_mut(&pid) {
                kept.keep();
            }
            return;
        };
        maps.used = self.now;
        if let Some(known) = self.processes.get_mut(&pid) {
            maps.inherit(known);
        }
        self.drop_maps(pid);
        self.maps_bytes += maps.bytes;
        self.processes.insert(pid, maps);
        while self.maps_bytes > MAPS_BYTES_MAX && self.processes.len() > 1 {
            let others = self.processes.iter().filter(|(p, _)| **p != pid);
            if let Some(oldest) = others.min_by_key(|(_, m)| m.used).map(|(p, _)| *p) {
                self.forget(oldest);
            }
        }
    }

    fn caller(&mut self, pid: u32, state: &State, stack: Window<'_>) -> Result<State, End> {
        let caller = self.step(pid, state, stack)?;
        if caller.ip == 0 {
            return Err(End::Complete);
        }
        // an address in no code is no caller
        self.mapped(pid, caller.place()).then_some(caller).ok_or(End::NoCode)
    }

    fn step(&mut self, pid: u32, state: &State, stack: Window<'_>) -> Result<State, End> {
        let place = state.place();
        if !self.mapped(pid, place) {
            return Err(End::NoCode);
        }
        let Some(mapping) = self.processes.get_mut(&pid).and_then(|maps| maps.find(place)) else { return Err(End::NoCode) };
        let number = self.tables.of(mapping, self.now);
        let image = number.and_then(|number| self.tables.image(number));
        let described = image.as_ref().is_some_and(|image| !image.is_empty());
        if let Some(image) = image
            && let Some(address) = image.address(place - mapping.mapped.start + mapping.offset)
        {
            if let (Some(told), Some(number)) = (&mut self.told, number) {
                told.load(number, image, address, self.now);
            }
            if let Some(table) = image.table(address)
                && let Some(rule) = table.rule(address)
            {
                return state.by_rule(rule, table, address, stack).map_err(end);
            }
        }
        let kind = mapping.kind;
        let code =
            mapping.table.map(|number| (number, state.ip.wrapping_sub(mapping.mapped.start).wrapping_add(mapping.offset)));
        if code.is_some_and(|code| self.is_trampoline(pid, state.ip, code)) {
            return state.out_of_signal(stack).map_err(end);
        }
        state.by_frame_pointer(stack).map_err(|stop| match stop {
            // code that changes stacks, in a program whose rules are known
            Stop::Elsewhere if described => End::AnotherStack,
            Stop::Rule | Stop::Stuck | Stop::Elsewhere if kind == Kind::File => End::NoTable(self.path(pid, place)),
            Stop::Rule | Stop::Stuck | Stop::Elsewhere => End::NoFramePointer,
            stop => end(stop),
        })
    }

    fn path(&mut self, pid: u32, address: u64) -> String {
        let mapping = self.processes.get_mut(&pid).and_then(|maps| maps.find(address));
        mapping.map(|m| String::from_utf8_lossy(&m.mapped.path).into_owned()).unwrap_or_default()
    }

    /// Whether code is there; what was mapped since the last look is seen.
    fn mapped(&mut self, pid: u32, address: u64) -> bool {
        let Some(maps) = self.processes.get_mut(&pid) else { return false };
        if maps.find(address).is_some() {
            return true;
        }
        if !maps.may_be_read_again() {
            return false;
        }
        self.look_at(pid);
        self.processes.get_mut(&pid).is_some_and(|maps| maps.find(address).is_some())
    }

    /// Whether signal handlers return to this place, by what the code does: few libraries describe it.
    fn is_trampoline(&mut self, pid: u32, address: u64, code_of: (u32, u64)) -> bool {
        if let Some(known) = self.trampolines.get(&code_of) {
            return *known;
        }
        if self.trampolines.len() >= TRAMPOLINES_MAX {
            self.trampolines.clear();
        }
        let mut code = [0; 9];
        let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_at(&mut code, address));
        let Ok(read) = read else { return false };
        let found = TRAMPOLINES.iter().any(|t| code[..read].starts_with(t));
        self.trampolines.insert(code_of, found);
        found
    }
}

fn end(stop: Stop) -> End {
    match stop {
        Stop::Outermost => End::Complete,
        Stop::Cut => End::StackCut,
        Stop::Elsewhere => End::AnotherStack,
        Stop::Rule => End::Rule,
        Stop::Stuck => End::Stuck,
    }
}

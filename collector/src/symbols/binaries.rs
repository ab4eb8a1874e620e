//! The files that processes run, each read once: when it is first asked for a name.
//!
//! In: open files. Out: their [`Binary`], by file, and by build id and size, so that copies in many containers are one. Bounded in
//! bytes and open files; what was not asked for the longest goes first.

use std::fs::File;
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use crate::binary::elf::Elf;
use crate::libraries::files::FileId;

use super::binary::Binary;
use super::separate::Place;

/// Tables, names and all of what was read.
const BYTES_MAX: usize = 48 << 20;
/// Each may hold two open files: itself, and the one with its symbols.
const FILES_MAX: usize = 1024;
/// Files known to be copies of others.
const ALIASES_MAX: usize = 8192;
/// An open file keeps its file system from being unmounted: those that nobody asks for are closed.
const UNUSED_KEPT: Duration = Duration::from_secs(120);

#[derive(Debug)]
enum State {
    /// Open, so that it can be read also when its process is gone.
    Waiting(File, Place),
    Read(Box<Binary>),
}

#[derive(Debug)]
struct Held {
    state: State,
    used: Instant,
    bytes: usize,
}

#[derive(Debug, Default)]
pub struct Binaries {
    held: HashMap<u32, Held>,
    by_file: HashMap<FileId, u32>,
    by_content: HashMap<(String, u64), u32>,
    last: u32,
}

impl Binaries {
    pub fn knows(&self, id: &FileId) -> bool {
        self.by_file.contains_key(id)
    }

    pub fn add(&mut self, id: FileId, file: File, place: Place, now: Instant) {
        if self.knows(&id) {
            return;
        }
        self.make_room(now, None);
        self.last = self.last.wrapping_add(1);
        self.held.insert(self.last, Held { state: State::Waiting(file, place), used: now, bytes: 0 });
        self.by_file.insert(id, self.last);
    }

    /// None: it was not added, or had to go.
    pub fn get(&mut self, id: &FileId, now: Instant) -> Option<&mut Binary> {
        let mut number = *self.by_file.get(id)?;
        if let Some(Held { state: State::Waiting(file, place), .. }) = self.held.get(&number) {
            let content = content(file);
            if let Some(known) = content.as_ref().and_then(|content| self.by_content.get(content)).copied() {
                self.held.remove(&number);
                self.by_file.insert(id.clone(), known);
                number = known;
            } else {
                let binary = Box::new(Binary::read(file.try_clone().ok()?, place));
                let bytes = binary.bytes();
                self.held.insert(number, Held { state: State::Read(binary), used: now, bytes });
                self.by_content.extend(content.map(|content| (content, number)));
                self.make_room(now, Some(number));
            }
        }
        let held = self.held.get_mut(&number)?;
        held.used = now;
        match &mut held.state {
            State::Read(binary) => {
                held.bytes = binary.bytes();
                Some(binary)
            }
            State::Waiting(..) => None,
        }
    }

    pub fn bytes(&self) -> usize {
        self.held.values().map(|held| held.bytes).sum()
    }

    /// Lets go of what nobody used for a while, and of what has grown too large.
    pub fn close_unused(&mut self, now: Instant) {
        let before = self.held.len();
        self.held.retain(|_, held| now.saturating_duration_since(held.used) < UNUSED_KEPT);
        if self.held.len() < before {
            self.forget_missing();
        }
        self.make_room(now, None);
    }

    fn make_room(&mut self, now: Instant, keep: Option<u32>) {
        while self.held.len() >= FILES_MAX || self.bytes() > BYTES_MAX {
            let others = self.held.iter().filter(|(number, _)| Some(**number) != keep);
            let Some(oldest) = others.max_by_key(|(_, held)| now.saturating_duration_since(held.used)).map(|(n, _)| *n) else {
                break;
            };
            self.held.remove(&oldest);
            self.forget_missing();
        }
        if self.by_file.len() > ALIASES_MAX {
            self.by_file.clear();
            self.by_content.clear();
            self.held.retain(|number, _| Some(*number) == keep);
        }
    }

    fn forget_missing(&mut self) {
        self.by_file.retain(|_, number| self.held.contains_key(number));
        self.by_content.retain(|_, number| self.held.contains_key(number));
    }
}

/// The same in every copy of a file: of a stripped one the size differs.
fn content(file: &File) -> Option<(String, u64)> {
    let id = Elf::read(file).ok()??.build_id()?;
    Some((id, file.metadata().ok()?.len()))
}

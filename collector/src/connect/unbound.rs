//! Plaintext whose connection is not known yet, kept until there is evidence of it.
//!
//! On hosts with many processors it comes by another ring buffer than what its session says once its connection is known, and so
//! is read by another worker: all workers share what waits, and a session's first words with a connection wait, too, until all
//! that was said before them is read.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hashbrown::{HashMap, HashSet};
use protocol_parsers::Moment;

use super::event::{Data, Direction, Evidence, Plain};

/// How long plaintext waits for evidence of its connection.
pub const UNBOUND_NS_MAX: u64 = 5_000_000_000;
/// Bytes of one session that wait.
const SESSION_BYTES_MAX: usize = 256 << 10;
/// Bytes of all sessions that wait.
const BYTES_MAX: usize = 8 << 20;

#[derive(Debug)]
pub struct Waiting {
    pub direction: Direction,
    pub offset: u64,
    pub len: u64,
    pub bytes: Vec<u8>,
    pub at: Moment,
    pub pid: u32,
}

impl Waiting {
    fn of(data: &Data<'_>) -> Self {
        let Data { direction, offset, len, at, pid, .. } = *data;
        Self { direction, offset, len, bytes: data.bytes.to_vec(), at, pid }
    }
}

#[derive(Debug, Default)]
struct Held {
    sessions: HashMap<u64, Vec<Waiting>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Shared {
    held: Mutex<Held>,
    /// Sessions in it, so that nobody has to lock it to see that there is none.
    sessions: AtomicUsize,
    /// Everything that was said before is in it.
    read_until_ns: AtomicU64,
}

/// What one worker has of it.
#[derive(Clone, Debug, Default)]
pub struct Unbound {
    shared: Arc<Shared>,
    /// Another worker reads what waits.
    elsewhere: bool,
}

impl Unbound {
    /// For the workers that do not read it themselves.
    pub fn elsewhere(&self) -> Self {
        Self { shared: self.shared.clone(), elsewhere: true }
    }

    pub fn is_read_here(&self) -> bool {
        !self.elsewhere
    }

    /// The worker that reads it has read all that was said before.
    pub fn has_read_until(&self, now_ns: u64) {
        self.shared.read_until_ns.store(now_ns, Ordering::Release);
    }

    pub fn read_until_ns(&self) -> u64 {
        if self.elsewhere { self.shared.read_until_ns.load(Ordering::Acquire) } else { u64::MAX }
    }

    pub(super) fn is_read_until(&self, at_ns: u64) -> bool {
        at_ns < self.read_until_ns()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.shared.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn bytes(&self) -> usize {
        self.held().bytes
    }

    /// False when there is no room.
    pub(super) fn keep(&self, session: u64, data: &Data<'_>) -> bool {
        let held = &mut *self.held();
        let waiting = held.sessions.entry(session).or_default();
        let fits = waiting.iter().map(|w| w.bytes.len()).sum::<usize>() + data.bytes.len() <= SESSION_BYTES_MAX
            && held.bytes + data.bytes.len() <= BYTES_MAX;
        if fits {
            held.bytes += data.bytes.len();
            waiting.push(Waiting::of(data));
        }
        self.shared.sessions.store(held.sessions.len(), Ordering::Release);
        fits
    }

    pub(super) fn take(&self, session: u64) -> Vec<Waiting> {
        if self.shared.sessions.load(Ordering::Acquire) == 0 {
            return vec![];
        }
        let held = &mut *self.held();
        let waiting = held.sessions.remove(&session).unwrap_or_default();
        held.bytes -= waiting.iter().map(|w| w.bytes.len()).sum::<usize>();
        self.shared.sessions.store(held.sessions.len(), Ordering::Release);
        waiting
    }

    /// Sessions whose first bytes are older than this.
    pub(super) fn overdue(&self, before_ns: u64) -> Vec<u64> {
        let held = self.held();
        let old = held.sessions.iter().filter(|(_, w)| w.first().is_none_or(|first| first.at.mono_ns < before_ns));
        old.map(|(session, _)| *session).collect()
    }
}

/// Plaintext with its connection.
#[derive(Debug)]
pub struct Bound {
    pub session: u64,
    pub evidence: Evidence,
    pub key: u64,
    pub waiting: Waiting,
}

/// What came before it was known whether anything waits for it.
#[derive(Debug, Default)]
pub struct Early {
    words: Vec<Bound>,
    sessions: HashSet<u64>,
    bytes: usize,
}

impl Early {
    pub fn knows(&self, session: u64) -> bool {
        self.sessions.contains(&session)
    }

    pub fn is_of(&self, key: u64) -> bool {
        self.words.iter().any(|word| word.key == key)
    }

    /// False when there is no room.
    pub fn keep(&mut self, plain: &Plain<'_>) -> bool {
        let Plain { session, evidence, data } = plain;
        if self.bytes + data.bytes.len() > BYTES_MAX {
            return false;
        }
        self.bytes += data.bytes.len();
        self.sessions.insert(*session);
        self.words.push(Bound { session: *session, evidence: *evidence, key: data.key, waiting: Waiting::of(data) });
        true
    }

    /// The words of sessions whose first is older, in the order in which they were said.
    pub fn take_until(&mut self, read_until_ns: u64) -> Vec<Bound> {
        if self.words.first().is_none_or(|first| first.waiting.at.mono_ns >= read_until_ns) {
            return vec![];
        }
        let mut released: HashMap<u64, bool> = HashMap::new();
        let (taken, kept) = std::mem::take(&mut self.words)
            .into_iter()
            .partition(|word| *released.entry(word.session).or_insert(word.waiting.at.mono_ns < read_until_ns));
        self.words = kept;
        self.sessions = self.words.iter().map(|word| word.session).collect();
        self.bytes = self.words.iter().map(|word| word.waiting.bytes.len()).sum();
        taken
    }
}

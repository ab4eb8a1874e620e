//! Which response belongs to which request: requests wait in the order in which they came.
//!
//! In: requests. Out: the one that is answered next. A request whose row is written or given up still waits, silently, so that
//! its response is not taken for another's.

use std::collections::VecDeque;
use std::sync::Arc;

use super::statement::{Portal, Statement};
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};
use crate::{Confidence, Moment, Output, Skipped};

/// Messages that may wait for their answers, those without rows included.
const WAITING_MAX: usize = 16 << 10;

/// How many unanswered messages may stand before one that is answered.
const LOOKED_AT_MAX: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Startup,
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    FunctionCall,
    /// Requests that were not seen, up to the next ReadyForQuery.
    Unknown,
}

impl Kind {
    /// Whether ReadyForQuery answers it.
    pub fn ends(self) -> bool {
        matches!(self, Kind::Startup | Kind::Query | Kind::Sync | Kind::FunctionCall | Kind::Unknown)
    }

    pub fn has_row(self) -> bool {
        matches!(self, Kind::Startup | Kind::Query | Kind::Parse | Kind::Execute | Kind::FunctionCall)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Query => "Query",
            Kind::Parse => "Parse",
            Kind::Bind => "Bind",
            Kind::Describe => "Describe",
            Kind::Execute => "Execute",
            Kind::Close => "Close",
            Kind::Sync => "Sync",
            Kind::FunctionCall => "FunctionCall",
            Kind::Unknown => "Unknown",
        }
    }
}

#[derive(Debug)]
pub struct Waiting {
    pub kind: Kind,
    /// It gets no row any more.
    pub silent: bool,
    pub gap_before: bool,
    pub confidence: Confidence,
    pub started: Moment,
    pub request_bytes: u64,
    /// What it runs, makes, describes or closes.
    pub statement: Option<Arc<Statement>>,
    /// Of an Execute.
    pub portal: Option<Arc<Portal>>,
    /// Of a Parse: what its name meant before.
    pub previous: Option<Arc<Statement>>,
    /// Name of the statement that a Parse makes, a Describe describes or a Close closes.
    pub name: Vec<u8>,
}

impl Waiting {
    pub fn new(kind: Kind, started: Moment, request_bytes: u64) -> Self {
        Self {
            kind,
            silent: false,
            gap_before: false,
            confidence: Confidence::Certain,
            started,
            request_bytes,
            statement: None,
            portal: None,
            previous: None,
            name: Vec::new(),
        }
    }

    /// Bytes that it holds and nothing before it in the queue does.
    fn heap_bytes(&self) -> usize {
        let text = self.statement.as_ref().filter(|_| matches!(self.kind, Kind::Query | Kind::Parse));
        text.map_or(0, |s| s.heap_bytes()) + self.portal.as_ref().map_or(0, |p| p.heap_bytes()) + self.name.capacity()
    }

    fn let_go(&mut self) {
        self.silent = true;
        (self.statement, self.portal, self.previous) = (None, None, None);
        self.name = Vec::new();
    }
}

#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// What the waiting requests hold.
    bytes: usize,
    /// Requests that will get a row.
    rows: usize,
    /// Over the limit: until all is answered, only what ReadyForQuery answers is counted.
    over: bool,
    beyond: u64,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.beyond == 0
    }

    #[inline]
    pub fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    #[inline]
    pub fn front_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    /// A request waits; one that is over the limits gets no row.
    pub fn push(&mut self, mut waiting: Waiting, out: &mut dyn Output) {
        let has_row = waiting.kind.has_row() && !waiting.silent;
        self.over = self.waiting.len() >= WAITING_MAX || (self.over && !self.is_empty());
        if self.over {
            self.beyond += u64::from(waiting.kind.ends());
            if has_row {
                out.skipped(Skipped::OverLimit, 1, waiting.request_bytes);
            }
            return;
        }
        let bytes = waiting.heap_bytes();
        if (has_row && self.rows >= PENDING_REQUESTS_MAX) || self.bytes + bytes > PENDING_BYTES_MAX {
            if has_row {
                out.skipped(Skipped::OverLimit, 1, waiting.request_bytes);
            }
            waiting.let_go();
        }
        self.rows += usize::from(waiting.kind.has_row() && !waiting.silent);
        self.bytes += waiting.heap_bytes();
        self.waiting.push_back(waiting);
    }

    #[inline]
    pub fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.left(&waiting);
        if self.waiting.is_empty() && self.waiting.capacity() > 256 {
            self.waiting = VecDeque::new();
        }
        Some(waiting)
    }

    fn left(&mut self, waiting: &Waiting) {
        self.rows -= usize::from(waiting.kind.has_row() && !waiting.silent);
        self.bytes -= waiting.heap_bytes();
    }

    /// ReadyForQuery came while nothing waits that is known.
    pub fn pop_beyond(&mut self) {
        self.beyond = self.beyond.saturating_sub(1);
    }

    /// Where the first request of this kind is among those that the next ReadyForQuery ends, if it is not far.
    #[inline]
    pub fn find(&self, kind: Kind) -> Option<usize> {
        for (i, waiting) in self.waiting.iter().take(LOOKED_AT_MAX).enumerate() {
            if waiting.kind == kind {
                return Some(i);
            }
            if waiting.kind.ends() {
                return None;
            }
        }
        None
    }

    /// Whether something waits that ReadyForQuery answers.
    pub fn has_end(&self) -> bool {
        self.waiting.iter().any(|w| w.kind.ends())
    }

    /// Takes Syncs away that follow the first request at once.
    pub fn drop_syncs(&mut self) {
        while let Some(second) = self.waiting.get(1).filter(|w| w.kind == Kind::Sync) {
            self.bytes -= second.heap_bytes();
            self.waiting.remove(1);
        }
    }

    /// Requests that began before `before_ns` are handed to `emit` and get no row any more; their responses are still awaited.
    pub fn expire(&mut self, before_ns: u64, mut emit: impl FnMut(&Waiting)) {
        for waiting in &mut self.waiting {
            if waiting.started.mono_ns >= before_ns {
                break;
            }
            if waiting.silent || !waiting.kind.has_row() {
                continue;
            }
            emit(waiting);
            self.rows -= 1;
            self.bytes -= waiting.heap_bytes();
            waiting.let_go();
        }
    }

    /// The first request gets no row any more.
    pub fn silence_front(&mut self) {
        if let Some(front) = self.waiting.front_mut() {
            self.rows -= usize::from(front.kind.has_row() && !front.silent);
            self.bytes -= front.heap_bytes();
            front.let_go();
        }
    }

    /// When the oldest request that may still get a row began.
    pub fn waiting_since(&self) -> Option<u64> {
        self.waiting.iter().find(|w| w.kind.has_row() && !w.silent).map(|w| w.started.mono_ns)
    }

    pub fn clear_beyond(&mut self) {
        self.beyond = 0;
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes + self.waiting.capacity() * size_of::<Waiting>()
    }
}

//! Commands that wait for their responses, in the order in which they came. A command whose row is written or given up still
//! waits, silently, so that its response is not taken for another's.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::{Code, Reply};
use super::login::Names;
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};
use crate::{Confidence, Moment};

/// How many buffers of commands are kept to be used again, and how large one of them may be.
const SPARE_BUFFERS_MAX: usize = 16;
const SPARE_BUFFER_BYTES_MAX: usize = 4096;

#[derive(Debug)]
pub struct Waiting {
    pub code: Code,
    pub reply: Reply,
    /// The statement, then its parameters.
    pub buffer: Vec<u8>,
    /// Where in the buffer the statement ends.
    pub query_end: usize,
    /// The row has parameters: the buffer after the statement.
    pub parameters: bool,
    /// Text of the prepared statement that is executed.
    pub prepared: Option<Arc<[u8]>>,
    /// The buffer is an execution whose statement has no number yet.
    pub unread: bool,
    /// The command's payload was not kept whole.
    pub truncated: bool,
    /// Names that the session has after this command, if it succeeds.
    pub names: Option<Box<Names>>,
    /// Trace and span that an attribute of the statement named.
    pub trace: Option<Box<([u8; 32], [u8; 16])>>,
    pub started: Moment,
    /// `None` when the request was not seen.
    pub bytes: Option<u64>,
    /// Sequence number of its last packet.
    pub last_seq: u8,
    pub gap_before: bool,
    pub confidence: Confidence,
    /// It gets no row any more.
    pub silent: bool,
    /// Responses that are still to come; more than one only when it is silent.
    pub replies: u64,
}

impl Waiting {
    pub fn new(code: Code, reply: Reply, buffer: Vec<u8>, started: Moment) -> Self {
        Self {
            code,
            reply,
            buffer,
            query_end: 0,
            parameters: false,
            prepared: None,
            unread: false,
            truncated: false,
            names: None,
            trace: None,
            started,
            bytes: None,
            last_seq: 0,
            gap_before: false,
            confidence: Confidence::Certain,
            silent: false,
            replies: 1,
        }
    }

    /// Text of the statement.
    pub fn query(&self) -> Option<&[u8]> {
        match &self.prepared {
            Some(text) => Some(text),
            None => (self.query_end > 0).then(|| &self.buffer[..self.query_end]),
        }
    }

    fn heap_bytes(&self) -> usize {
        let names = self.names.as_ref().map_or(0, |n| n.heap_bytes() + size_of::<Names>());
        self.buffer.capacity() + names + if self.trace.is_some() { 48 } else { 0 }
    }

    /// Gives up what only a row needs; answers the buffer.
    pub fn silence(&mut self) -> Vec<u8> {
        self.silent = true;
        (self.query_end, self.parameters, self.prepared, self.unread, self.trace) = (0, false, None, false, None);
        std::mem::take(&mut self.buffer)
    }

    /// Another one of this kind may be counted in this entry.
    fn takes(&self, other: &Self) -> bool {
        let plain = |w: &Self| w.silent && w.names.is_none() && w.reply != Reply::Stream;
        plain(self) && plain(other) && self.reply == other.reply
    }
}

#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// Bytes that the waiting commands hold.
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// The newest command that waits prepares a statement.
    pub fn prepares(&self) -> bool {
        self.waiting.iter().rev().find(|w| w.reply != Reply::Result).is_some_and(|w| w.reply == Reply::Prepared)
    }

    /// The first command, whose texts stay as they are.
    pub fn front_mut(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    /// An empty buffer for the next command.
    #[inline]
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// A command waits. `false` when it is over the limits and gets no row.
    #[inline]
    pub fn push(&mut self, mut waiting: Waiting) -> bool {
        let room = self.waiting.len() < PENDING_REQUESTS_MAX && self.bytes < PENDING_BYTES_MAX;
        let heard = !waiting.silent;
        if !room && heard {
            let buffer = waiting.silence();
            self.recycle(buffer);
        }
        let flooded = self.waiting.len() >= 2 * PENDING_REQUESTS_MAX;
        match self.waiting.back_mut() {
            Some(back) if back.takes(&waiting) => back.replies += waiting.replies,
            // so many different silent ones are a flood, and their responses cannot be told apart
            _ if flooded => {}
            _ => {
                self.bytes += waiting.heap_bytes();
                self.waiting.push_back(waiting);
            }
        }
        room || !heard
    }

    /// The first command has its response.
    #[inline]
    pub fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.heap_bytes();
        if self.waiting.is_empty() && self.waiting.capacity() > 256 {
            self.waiting = VecDeque::new();
        }
        Some(waiting)
    }

    /// Takes a command's buffer back.
    #[inline]
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS_MAX && (1..=SPARE_BUFFER_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Commands that began before `before_ns` become rows by `write`; their responses are still awaited.
    pub fn expire(&mut self, before_ns: u64, mut write: impl FnMut(&Waiting)) {
        for index in 0..self.waiting.len() {
            let waiting = &mut self.waiting[index];
            if waiting.started.mono_ns >= before_ns {
                break;
            }
            if waiting.silent {
                continue;
            }
            write(waiting);
            let before = waiting.heap_bytes();
            let buffer = waiting.silence();
            self.bytes = self.bytes - before + waiting.heap_bytes();
            self.recycle(buffer);
        }
    }

    /// When the oldest command that may still get a row began.
    pub fn waiting_since(&self) -> Option<u64> {
        self.waiting.iter().find(|w| !w.silent).map(|w| w.started.mono_ns)
    }

    pub fn heap_bytes(&self) -> usize {
        let spare: usize = self.spare.iter().map(Vec::capacity).sum();
        self.bytes + spare + self.waiting.capacity() * size_of::<Waiting>()
    }
}

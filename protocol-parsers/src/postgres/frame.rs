//! Where messages begin and end: a type byte, a length that counts itself, a body.
//!
//! In: one direction's bytes in any portions. Out: whole messages with the kept beginning of their bodies. Rows of results and
//! COPY data are passed over as they come, so that a message of any size costs no more memory than what is kept of it.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use super::seek::Seek;
use crate::{Flow, Moment};

/// How much of a message's body is kept.
pub const KEPT_BYTES_MAX: usize = 128 << 10;
/// Longest message that is believed; PostgreSQL itself takes less than 1 GiB.
const MESSAGE_BYTES_MAX: u32 = 1 << 30;
/// Longest message whose beginning may be a guess.
const USUAL_BYTES_MAX: u32 = 16 << 20;
/// Longest message of a kind that is always short; libpq has the same limit.
const SHORT_BYTES_MAX: u32 = 30_000;

#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub tag: u8,
    /// The beginning of the body.
    pub body: &'a [u8],
    /// The body is longer than `body`, or has a hole.
    pub cut: bool,
    /// On the connection, type byte and length included.
    pub bytes: u64,
    /// When its first byte was seen.
    pub started: Moment,
}

#[derive(Debug)]
pub enum Seen<'a> {
    /// All bytes were used, and no message ended.
    Part,
    /// So many bytes are no message.
    Passed(u64),
    Message(Message<'a>),
}

/// What a hole did to the message that it fell into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hole {
    /// It is inside a body: the message's end is still known.
    Inside,
    /// It is between messages or reaches beyond one, of which `bytes` had come: it is not known where the next message begins.
    Beyond { tag: Option<u8>, bytes: u64 },
}

/// Splits one direction into messages.
#[derive(Debug)]
pub struct Frames {
    flow: Flow,
    head: [u8; 5],
    /// Bytes of the message that came or were not seen, its head included; 0 between messages.
    passed: u64,
    kept: Vec<u8>,
    started: Moment,
    holed: bool,
    /// The message was handed out and is to be forgotten.
    given: bool,
    /// It is not known where the next message begins.
    pub lost: bool,
    /// The next message is believed only if it is of usual length: where it begins was guessed.
    wary: bool,
    /// Looks for the next message while lost.
    seek: Seek,
}

impl Frames {
    /// `wary`: the first byte may be in the middle of a message.
    pub fn new(flow: Flow, wary: bool) -> Self {
        Self {
            flow,
            head: [0; 5],
            passed: 0,
            kept: Vec::new(),
            started: Moment::default(),
            holed: false,
            given: false,
            lost: false,
            wary,
            seek: Seek::new(flow),
        }
    }

    /// How many bytes were used, and what they are.
    #[inline]
    pub fn next<'a>(&'a mut self, data: &'a [u8], at: Moment) -> (usize, Seen<'a>) {
        if self.given {
            self.forget();
        }
        if self.lost {
            return self.seek(data, at);
        }
        if self.passed == 0
            && let Some((head, rest)) = data.split_first_chunk::<5>()
        {
            let (tag, length) = split_head(head);
            if !self.believed(tag, length) {
                self.lose();
                return self.seek(data, at);
            }
            let body = length as usize - 4;
            if rest.len() >= body {
                self.wary = false;
                let kept = body.min(kept_max(self.flow, tag));
                let message = Message { tag, body: &rest[..kept], cut: kept < body, bytes: u64::from(length) + 1, started: at };
                return (body + 5, Seen::Message(message));
            }
        }
        self.collect(data, at)
    }

    /// A message that comes in portions.
    fn collect<'a>(&'a mut self, data: &'a [u8], at: Moment) -> (usize, Seen<'a>) {
        let mut used = 0;
        if self.passed < 5 {
            if self.passed == 0 {
                self.started = at;
            }
            let have = self.passed as usize;
            used = data.len().min(5 - have);
            self.head[have..have + used].copy_from_slice(&data[..used]);
            self.passed += used as u64;
            if !known(self.flow, self.head[0]) {
                return self.fall(used);
            }
            if self.passed < 5 {
                return (used, Seen::Part);
            }
            let (tag, length) = split_head(&self.head);
            if !self.believed(tag, length) {
                return self.fall(used);
            }
        }
        let total = self.total();
        let rest = (total - self.passed).min((data.len() - used) as u64) as usize;
        self.keep(&data[used..used + rest]);
        used += rest;
        if self.passed < total {
            return (used, Seen::Part);
        }
        (used, Seen::Message(self.give()))
    }

    #[inline]
    fn believed(&self, tag: u8, length: u32) -> bool {
        plausible(self.flow, tag, length) && (!self.wary || length <= USUAL_BYTES_MAX)
    }

    /// The length of the message that is being collected, its type byte included.
    fn total(&self) -> u64 {
        u64::from(split_head(&self.head).1) + 1
    }

    fn keep(&mut self, bytes: &[u8]) {
        // after a hole nothing is kept: what came before it must not look joined to what came after
        if !self.holed {
            let room = kept_max(self.flow, self.head[0]) - self.kept.len();
            self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        self.passed += bytes.len() as u64;
    }

    fn give(&mut self) -> Message<'_> {
        (self.given, self.wary) = (true, false);
        let body = self.total() - 5;
        let cut = self.holed || (self.kept.len() as u64) < body;
        Message { tag: self.head[0], body: &self.kept, cut, bytes: body + 5, started: self.started }
    }

    fn forget(&mut self) {
        self.kept.clear();
        if self.kept.capacity() > 4096 {
            self.kept = Vec::new();
        }
        (self.passed, self.holed, self.given) = (0, false, false);
    }

    /// The `used` bytes just taken make the head that was collected no message.
    fn fall(&mut self, used: usize) -> (usize, Seen<'_>) {
        let collected = self.passed as usize;
        self.lose();
        // the head may hold the beginning of a mark
        self.seek.start(&self.head[..collected]);
        (used, Seen::Passed((collected - self.seek.matched) as u64))
    }

    /// Begins to look for a message.
    pub fn lose(&mut self) {
        self.forget();
        self.lost = true;
        self.seek.start(&[]);
    }

    fn seek<'a>(&'a mut self, data: &'a [u8], at: Moment) -> (usize, Seen<'a>) {
        let (used, seen) = self.seek.next(data, at);
        // the mark ends the search; the command tag before it does not
        if let Seen::Message(message) = &seen
            && message.bytes > 0
        {
            self.lost = false;
        }
        (used, seen)
    }

    /// The next byte may begin a message, since the other side has just spoken. How many bytes were passed over in vain.
    pub fn turn(&mut self) -> u64 {
        if self.given {
            self.forget();
        }
        if !self.lost {
            return 0;
        }
        (self.lost, self.wary) = (false, true);
        std::mem::take(&mut self.seek.matched) as u64
    }

    /// How many of the next bytes are not kept.
    pub fn passes_over(&self) -> u64 {
        let inside = !self.given && !self.lost && self.passed >= 5;
        let full = self.holed || self.kept.len() >= kept_max(self.flow, self.head[0]);
        if inside && full { self.total().saturating_sub(self.passed) } else { 0 }
    }

    /// `len` bytes were not seen.
    pub fn unseen(&mut self, len: u64) -> Hole {
        if self.given {
            self.forget();
        }
        if !self.lost && self.passed >= 5 && len <= self.total() - self.passed {
            self.passed += len;
            self.holed = true;
            return Hole::Inside;
        }
        let tag = (self.passed >= 5).then_some(self.head[0]);
        let bytes = self.passed + if self.lost { self.seek.matched as u64 } else { 0 };
        self.forget();
        // what is seen after a hole is often a message's beginning
        (self.lost, self.wary) = (false, true);
        Hole::Beyond { tag, bytes }
    }

    /// The message that a hole completed.
    pub fn completed(&mut self) -> Option<Message<'_>> {
        (self.passed >= 5 && !self.given && self.passed == self.total()).then(|| self.give())
    }

    /// What there is of a message whose rest will not come: its type and how many bytes of it came.
    pub fn rest(&mut self) -> Option<(u8, u64)> {
        if self.given {
            self.forget();
        }
        (self.passed > 0).then(|| (self.head[0], self.passed))
    }

    pub fn heap_bytes(&self) -> usize {
        self.kept.capacity() + self.seek.heap_bytes()
    }
}

#[inline]
pub fn split_head(head: &[u8; 5]) -> (u8, u32) {
    (head[0], u32::from_be_bytes([head[1], head[2], head[3], head[4]]))
}

/// How much of a body is kept: nothing of results and secrets.
#[inline]
fn kept_max(flow: Flow, tag: u8) -> usize {
    match (flow, tag) {
        (_, b'd') => 1,
        (Flow::ToServer, b'p') => 0,
        (Flow::ToClient, b'D' | b'T' | b'V' | b'K') => 0,
        (Flow::ToClient, b'R') => 4,
        _ => KEPT_BYTES_MAX,
    }
}

/// Lengths that a message of this kind can have; `None` when there is no such kind.
#[inline]
fn lengths(flow: Flow, tag: u8) -> Option<(u32, u32)> {
    Some(match (flow, tag) {
        (Flow::ToServer, b'Q') => (5, MESSAGE_BYTES_MAX),
        (Flow::ToServer, b'P') => (8, MESSAGE_BYTES_MAX),
        (Flow::ToServer, b'B') => (12, MESSAGE_BYTES_MAX),
        (Flow::ToServer, b'E') => (9, SHORT_BYTES_MAX),
        (Flow::ToServer, b'D' | b'C') => (6, SHORT_BYTES_MAX),
        (Flow::ToServer, b'S' | b'H' | b'X') => (4, 4),
        (Flow::ToServer, b'F') => (14, MESSAGE_BYTES_MAX),
        (Flow::ToServer, b'f') => (5, SHORT_BYTES_MAX),
        (Flow::ToServer, b'p') => (4, 64 << 10),
        (Flow::ToClient, b'Z') => (5, 5),
        (Flow::ToClient, b'C') => (5, 1024),
        (Flow::ToClient, b'D' | b'T') => (6, MESSAGE_BYTES_MAX),
        (Flow::ToClient, b'E' | b'N' | b'A') => (5, MESSAGE_BYTES_MAX),
        (Flow::ToClient, b'R') => (8, SHORT_BYTES_MAX),
        (Flow::ToClient, b'K') => (12, 272),
        (Flow::ToClient, b'S') => (6, MESSAGE_BYTES_MAX),
        (Flow::ToClient, b'1' | b'2' | b'3' | b'n' | b's' | b'I') => (4, 4),
        (Flow::ToClient, b't') => (6, 6 + 4 * 0xffff),
        (Flow::ToClient, b'G' | b'H' | b'W') => (7, SHORT_BYTES_MAX),
        (Flow::ToClient, b'V') => (8, MESSAGE_BYTES_MAX),
        (Flow::ToClient, b'v') => (12, SHORT_BYTES_MAX),
        (_, b'd') => (4, MESSAGE_BYTES_MAX),
        (_, b'c') => (4, 4),
        _ => return None,
    })
}

#[inline]
pub fn plausible(flow: Flow, tag: u8, length: u32) -> bool {
    lengths(flow, tag).is_some_and(|(min, max)| (min..=max).contains(&length))
}

pub fn known(flow: Flow, tag: u8) -> bool {
    lengths(flow, tag).is_some()
}

//! Where messages begin again after bytes that are none, or that were not seen.
//!
//! In: one direction's bytes in any portions. Out: how many of them are passed over, and the message that ends every request
//! (Sync) or every response (ReadyForQuery, with the command tag before it): the mark that is looked for.

use super::frame::{Message, Seen};
use crate::{Flow, Moment};

/// A command tag that stands before ReadyForQuery is at most this long, with its head.
const COMPLETE_BYTES_MAX: usize = 70;
/// The mark's bytes that are the same everywhere.
const MARK_BYTES: usize = 5;

#[derive(Debug)]
pub struct Seek {
    flow: Flow,
    /// How much of the mark has come.
    pub matched: usize,
    /// The last bytes that came, those of the mark included.
    tail: Vec<u8>,
    /// The command tag before the mark was handed out.
    told: bool,
}

impl Seek {
    pub fn new(flow: Flow) -> Self {
        Self { flow, matched: 0, tail: Vec::new(), told: false }
    }

    /// Begins to look anew, behind these bytes.
    pub fn start(&mut self, bytes: &[u8]) {
        (self.matched, self.told) = (0, false);
        self.tail.clear();
        for byte in bytes {
            self.step(*byte);
        }
        self.remember(bytes);
    }

    /// How many bytes were used, and what they are. A message is the mark, or the command tag before it, whose bytes are passed
    /// over already and are not counted again.
    pub fn next<'a>(&'a mut self, data: &'a [u8], at: Moment) -> (usize, Seen<'a>) {
        let before = self.matched as u64;
        let mut used = 0;
        while used < data.len() {
            if self.matched == 0 {
                match memchr::memchr(self.mark()[0], &data[used..]) {
                    Some(skip) => used += skip,
                    None => {
                        used = data.len();
                        break;
                    }
                }
            }
            used += 1;
            if self.step(data[used - 1]) {
                return self.found(used, before, data, at);
            }
        }
        self.remember(&data[..used]);
        (used, Seen::Passed(used as u64 + before - self.matched as u64))
    }

    /// A mark is whole. What came before it is told first, and its last byte is looked at again for it.
    fn found<'a>(&'a mut self, used: usize, before: u64, data: &'a [u8], at: Moment) -> (usize, Seen<'a>) {
        let length = self.matched as u64;
        let passed = used as u64 + before - length;
        self.remember(&data[..used - 1]);
        if passed > 0 {
            self.matched -= 1;
            return (used - 1, Seen::Passed(passed));
        }
        let tag = if self.flow == Flow::ToClient && !self.told { self.complete() } else { None };
        if let Some(start) = tag {
            self.matched -= 1;
            self.told = true;
            let body = &self.tail[start..self.tail.len() - MARK_BYTES];
            return (used - 1, Seen::Message(Message { tag: b'C', body, cut: false, bytes: 0, started: at }));
        }
        let body: &[u8] = if self.flow == Flow::ToClient { &data[used - 1..used] } else { &[] };
        (used, Seen::Message(Message { tag: self.mark()[0], body, cut: false, bytes: length, started: at }))
    }

    fn mark(&self) -> &'static [u8; MARK_BYTES] {
        match self.flow {
            Flow::ToServer => b"S\0\0\0\x04",
            Flow::ToClient => b"Z\0\0\0\x05",
        }
    }

    /// One byte further in the search for the mark; whether the mark is whole.
    fn step(&mut self, byte: u8) -> bool {
        let mark = self.mark();
        let fits = match mark.get(self.matched) {
            Some(wanted) => *wanted == byte,
            // the transaction's state
            None => matches!(byte, b'I' | b'T' | b'E'),
        };
        self.matched = if fits { self.matched + 1 } else { usize::from(byte == mark[0]) };
        self.matched == MARK_BYTES + usize::from(self.flow == Flow::ToClient)
    }

    fn remember(&mut self, bytes: &[u8]) {
        const KEPT: usize = COMPLETE_BYTES_MAX + MARK_BYTES;
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        self.tail.extend_from_slice(bytes);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
    }

    /// Where in the tail the body of a CommandComplete begins that ends before the mark.
    fn complete(&self) -> Option<usize> {
        let before = &self.tail[..self.tail.len().checked_sub(MARK_BYTES)?];
        complete_at_end(before).map(|at| at + 5)
    }

    pub fn heap_bytes(&self) -> usize {
        self.tail.capacity()
    }
}

/// Where the CommandComplete begins that bytes end with.
pub fn complete_at_end(bytes: &[u8]) -> Option<usize> {
    // its head, a letter, the NUL
    (7..=COMPLETE_BYTES_MAX.min(bytes.len())).map(|size| bytes.len() - size).find(|start| {
        let message = &bytes[*start..];
        let length = u32::try_from(message.len() - 1).unwrap_or_default().to_be_bytes();
        let (tag, end) = message[5..].split_at(message.len() - 6);
        message[0] == b'C'
            && message[1..5] == length
            && end == [0]
            && tag[0].is_ascii_uppercase()
            && tag.iter().all(|b| matches!(b, b' '..=b'~'))
    })
}

//! One message as far as it was received: its head, and of its body what a row keeps.

use super::head::Head;
use super::limits::SPARE_BYTES_MAX;
use crate::coding::CODING_SLACK_BYTES;
use crate::{Confidence, Moment};

#[derive(Debug, Default)]
pub struct Message {
    pub head: Head,
    /// The first byte.
    pub started: Moment,
    /// The last byte so far.
    pub last_ns: u64,
    /// All bytes so far; of a response with the 1xx before it.
    pub bytes: u64,
    /// The beginning of the body, without transfer framing, encoded as it came.
    pub body: Vec<u8>,
    /// Size of the body, kept or not.
    pub body_bytes: u64,
    /// `body` is not all of it.
    pub body_cut: bool,
    pub whole: bool,
    pub gap_before: bool,
    pub confidence: Confidence,
}

impl Message {
    /// Takes body bytes, and keeps as much as a row of at most `bytes_max` body bytes may need.
    pub fn add_body(&mut self, bytes: &[u8], bytes_max: usize) {
        self.body_bytes += bytes.len() as u64;
        if self.body_cut {
            return;
        }
        let room = bytes_max.saturating_add(CODING_SLACK_BYTES) - self.body.len();
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.body_cut = bytes.len() > room;
    }

    /// Takes body bytes that were not seen.
    pub fn add_hole(&mut self, len: u64) {
        self.body_bytes += len;
        self.body_cut |= len > 0;
    }

    /// Ready for the next message, with the memory of this one unless it is much.
    pub fn clear(&mut self) {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        head.shrink(SPARE_BYTES_MAX);
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.shrink_to(SPARE_BYTES_MAX);
        *self = Message { head, body, ..Message::default() };
    }

    /// Memory of this message, its own size included.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.head.heap_bytes() + self.body.capacity()
    }
}

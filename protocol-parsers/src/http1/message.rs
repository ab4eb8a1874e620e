//! One message as far as it was received: its head, and of its body what a row keeps.

use super::head::Head;
use super::limits::SPARE_BYTES_MAX;
use crate::coding::CODING_SLACK_BYTES;
use crate::{Confidence, Moment, Settings};

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
    /// Takes body bytes, and keeps as much as a row may need.
    pub fn add_body(&mut self, bytes: &[u8], settings: &Settings) {
        self.body_bytes += bytes.len() as u64;
        if self.body_cut || !settings.bodies {
            return;
        }
        let room = settings.body_bytes_max.saturating_add(CODING_SLACK_BYTES) - self.body.len();
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
        self.head.clear();
        self.head.shrink(SPARE_BYTES_MAX);
        self.body.clear();
        self.body.shrink_to(SPARE_BYTES_MAX);
        // in place: a message is large, and there is one for each request and each response
        let Self { head: _, started, last_ns, bytes, body: _, body_bytes, body_cut, whole, gap_before, confidence } = self;
        (*started, *confidence) = (Moment::default(), Confidence::default());
        (*last_ns, *bytes, *body_bytes) = (0, 0, 0);
        (*body_cut, *whole, *gap_before) = (false, false, false);
    }

    /// Memory of this message, its own size included.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.head.heap_bytes() + self.body.capacity()
    }
}

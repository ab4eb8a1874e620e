//! One request or response as far as it was received, and the stream's two together.

use super::fields::Fields;
use super::grpc::{self, Messages};
use super::limits::SPARE_BYTES_MAX;
use crate::coding::CODING_SLACK_BYTES;
use crate::{Confidence, Moment};

#[derive(Debug, Default)]
pub struct Message {
    /// The header section; of a response the final one.
    pub fields: Fields,
    pub trailers: Fields,
    /// The header section was seen.
    pub head: bool,
    pub has_trailers: bool,
    /// Something was seen, `started` first.
    pub begun: bool,
    pub started: Moment,
    /// The last byte so far.
    pub last_ns: u64,
    /// Frames so far, of a response with the 1xx before it.
    pub bytes: u64,
    /// The beginning of the body, without framing and padding, encoded as it came.
    pub body: Vec<u8>,
    pub body_bytes: u64,
    /// `body` is not all of it.
    pub body_cut: bool,
    pub messages: Messages,
    /// The body is not gRPC.
    other_body: bool,
    pub whole: bool,
    pub gap_before: bool,
}

impl Message {
    /// Takes the header section that is in `fields`.
    pub fn take_head(&mut self) {
        self.head = true;
        let other = self.fields.value(b"content-type").is_some_and(|kind| !grpc::is_grpc(kind));
        self.other_body = other || self.fields.value(b"content-type").is_none() && self.fields.unknown == 0;
    }

    pub fn begin(&mut self, at: Moment) {
        if !self.begun {
            self.begun = true;
            self.started = at;
        }
    }

    /// Takes body bytes, and keeps as much as a row of at most `bytes_max` body bytes may need, and `room` allows. Answers
    /// how much it kept.
    pub fn add_body(&mut self, bytes: &[u8], bytes_max: usize, room: usize) -> usize {
        self.body_bytes += bytes.len() as u64;
        if !self.other_body {
            self.messages.add(bytes);
        }
        if self.body_cut {
            return 0;
        }
        let kept = bytes.len().min(bytes_max.saturating_add(CODING_SLACK_BYTES) - self.body.len()).min(room);
        self.body.extend_from_slice(&bytes[..kept]);
        self.body_cut = kept < bytes.len();
        kept
    }

    /// Takes body bytes that were not seen.
    pub fn add_hole(&mut self, len: u64) {
        self.body_bytes += len;
        self.body_cut |= len > 0;
        self.messages.add_hole(len);
    }

    /// Frames of it may have been missed.
    pub fn doubt(&mut self) {
        self.gap_before = true;
        self.body_cut = true;
        self.messages.lose();
    }

    fn clear(&mut self) {
        let (mut fields, mut trailers) = (std::mem::take(&mut self.fields), std::mem::take(&mut self.trailers));
        for fields in [&mut fields, &mut trailers] {
            fields.clear();
            fields.shrink(SPARE_BYTES_MAX);
        }
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.shrink_to(SPARE_BYTES_MAX);
        *self = Self { fields, trailers, body, ..Self::default() };
    }

    fn heap_bytes(&self) -> usize {
        self.fields.heap_bytes() + self.trailers.heap_bytes() + self.body.capacity()
    }
}

/// One stream.
#[derive(Debug, Default)]
pub struct Call {
    pub request: Message,
    pub response: Message,
    pub confidence: Confidence,
    /// Frames of it may have been missed.
    pub doubtful: bool,
    /// The code with which either end gave it up.
    pub reset: Option<u32>,
    /// It begins with a request over HTTP/1.1.
    pub upgraded: bool,
    /// What is counted for it.
    pub counted: usize,
}

impl Call {
    pub fn clear(&mut self) {
        self.request.clear();
        self.response.clear();
        self.confidence = Confidence::default();
        self.doubtful = false;
        self.reset = None;
        self.upgraded = false;
        self.counted = 0;
    }

    /// The first byte: a request can be reported a moment after its response; it was sent before, though.
    pub fn started(&self) -> Moment {
        match (self.request.begun, self.response.begun) {
            (true, true) => {
                let mono_ns = self.request.started.mono_ns.min(self.response.started.mono_ns);
                Moment { mono_ns, ..self.request.started }
            }
            (true, false) => self.request.started,
            _ => self.response.started,
        }
    }

    /// Memory of this call, its own size included.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.request.heap_bytes() + self.response.heap_bytes()
    }
}

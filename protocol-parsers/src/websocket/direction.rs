//! One direction of a connection: frames become messages. Holds a header and the beginnings of texts, no payload.

use super::frame::{CLOSE, CONTINUATION, Header, Read, TEXT, unmask};
use super::inflate::Inflater;
use super::limits::MALFORMED_BYTES_MAX;
use crate::{Confidence, Flow, Moment, Output, Skipped, Stream};

/// A message, or what was seen of it.
#[derive(Debug, Default)]
pub struct Message {
    /// `None` when its first frame was not seen.
    pub opcode: Option<u8>,
    pub started: Moment,
    pub wire_bytes: u64,
    pub payload_bytes: u64,
    /// The beginning of a text, or a close's payload.
    pub text: Vec<u8>,
    /// `text` is not all of it, or cannot be told.
    pub text_cut: bool,
    pub text_unknown: bool,
    pub fragments: i32,
    pub compressed: bool,
    pub gap_before: bool,
    pub confidence: Confidence,
}

impl Message {
    fn has_text(&self) -> bool {
        matches!(self.opcode, Some(TEXT | CLOSE))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Header,
    Payload {
        header: Header,
        left: u64,
    },
    /// Bytes were missed; a frame is expected where a segment begins.
    Lost(Skipped),
}

pub struct Direction {
    flow: Flow,
    pub stream: Stream,
    phase: Phase,
    /// The message that is being received, and a control message that comes between its frames.
    data: Option<Message>,
    control: Option<Message>,
    inflater: Inflater,
    text_bytes_max: usize,
    confidence: Confidence,
    gap: bool,
    /// The place of every frame so far was known: what does not fit then is another protocol, as an end that gets such a frame
    /// gives the connection up.
    sure: bool,
    malformed: u64,
    pub misfit: bool,
    /// A close was sent; nothing follows.
    pub closed: bool,
}

impl Direction {
    pub fn new(flow: Flow, from_start: bool, text_bytes_max: usize) -> Self {
        Self {
            flow,
            stream: Stream::default(),
            phase: if from_start { Phase::Header } else { Phase::Lost(Skipped::JoinedMidMessage) },
            data: None,
            control: None,
            inflater: Inflater::new(from_start),
            text_bytes_max,
            confidence: if from_start { Confidence::Certain } else { Confidence::Likely },
            gap: false,
            sure: from_start,
            malformed: 0,
            misfit: false,
            closed: false,
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let text = |message: &Option<Message>| message.as_ref().map_or(0, |m| m.text.capacity());
        self.stream.heap_bytes() + text(&self.data) + text(&self.control) + self.inflater.heap_bytes()
    }

    /// A segment begins: where a frame is sought, one may begin here.
    pub fn begin_segment(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Lost(_)) && !self.misfit && !matches!(Header::read(bytes, self.flow), Read::Malformed) {
            self.phase = Phase::Header;
        }
    }

    /// Takes a piece of what is not consumed, and answers how many bytes that is and the message that ends with it.
    pub fn next(&mut self, data: &[u8], first: Moment, out: &mut dyn Output) -> (usize, Option<Message>) {
        match self.phase {
            Phase::Header => match Header::read(data, self.flow) {
                Read::Header(header) => {
                    self.frame(header, first);
                    self.phase = Phase::Payload { header, left: header.payload_bytes };
                    let ended = if header.payload_bytes == 0 { self.frame_ended(&header) } else { None };
                    (header.len, ended)
                }
                Read::NeedMore => (0, None),
                Read::Malformed => {
                    self.lose(Skipped::Malformed);
                    self.misfit |= self.sure;
                    self.skip(data, out)
                }
            },
            Phase::Payload { header, left } => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.payload(&header, &data[..used], header.payload_bytes - left);
                let left = left - used as u64;
                self.phase = Phase::Payload { header, left };
                (used, if left == 0 { self.frame_ended(&header) } else { None })
            }
            Phase::Lost(_) => self.skip(data, out),
        }
    }

    fn skip(&mut self, data: &[u8], out: &mut dyn Output) -> (usize, Option<Message>) {
        let Phase::Lost(why) = self.phase else { return (0, None) };
        out.skipped(why, 0, data.len() as u64);
        if why == Skipped::Malformed {
            self.malformed += data.len() as u64;
            self.misfit |= self.malformed > MALFORMED_BYTES_MAX;
        }
        (data.len(), None)
    }

    /// The place is lost, and the message that was being received.
    fn lose(&mut self, why: Skipped) {
        self.phase = Phase::Lost(why);
        self.inflater.lose();
        self.gap = true;
        self.confidence = self.confidence.min(Confidence::Likely);
    }

    fn frame(&mut self, header: Header, first: Moment) {
        let slot = if header.is_control() { &mut self.control } else { &mut self.data };
        if header.opcode != CONTINUATION || slot.is_none() {
            let confidence = if self.gap { Confidence::Guessed } else { self.confidence };
            *slot = Some(Message {
                opcode: (header.opcode != CONTINUATION).then_some(header.opcode),
                started: first,
                compressed: header.compressed,
                gap_before: std::mem::take(&mut self.gap),
                confidence,
                ..Message::default()
            });
        }
        if let Some(message) = slot {
            message.fragments = message.fragments.saturating_add(1);
            message.wire_bytes += header.len as u64;
            message.payload_bytes += header.payload_bytes;
        }
    }

    fn payload(&mut self, header: &Header, bytes: &[u8], offset: u64) {
        let slot = if header.is_control() { &mut self.control } else { &mut self.data };
        let Some(message) = slot else { return };
        message.wire_bytes += bytes.len() as u64;
        let room = self.text_bytes_max.saturating_sub(message.text.len());
        if message.compressed {
            let mut plain = bytes.to_vec();
            unmask(&mut plain, header.mask, offset);
            let shown = if message.has_text() { self.text_bytes_max } else { 0 };
            message.text_unknown |= !self.inflater.add(&plain, &mut message.text, shown);
        } else if message.has_text() && !message.text_cut {
            let kept = bytes.len().min(room);
            let start = message.text.len();
            message.text.extend_from_slice(&bytes[..kept]);
            unmask(&mut message.text[start..], header.mask, offset);
            message.text_cut = kept < bytes.len();
        }
    }

    fn frame_ended(&mut self, header: &Header) -> Option<Message> {
        self.phase = Phase::Header;
        self.malformed = 0;
        self.closed |= header.opcode == CLOSE;
        if !header.last {
            return None;
        }
        let mut message = if header.is_control() { self.control.take() } else { self.data.take() }?;
        if message.compressed {
            let shown = if message.has_text() { self.text_bytes_max } else { 0 };
            match self.inflater.end(&mut message.text, shown) {
                Some(size) => message.text_cut |= message.has_text() && size > message.text.len(),
                None => message.text_unknown = true,
            }
        }
        Some(message)
    }

    /// `len` bytes were not seen; answers the message that ends with them.
    pub fn hole(&mut self, len: u64, out: &mut dyn Output) -> Option<Message> {
        self.inflater.lose();
        if let Phase::Payload { header, left } = self.phase
            && len <= left
        {
            let slot = if header.is_control() { &mut self.control } else { &mut self.data };
            if let Some(message) = slot {
                message.wire_bytes += len;
                message.text_unknown |= message.compressed;
                message.text_cut = true;
            }
            self.phase = Phase::Payload { header, left: left - len };
            return if left == len { self.frame_ended(&header) } else { None };
        }
        let held = self.stream.len();
        self.stream.clear();
        if held > 0 {
            out.skipped(Skipped::Gap, 0, held as u64);
        }
        let incomplete = self.take_incomplete();
        self.sure = false;
        self.lose(Skipped::Gap);
        incomplete
    }

    /// What was seen of a message that does not end.
    pub fn take_incomplete(&mut self) -> Option<Message> {
        self.control = None;
        let mut message = self.data.take()?;
        if let Phase::Payload { header, left } = self.phase
            && !header.is_control()
        {
            message.payload_bytes -= left;
        }
        message.text_cut = true;
        message.text_unknown |= message.compressed && message.text.is_empty();
        Some(message)
    }
}

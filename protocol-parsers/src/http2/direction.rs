//! One direction of a connection: which bytes belong to which frame, and the way back to a frame after a loss.
//!
//! In: the bytes that are not consumed. Out: what they begin with. Holds nothing but its place; DATA passes through.

use super::frame::{Begins, CONTINUATION, DATA, END_STREAM, ENOUGH, HEADER_BYTES, Header, PADDED, PREFACE, RST_STREAM, look};
use super::hpack::Decoder;
use super::limits::{HEADER_BLOCK_BYTES_MAX, MALFORMED_BYTES_MAX, SEARCH_BYTES_MAX};
use crate::{Flow, Moment, Skipped, Stream};

/// What the next bytes are.
#[derive(Debug)]
pub enum Piece<'a> {
    /// The header of a DATA frame.
    DataBegins { stream: u32 },
    /// Payload of a DATA frame, without padding.
    Data { stream: u32, bytes: &'a [u8] },
    /// A DATA frame is over.
    DataEnds { stream: u32, last: bool },
    /// Another frame; of a long one that has no fields the beginning of its payload, of a longer one with fields nothing.
    Frame { header: Header, payload: &'a [u8] },
    /// Bytes that tell nothing.
    Nothing,
    /// The next piece cannot be told yet.
    NeedMore,
    /// No bytes were taken; the next call takes some.
    Again,
    /// Bytes that belong to no frame.
    Skipped(Skipped),
    /// The first byte begins no frame: the place is lost.
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Preface,
    /// A frame comes next.
    Header,
    Data {
        stream: u32,
        left: usize,
        padding: usize,
        last: bool,
    },
    /// The rest of a frame that tells nothing more.
    Rest(usize),
    /// The beginning of a frame is sought.
    Search(Skipped),
}

/// How much of a payload is looked at in frames without fields.
const SHORT_PAYLOAD_BYTES: usize = 64;

#[derive(Debug)]
pub struct Direction {
    flow: Flow,
    phase: Phase,
    pub stream: Stream,
    pub hpack: Decoder,
    pub block: Option<Block>,
    /// Bytes were not seen since the last message began.
    pub gap: bool,
    /// Bytes that were no frames, since the last one.
    malformed: u64,
    /// What comes is not HTTP/2, or comes from the other end.
    pub misfit: bool,
}

/// What is known of a header or trailer section beside its fields.
#[derive(Debug)]
pub struct Section {
    pub stream: u32,
    /// It is the request that a server answers unasked.
    pub push: bool,
    /// The message ends with it.
    pub ends: bool,
    pub started: Moment,
    pub last_ns: u64,
    pub wire_bytes: u64,
}

/// A header block that is not whole.
#[derive(Debug)]
pub struct Block {
    /// The stream whose frames carry it.
    pub stream: u32,
    pub section: Section,
    /// `None` when it is over a limit.
    pub bytes: Option<Vec<u8>>,
}

impl Block {
    pub fn add(&mut self, fragment: Option<&[u8]>) {
        match (&mut self.bytes, fragment) {
            (Some(bytes), Some(more)) if bytes.len() + more.len() <= HEADER_BLOCK_BYTES_MAX => bytes.extend_from_slice(more),
            _ => self.bytes = None,
        }
    }
}

impl Direction {
    pub fn new(flow: Flow, from_start: bool) -> Self {
        let phase = match (from_start, flow) {
            (true, Flow::ToServer) => Phase::Preface,
            (true, Flow::ToClient) => Phase::Header,
            (false, _) => Phase::Search(Skipped::JoinedMidMessage),
        };
        Self {
            flow,
            phase,
            stream: Stream::default(),
            hpack: Decoder::new(from_start),
            block: None,
            gap: false,
            malformed: 0,
            misfit: false,
        }
    }

    pub fn synchronised(&self) -> bool {
        !matches!(self.phase, Phase::Search(_))
    }

    pub fn heap_bytes(&self) -> usize {
        self.stream.heap_bytes()
            + self.hpack.heap_bytes()
            + self.block.as_ref().and_then(|b| b.bytes.as_ref()).map_or(0, Vec::capacity)
    }

    /// The next piece and how many bytes it takes; 0 when more are needed.
    pub fn next<'a>(&mut self, data: &'a [u8], open: impl Fn(u32) -> bool) -> (usize, Piece<'a>) {
        match self.phase {
            Phase::Preface => self.preface(data),
            Phase::Header => self.header(data),
            Phase::Data { stream, left: 0, padding: 0, last } => {
                self.phase = Phase::Header;
                (0, Piece::DataEnds { stream, last })
            }
            Phase::Data { stream, left: 0, padding, last } => {
                let used = padding.min(data.len());
                self.phase = Phase::Data { stream, left: 0, padding: padding - used, last };
                (used, Piece::Data { stream, bytes: &[] })
            }
            Phase::Data { stream, left, padding, last } => {
                let used = left.min(data.len());
                self.phase = Phase::Data { stream, left: left - used, padding, last };
                (used, Piece::Data { stream, bytes: &data[..used] })
            }
            Phase::Rest(left) => {
                let used = left.min(data.len());
                self.phase = if used == left { Phase::Header } else { Phase::Rest(left - used) };
                (used, Piece::Nothing)
            }
            Phase::Search(why) => self.search(why, data, open),
        }
    }

    /// Whether a DATA frame is over, although no byte follows.
    pub fn has_more(&self) -> bool {
        matches!(self.phase, Phase::Data { left: 0, padding: 0, .. })
    }

    fn preface<'a>(&mut self, data: &'a [u8]) -> (usize, Piece<'a>) {
        let len = data.len().min(PREFACE.len());
        if data[..len] != PREFACE[..len] {
            self.phase = Phase::Header;
            return (0, Piece::Again);
        }
        if len < PREFACE.len() {
            return (0, Piece::NeedMore);
        }
        self.phase = Phase::Header;
        (len, Piece::Nothing)
    }

    fn header<'a>(&mut self, data: &'a [u8]) -> (usize, Piece<'a>) {
        let Some(header) = Header::of(data) else { return (0, Piece::NeedMore) };
        if !header.lawful() {
            return (1, Piece::Lost);
        }
        // a header block is never interrupted (RFC 9113, section 4.3): one that is will not go on
        if let Some(block) = &self.block
            && (header.kind != CONTINUATION || header.stream != block.stream)
        {
            self.miss();
        }
        if header.kind == DATA {
            return self.data(header, data);
        }
        let looked_at = match header.carries_fields() {
            true if header.len > HEADER_BLOCK_BYTES_MAX => 0,
            true => header.len,
            false => header.len.min(SHORT_PAYLOAD_BYTES),
        };
        let Some(payload) = data.get(HEADER_BYTES..HEADER_BYTES + looked_at) else { return (0, Piece::NeedMore) };
        self.framed(header.len - looked_at);
        (HEADER_BYTES + looked_at, Piece::Frame { header, payload })
    }

    fn framed(&mut self, rest: usize) {
        self.phase = if rest > 0 { Phase::Rest(rest) } else { Phase::Header };
        self.malformed = 0;
    }

    fn data<'a>(&mut self, header: Header, data: &'a [u8]) -> (usize, Piece<'a>) {
        let (mut used, mut padding) = (HEADER_BYTES, 0);
        if header.has(PADDED) {
            let Some(&byte) = data.get(HEADER_BYTES) else { return (0, Piece::NeedMore) };
            used += 1;
            padding = usize::from(byte);
        }
        let Some(left) = (header.len + HEADER_BYTES).checked_sub(used + padding) else { return (1, Piece::Lost) };
        let (stream, last) = (header.stream, header.has(END_STREAM));
        self.framed(0);
        self.phase = Phase::Data { stream, left, padding, last };
        (used, Piece::DataBegins { stream })
    }

    /// The place is lost: a frame is sought from the next byte on.
    pub fn lose(&mut self, why: Skipped) {
        self.phase = Phase::Search(why);
        self.miss();
    }

    /// A frame with fields was missed.
    pub fn miss(&mut self) {
        self.hpack.lose();
        self.block = None;
        self.gap = true;
    }

    fn search<'a>(&mut self, why: Skipped, data: &'a [u8], open: impl Fn(u32) -> bool) -> (usize, Piece<'a>) {
        if why == Skipped::JoinedMidMessage {
            let len = data.len().min(PREFACE.len());
            if data[..len] == PREFACE[..len] {
                if len < PREFACE.len() {
                    return (0, Piece::NeedMore);
                }
                // the beginning, after all
                self.hpack = Decoder::new(true);
                self.phase = Phase::Header;
                return (len, Piece::Nothing);
            }
        }
        let mut at = 0;
        while at < data.len() {
            let window = &data[at..data.len().min(at + SEARCH_BYTES_MAX)];
            let sight = look(window, self.flow, ENOUGH, &open);
            let wrong_end = if self.flow == Flow::ToServer { sight.response } else { sight.request };
            match sight.begins {
                Begins::Yes => {
                    self.misfit |= why == Skipped::JoinedMidMessage && wrong_end;
                    self.phase = Phase::Header;
                    self.malformed = 0;
                    return (at, if at > 0 { Piece::Skipped(why) } else { Piece::Again });
                }
                Begins::Maybe if window.len() < SEARCH_BYTES_MAX => break,
                _ => at += 1,
            }
        }
        if at > 0 && why == Skipped::Malformed {
            self.malformed += at as u64;
            self.misfit |= self.malformed > MALFORMED_BYTES_MAX;
        }
        (at, if at > 0 { Piece::Skipped(why) } else { Piece::NeedMore })
    }

    /// `len` bytes were not seen. Answers what they are known to be.
    pub fn hole(&mut self, len: u64) -> Hole {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut hole = Hole { data: None, held: 0, missed: Missed::Place };
        match self.phase {
            Phase::Data { stream, left, padding, last } => {
                let data = len.min(left);
                let padded = (len - data).min(padding);
                self.phase = Phase::Data { stream, left: left - data, padding: padding - padded, last };
                hole.data = Some((stream, data as u64, padded as u64));
                if data + padded == len {
                    hole.missed = Missed::Nothing;
                }
            }
            Phase::Rest(left) if len <= left => {
                self.framed(left - len);
                hole.missed = Missed::Nothing;
            }
            Phase::Header => {
                // a frame of which only a part was seen tells where the next one begins
                let held = Header::of(self.stream.bytes());
                hole.held = self.stream.len();
                let rest = held.and_then(|h| (HEADER_BYTES + h.len).checked_sub(hole.held)?.checked_sub(len));
                if let (Some(header), Some(rest)) = (held, rest) {
                    self.framed(rest);
                    let told = header.carries_fields() || header.kind == RST_STREAM;
                    hole.missed = if told { Missed::Frames } else { Missed::Nothing };
                }
                self.stream.clear();
            }
            _ => {
                hole.held = self.stream.len();
                self.stream.clear();
            }
        }
        hole
    }
}

/// What bytes that were not seen are known to be.
#[derive(Clone, Copy, Debug)]
pub struct Hole {
    /// So many bytes of a stream's body, and so many of padding.
    pub data: Option<(u32, u64, u64)>,
    /// Bytes that were held and tell nothing without those that are missing.
    pub held: usize,
    pub missed: Missed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missed {
    /// Nothing that matters.
    Nothing,
    /// Frames that tell something; where the next one begins is known.
    Frames,
    Place,
}

//! Frames (RFC 9113, section 4): their headers, which of them are lawful, and where they begin when that is not known.

use super::fields::Fields;
use super::hpack::Decoder;
use super::limits::{CHAIN_FRAMES_MAX, PLAUSIBLE_DATA_BYTES_MAX, PLAUSIBLE_FRAME_BYTES_MAX};
use crate::Flow;

/// What a client sends first (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's header.
pub const HEADER_BYTES: usize = 9;

/// Types of frames.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags; ACK and END_STREAM share a bit.
pub const END_STREAM: u8 = 0x1;
pub const ACK: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;
pub const PRIORITISED: u8 = 0x20;

/// ```text
/// +-----------------------------------------------+
/// |                 Length (24)                   |
/// +---------------+---------------+---------------+
/// |   Type (8)    |   Flags (8)   |
/// +-+-------------+---------------+-------------------------------+
/// |R|                 Stream Identifier (31)                      |
/// +=+=============================================================+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub len: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    reserved: bool,
}

impl Header {
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEADER_BYTES>()?;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        Some(Self { len, kind, flags, stream: stream & !(1 << 31), reserved: stream >> 31 != 0 })
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn carries_fields(&self) -> bool {
        matches!(self.kind, HEADERS | PUSH_PROMISE | CONTINUATION)
    }

    /// What the protocol demands of a frame of its type; unknown types are to be ignored.
    pub fn lawful(&self) -> bool {
        let on_stream = self.stream != 0;
        match self.kind {
            DATA | HEADERS => on_stream && (!self.has(PADDED) || self.len > 0),
            PRIORITY => on_stream && self.len == 5,
            RST_STREAM => on_stream && self.len == 4,
            SETTINGS => !on_stream && self.len.is_multiple_of(6) && (!self.has(ACK) || self.len == 0),
            PUSH_PROMISE => on_stream && self.len >= 4,
            PING => !on_stream && self.len == 8,
            GOAWAY => !on_stream && self.len >= 8,
            WINDOW_UPDATE => self.len == 4,
            CONTINUATION => on_stream,
            // nobody knows what they may carry; much of it is rather no frame at all
            _ => !self.reserved && self.len <= PLAUSIBLE_FRAME_BYTES_MAX,
        }
    }

    /// What senders do in fact; tells frames from other bytes.
    pub fn plausible(&self, flow: Flow) -> bool {
        let odd = self.stream % 2 == 1;
        let allowed_flags = match self.kind {
            DATA => END_STREAM | PADDED,
            HEADERS => END_STREAM | END_HEADERS | PADDED | PRIORITISED,
            SETTINGS | PING => ACK,
            PUSH_PROMISE => END_HEADERS | PADDED,
            CONTINUATION => END_HEADERS,
            _ => 0,
        };
        let usual = match self.kind {
            DATA => self.len <= PLAUSIBLE_DATA_BYTES_MAX && (self.len > 0 || self.has(END_STREAM)),
            HEADERS => self.len > 0 && (odd || flow == Flow::ToClient),
            PUSH_PROMISE => odd && flow == Flow::ToClient,
            SETTINGS => self.len <= 6 * 16,
            _ => self.kind <= CONTINUATION,
        };
        let small = self.kind == DATA || self.len <= PLAUSIBLE_FRAME_BYTES_MAX;
        self.lawful() && !self.reserved && self.flags & !allowed_flags == 0 && usual && small
    }
}

/// Whether a frame begins where some bytes do, as far as they tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begins {
    No,
    Maybe,
    Yes,
}

/// What can be told of bytes in whose beginning a frame may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    pub begins: Begins,
    /// Fields of a request, of a response, were found.
    pub request: bool,
    pub response: bool,
}

/// How much must be told for bytes to be frames: a plausible header has about 25 bits that a random one would not, a whole
/// frame of fixed shape twice as many.
pub const ENOUGH: usize = 2;

/// Looks at the frames that follow each other from the first byte on, until they tell as much as is wanted; `open` knows
/// streams that are under way. More bytes do not change what has been answered, other than `Maybe`, while `wanted` is
/// [`ENOUGH`].
pub fn look(bytes: &[u8], flow: Flow, wanted: usize, open: impl Fn(u32) -> bool) -> Sight {
    let mut sight = Sight { begins: Begins::Maybe, request: false, response: false };
    let (mut weight, mut rest) = (0, bytes);
    for n in 0..CHAIN_FRAMES_MAX {
        if weight >= wanted {
            break;
        }
        let Some(header) = Header::of(rest) else {
            if !possible(rest) {
                sight.begins = Begins::No;
            }
            break;
        };
        if !header.plausible(flow) || !continues(n, &header) {
            sight.begins = Begins::No;
            break;
        }
        weight += 1 + usize::from(header.stream != 0 && open(header.stream));
        if weight >= wanted {
            break;
        }
        let Some(payload) = rest.get(HEADER_BYTES..HEADER_BYTES + header.len) else { break };
        match whole(&header, payload, &mut sight) {
            Some(more) => weight += more,
            None => {
                sight.begins = Begins::No;
                break;
            }
        }
        rest = &rest[HEADER_BYTES + header.len..];
        if rest.is_empty() {
            break;
        }
    }
    if sight.begins == Begins::Maybe && weight >= ENOUGH {
        sight.begins = Begins::Yes;
    }
    sight
}

/// A header block goes on only where one has begun; where it begins is not seen, so that none may come first.
fn continues(nth: usize, header: &Header) -> bool {
    header.kind != CONTINUATION || nth > 0
}

/// Whether fewer bytes than a header may be the beginning of one.
fn possible(bytes: &[u8]) -> bool {
    bytes.get(3).is_none_or(|&kind| kind <= CONTINUATION)
}

/// How much more a whole frame tells than its header; `None` when it is none.
fn whole(header: &Header, payload: &[u8], sight: &mut Sight) -> Option<usize> {
    match header.kind {
        SETTINGS => {
            let known =
                payload.chunks_exact(6).all(|s| s[0] == 0 && matches!(s[1], 1..=16) || s[0] == 0xfe || s[0] & 0x0f == 0x0a);
            known.then_some(1)
        }
        WINDOW_UPDATE => (payload[0] & 0x80 == 0 && payload.iter().any(|&b| b != 0)).then_some(1),
        PING => Some(1),
        RST_STREAM => (payload[..3] == [0, 0, 0] && payload[3] <= 0xd).then_some(1),
        HEADERS if header.has(END_HEADERS) => {
            let mut fields = Fields::default();
            Decoder::new(false).decode(block(header, payload)?.fragment, &mut fields).ok()?;
            if !fields.lawful() {
                return None;
            }
            sight.request |= fields.is_request();
            sight.response |= fields.is_response();
            Some(usize::from(fields.is_request() != fields.is_response()))
        }
        _ => Some(0),
    }
}

/// What a frame with fields has beside them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    /// The stream that is promised.
    pub promised: u32,
    pub fragment: &'a [u8],
}

/// The part of a header block in a HEADERS, PUSH_PROMISE or CONTINUATION frame, without padding and priority.
pub fn block<'a>(header: &Header, payload: &'a [u8]) -> Option<Block<'a>> {
    let mut rest = payload;
    if header.kind != CONTINUATION && header.has(PADDED) {
        let (&padding, after) = rest.split_first()?;
        rest = after.get(..after.len().checked_sub(usize::from(padding))?)?;
    }
    if header.kind == HEADERS && header.has(PRIORITISED) {
        rest = rest.get(5..)?;
    }
    let mut promised = 0;
    if header.kind == PUSH_PROMISE {
        let (id, after) = rest.split_first_chunk::<4>()?;
        promised = u32::from_be_bytes(*id) & !(1 << 31);
        rest = after;
    }
    Some(Block { promised, fragment: rest })
}

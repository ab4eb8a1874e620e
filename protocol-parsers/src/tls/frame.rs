//! Records of one direction (RFC 8446, section 5.1), in any pieces.
//!
//! ```text
//! +------+---------+--------+---------------+
//! | kind | version | length | payload       |
//! | (8)  |  (16)   |  (16)  | up to 2^14+2^11 |
//! +------+---------+--------+---------------+
//! ```
//!
//! Keeps five bytes, no payload.

use std::ops::RangeInclusive;

use crate::{Moment, Skipped};

pub const HEADER_BYTES: usize = 5;
/// Longest payload: encryption may add this much (RFC 5246, section 6.2.3).
pub const PAYLOAD_BYTES_MAX: u16 = (1 << 14) + (1 << 11);

/// Content types.
pub const CHANGE_CIPHER_SPEC: u8 = 20;
pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;
pub const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;
/// No content type: a hello in the form of SSL 2.0, which old clients begin with (RFC 5246, appendix E.2).
pub const OLD_HELLO: u8 = 0x80;
/// Length, the message's type, and the first byte of the version that is asked for.
const OLD_HEADER_BYTES: usize = 4;

/// Whether these bytes are a record's header, as far as they go.
pub fn plausible(bytes: &[u8]) -> bool {
    let length = match *bytes {
        [_, _, _, high, low, ..] => Some(u16::from_be_bytes([high, low])),
        [_, _, _, high] => Some(u16::from_be_bytes([high, 0]).max(1)),
        _ => None,
    };
    bytes.first().is_none_or(|kind| (CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(kind))
        && bytes.get(1).is_none_or(|major| *major == 3)
        && bytes.get(2).is_none_or(|minor| *minor <= 4)
        // a fragment of data may be empty
        && length.is_none_or(|length| length <= PAYLOAD_BYTES_MAX && (length > 0 || bytes[0] == APPLICATION_DATA))
}

/// The same for a hello in the form of SSL 2.0 that asks for a later version.
pub fn old_plausible(bytes: &[u8]) -> bool {
    /// Version, three lengths, one cipher and a challenge.
    const LENGTHS: RangeInclusive<u8> = 28..=255;
    bytes.first().is_none_or(|flag| *flag == 0x80)
        && bytes.get(1).is_none_or(|length| LENGTHS.contains(length))
        && bytes.get(2).is_none_or(|kind| *kind == 1)
        && bytes.get(3).is_none_or(|major| *major == 3)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    pub kind: u8,
    /// Length of the payload.
    pub length: u16,
    /// When its first byte was seen.
    pub started: Moment,
}

impl Record {
    /// With its header.
    pub fn bytes(&self) -> u64 {
        let header = if self.kind == OLD_HELLO { OLD_HEADER_BYTES } else { HEADER_BYTES };
        header as u64 + u64::from(self.length)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Header,
    Payload {
        record: Record,
        left: u16,
    },
    /// A record is expected where a segment begins, unless what came before was none.
    Lost(Skipped),
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Part of a header.
    Part,
    /// Part of a payload.
    Piece { record: Record, bytes: &'a [u8], first: bool, last: bool },
    /// What came is no record: so many bytes that were taken for its header.
    Foreign(usize),
    /// Passed over in search of a record.
    Passed(Skipped),
}

/// What bytes that were not seen did.
#[derive(Debug, PartialEq, Eq)]
pub enum Hole {
    /// They belong to this record's payload, and are its last or not.
    Inside { record: Record, first: bool, last: bool },
    /// Where the next record begins is not known; so many bytes of a header were seen.
    Beyond { held: usize },
}

#[derive(Debug)]
pub struct Records {
    place: Place,
    header: [u8; HEADER_BYTES],
    filled: usize,
    started: Moment,
    /// The first record may be a hello in the form of SSL 2.0.
    old_hello: bool,
}

impl Records {
    pub fn new(from_start: bool, old_hello: bool) -> Self {
        Self {
            place: if from_start { Place::Header } else { Place::Lost(Skipped::JoinedMidMessage) },
            header: [0; HEADER_BYTES],
            filled: 0,
            started: Moment::default(),
            old_hello,
        }
    }

    /// A segment begins: where a record is sought, one may begin here.
    pub fn begin_segment(&mut self, bytes: &[u8]) {
        let sought = matches!(self.place, Place::Lost(Skipped::Gap | Skipped::JoinedMidMessage));
        if sought && bytes.len() >= HEADER_BYTES && plausible(&bytes[..HEADER_BYTES]) {
            self.place = Place::Header;
        }
    }

    /// How many bytes were used, which is not 0, and what they are.
    pub fn next<'a>(&mut self, data: &'a [u8], at: Moment) -> (usize, Seen<'a>) {
        let mut used = 0;
        if self.place == Place::Header {
            let (taken, foreign) = self.head(data, at);
            used = taken;
            if foreign {
                let bytes = self.lose(Skipped::Malformed);
                return (used, Seen::Foreign(bytes));
            }
        }
        match self.place {
            Place::Header => (used, Seen::Part),
            Place::Lost(why) => (data.len(), Seen::Passed(why)),
            Place::Payload { left: 1.., .. } if used == data.len() => (used, Seen::Part),
            Place::Payload { record, left } => {
                let length = usize::from(left).min(data.len() - used);
                let bytes = &data[used..used + length];
                let last = self.advance(record, left - length as u16);
                (used + length, Seen::Piece { record, bytes, first: left == record.length, last })
            }
        }
    }

    /// Takes bytes of a header, one by one, so that what is none is told at the same byte however they come.
    fn head(&mut self, data: &[u8], at: Moment) -> (usize, bool) {
        if self.filled == 0 {
            self.started = at;
        }
        for (n, byte) in data.iter().enumerate() {
            self.header[self.filled] = *byte;
            self.filled += 1;
            let header = &self.header[..self.filled];
            let old = self.old_hello && header[0] & 0x80 != 0;
            if if old { !old_plausible(header) } else { !plausible(header) } {
                return (n + 1, true);
            }
            let record = match *header {
                [high, low, _, _] if old => Some((OLD_HELLO, u16::from_be_bytes([high & 0x7f, low]) - 2)),
                [kind, _, _, high, low] => Some((kind, u16::from_be_bytes([high, low]))),
                _ => None,
            };
            if let Some((kind, length)) = record {
                let record = Record { kind, length, started: self.started };
                (self.filled, self.old_hello) = (0, false);
                self.place = Place::Payload { record, left: length };
                return (n + 1, false);
            }
        }
        (data.len(), false)
    }

    /// Whether the record ends.
    fn advance(&mut self, record: Record, left: u16) -> bool {
        self.place = if left == 0 { Place::Header } else { Place::Payload { record, left } };
        left == 0
    }

    /// The place is lost; answers how many bytes of a header were held.
    fn lose(&mut self, why: Skipped) -> usize {
        self.place = Place::Lost(why);
        self.old_hello = false;
        std::mem::take(&mut self.filled)
    }

    /// `len` bytes were not seen.
    pub fn hole(&mut self, len: u64) -> Hole {
        match self.place {
            Place::Payload { record, left } if len <= u64::from(left) => {
                let last = self.advance(record, left - len as u16);
                Hole::Inside { record, first: left == record.length, last }
            }
            _ => Hole::Beyond { held: self.lose(Skipped::Gap) },
        }
    }
}

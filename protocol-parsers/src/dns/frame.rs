//! DNS messages (RFC 1035 section 4): the header, the first question and where the records are.
//!
//! In: one message without its framing. Out: what is needed to pair it, even when its records are cut off or odd.

use super::name;

pub const HEADER_BYTES: usize = 12;

/// RFC 1035 section 4.1.1, and what the opcode says of it.
///
/// ```text
///  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f
/// |                      ID                       |
/// |QR|  Opcode   |AA|TC|RD|RA| Z|AD|CD|   RCODE   |
/// |      QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT       |
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub id: u16,
    pub flags: u16,
    /// Questions, answers, authorities, additional records.
    pub counts: [u16; 4],
}

impl Header {
    pub fn read(message: &[u8]) -> Option<Self> {
        let fields = message.get(..HEADER_BYTES)?;
        let field = |i: usize| u16::from_be_bytes([fields[2 * i], fields[2 * i + 1]]);
        Some(Self { id: field(0), flags: field(1), counts: [field(2), field(3), field(4), field(5)] })
    }

    pub fn response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub fn opcode(&self) -> u8 {
        (self.flags >> 11) as u8 & 15
    }

    pub fn rcode(&self) -> u8 {
        self.flags as u8 & 15
    }

    /// Opcodes in IANA's registry: query, inverse query, status, notify, update, stateful operations.
    pub fn sensible(&self) -> bool {
        matches!(self.opcode(), 0 | 1 | 2 | 4 | 5 | 6)
    }
}

/// The first question, or the zone of an update.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    /// As in the column `query_name`.
    pub name: Vec<u8>,
    pub record_type: u16,
}

impl Question {
    /// Whether both ask for the same; servers may answer in another case.
    pub fn same(&self, other: &Self) -> bool {
        self.record_type == other.record_type && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// One message, as far as it is needed to pair it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub header: Header,
    pub question: Option<Question>,
    /// Where the answer section begins.
    pub answers_at: usize,
}

impl Message {
    /// `None` when the bytes are no message: too short, an unknown opcode, or questions that cannot be read.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let header = Header::read(bytes).filter(Header::sensible)?;
        let mut at = HEADER_BYTES;
        let mut question = None;
        for i in 0..header.counts[0] {
            let mut name = Vec::new();
            let after = name::read(bytes, at, &mut name)?;
            let fixed = bytes.get(after..after + 4)?;
            at = after + 4;
            if i == 0 {
                question = Some(Question { name, record_type: u16::from_be_bytes([fixed[0], fixed[1]]) });
            }
        }
        Some(Self { header, question, answers_at: at })
    }
}

/// One record (RFC 1035 section 4.1.3).
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub record_type: u16,
    pub ttl: u32,
    /// Where its data begin and end.
    pub data: (usize, usize),
}

impl Record {
    /// The record at `at`, its name appended to `name`; it ends where its data end.
    pub fn read(message: &[u8], at: usize, name: &mut Vec<u8>) -> Option<Self> {
        let after = name::read(message, at, name)?;
        let fixed: &[u8; 10] = message.get(after..after + 10)?.try_into().ok()?;
        let begin = after + 10;
        let end = begin + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        message.get(begin..end)?;
        Some(Self {
            record_type: u16::from_be_bytes([fixed[0], fixed[1]]),
            ttl: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            data: (begin, end),
        })
    }
}

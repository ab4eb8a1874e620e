//! Packets of one direction: three bytes of length, a sequence number, the payload. A payload of 16 MiB - 1 is continued by
//! the next packet, and both are one here.
//!
//! In: bytes in any pieces. Out: packets with the beginning of their payload. A packet that lies in one piece is not copied.

use super::read::length;
use crate::Moment;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 4;
/// A payload of this length is continued by the next packet.
const CONTINUED: u32 = 0xff_ffff;
/// A buffer that grew beyond this is given back.
const BUFFER_BYTES_MAX: usize = 16 << 10;

/// A packet with all its continuations.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Sequence number of its first part, and of its last.
    pub first_seq: u8,
    pub last_seq: u8,
    /// The beginning of the payload, at most as much as is kept.
    pub payload: &'a [u8],
    /// Bytes of the whole payload.
    pub length: u64,
    /// Bytes with all headers; on the connection, where that is compressed.
    pub bytes: u64,
    /// When its first byte was seen.
    pub started: Moment,
}

impl Packet<'_> {
    /// Part of the payload is not here.
    pub fn cut(&self) -> bool {
        (self.payload.len() as u64) < self.length
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    Part,
    Whole(Packet<'a>),
    /// A header whose sequence number does not belong here.
    Refused,
}

/// Where missing bytes lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hole {
    /// In the payload of a packet, which goes on (or ends) after them.
    Inside,
    /// From inside a packet to an unknown place.
    Cut,
    /// From between two packets to an unknown place.
    Between,
}

#[derive(Debug, Default)]
pub struct Packets {
    keep_max: usize,
    header: [u8; HEADER_BYTES],
    header_len: usize,
    /// The header of the current part is whole.
    inside: bool,
    /// Bytes of the current part that are still to come.
    left: u32,
    /// The current part will be continued.
    continued: bool,
    /// A part has begun.
    begun: bool,
    /// Bytes of the payload were not seen, so that no more are kept.
    holed: bool,
    first_seq: u8,
    last_seq: u8,
    length: u64,
    bytes: u64,
    started: Moment,
    kept: Vec<u8>,
    /// The packet was given out, and the next call begins anew.
    given: bool,
}

impl Packets {
    pub fn new(keep_max: usize) -> Self {
        Self { keep_max, ..Self::default() }
    }

    /// Between two packets.
    pub fn idle(&self) -> bool {
        self.given || (!self.begun && self.header_len == 0)
    }

    /// Bytes of the packet that is not whole.
    pub fn pending_bytes(&self) -> u64 {
        if self.given { 0 } else { self.bytes - u64::from(self.left) + if self.inside { 0 } else { self.header_len as u64 } }
    }

    /// How many bytes were used, and what they were. `accepts` judges sequence number and length of a
    /// packet's first part.
    #[inline]
    pub fn next<'a>(&'a mut self, data: &'a [u8], at: Moment, accepts: impl Fn(u8, u32) -> bool) -> (usize, Seen<'a>) {
        if std::mem::take(&mut self.given) {
            self.reset();
        }
        if !self.begun
            && self.header_len == 0
            && let Some((header, rest)) = data.split_first_chunk::<HEADER_BYTES>()
        {
            let length = length(header);
            if length < CONTINUED && rest.len() >= length as usize {
                if !accepts(header[3], length) {
                    return (HEADER_BYTES, Seen::Refused);
                }
                let length = length as usize;
                let packet = Packet {
                    first_seq: header[3],
                    last_seq: header[3],
                    payload: &rest[..length.min(self.keep_max)],
                    length: length as u64,
                    bytes: (length + HEADER_BYTES) as u64,
                    started: at,
                };
                return (HEADER_BYTES + length, Seen::Whole(packet));
            }
        }
        self.gather(data, at, accepts)
    }

    fn gather<'a>(&'a mut self, data: &'a [u8], at: Moment, accepts: impl Fn(u8, u32) -> bool) -> (usize, Seen<'a>) {
        let mut used = 0;
        loop {
            if !self.inside {
                used += self.take_header(&data[used..], at);
                if self.header_len < HEADER_BYTES {
                    return (used, Seen::Part);
                }
                if !self.enter(&accepts) {
                    self.reset();
                    return (used, Seen::Refused);
                }
            }
            let n = (self.left as usize).min(data.len() - used);
            self.keep(&data[used..used + n]);
            used += n;
            self.left -= n as u32;
            if self.left > 0 {
                return (used, Seen::Part);
            }
            (self.inside, self.header_len) = (false, 0);
            if !self.continued {
                self.given = true;
                return (used, Seen::Whole(self.packet()));
            }
        }
    }

    fn take_header(&mut self, data: &[u8], at: Moment) -> usize {
        if !self.begun && self.header_len == 0 && !data.is_empty() {
            self.started = at;
        }
        let n = (HEADER_BYTES - self.header_len).min(data.len());
        self.header[self.header_len..self.header_len + n].copy_from_slice(&data[..n]);
        self.header_len += n;
        n
    }

    /// The header is whole; `false` when it does not belong here.
    fn enter(&mut self, accepts: &impl Fn(u8, u32) -> bool) -> bool {
        let (length, seq) = (length(&self.header), self.header[3]);
        let fits = if self.begun { seq == self.last_seq.wrapping_add(1) } else { accepts(seq, length) };
        if !self.begun {
            self.first_seq = seq;
        }
        (self.begun, self.inside, self.left, self.continued, self.last_seq) = (true, true, length, length == CONTINUED, seq);
        self.length += u64::from(length);
        self.bytes += u64::from(length) + HEADER_BYTES as u64;
        fits
    }

    fn keep(&mut self, data: &[u8]) {
        if !self.holed {
            let room = self.keep_max.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    /// What there is of the current packet.
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            payload: &self.kept,
            length: self.length,
            bytes: self.bytes,
            started: self.started,
        }
    }

    /// `len` bytes that were not seen. After `Inside` the packet may be whole: ask `next` with no data.
    pub fn unseen(&mut self, len: u64) -> Hole {
        if self.idle() {
            return Hole::Between;
        }
        if self.inside && len <= u64::from(self.left) {
            self.left -= len as u32;
            self.holed = true;
            return Hole::Inside;
        }
        Hole::Cut
    }

    /// Begins anew at the next byte.
    pub fn reset(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.clear();
        if kept.capacity() > BUFFER_BYTES_MAX {
            kept = Vec::new();
        }
        *self = Self { keep_max: self.keep_max, kept, ..Self::default() };
    }

    pub fn heap_bytes(&self) -> usize {
        self.kept.capacity()
    }
}

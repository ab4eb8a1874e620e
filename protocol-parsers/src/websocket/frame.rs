//! Frames (RFC 6455, section 5.2).
//!
//! ```text
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//! |I|S|S|S|  (4)  |A|     (7)     |            (16/64)            |
//! |N|V|V|V|       |S|             |                               |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! ```

use crate::Flow;

/// Opcodes.
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The last frame of its message.
    pub last: bool,
    pub compressed: bool,
    pub opcode: u8,
    pub mask: [u8; 4],
    pub payload_bytes: u64,
    /// Length of the header itself.
    pub len: usize,
}

/// What the first bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    Header(Header),
    NeedMore,
    /// No frame that may travel in this direction.
    Malformed,
}

impl Header {
    /// Clients mask what they send, servers do not.
    pub fn read(bytes: &[u8], flow: Flow) -> Read {
        let &[first, second, ..] = bytes else {
            return match bytes {
                [first] if !plausible(*first) => Read::Malformed,
                _ => Read::NeedMore,
            };
        };
        let (masked, short_len) = (second & 0x80 != 0, second & 0x7f);
        let control = first & 0x08 != 0;
        if !plausible(first) || masked != (flow == Flow::ToServer) || control && short_len > 125 {
            return Read::Malformed;
        }
        let len_bytes = match short_len {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let len = 2 + len_bytes + if masked { 4 } else { 0 };
        let Some(header) = bytes.get(2..len) else { return Read::NeedMore };
        let (long_len, mask) = header.split_at(len_bytes);
        let long_len = long_len.iter().fold(0, |n, &b| n << 8 | u64::from(b));
        let (payload_bytes, shortest) = match short_len {
            126 => (long_len, long_len >= 126),
            127 => (long_len, long_len > 0xffff && long_len >> 63 == 0),
            _ => (u64::from(short_len), true),
        };
        if !shortest {
            return Read::Malformed;
        }
        let mask = mask.first_chunk().copied().unwrap_or_default();
        let (last, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        Read::Header(Header { last, compressed, opcode: first & 0x0f, mask, payload_bytes, len })
    }

    pub fn is_control(&self) -> bool {
        self.opcode >= CLOSE
    }
}

/// Known opcode, no reserved bit but that of compression, control frames whole.
fn plausible(first: u8) -> bool {
    let (last, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
    first & 0x30 == 0
        && match first & 0x0f {
            CONTINUATION => !compressed,
            TEXT | BINARY => true,
            CLOSE | PING | PONG => last && !compressed,
            _ => false,
        }
}

/// Undoes a mask; `offset` is that of the first byte in the payload.
pub fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[(offset as usize).wrapping_add(n) % 4];
    }
}

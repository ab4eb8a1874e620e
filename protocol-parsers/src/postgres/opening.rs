//! How a connection opens: packets without a type byte, until the login begins.
//!
//! In: the client's first bytes. Out: what was asked for. Of a login the user and the database are kept, nothing else.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE>

use super::message::Reader;
use crate::Moment;

/// Longest packet; PostgreSQL has the same limit.
pub const PACKET_BYTES_MAX: u32 = 10_000;
/// Names are at most 63 bytes in PostgreSQL; poolers may take more.
const NAME_BYTES_MAX: usize = 255;

const CANCEL: i32 = 80_877_102;
const SSL: i32 = 80_877_103;
const GSS: i32 = 80_877_104;
const VERSION_3: i32 = 3;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Packet {
    /// TLS or GSSAPI encryption is asked for; one byte answers.
    Encryption,
    Cancel,
    Login {
        user: Option<Vec<u8>>,
        database: Option<Vec<u8>>,
    },
}

/// What a packet's beginning says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looks {
    Like,
    Unlike,
    TooShort,
}

/// Whether bytes begin like a packet.
pub fn looks(bytes: &[u8]) -> Looks {
    let Some(head) = bytes.first_chunk::<8>() else {
        let mut start = [0, 0, 0, 8, 0, 0, 0, 0];
        start[..bytes.len()].copy_from_slice(bytes);
        let length = u32::from_be_bytes([start[0], start[1], start[2], if bytes.len() > 3 { start[3] } else { 0xff }]);
        return if (8..=PACKET_BYTES_MAX | 0xff).contains(&length) { Looks::TooShort } else { Looks::Unlike };
    };
    let (length, code) = split(head);
    let fits = match code {
        SSL | GSS => length == 8,
        // the key is 4 bytes long, and up to 256 since protocol 3.2
        CANCEL => (16..=268).contains(&length),
        code => code >> 16 == VERSION_3 && code & 0xffff < 10_000 && (9..=PACKET_BYTES_MAX).contains(&length),
    };
    if fits { Looks::Like } else { Looks::Unlike }
}

fn split(head: &[u8; 8]) -> (u32, i32) {
    let [a, b, c, d, e, f, g, h] = *head;
    (u32::from_be_bytes([a, b, c, d]), i32::from_be_bytes([e, f, g, h]))
}

/// Collects a packet.
#[derive(Debug, Default)]
pub struct Opening {
    bytes: Vec<u8>,
    pub started: Moment,
}

/// How far a packet is.
#[derive(Debug)]
pub enum Progress {
    Part,
    /// What came is no packet.
    Foreign,
    /// A packet of so many bytes.
    Whole(Packet, u64),
}

impl Opening {
    /// How many bytes were used.
    pub fn next(&mut self, data: &[u8], at: Moment) -> (usize, Progress) {
        if self.bytes.is_empty() {
            self.started = at;
        }
        let used = data.len().min(self.wanted() - self.bytes.len());
        self.bytes.extend_from_slice(&data[..used]);
        match looks(&self.bytes) {
            Looks::TooShort => (used, Progress::Part),
            Looks::Unlike => (used, Progress::Foreign),
            Looks::Like if self.bytes.len() < self.wanted() && used < data.len() => {
                let (more, progress) = self.next(&data[used..], at);
                (used + more, progress)
            }
            Looks::Like if self.bytes.len() < self.wanted() => (used, Progress::Part),
            Looks::Like => {
                let bytes = std::mem::take(&mut self.bytes);
                (used, Progress::Whole(read(&bytes), bytes.len() as u64))
            }
        }
    }

    /// How long the packet will be, as far as is known.
    fn wanted(&self) -> usize {
        match self.bytes.first_chunk::<8>() {
            Some(head) => split(head).0.clamp(8, PACKET_BYTES_MAX) as usize,
            None => 8,
        }
    }

    /// Bytes that came of a packet that is not whole.
    pub fn waiting(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

fn read(bytes: &[u8]) -> Packet {
    let mut reader = Reader(&bytes[4..]);
    match reader.i32() {
        Some(SSL | GSS) => return Packet::Encryption,
        Some(CANCEL) => return Packet::Cancel,
        _ => {}
    }
    let (mut user, mut database) = (None, None);
    while let Some(name) = reader.text().filter(|n| !n.is_empty())
        && let Some(value) = reader.text()
    {
        let kept = || Some(value[..value.len().min(NAME_BYTES_MAX)].to_vec());
        match name {
            b"user" => user = kept(),
            b"database" if !value.is_empty() => database = kept(),
            _ => {}
        }
    }
    // the server's default
    let database = database.or_else(|| user.clone());
    Packet::Login { user, database }
}

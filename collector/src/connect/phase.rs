//! Where a connection stands between unknown bytes and a parser.

use protocol_parsers::{Moment, Parser};

use super::event::Direction;

/// Bytes that are kept of a connection while it is being recognised.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Pieces that are kept.
const KEPT_PIECES_MAX: usize = 1024;
/// How much of each direction the recognition looks at.
const LOOKED_AT_BYTES: usize = 8 << 10;

pub enum Phase {
    /// Bytes are kept until a protocol recognises them.
    Detecting(Kept),
    Parsing(Box<dyn Parser>),
    /// No protocol did; looked at again now and then.
    Unrecognised {
        tried_ns: u64,
    },
    /// The other end on this host is parsed instead.
    Silent,
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Phase::Detecting(_) => "detecting",
            Phase::Parsing(_) => "parsing",
            Phase::Unrecognised { .. } => "unrecognised",
            Phase::Silent => "silent",
        })
    }
}

impl Phase {
    pub fn detecting(from_start: bool) -> Self {
        Phase::Detecting(Kept { from_start, ..Default::default() })
    }
}

/// One kept piece: bytes, then bytes that were not seen.
#[derive(Debug)]
pub struct KeptPiece {
    pub direction: Direction,
    pub bytes: Vec<u8>,
    pub unseen: u64,
    pub at: Moment,
    pub remote: Option<std::net::SocketAddr>,
}

#[derive(Debug, Default)]
pub struct Kept {
    pub from_start: bool,
    pub pieces: Vec<KeptPiece>,
    bytes: usize,
}

impl Kept {
    pub fn push(&mut self, piece: KeptPiece) {
        self.bytes += piece.bytes.len();
        self.pieces.push(piece);
    }

    pub fn is_full(&self) -> bool {
        self.bytes > KEPT_BYTES_MAX || self.pieces.len() > KEPT_PIECES_MAX
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is kept from a later piece on that begins a protocol, whatever came before it.
    pub fn split_off(&mut self, begins: impl Fn(&[u8]) -> bool) -> Option<Kept> {
        let at = 1 + self.pieces.iter().skip(1).position(|piece| begins(&piece.bytes))?;
        let pieces = self.pieces.split_off(at);
        let bytes = pieces.iter().map(|piece| piece.bytes.len()).sum();
        self.bytes -= bytes;
        Some(Kept { from_start: true, pieces, bytes })
    }

    /// The port of the other end of the first datagram that names one.
    pub fn remote_port(&self) -> Option<i32> {
        self.pieces.iter().find_map(|piece| piece.remote).map(|remote| i32::from(remote.port()))
    }

    /// The first known bytes of a direction, up to the first hole.
    pub fn beginning(&self, direction: Direction) -> Vec<u8> {
        let mut out = vec![];
        for piece in self.pieces.iter().filter(|p| p.direction == direction) {
            out.extend_from_slice(&piece.bytes);
            if piece.unseen > 0 || out.len() >= LOOKED_AT_BYTES {
                break;
            }
        }
        out.truncate(LOOKED_AT_BYTES);
        out
    }
}

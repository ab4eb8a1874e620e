//! The compressed protocol: frames of a seven-byte header and a payload that is plain, zlib or zstd
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression.html>).
//!
//! In: bytes of one direction in any pieces. Out: the bytes inside, in pieces; what cannot be unpacked is told by its size.
//! No frame gives more than its header announces, which is less than 16 MiB.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

use super::limits::ZSTD_FRAME_BYTES_MAX;
use super::meter::{Origin, Share};
use crate::Moment;

pub const HEADER_BYTES: usize = 7;
/// So much of a payload is enough to see what begins in it.
pub const BEGINNING_BYTES: usize = 512;
/// Unpacked bytes are given out in pieces of this size: zlib's window, so that an error hides none of what came before it.
const PIECE_BYTES: usize = 32 << 10;
const ZSTD_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// A frame unpacks to less than this, so that no honest one needs a larger window.
const ZSTD_WINDOW_BYTES_MAX: u64 = 16 << 20;

/// What comes out.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    Bytes(&'a [u8]),
    /// So many bytes exist that could not be unpacked.
    Unseen(u64),
    /// So many bytes, and what came before them, were damaged.
    Damaged(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Mode {
    Plain,
    Zlib,
    /// The end was seen, its checksum was right.
    Whole,
    Damaged,
    /// A zstd frame is kept until it is whole.
    Zstd,
    #[default]
    Pass,
}

#[derive(Debug, Default)]
pub struct Frames {
    header: [u8; HEADER_BYTES],
    header_len: usize,
    mode: Mode,
    /// The mode is known, and the payload goes on.
    inside: bool,
    /// Bytes of the payload that are still to come.
    left: usize,
    /// Unpacked bytes that are still to be given out.
    owed: usize,
    origin: Origin,
    inflate: Option<Box<Decompress>>,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    /// Where frames begin is not known.
    pub lost: bool,
}

impl Frames {
    /// Unpacks; `sink` gets the pieces and where they are from.
    pub fn feed(&mut self, mut data: &[u8], at: Moment, sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        while !data.is_empty() && !self.lost {
            if !self.inside {
                let n = (HEADER_BYTES - self.header_len).min(data.len());
                if self.header_len == 0 {
                    self.origin.started = at;
                }
                self.header[self.header_len..self.header_len + n].copy_from_slice(&data[..n]);
                self.header_len += n;
                data = &data[n..];
                if self.header_len == HEADER_BYTES {
                    self.enter();
                }
                continue;
            }
            let n = self.left.min(data.len());
            let (now, later) = data.split_at(n);
            data = later;
            self.take(now, sink);
            self.left -= n;
            self.leave(sink);
        }
    }

    /// The header is whole.
    fn enter(&mut self) {
        let number = |at: usize| u32::from_le_bytes([self.header[at], self.header[at + 1], self.header[at + 2], 0]) as usize;
        (self.left, self.owed) = (number(0), number(4));
        self.header_len = 0;
        self.inside = self.left > 0;
        self.mode = if self.owed == 0 { Mode::Plain } else { Mode::Pass };
        if self.mode == Mode::Plain {
            self.owed = self.left;
        } else {
            self.packed.clear();
            self.mode = Mode::Zstd;
        }
        let wire_bytes = (HEADER_BYTES + self.left) as u64;
        self.origin.share = Share::new(wire_bytes, self.owed as u64);
    }

    fn take(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        if self.mode == Mode::Zstd && self.packed.is_empty() && bytes.first() != ZSTD_MAGIC.first() {
            self.mode = Mode::Zlib;
            self.inflate.get_or_insert_with(|| Box::new(Decompress::new(true))).reset(true);
        }
        match self.mode {
            Mode::Plain => {
                self.owed -= bytes.len();
                sink(Piece::Bytes(bytes), self.origin.advance(bytes.len()));
            }
            Mode::Zlib => self.inflate(bytes, sink),
            Mode::Zstd if self.packed.len() + bytes.len() <= ZSTD_FRAME_BYTES_MAX => self.packed.extend_from_slice(bytes),
            Mode::Zstd => self.mode = Mode::Pass,
            Mode::Pass | Mode::Whole | Mode::Damaged => {}
        }
    }

    fn inflate(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        let Some(inflate) = &mut self.inflate else { return };
        // one byte more, so that a frame that gives too much is found out
        self.unpacked.resize(PIECE_BYTES + 1, 0);
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let room = self.owed.min(PIECE_BYTES) + 1;
            let status = inflate.decompress(bytes, &mut self.unpacked[..room], FlushDecompress::None);
            let (read, written) = ((inflate.total_in() - read) as usize, (inflate.total_out() - written) as usize);
            bytes = &bytes[read..];
            let given = written.min(self.owed);
            if given > 0 {
                self.owed -= given;
                sink(Piece::Bytes(&self.unpacked[..given]), self.origin.advance(given));
            }
            match status {
                _ if written > given => return self.mode = Mode::Damaged,
                Ok(Status::StreamEnd) => return self.mode = Mode::Whole,
                Ok(_) if read == 0 && written == 0 => return,
                Ok(_) => {}
                Err(_) => return self.mode = Mode::Damaged,
            }
        }
    }

    /// At the end of the payload, what it owes cannot come any more.
    fn leave(&mut self, sink: &mut dyn FnMut(Piece<'_>, Origin)) {
        if self.left > 0 {
            return;
        }
        if self.mode == Mode::Zstd {
            self.mode = if self.unzstd(sink) { Mode::Whole } else { Mode::Damaged };
        }
        self.inside = false;
        let owed = std::mem::take(&mut self.owed) as u64;
        match self.mode {
            Mode::Whole if owed == 0 => {}
            Mode::Damaged | Mode::Zlib | Mode::Whole => sink(Piece::Damaged(owed), self.origin),
            _ if owed > 0 => sink(Piece::Unseen(owed), self.origin),
            _ => {}
        }
    }

    /// Whether it was sound.
    fn unzstd(&mut self, sink: &mut dyn FnMut(Piece<'_>, Origin)) -> bool {
        let packed = std::mem::take(&mut self.packed);
        if !window_is_bounded(&packed) {
            return false;
        }
        let Ok(mut decoder) = ruzstd::decoding::StreamingDecoder::new(packed.as_slice()) else { return false };
        self.unpacked.resize(PIECE_BYTES + 1, 0);
        while self.owed > 0 {
            let room = self.owed.min(PIECE_BYTES);
            match decoder.read(&mut self.unpacked[..room]) {
                Ok(n) if n > 0 => {
                    self.owed -= n;
                    sink(Piece::Bytes(&self.unpacked[..n]), self.origin.advance(n));
                }
                _ => return false,
            }
        }
        true
    }

    /// `len` bytes that were not seen; `false` when it is not known any more where frames begin.
    pub fn unseen(&mut self, len: u64, sink: &mut dyn FnMut(Piece<'_>, Origin)) -> bool {
        if !self.inside || len > self.left as u64 || self.lost {
            return false;
        }
        self.left -= len as usize;
        match self.mode {
            Mode::Plain => {
                self.owed -= len as usize;
                sink(Piece::Unseen(len), self.origin.advance(len as usize));
            }
            // what is owed is told at the end
            _ => {
                self.mode = Mode::Pass;
                self.packed = Vec::new();
            }
        }
        self.leave(sink);
        true
    }

    /// A frame begins at the next byte.
    pub fn reset(&mut self) {
        (self.inside, self.header_len, self.left, self.owed, self.lost) = (false, 0, 0, 0, false);
        self.packed = Vec::new();
    }

    pub fn heap_bytes(&self) -> usize {
        // the window of zlib, its tables
        const INFLATE_BYTES: usize = 44 << 10;
        let inflate = if self.inflate.is_some() { INFLATE_BYTES } else { 0 };
        inflate + self.packed.capacity() + self.unpacked.capacity() + size_of::<Self>()
    }
}

/// Whether a payload begins as zlib (RFC 1950 section 2.2) or zstd does; of the former 2 bytes are looked at.
pub fn is_packed(payload: &[u8]) -> bool {
    let magic = &ZSTD_MAGIC[..ZSTD_MAGIC.len().min(payload.len())];
    let zlib = matches!(*payload, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0);
    zlib || payload.starts_with(magic)
}

/// What a payload begins with, unpacked as far as it is there; of zstd it must be whole.
pub fn beginning(payload: &[u8]) -> Vec<u8> {
    let mut unpacked = vec![0; BEGINNING_BYTES];
    let n = if payload.starts_with(&ZSTD_MAGIC) {
        let sound = window_is_bounded(payload);
        let mut decoder = sound.then(|| ruzstd::decoding::StreamingDecoder::new(payload).ok()).flatten();
        decoder.as_mut().and_then(|decoder| decoder.read(&mut unpacked).ok()).unwrap_or(0)
    } else {
        let mut inflate = Decompress::new(true);
        // what came before an error counts
        let _ = inflate.decompress(payload, &mut unpacked, FlushDecompress::None);
        inflate.total_out() as usize
    };
    unpacked.truncate(n);
    unpacked
}

/// Whether unpacking a zstd frame (RFC 8878 section 3.1.1.1) needs no more memory than an honest one.
fn window_is_bounded(packed: &[u8]) -> bool {
    let Some([descriptor, rest @ ..]) = packed.strip_prefix(&ZSTD_MAGIC) else { return false };
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let Some(window) = rest.first() else { return false };
        let base = 1_u64 << (10 + (window >> 3));
        return base + base / 8 * u64::from(window & 7) <= ZSTD_WINDOW_BYTES_MAX;
    }
    let dictionary_len = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_len = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let Some(size) = rest.get(dictionary_len..dictionary_len + size_len) else { return false };
    size.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b)) <= ZSTD_WINDOW_BYTES_MAX
}

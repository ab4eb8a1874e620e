//! Content codings (RFC 9110, section 8.4.1): gzip, deflate, br, zstd, one over the other; and bodies as text.
//!
//! In: the encoded beginning of a body. Out: the decoded beginning, bounded by size and by ratio.

use std::io::{ErrorKind, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Codings of one body that are undone.
const CODINGS_MAX: usize = 4;
/// Encoded bytes that are kept beyond the configured size of a body, so that small ones can be decoded whole.
pub const CODING_SLACK_BYTES: usize = 1 << 10;
/// Decoded bytes for each encoded byte; deflate cannot reach more than 1032.
const DECODED_RATIO_MAX: usize = 1032;
/// Window of a zstd frame (RFC 9659).
const ZSTD_WINDOW_BYTES_MAX: u64 = 8 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// The coding of a name; `Err` for one that is not known, `Ok(None)` for one that changes nothing.
    fn named(name: &[u8]) -> Result<Option<Self>, ()> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        Ok(Some(match name {
            _ if is(b"gzip") || is(b"x-gzip") => Coding::Gzip,
            _ if is(b"deflate") => Coding::Deflate,
            _ if is(b"br") => Coding::Brotli,
            _ if is(b"zstd") => Coding::Zstd,
            _ if name.is_empty() || is(b"identity") || is(b"chunked") => return Ok(None),
            _ => return Err(()),
        }))
    }

    /// The codings of these names; none when one of them is not known.
    pub fn all<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<Self> {
        let codings: Result<Vec<_>, ()> = names.map(Coding::named).collect();
        codings.map(|c| c.into_iter().flatten().collect()).unwrap_or_default()
    }
}

/// How a decoding ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Decoded {
    Whole,
    /// There is more than was asked for, or than was given.
    Cut,
    /// The bytes are not what they are said to be.
    Failed,
}

/// Undoes `codings`, the last first, into `out`; `cut` says that `body` is only a beginning.
fn decode(body: &[u8], codings: &[Coding], mut cut: bool, bytes_max: usize, out: &mut Vec<u8>) -> Decoded {
    out.clear();
    if codings.len() > CODINGS_MAX {
        return Decoded::Failed;
    }
    let mut inner = Vec::new();
    for (n, coding) in codings.iter().rev().enumerate() {
        let last = n + 1 == codings.len();
        let input = if n == 0 { body } else { &inner };
        let bytes_max = if last { bytes_max } else { bytes_max.saturating_add(CODING_SLACK_BYTES) };
        let mut decoded = Bounded::new(bytes_max.min(input.len().saturating_mul(DECODED_RATIO_MAX)));
        let ended = match coding {
            Coding::Gzip => decoded.read(flate2::read::MultiGzDecoder::new(input)),
            Coding::Deflate => deflate(input, &mut decoded),
            Coding::Brotli => decoded.read(brotli_decompressor::Decompressor::new(input, 4096)),
            Coding::Zstd => zstd(input, &mut decoded),
        };
        // an error at the end of a beginning is only its end
        if ended == Decoded::Failed && (!cut || decoded.bytes.is_empty()) {
            return Decoded::Failed;
        }
        cut |= ended != Decoded::Whole;
        inner = decoded.bytes;
    }
    *out = inner;
    if cut { Decoded::Cut } else { Decoded::Whole }
}

/// The kept beginning of a body as text, and whether that is not all of it; `cut` says that more came than was kept. A body
/// that cannot be decoded stays as it came.
pub fn text<'a>(kept: &'a [u8], cut: bool, codings: &[Coding], bytes_max: usize, decoded: &'a mut Vec<u8>) -> (&'a [u8], bool) {
    if !codings.is_empty() {
        match decode(kept, codings, cut, bytes_max, decoded) {
            Decoded::Whole => return (decoded, false),
            Decoded::Cut => return (whole_characters(decoded), true),
            Decoded::Failed => {}
        }
    }
    match kept.get(..bytes_max) {
        Some(beginning) if cut || beginning.len() < kept.len() => (whole_characters(beginning), true),
        _ if cut => (whole_characters(kept), true),
        _ => (kept, false),
    }
}

/// A text that was cut, without the beginning of a character at its end.
pub fn whole_characters(text: &[u8]) -> &[u8] {
    let tail = text.len() - text.len().min(3);
    match text[tail..].iter().rposition(|&b| b >= 0xc0) {
        Some(lead) => match std::str::from_utf8(&text[tail + lead..]) {
            Err(error) if error.error_len().is_none() => &text[..tail + lead],
            _ => text,
        },
        None => text,
    }
}

/// Output that takes no more than a limit.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Bounded {
    fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max }
    }

    /// Answers whether all of it had room.
    fn add(&mut self, bytes: &[u8]) -> bool {
        let room = self.bytes_max - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        bytes.len() <= room
    }

    fn read(&mut self, mut from: impl Read) -> Decoded {
        let mut buffer = [0; 8 << 10];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Decoded::Whole,
                Ok(n) if self.add(&buffer[..n]) => {}
                Ok(_) => return Decoded::Cut,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Decoded::Failed,
            }
        }
    }
}

/// What is called deflate is zlib (RFC 1950), or for some senders the bare stream (RFC 1951).
fn deflate(input: &[u8], out: &mut Bounded) -> Decoded {
    let zlib = input.len() >= 2 && input[0] & 15 == 8 && u16::from_be_bytes([input[0], input[1]]).is_multiple_of(31);
    if zlib {
        let ended = inflate(input, Decompress::new(true), out);
        if ended != Decoded::Failed || !out.bytes.is_empty() {
            return ended;
        }
    }
    inflate(input, Decompress::new(false), out)
}

fn inflate(input: &[u8], mut state: Decompress, out: &mut Bounded) -> Decoded {
    let mut buffer = [0; 8 << 10];
    loop {
        let (used, made) = (state.total_in(), state.total_out());
        let rest = usize::try_from(used).ok().and_then(|used| input.get(used..)).unwrap_or_default();
        let Ok(status) = state.decompress(rest, &mut buffer, FlushDecompress::None) else { return Decoded::Failed };
        let new = usize::try_from(state.total_out() - made).unwrap_or_default();
        if !out.add(&buffer[..new]) {
            return Decoded::Cut;
        }
        match status {
            Status::StreamEnd => return Decoded::Whole,
            // no progress: the input ended early
            _ if new == 0 && state.total_in() == used => return Decoded::Failed,
            _ => {}
        }
    }
}

/// One zstd frame (RFC 8878). Of a frame whose end is missing the whole blocks are decoded.
fn zstd(input: &[u8], out: &mut Bounded) -> Decoded {
    let Some(frame) = ZstdFrame::of(input) else { return Decoded::Failed };
    if frame.window_bytes > ZSTD_WINDOW_BYTES_MAX {
        return Decoded::Failed;
    }
    let mut closed = Vec::new();
    let whole = frame.ended;
    let input = if whole {
        input
    } else {
        closed.extend_from_slice(&input[..frame.blocks_end]);
        // no checksum follows, and an empty last block ends the frame
        closed[4] &= !4;
        closed.extend_from_slice(&[1, 0, 0]);
        &closed
    };
    let Ok(decoder) = ruzstd::decoding::StreamingDecoder::new(input) else { return Decoded::Failed };
    match out.read(decoder) {
        Decoded::Whole if !whole => Decoded::Failed,
        ended => ended,
    }
}

/// Where the blocks of a zstd frame are, as far as they are there.
struct ZstdFrame {
    window_bytes: u64,
    /// End of the last whole block.
    blocks_end: usize,
    /// The last block is there.
    ended: bool,
}

impl ZstdFrame {
    fn of(input: &[u8]) -> Option<Self> {
        let descriptor = *input.strip_prefix(&0xFD2F_B528_u32.to_le_bytes())?.first()?;
        let single_segment = descriptor & 0x20 != 0;
        let id_len = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size_len = [usize::from(single_segment), 2, 4, 8][usize::from(descriptor >> 6)];
        let size_at = 5 + usize::from(!single_segment) + id_len;
        let window_bytes = if single_segment {
            let size = input.get(size_at..size_at + size_len)?;
            size.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b))
        } else {
            let window = *input.get(5)?;
            let base = 1_u64 << (10 + (window >> 3));
            base + base / 8 * u64::from(window & 7)
        };
        let mut frame = ZstdFrame { window_bytes, blocks_end: size_at + size_len, ended: false };
        input.get(..frame.blocks_end)?;
        while !frame.ended {
            let Some(&[a, b, c]) = input.get(frame.blocks_end..frame.blocks_end + 3) else { break };
            let header = u32::from_le_bytes([a, b, c, 0]);
            let len = if header >> 1 & 3 == 1 { 1 } else { header as usize >> 3 };
            let end = frame.blocks_end + 3 + len;
            if end > input.len() {
                break;
            }
            frame.blocks_end = end;
            frame.ended = header & 1 == 1;
        }
        Some(frame)
    }
}

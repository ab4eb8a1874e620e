//! Place in a chunked body, byte by byte (RFC 9112, section 7.1). Lengths and extensions in, places out; the data itself does
//! not come here.

use super::limits::{CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::Skipped;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunk {
    Size {
        value: u64,
        digits: u32,
        line_bytes: usize,
        extension: bool,
    },
    Data(u64),
    DataEnd,
    /// `text_bytes` of the current line, line end not counted.
    Trailer {
        text_bytes: usize,
        total_bytes: usize,
    },
}

/// Before a chunk's size.
pub const CHUNK_START: Chunk = Chunk::Size { value: 0, digits: 0, line_bytes: 0, extension: false };

/// The place after one more byte of a size line.
pub fn size(chunk: Chunk, byte: u8) -> Result<Chunk, Skipped> {
    let Chunk::Size { value, digits, line_bytes, extension } = chunk else { return Ok(chunk) };
    if line_bytes == CHUNK_LINE_BYTES_MAX {
        return Err(Skipped::OverLimit);
    }
    let line_bytes = line_bytes + 1;
    match (byte, char::from(byte).to_digit(16)) {
        (b'\n', _) if digits == 0 => Err(Skipped::Malformed),
        (b'\n', _) if value == 0 => Ok(Chunk::Trailer { text_bytes: 0, total_bytes: 0 }),
        (b'\n', _) => Ok(Chunk::Data(value)),
        _ if extension => Ok(Chunk::Size { value, digits, line_bytes, extension }),
        (_, Some(digit)) if value >> 60 == 0 => {
            Ok(Chunk::Size { value: value << 4 | u64::from(digit), digits: digits + 1, line_bytes, extension })
        }
        (b'\r' | b' ' | b'\t' | b';', _) if digits > 0 => Ok(Chunk::Size { value, digits, line_bytes, extension: true }),
        _ => Err(Skipped::Malformed),
    }
}

/// The place after one more byte of the trailers, other than their last.
pub fn trailer(text_bytes: usize, total_bytes: usize, byte: u8) -> Result<Chunk, Skipped> {
    if total_bytes == TRAILER_BYTES_MAX {
        return Err(Skipped::OverLimit);
    }
    let text_bytes = match byte {
        b'\n' => 0,
        b'\r' => text_bytes,
        _ => text_bytes + 1,
    };
    Ok(Chunk::Trailer { text_bytes, total_bytes: total_bytes + 1 })
}

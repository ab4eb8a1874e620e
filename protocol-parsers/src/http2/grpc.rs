//! gRPC over HTTP/2: which calls are gRPC, where messages begin and end, and their text.
//!
//! ```text
//! +----------------+-------------+----------------------+
//! | compressed (8) | length (32) | message              |
//! +----------------+-------------+----------------------+
//! ```

use super::limits::{MESSAGE_TEXT_RATIO_MAX, MESSAGES_SHOWN_MAX};
use super::protobuf;
use crate::coding::{self, Coding};
use crate::json;

const PREFIX_BYTES: usize = 5;

/// `application/grpc`, `application/grpc+proto`; not gRPC-Web, which puts its trailers into the body.
pub fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Whether messages are protobuf; what else they are is text or unknown.
fn is_protobuf(content_type: &[u8]) -> bool {
    let kind = content_type.strip_prefix(b"application/grpc").unwrap_or_default();
    kind.is_empty() || kind.starts_with(b"+proto") || kind.starts_with(b";")
}

/// Service and method in a path `/package.Service/Method`.
pub fn names(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = path.strip_prefix(b"/")?;
    let slash = memchr::memrchr(b'/', path)?;
    let (service, method) = (&path[..slash], &path[slash + 1..]);
    (!service.is_empty() && !method.is_empty()).then_some((service, method))
}

/// Appends a status message without its percent-encoding; what is not encoded stays.
pub fn percent_decoded(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        let digits = if first == b'%' { after.first_chunk::<2>() } else { None };
        match digits.map(|d| d.map(|b| char::from(b).to_digit(16))) {
            Some([Some(high), Some(low)]) => {
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => out.push(first),
        }
    }
}

/// Counts messages as their bytes go by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages {
    begun: u32,
    prefix: [u8; PREFIX_BYTES],
    prefix_len: u8,
    /// Bytes of the current message that are still to come.
    left: u64,
    /// It is not known where messages begin.
    lost: bool,
}

impl Messages {
    /// How many messages have begun.
    pub fn count(&self) -> Option<i32> {
        if self.lost { None } else { i32::try_from(self.begun).ok() }
    }

    pub fn lose(&mut self) {
        self.lost = true;
    }

    pub fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= skipped as u64;
            bytes = &bytes[skipped..];
            let Some((&byte, rest)) = bytes.split_first() else { return };
            self.prefix[usize::from(self.prefix_len)] = byte;
            self.prefix_len += 1;
            bytes = rest;
            if usize::from(self.prefix_len) == PREFIX_BYTES {
                let [flag, len @ ..] = self.prefix;
                self.prefix_len = 0;
                self.left = u64::from(u32::from_be_bytes(len));
                self.begun += 1;
                self.lost = flag > 1;
            }
        }
    }

    /// `len` bytes were not seen.
    pub fn add_hole(&mut self, len: u64) {
        match self.left.checked_sub(len) {
            Some(left) if self.prefix_len == 0 => self.left = left,
            _ => self.lost |= len > 0,
        }
    }
}

/// How messages are to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub content_type: &'a [u8],
    /// The value of `grpc-encoding`.
    pub encoding: Option<&'a [u8]>,
    pub text_bytes_max: usize,
}

/// Appends the messages in the kept beginning of a body, one a line, and answers whether that is not all of them; `cut` says
/// that more came than was kept.
pub fn text(kept: &[u8], cut: bool, reading: Reading<'_>, out: &mut Vec<u8>) -> bool {
    let (mut rest, mut shown) = (kept, 0);
    while let Some((&[flag, a, b, c, d], after)) = rest.split_first_chunk::<PREFIX_BYTES>() {
        if shown == MESSAGES_SHOWN_MAX || out.len() >= reading.text_bytes_max {
            return true;
        }
        if shown > 0 {
            out.push(b'\n');
        }
        shown += 1;
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let whole = after.get(..len);
        let message_cut = message(whole.unwrap_or(after), whole.is_none(), flag == 1, reading, out);
        rest = whole.map_or(&[], |_| &after[len..]);
        if message_cut {
            return true;
        }
    }
    cut || !rest.is_empty()
}

/// Appends one message; answers whether that is not all of it.
fn message(bytes: &[u8], mut cut: bool, compressed: bool, reading: Reading<'_>, out: &mut Vec<u8>) -> bool {
    let limit = reading.text_bytes_max.saturating_sub(out.len());
    let mut decoded = Vec::new();
    let mut plain = bytes;
    if compressed {
        let codings = Coding::all(reading.encoding.into_iter());
        let (text, text_cut) = coding::text(bytes, cut, &codings, limit, &mut decoded);
        (plain, cut) = (text, text_cut || cut);
    }
    let start = out.len();
    if !is_protobuf(reading.content_type) || !protobuf::json(plain, cut, out) {
        out.truncate(start);
        match std::str::from_utf8(plain) {
            Ok(_) if !is_protobuf(reading.content_type) => out.extend_from_slice(plain),
            _ => json::value(out, plain),
        }
    }
    if out.len() - start > limit.saturating_mul(MESSAGE_TEXT_RATIO_MAX) {
        let kept = coding::whole_characters(&out[..start + limit]).len();
        out.truncate(kept);
        cut = true;
    }
    cut
}

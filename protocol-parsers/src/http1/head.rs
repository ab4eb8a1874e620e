//! A message's head: where its headers are, what they say of the body's length, and their JSON.
//!
//! Tolerant as servers and clients are: bare LF, folded lines (RFC 9112, section 5.2), spaces before the colon. A line
//! without a colon is passed over.

use std::ops::Range;

use super::limits::{HEADERS_MAX, REPEATED_BYTES_MAX};
use super::line::{StartLine, without_end};
use crate::json;

/// The bytes of a head, blank line included, and what was found in them. Emptied and used again.
#[derive(Debug, Default)]
pub struct Head {
    pub bytes: Vec<u8>,
    pub line: StartLine,
    /// Bytes of it that were not kept.
    pub cut_bytes: u64,
    pub length: Length,
    pub chunked: bool,
    /// The peers may leave HTTP/1 with this message.
    pub upgrade: bool,
    /// The body is sent only when the other end agrees.
    pub expects_continue: bool,
    headers: Vec<Header>,
    /// A bit for each header's key, so that what is not there need not be sought.
    keys: u64,
    /// Length of the start line, which the headers follow.
    line_bytes: usize,
    /// Heads with one number have the same headers; 0 when nothing is known of that.
    pub number: u64,
}

/// The headers of the last head of a direction. Most heads of a connection have the same, and these need not be read again.
#[derive(Debug, Default)]
pub struct Headers {
    /// With the blank line; empty when they are too long to be kept.
    bytes: Vec<u8>,
    length: Length,
    chunked: bool,
    upgrade: bool,
    expects_continue: bool,
    headers: Vec<Header>,
    keys: u64,
    number: u64,
}

/// What Content-Length says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Length {
    #[default]
    Absent,
    Bytes(u64),
    /// Not a number, or several that differ.
    Invalid,
}

/// Where a header is; offsets are from the end of the start line.
#[derive(Clone, Copy, Debug)]
struct Header {
    /// Length, first and last byte of the name, in lower case: different names mostly differ in it.
    key: u32,
    name: u32,
    value: u32,
    value_end: u32,
    /// The value spans lines.
    folded: bool,
}

impl Head {
    pub fn clear(&mut self) {
        let Self { bytes, line, cut_bytes, length, chunked, upgrade, expects_continue, headers, keys, line_bytes, number } =
            self;
        bytes.clear();
        headers.clear();
        (*line, *length) = (StartLine::default(), Length::default());
        (*cut_bytes, *keys, *line_bytes, *number) = (0, 0, 0, 0);
        (*chunked, *upgrade, *expects_continue) = (false, false, false);
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.headers.capacity() * size_of::<Header>()
    }

    /// Gives back what only a large message needed.
    pub fn shrink(&mut self, bytes_max: usize) {
        if self.heap_bytes() > bytes_max {
            self.bytes = Vec::new();
            self.headers = Vec::new();
        }
    }

    /// Finds the headers behind the start line, which is `line_bytes` long.
    pub fn parse(&mut self, line_bytes: usize) {
        self.line_bytes = line_bytes;
        let mut at = line_bytes;
        while at < self.bytes.len() {
            let end = memchr::memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |i| at + i + 1);
            self.parse_line(at..end);
            at = end;
        }
        for i in 0..self.headers.len() {
            self.note(self.headers[i]);
        }
    }

    fn parse_line(&mut self, range: Range<usize>) {
        let line = without_end(&self.bytes[range.clone()]);
        let start = range.start - self.line_bytes;
        if let [b' ' | b'\t', ..] = line {
            if let Some(last) = self.headers.last_mut() {
                last.value_end = offset(start + trimmed_end(line));
                last.folded = true;
            }
            return;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return };
        if self.headers.len() == HEADERS_MAX {
            self.cut_bytes += line.len() as u64;
            return;
        }
        let name = &line[..trimmed_end(&line[..colon])];
        if name.is_empty() {
            return;
        }
        let blank = line[colon + 1..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let value = start + colon + 1 + blank;
        let value_end = (start + trimmed_end(line)).max(value);
        let header =
            Header { key: key(name), name: offset(start), value: offset(value), value_end: offset(value_end), folded: false };
        self.keys |= bit(header.key);
        self.headers.push(header);
    }

    /// Takes from a header what the framing depends on (RFC 9112, section 6).
    fn note(&mut self, header: Header) {
        const CONTENT_LENGTH: u32 = key(b"content-length");
        const TRANSFER_ENCODING: u32 = key(b"transfer-encoding");
        const UPGRADE: u32 = key(b"upgrade");
        const EXPECT: u32 = key(b"expect");
        let (name, value) = (self.name(&header), self.value(&header));
        match header.key {
            CONTENT_LENGTH if name.eq_ignore_ascii_case(b"content-length") => self.length = self.length.and(value),
            TRANSFER_ENCODING if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let last = value.rsplit(|&b| b == b',').next().unwrap_or_default();
                self.chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            }
            UPGRADE if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            EXPECT if name.eq_ignore_ascii_case(b"expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue")
            }
            _ => {}
        }
    }

    fn name(&self, header: &Header) -> &[u8] {
        &self.bytes[self.line_bytes + header.name as usize..][..header.name_len()]
    }

    fn value(&self, header: &Header) -> &[u8] {
        &self.bytes[self.line_bytes..][header.value as usize..header.value_end as usize]
    }

    /// The values of a header, by its name in lower case; a folded value is as on the wire.
    pub fn values(&self, name: &'static [u8]) -> impl Iterator<Item = &[u8]> {
        let wanted = key(name);
        let headers = if self.keys & bit(wanted) == 0 { &[] } else { self.headers.as_slice() };
        let found = headers.iter().filter(move |h| h.key == wanted && self.name(h).eq_ignore_ascii_case(name));
        found.map(|h| self.value(h))
    }

    /// Names as sent, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter().map(|h| (self.name(h), self.value(h)))
    }

    pub fn method(&self) -> Option<&[u8]> {
        match self.line {
            StartLine::Request { method_end, .. } => self.bytes.get(..method_end as usize),
            StartLine::Status { .. } => None,
        }
    }

    pub fn target(&self) -> Option<&[u8]> {
        match self.line {
            StartLine::Request { target, target_end, .. } => self.bytes.get(target as usize..target_end as usize),
            StartLine::Status { .. } => None,
        }
    }

    pub fn status(&self) -> u16 {
        match self.line {
            StartLine::Request { .. } => 0,
            StartLine::Status { code, .. } => code,
        }
    }

    pub fn version(&self) -> &'static [u8] {
        match self.line {
            StartLine::Request { version, .. } | StartLine::Status { version, .. } => version.text(),
        }
    }

    /// The headers as a JSON object; a repeated one becomes a list at its first place.
    pub fn json(&self, out: &mut Vec<u8>) {
        out.clear();
        out.push(b'{');
        for (i, header) in self.headers.iter().enumerate() {
            let (before, after) = (&self.headers[..i], &self.headers[i + 1..]);
            if before.iter().any(|other| self.same(header, other)) {
                continue;
            }
            if out.len() > 1 {
                out.push(b',');
            }
            lower(out, self.name(header));
            out.push(b':');
            if after.iter().any(|other| self.same(header, other)) {
                self.json_list(out, &self.headers[i..]);
            } else {
                self.json_value(out, header);
            }
        }
        out.push(b'}');
    }

    /// The values of the first of `headers` and of those with the same name.
    fn json_list(&self, out: &mut Vec<u8>, headers: &[Header]) {
        out.push(b'[');
        for (n, header) in headers.iter().filter(|h| self.same(&headers[0], h)).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            self.json_value(out, header);
        }
        out.push(b']');
    }

    fn json_value(&self, out: &mut Vec<u8>, header: &Header) {
        if header.folded {
            json::text(out, &unfolded(self.value(header)));
        } else {
            json::text(out, self.value(header));
        }
    }

    fn same(&self, a: &Header, b: &Header) -> bool {
        a.key == b.key && self.name(a).eq_ignore_ascii_case(self.name(b))
    }
}

impl Headers {
    /// Whether `bytes` begin with the same headers.
    pub fn begin(&self, bytes: &[u8]) -> bool {
        !self.bytes.is_empty() && bytes.starts_with(&self.bytes)
    }

    /// Adds them to a start line.
    pub fn give(&self, head: &mut Head) -> usize {
        head.line_bytes = head.bytes.len();
        head.bytes.extend_from_slice(&self.bytes);
        head.headers.extend_from_slice(&self.headers);
        head.keys = self.keys;
        head.length = self.length;
        head.chunked = self.chunked;
        head.upgrade = self.upgrade;
        head.expects_continue = self.expects_continue;
        head.number = self.number;
        self.bytes.len()
    }

    /// Keeps those of a head that has been read.
    pub fn take(&mut self, head: &mut Head) {
        self.bytes.clear();
        self.headers.clear();
        let headers = &head.bytes[head.line_bytes..];
        if head.cut_bytes > 0 || headers.len() > REPEATED_BYTES_MAX {
            return;
        }
        self.bytes.extend_from_slice(headers);
        self.headers.extend_from_slice(&head.headers);
        self.keys = head.keys;
        self.length = head.length;
        self.chunked = head.chunked;
        self.upgrade = head.upgrade;
        self.expects_continue = head.expects_continue;
        self.number += 1;
        head.number = self.number;
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.headers.capacity() * size_of::<Header>()
    }
}

impl Header {
    fn name_len(&self) -> usize {
        (self.key >> 16) as usize
    }
}

impl Length {
    /// With one more Content-Length; lists of equal numbers are allowed.
    fn and(self, value: &[u8]) -> Length {
        list(value).fold(self, |length, item| match (length, number(item)) {
            (Length::Absent, Some(n)) => Length::Bytes(n),
            (Length::Bytes(a), Some(b)) if a == b => length,
            _ => Length::Invalid,
        })
    }
}

/// The items of a comma-separated list, without spaces.
pub fn list(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| match digit {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// Names longer than 65535 bytes are taken for their beginning.
const fn key(name: &[u8]) -> u32 {
    let len = if name.len() > 0xffff { 0xffff } else { name.len() };
    (len as u32) << 16 | ((name[0] | 0x20) as u32) << 8 | (name[len - 1] | 0x20) as u32
}

/// One of 64 for each key; several keys may have the same.
const fn bit(key: u32) -> u64 {
    // multiplied by the golden ratio, of which the upper bits are the most mixed
    1 << (key.wrapping_mul(0x9e37_79b1) >> 26)
}

/// Heads are far shorter than 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Length of a line without the spaces at its end.
fn trimmed_end(line: &[u8]) -> usize {
    line.len() - line.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count()
}

/// A folded value in one line.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for part in value.split(|&b| b == b'\n').map(<[u8]>::trim_ascii) {
        if !out.is_empty() && !part.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(part);
    }
    out
}

fn lower(out: &mut Vec<u8>, name: &[u8]) {
    if plain(name) {
        out.push(b'"');
        let at = out.len();
        out.extend_from_slice(name);
        out[at..].make_ascii_lowercase();
        out.push(b'"');
    } else {
        json::text(out, &name.to_ascii_lowercase());
    }
}

fn plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, &b| plain & matches!(b, b' '..=b'~') & (b != b'"') & (b != b'\\'))
}

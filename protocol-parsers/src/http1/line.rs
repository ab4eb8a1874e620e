//! Start lines: `GET /path HTTP/1.1` and `HTTP/1.1 200 OK` (RFC 9112, sections 3 and 4).
//!
//! Any token is a method, a target is any printable text, a reason phrase may be missing. Bare LF ends a line. What a server will
//! refuse is a request, too, when it cannot be anything else: it begins with a method that is known and says its version somewhere.

use super::limits::METHOD_BYTES_MAX;
use crate::Flow;

/// A start line; offsets are from the line's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartLine {
    Request { method_end: u32, target: u32, target_end: u32, version: Version },
    Status { code: u16, version: Version },
}

impl Default for StartLine {
    fn default() -> Self {
        StartLine::Status { code: 0, version: Version::Minor(1) }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// None is said, or one before 1.0.
    Old,
    /// Of HTTP/1.
    Minor(u8),
}

impl Version {
    /// As rows have it.
    pub fn text(self) -> &'static [u8] {
        const MINORS: [&[u8]; 10] = [b"1.0", b"1.1", b"1.2", b"1.3", b"1.4", b"1.5", b"1.6", b"1.7", b"1.8", b"1.9"];
        match self {
            Version::Minor(minor) if usize::from(minor) < MINORS.len() => MINORS[usize::from(minor)],
            _ => b"0.9",
        }
    }
}

/// Methods by which a line is a request though something is wrong with it (the registry of RFC 9110, section 16.1, in part).
const KNOWN_METHODS: [&[u8]; 19] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"CONNECT",
    b"QUERY",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
];

/// How much of a line is looked at before its end is there.
const PREFIX_BYTES_MAX: usize = 96;

/// The start line that travels in this direction; `line` includes its line feed.
pub fn complete(flow: Flow, line: &[u8]) -> Option<StartLine> {
    match flow {
        Flow::ToServer => request(line),
        Flow::ToClient => status(line),
    }
}

/// Whether `prefix`, which has no line feed, may be the beginning of a start line of this direction.
pub fn possible(flow: Flow, prefix: &[u8]) -> bool {
    match flow {
        Flow::ToServer => request_possible(prefix),
        Flow::ToClient => prefix.iter().take(13).enumerate().all(|(at, &byte)| status_byte(at, byte)),
    }
}

fn request(line: &[u8]) -> Option<StartLine> {
    let text = without_end(line);
    let method_end = method_end(text)?;
    let (start, end, version) = well_formed(text, method_end).or_else(|| refused(text, method_end))?;
    Some(StartLine::Request {
        method_end: u32::try_from(method_end).ok()?,
        target: u32::try_from(start).ok()?,
        target_end: u32::try_from(end).ok()?,
        version,
    })
}

/// Where the target is, and the version.
fn well_formed(text: &[u8], method_end: usize) -> Option<(usize, usize, Version)> {
    let (text, version) = text.split_at_checked(text.len().checked_sub(8)?)?;
    let version = match version {
        b"HTTP/1.1" => Version::Minor(1),
        b"HTTP/1.0" => Version::Minor(0),
        _ => return None,
    };
    let rest = text.get(method_end..)?;
    let spaces = rest.iter().take_while(|&&b| b == b' ').count();
    let target = &rest[spaces..];
    let target_len = target.len() - target.iter().rev().take_while(|&&b| b == b' ').count();
    // a space stands before the version, and something between
    if target_len == 0 || target_len == target.len() || has_control(target) {
        return None;
    }
    let start = method_end + spaces;
    Some((start, start + target_len, version))
}

/// A request line with something wrong: no target, bytes that are none of a target, another version, something behind it.
fn refused(text: &[u8], method_end: usize) -> Option<(usize, usize, Version)> {
    if !KNOWN_METHODS.contains(&&text[..method_end]) {
        return None;
    }
    let at = memchr::memmem::find(text, b" HTTP/")?;
    let [major @ (b'0' | b'1'), b'.', minor @ b'0'..=b'9', after @ ..] = &text[at + 6..] else { return None };
    if after.first().is_some_and(|&b| b != b' ') {
        return None;
    }
    let version = if *major == b'1' { Version::Minor(minor - b'0') } else { Version::Old };
    let start = method_end + 1;
    Some((start, at.max(start), version))
}

/// A request of HTTP/0.9, or one whose version was forgotten. Other protocols have lines like that.
pub fn simple_request(line: &[u8]) -> Option<StartLine> {
    let text = without_end(line);
    let method_end = method_end(text)?;
    let start = method_end + 1;
    let target = text.get(start..)?;
    let local = target.starts_with(b"/") && KNOWN_METHODS.contains(&&text[..method_end]);
    (local && !target.contains(&b' ') && !has_control(target)).then_some(StartLine::Request {
        method_end: u32::try_from(method_end).ok()?,
        target: u32::try_from(start).ok()?,
        target_end: u32::try_from(text.len()).ok()?,
        version: Version::Old,
    })
}

fn status(line: &[u8]) -> Option<StartLine> {
    let start = line.get(..13)?;
    if !start.iter().enumerate().all(|(at, &byte)| status_byte(at, byte)) {
        return None;
    }
    let code = start[9..12].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    (code >= 100).then_some(StartLine::Status { code, version: Version::Minor(start[7] - b'0') })
}

/// Whether a status line may have this byte there, among its first 13.
fn status_byte(at: usize, byte: u8) -> bool {
    match at {
        0..7 => byte == b"HTTP/1."[at],
        7 => matches!(byte, b'0' | b'1'),
        8 => byte == b' ',
        9..12 => byte.is_ascii_digit(),
        _ => matches!(byte, b' ' | b'\r' | b'\n'),
    }
}

fn request_possible(prefix: &[u8]) -> bool {
    let prefix = &prefix[..prefix.len().min(PREFIX_BYTES_MAX)];
    // the connection preface of HTTP/2
    if prefix.starts_with(b"PRI * HTTP/2") {
        return false;
    }
    match method_end(prefix) {
        Some(end) => KNOWN_METHODS.contains(&&prefix[..end]) || !has_control(without_end(&prefix[end..])),
        None => prefix.len() <= METHOD_BYTES_MAX && prefix.iter().all(|&b| is_token(b)),
    }
}

/// Where the space after a method is.
fn method_end(text: &[u8]) -> Option<usize> {
    let end = text.iter().take(METHOD_BYTES_MAX + 1).position(|&b| !is_token(b))?;
    (end > 0 && text[end] == b' ').then_some(end)
}

fn has_control(text: &[u8]) -> bool {
    text.iter().fold(false, |found, &b| found | (b < 0x20) | (b == 0x7f))
}

/// A line without its line end.
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// RFC 9110, section 5.6.2.
pub fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            let b = byte as u8;
            table[byte] = b.is_ascii_alphanumeric()
                || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

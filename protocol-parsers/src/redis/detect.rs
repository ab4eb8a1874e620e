//! Whether bytes are Redis.
//!
//! A command as an array of values is telling by itself. An inline command is a line of text as in many protocols, so that it
//! needs a word that is a Redis command and an answer that only Redis gives: `+OK` is said by POP3 and NATS as well.

use super::command::begins_with_command;
use super::frame::{length, number};
use super::key;
use crate::{Confidence, Evidence, Verdict};

/// Without a verdict after so many bytes there will be none.
const LOOKED_AT_BYTES_MAX: usize = 16 << 10;
/// Longest first word that is looked at.
const WORD_BYTES_MAX: usize = 64;

/// What bytes look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Empty,
    /// Too short to tell.
    Short,
    /// An array of values whose first is a Redis command.
    Command,
    /// An array of values whose first is another word.
    Array,
    /// A line whose first word is a Redis command.
    Inline,
    /// A reply that only RESP has: a number, a value with its length, an array.
    Reply,
    /// What a server sends to a subscriber.
    Message,
    /// `+OK`, `-ERR …`: a reply that other protocols have as well.
    Status,
    Other,
}

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    use Shape::*;
    let (client, server) = (client_shape(evidence.to_server), server_shape(evidence.to_client));
    let joined = !evidence.from_start;
    let verdict = match (client, server) {
        // joined inside a command
        (Other, _) if joined && has_command(evidence.to_server) => Verdict::Yes(Confidence::Likely),
        (Other, _) => Verdict::No,
        (Command, Reply | Message | Status | Empty | Short) => Verdict::Yes(Confidence::Certain),
        // joined inside a reply
        (Command, Other) if joined => Verdict::Yes(Confidence::Likely),
        // the other end's bytes may be the commands
        (Command, Array) => Verdict::Yes(Confidence::Certain),
        (Command, Command) => Verdict::Yes(Confidence::Likely),
        (Array, Reply | Message | Status | Array) => Verdict::Yes(Confidence::Likely),
        (Inline, Reply | Message | Array) => Verdict::Yes(Confidence::Likely),
        (Inline, Status) if said_by_redis_only(evidence) => Verdict::Yes(Confidence::Likely),
        (Array | Inline | Short, Empty | Short) => Verdict::Undecided,
        (Short, Reply | Message | Status | Array) => Verdict::Undecided,
        // a Redis server never speaks first
        (Empty, Message) if joined => Verdict::Yes(Confidence::Likely),
        (Empty, Reply) if joined => Verdict::Yes(Confidence::Guessed),
        (Empty, Empty | Short | Status | Array) if joined => Verdict::Undecided,
        (Empty, Empty) => Verdict::Undecided,
        _ => Verdict::No,
    };
    let looked_at = evidence.to_server.len() + evidence.to_client.len();
    if verdict == Verdict::Undecided && looked_at > LOOKED_AT_BYTES_MAX { Verdict::No } else { verdict }
}

/// The first line without its end, and what follows; `None` when its end has not come.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r")?, &bytes[end + 1..]))
}

fn client_shape(bytes: &[u8]) -> Shape {
    let bytes = without_empty_commands(bytes);
    match bytes.first() {
        None => Shape::Empty,
        Some(b'*') => array_shape(bytes),
        Some(b) if b.is_ascii_alphabetic() => inline_shape(bytes),
        Some(_) => Shape::Other,
    }
}

/// Redis passes over arrays of no values.
fn without_empty_commands(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"*0\r\n").or_else(|| bytes.strip_prefix(b"*-1\r\n")) {
        bytes = rest;
    }
    bytes
}

/// Whether a command begins after one of the lines.
fn has_command(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"\r\n*").any(|at| array_shape(&bytes[at + 2..]) == Shape::Command)
}

/// `*N CR LF $M CR LF word CR LF`, as far as it goes.
fn array_shape(bytes: &[u8]) -> Shape {
    let Some((head, rest)) = line(bytes) else {
        let plausible = bytes.len() < 12 && bytes[1..].iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'\r'));
        return if plausible { Shape::Short } else { Shape::Other };
    };
    let Some(1..=0x10_0000) = number(&head[1..]) else { return Shape::Other };
    let Some((head, rest)) = line(rest) else {
        return if rest.len() < 12 && matches!(rest.first(), None | Some(b'$')) { Shape::Short } else { Shape::Other };
    };
    let Some(length) = head.strip_prefix(b"$").and_then(length) else { return Shape::Other };
    let length = length as usize;
    if length > WORD_BYTES_MAX {
        return Shape::Array;
    }
    let Some(word) = rest.get(..length) else { return Shape::Short };
    let end = &rest[length..];
    if !b"\r\n".starts_with(&end[..end.len().min(2)]) {
        return Shape::Other;
    }
    match end.get(2) {
        Some(b) if !matches!(b, b'$' | b'*') => Shape::Array,
        _ if key::known(&word.to_ascii_uppercase()) => Shape::Command,
        _ => Shape::Array,
    }
}

fn inline_shape(bytes: &[u8]) -> Shape {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        let text = bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\t' | 0x80..));
        return if text && bytes.len() < 1024 { Shape::Short } else { Shape::Other };
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let http = line.windows(6).any(|w| w == b" HTTP/") || line.windows(5).any(|w| w == b" RTSP");
    if begins_with_command(line) && !http { Shape::Inline } else { Shape::Other }
}

fn server_shape(bytes: &[u8]) -> Shape {
    let Some(first) = bytes.first() else { return Shape::Empty };
    if !b"+-:$*_#,(!=%~>|".contains(first) {
        return Shape::Other;
    }
    let Some((head, rest)) = line(bytes) else {
        let text = bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\r'));
        return if text && bytes.len() < 1024 { Shape::Short } else { Shape::Other };
    };
    let text = &head[1..];
    match first {
        b'+' | b'-' => Shape::Status,
        b':' if number(text).is_some() => Shape::Reply,
        b'*' if matches!(number(text), Some(-1..=0)) => Shape::Reply,
        b'*' | b'>' => message_shape(bytes, text, rest),
        b'$' if text == b"-1" => Shape::Reply,
        b'$' | b'=' | b'!' => value_shape(text, rest),
        b'_' if text.is_empty() => Shape::Reply,
        b'#' if matches!(text, b"t" | b"f") => Shape::Reply,
        b'%' | b'~' | b'|' if number(text).is_some_and(|n| n >= 0) => Shape::Reply,
        b',' | b'(' if text.iter().any(u8::is_ascii_digit) && text.iter().all(|b| b.is_ascii_graphic()) => Shape::Reply,
        _ => Shape::Other,
    }
}

fn value_shape(length_text: &[u8], rest: &[u8]) -> Shape {
    let Some(length) = length(length_text) else { return Shape::Other };
    match rest.get(length as usize..) {
        None => Shape::Reply,
        Some(end) if b"\r\n".starts_with(&end[..end.len().min(2)]) => Shape::Reply,
        Some(_) => Shape::Other,
    }
}

/// An array or push from a server: of what kind is its first value?
fn message_shape(bytes: &[u8], count: &[u8], rest: &[u8]) -> Shape {
    if number(count).is_none_or(|n| n < 0) {
        return Shape::Other;
    }
    const TOPICS: [&[u8]; 5] =
        [b"$7\r\nmessage\r\n", b"$8\r\npmessage\r\n", b"$8\r\nsmessage\r\n", b"$9\r\nsubscribe\r\n", b"$10\r\ninvalidate\r\n"];
    if TOPICS.iter().any(|t| rest.starts_with(t)) {
        return Shape::Message;
    }
    if bytes[0] == b'>' {
        return Shape::Reply;
    }
    match rest.first() {
        None => Shape::Short,
        Some(b'$') => match array_shape(bytes) {
            // an array of long or cut values is a reply as well
            Shape::Short => Shape::Array,
            shape => shape,
        },
        Some(b'*' | b':' | b'+' | b'-' | b'%' | b'~' | b'_' | b'#' | b',') => Shape::Reply,
        Some(_) => Shape::Other,
    }
}

/// Whether a status line answers an inline command as no other protocol would.
fn said_by_redis_only(evidence: &Evidence<'_>) -> bool {
    let Some((status, _)) = line(evidence.to_client) else { return false };
    let end = evidence.to_server.iter().position(u8::is_ascii_whitespace).unwrap_or(evidence.to_server.len());
    let word = evidence.to_server[..end].to_ascii_uppercase();
    // words that POP3, SMTP, FTP, IMAP and NATS have as well
    let shared = matches!(
        word.as_slice(),
        b"AUTH" | b"QUIT" | b"TYPE" | b"INFO" | b"ECHO" | b"PING" | b"TIME" | b"COPY" | b"MOVE" | b"SORT"
    );
    match status {
        b"+PONG" | b"+QUEUED" => true,
        b"+OK" => !shared,
        _ => {
            const ERRORS: [&[u8]; 4] =
                [b"-ERR wrong number of arguments for ", b"-WRONGTYPE ", b"-NOAUTH ", b"-ERR unknown command "];
            ERRORS.iter().any(|e| status.starts_with(e))
        }
    }
}

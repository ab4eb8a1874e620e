//! Whether bytes are MySQL.
//!
//! The greeting is telling by itself. Without it a statement must be text that begins with a keyword, in a packet whose length
//! fits; another command needs a response with the next sequence number.

use super::command::{EXECUTE, INIT_DB, PREPARE, QUERY, Reply, plausible, reply};
use super::compress;
use super::execute::query;
use super::frame::HEADER_BYTES;
use super::limits::LOGIN_BYTES_MAX;
use super::login::{self, greeting};
use super::read::{Reader, length};
use super::text::{KEYWORD_BYTES_MAX, keyword};
use crate::{Confidence, Evidence, Verdict};

/// Without a verdict after so many bytes there will be none.
const LOOKED_AT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a statement that are looked at.
const STATEMENT_BYTES_MAX: usize = 256;

/// What bytes look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Empty,
    /// Too short to tell.
    Short,
    Greeting,
    Login,
    /// A statement whose first word is a keyword, or the execution of a prepared one.
    Statement,
    /// Another command, or a statement that cannot be told.
    Command,
    /// A column definition, an error with its state: what nobody else says.
    Telling,
    /// A packet that may answer a command.
    Reply,
    Other,
}

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    use Shape::*;
    let joined = !evidence.from_start;
    if joined && first_command(evidence.to_server) == First::Packed {
        return Verdict::Yes(Confidence::Likely);
    }
    let (client, server) = (client_shape(evidence.to_server), server_shape(evidence.to_client));
    let verdict = match (client, server) {
        (Empty | Short | Login, Greeting) => Verdict::Yes(Confidence::Certain),
        // joined inside a command
        (Other, Telling) if joined => Verdict::Yes(Confidence::Likely),
        (Other, _) => Verdict::No,
        (Login, Telling | Reply) => Verdict::Yes(Confidence::Certain),
        (Statement, Telling | Reply) => Verdict::Yes(Confidence::Likely),
        (Statement, Empty | Short) => Verdict::Yes(Confidence::Likely),
        // joined inside a response
        (Statement, Other) if joined => Verdict::Yes(Confidence::Likely),
        (Command, Telling) => Verdict::Yes(Confidence::Likely),
        (Command, Reply) if answers(evidence) => Verdict::Yes(Confidence::Likely),
        (Empty, Telling) => Verdict::Yes(Confidence::Likely),
        (Login | Command | Short, Empty | Short) => Verdict::Undecided,
        (Short, Telling | Reply) => Verdict::Undecided,
        (Empty, Reply) if joined => Verdict::Undecided,
        (Empty, Empty | Short) => Verdict::Undecided,
        _ => Verdict::No,
    };
    let looked_at = evidence.to_server.len() + evidence.to_client.len();
    if verdict == Verdict::Undecided && looked_at > LOOKED_AT_BYTES_MAX { Verdict::No } else { verdict }
}

/// What the first command of a connection that was joined is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// It cannot be told yet.
    Short,
    Packet,
    /// A frame of the compressed protocol.
    Packed,
}

/// A frame with number 0 in which a statement begins: what its header says of its size, and the packet in it, must be right.
pub fn first_command(bytes: &[u8]) -> First {
    let Some((header, rest)) = bytes.split_first_chunk::<{ compress::HEADER_BYTES }>() else {
        return if bytes.len() < HEADER_BYTES || bytes[3] == 0 { First::Short } else { First::Packet };
    };
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], 0]) as usize;
    let (packed, unpacked) = (number(0), number(4));
    // a frame is packed only where that makes it smaller
    if header[3] != 0 || packed < HEADER_BYTES || (unpacked > 0 && unpacked <= packed) {
        return First::Packet;
    }
    let whole = rest.len() >= packed;
    let payload = &rest[..rest.len().min(packed)];
    let (inside, len) = match unpacked {
        0 => (payload.to_vec(), packed),
        _ if payload.len() < 2 => return First::Short,
        _ if !compress::is_packed(payload) => return First::Packet,
        _ if !whole && payload.len() < compress::BEGINNING_BYTES => return First::Short,
        _ => (compress::beginning(payload), unpacked),
    };
    match packet(&inside) {
        Some((length, _, _)) if length as usize + HEADER_BYTES > len => First::Packet,
        None if !whole => First::Short,
        _ => match client_shape(&inside) {
            Shape::Statement => First::Packed,
            Shape::Short if !whole => First::Short,
            _ => First::Packet,
        },
    }
}

/// Header and payload of the first packet, as far as it is there.
fn packet(bytes: &[u8]) -> Option<(u32, u8, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let length = length(header);
    Some((length, header[3], &rest[..rest.len().min(length as usize)]))
}

fn client_shape(bytes: &[u8]) -> Shape {
    if bytes.is_empty() {
        return Shape::Empty;
    }
    let Some((length, seq, payload)) = packet(bytes) else {
        return if bytes.len() < HEADER_BYTES { Shape::Short } else { Shape::Other };
    };
    let Some(&code) = payload.first() else {
        return if length > 0 && seq <= 2 { Shape::Short } else { Shape::Other };
    };
    let whole = payload.len() == length as usize;
    match seq {
        // a TLS record seems to be longer
        1 | 2 if (32..=LOGIN_BYTES_MAX).contains(&length) => match login::response(payload) {
            Some(_) if whole => Shape::Login,
            Some(_) => Shape::Short,
            None if whole || payload.len() >= 64 => Shape::Other,
            None => Shape::Short,
        },
        0 if plausible(code, length) => command_shape(code, payload, whole, &bytes[HEADER_BYTES + payload.len()..]),
        _ => Shape::Other,
    }
}

/// A packet with sequence number 0 and this command's byte.
fn command_shape(code: u8, payload: &[u8], whole: bool, rest: &[u8]) -> Shape {
    match code {
        QUERY | PREPARE => {
            let text = if code == QUERY { query(&payload[1..], None).text } else { &payload[1..] };
            let text = &text[..text.len().min(STATEMENT_BYTES_MAX)];
            if text.iter().any(|b| matches!(b, 0 | 1..=8 | 14..=31 | 127)) {
                return if whole && text.first().is_some_and(u8::is_ascii_alphabetic) { Shape::Command } else { Shape::Other };
            }
            let mut spare = [0; KEYWORD_BYTES_MAX];
            match keyword(text, &mut spare) {
                Some(word) if is_keyword(word) && (whole || text.len() > word.len()) => Shape::Statement,
                _ if whole => Shape::Command,
                _ if text.len() < KEYWORD_BYTES_MAX => Shape::Short,
                _ => Shape::Other,
            }
        }
        EXECUTE if executes(payload) => Shape::Statement,
        INIT_DB if payload[1..].iter().any(|b| matches!(b, 1..=31 | 127)) => Shape::Other,
        // another command follows, or nothing
        _ if whole && (rest.is_empty() || rest.get(3).is_none_or(|seq| *seq == 0)) => Shape::Command,
        _ if !whole => Shape::Short,
        _ => Shape::Other,
    }
}

/// Number of the statement, flags, and that it is to be executed once.
fn executes(payload: &[u8]) -> bool {
    matches!(payload, [_, _, _, _, _, 0..=0x0f, 1, 0, 0, 0, ..])
}

/// Words with which statements begin.
fn is_keyword(word: &[u8]) -> bool {
    const KEYWORDS: &[&[u8]] = &[
        b"ALTER",
        b"ANALYZE",
        b"BEGIN",
        b"BINLOG",
        b"CALL",
        b"CHANGE",
        b"CHECK",
        b"CHECKSUM",
        b"COMMIT",
        b"CREATE",
        b"DEALLOCATE",
        b"DELETE",
        b"DESC",
        b"DESCRIBE",
        b"DO",
        b"DROP",
        b"EXECUTE",
        b"EXPLAIN",
        b"FLUSH",
        b"GRANT",
        b"HANDLER",
        b"HELP",
        b"INSERT",
        b"INSTALL",
        b"KILL",
        b"LOAD",
        b"LOCK",
        b"OPTIMIZE",
        b"PREPARE",
        b"PURGE",
        b"RELEASE",
        b"RENAME",
        b"REPAIR",
        b"REPLACE",
        b"RESET",
        b"REVOKE",
        b"ROLLBACK",
        b"SAVEPOINT",
        b"SELECT",
        b"SET",
        b"SHOW",
        b"SHUTDOWN",
        b"SIGNAL",
        b"START",
        b"STOP",
        b"TABLE",
        b"TRUNCATE",
        b"UNINSTALL",
        b"UNLOCK",
        b"UPDATE",
        b"USE",
        b"VALUES",
        b"WITH",
        b"XA",
    ];
    KEYWORDS.binary_search(&word).is_ok()
}

fn server_shape(bytes: &[u8]) -> Shape {
    if bytes.is_empty() {
        return Shape::Empty;
    }
    let Some((length, seq, payload)) = packet(bytes) else { return Shape::Short };
    let Some(&kind) = payload.first() else {
        return if length > 0 { Shape::Short } else { Shape::Other };
    };
    let whole = payload.len() == length as usize;
    match (seq, kind) {
        (0, 9 | 10) if length <= 512 => match greeting(payload) {
            Some(_) => Shape::Greeting,
            None if whole => Shape::Other,
            None => Shape::Short,
        },
        (_, 0xff) if error_is_sound(payload, seq, whole) => Shape::Telling,
        (1.., 0xff) => Shape::Other,
        (1, 0..=0xfc) if length <= 4 => columns_shape(bytes.get(HEADER_BYTES + length as usize..).unwrap_or_default()),
        (1.., 0x00) if length >= 7 && whole && ok_is_sound(payload) => Shape::Reply,
        (1.., 0xfe) if length == 5 && whole => Shape::Reply,
        (1, b'U') if payload.starts_with(b"Uptime: ") => Shape::Telling,
        (1.., 0x00 | 0xfe) if !whole && length < 64 << 10 => Shape::Short,
        _ => Shape::Other,
    }
}

/// Number, '#', state, text; the state is missing before the login.
fn error_is_sound(payload: &[u8], seq: u8, whole: bool) -> bool {
    let mut reader = Reader::new(payload);
    let (Some(_), Some(code)) = (reader.u8(), reader.u16()) else { return false };
    let (state, text) = match reader.rest() {
        [b'#', rest @ ..] if rest.len() >= 5 => (true, &rest[5..]),
        rest => (false, rest),
    };
    let printable = text.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\n' | 0x80..));
    whole && (1000..=9999).contains(&code) && printable && text.len() >= 4 && (state || (seq == 0 && payload.len() > 12))
}

/// What follows the number of columns: the definition of the first.
fn columns_shape(rest: &[u8]) -> Shape {
    const BEGIN: &[u8] = b"\x02\x03def";
    // the length before it
    let begin = rest.get(3..).unwrap_or_default();
    if begin.len() >= BEGIN.len() {
        if begin.starts_with(BEGIN) { Shape::Telling } else { Shape::Other }
    } else if BEGIN.starts_with(begin) {
        Shape::Short
    } else {
        Shape::Other
    }
}

/// Affected rows, last number, status, warnings, perhaps text; or number, columns, parameters of a prepared statement.
fn ok_is_sound(payload: &[u8]) -> bool {
    // of the status bits, no server sets all
    let mut reader = Reader::new(&payload[1..]);
    let plain = reader.number().is_some() && reader.number().is_some() && reader.u16().is_some() && reader.u16().is_some();
    let prepared = matches!(payload.len(), 12 | 13) && payload[9] == 0;
    plain || prepared
}

/// Whether the server's first packet is what answers the client's first command that has an answer, by number.
fn answers(evidence: &Evidence<'_>) -> bool {
    let Some((length, seq, payload)) = packet(evidence.to_client) else { return false };
    let kind = payload.first().copied().unwrap_or_default();
    let mut rest = evidence.to_server;
    while let Some((_, 0, command)) = packet(rest) {
        let Some(reply) = command.first().map(|code| reply(*code)) else { return false };
        let fits = match reply {
            Reply::Nothing => {
                rest = &rest[HEADER_BYTES + command.len()..];
                continue;
            }
            Reply::Prepared => matches!(length, 12 | 13),
            Reply::Plain => kind == 0 || kind == 0xfe,
            Reply::Result => kind == 0,
            _ => false,
        };
        return seq == 1 && fits;
    }
    false
}

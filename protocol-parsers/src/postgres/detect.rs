//! Whether bytes are PostgreSQL.
//!
//! A login, a request for encryption and a cancellation are telling. Joined later, the messages are: a known type, a length,
//! and a body that is as its type says, up to its last byte.

use super::bind;
use super::frame::{Message, plausible, split_head};
use super::message::{self, Reader};
use super::opening::{self, Looks};
use super::seek::complete_at_end;
use super::statement::Statement;
use crate::{Confidence, Evidence, Flow, Moment, Verdict};

/// Without a verdict after so many bytes there will be none.
const LOOKED_AT_BYTES_MAX: usize = 12 << 10;
/// So much of a statement is enough to know it as one.
const STATEMENT_BYTES: usize = 512;
/// Longest message that a beginning is believed to be of.
const USUAL_BYTES_MAX: u32 = 16 << 20;

/// What a direction's bytes look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Empty,
    /// Too short to tell.
    Short,
    /// Messages, so many of them whole.
    Messages(usize),
    /// The beginning of a statement.
    Statement,
    Other,
}

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    if let Some(verdict) = opening_verdict(evidence) {
        return verdict;
    }
    use Shape::*;
    let joined = !evidence.from_start;
    let client = shape(Flow::ToServer, evidence.to_server);
    let server = shape(Flow::ToClient, evidence.to_client);
    let verdict = match (client, server) {
        (Messages(_) | Statement, Messages(_)) => Verdict::Yes(Confidence::Certain),
        (Messages(_) | Statement, Empty | Short) => Verdict::Yes(Confidence::Likely),
        // joined inside a response
        (Messages(_) | Statement, Other) if joined => Verdict::Yes(Confidence::Likely),
        // joined inside a request
        (Other, Messages(count)) if joined && count > 1 => Verdict::Yes(Confidence::Likely),
        (Other | Empty | Short, Other) if joined && ends_response(evidence.to_client) => Verdict::Yes(Confidence::Likely),
        (Short, Messages(count)) if joined && count > 1 => Verdict::Yes(Confidence::Likely),
        (Short, Empty | Short | Messages(_)) => Verdict::Undecided,
        (Empty, Messages(count)) if joined && count > 1 => Verdict::Yes(Confidence::Likely),
        (Empty, Messages(_)) if joined => Verdict::Yes(Confidence::Guessed),
        (Empty, Short) if joined => Verdict::Undecided,
        (Empty, Empty) => Verdict::Undecided,
        _ => Verdict::No,
    };
    let looked_at = evidence.to_server.len() + evidence.to_client.len();
    if verdict == Verdict::Undecided && looked_at > LOOKED_AT_BYTES_MAX { Verdict::No } else { verdict }
}

/// What a packet before the login tells; `None` when the client's bytes are none.
fn opening_verdict(evidence: &Evidence<'_>) -> Option<Verdict> {
    if evidence.to_server.first() != Some(&0) {
        return None;
    }
    let fits = match evidence.to_client.first() {
        None | Some(b'S' | b'N' | b'G' | b'R' | b'E' | b'v') => true,
        Some(_) => false,
    };
    Some(match opening::looks(evidence.to_server) {
        Looks::Like if fits && login_is_sound(evidence.to_server) => Verdict::Yes(Confidence::Certain),
        Looks::TooShort if fits => Verdict::Undecided,
        _ => Verdict::No,
    })
}

/// Whether a login's first parameter has a name, as far as it goes. Other packets have none.
fn login_is_sound(bytes: &[u8]) -> bool {
    let login = bytes.get(4..6) == Some(&[0, 3]);
    let name = bytes.get(8..).unwrap_or_default();
    !login || name.iter().take_while(|b| **b != 0).take(32).all(|b| b.is_ascii_graphic())
}

fn shape(flow: Flow, bytes: &[u8]) -> Shape {
    if bytes.is_empty() {
        return Shape::Empty;
    }
    let (mut rest, mut whole) = (bytes, 0);
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let (tag, length) = split_head(head);
        if !plausible(flow, tag, length) || length > USUAL_BYTES_MAX {
            return Shape::Other;
        }
        let size = length as usize - 4;
        let (body, cut) = (&after[..size.min(after.len())], size > after.len());
        let message = Message { tag, body, cut, bytes: u64::from(length) + 1, started: Moment::default() };
        if !sound(flow, &message) {
            return Shape::Other;
        }
        if cut {
            let statement = flow == Flow::ToServer && is_statement(&message);
            return if whole > 0 || statement { at_least(whole, statement) } else { Shape::Short };
        }
        whole += usize::from(whole > 0 || proves(tag));
        rest = &after[size..];
    }
    let known = rest.first().is_none_or(|tag| super::frame::known(flow, *tag));
    match whole {
        _ if !known => Shape::Other,
        0 => Shape::Short,
        whole => Shape::Messages(whole),
    }
}

/// Whether a message of this kind tells something by itself: the body of the others may be anything.
fn proves(tag: u8) -> bool {
    !matches!(tag, b'd' | b'p' | b'F' | b'V' | b'v')
}

fn at_least(whole: usize, statement: bool) -> Shape {
    match whole {
        0 if statement => Shape::Statement,
        whole => Shape::Messages(whole),
    }
}

/// The beginning of a Query or Parse whose text begins like SQL and is long enough.
fn is_statement(message: &Message<'_>) -> bool {
    let text = match message.tag {
        b'Q' => message::query(message),
        b'P' => message::parse(message).map(|p| p.text),
        _ => None,
    };
    text.is_some_and(|t| t.text.len() >= STATEMENT_BYTES && begins_like_sql(t.text))
}

fn begins_like_sql(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 24] = [
        b"SELECT",
        b"INSERT",
        b"UPDATE",
        b"DELETE",
        b"WITH",
        b"BEGIN",
        b"COMMIT",
        b"ROLLBACK",
        b"CREATE",
        b"DROP",
        b"ALTER",
        b"COPY",
        b"SET",
        b"SHOW",
        b"EXPLAIN",
        b"VALUES",
        b"DO",
        b"CALL",
        b"MERGE",
        b"DECLARE",
        b"FETCH",
        b"ANALYZE",
        b"PREPARE",
        b"EXECUTE",
    ];
    let start = &text[..text.len().min(STATEMENT_BYTES)];
    Statement::new(start, true, &[], STATEMENT_BYTES).operation().is_some_and(|word| WORDS.contains(&word))
}

/// Whether a body is as its type says, as far as it goes.
fn sound(flow: Flow, message: &Message<'_>) -> bool {
    match (flow, message.tag) {
        (Flow::ToServer, b'Q') => message::query(message).is_some_and(|t| is_text(t.text)),
        (Flow::ToServer, b'P') => match message::parse(message) {
            Some(parse) => is_text(parse.name) && is_text(parse.text.text),
            None => message.cut && is_text(message.body),
        },
        (Flow::ToServer, b'B') => match bind::bind(message) {
            Some(bind) => is_text(bind.portal) && is_text(bind.statement),
            None => message.cut && message.body.len() < 128,
        },
        (Flow::ToServer, b'E') => message::execute(message).is_some_and(is_text) || message.cut,
        (Flow::ToServer, b'f') => message.cut || message::query(message).is_some_and(|t| is_text(t.text)),
        (Flow::ToServer, b'D' | b'C') => message::named(message).is_some_and(|n| is_text(n.1)) || message.cut,
        (Flow::ToClient, b'C') => message::tag(message).is_some() || message.cut,
        (Flow::ToClient, b'Z') => message.body.first().is_none_or(|s| matches!(s, b'I' | b'T' | b'E')),
        (Flow::ToClient, b'E' | b'N') => message::error(message).is_some_and(|f| f.code.is_some() || message.cut),
        (Flow::ToClient, b'T') => row_description(message.body).unwrap_or(message.cut),
        (Flow::ToClient, b'D') => data_row(message.body).unwrap_or(message.cut),
        (Flow::ToClient, b'S') => parameter_status(message.body).unwrap_or(message.cut),
        (Flow::ToClient, b't') => message.cut || counted(message.body, 0, 4),
        (Flow::ToClient, b'G' | b'H' | b'W') => message.cut || counted(message.body, 1, 2),
        (Flow::ToClient, b'A') => notification(message.body).unwrap_or(message.cut),
        (Flow::ToClient, b'R') => Reader(message.body).i32().map_or(message.cut, |code| (0..=12).contains(&code)),
        _ => true,
    }
}

fn is_text(text: &[u8]) -> bool {
    let start = &text[..text.len().min(STATEMENT_BYTES)];
    start.iter().all(|b| matches!(b, b' '..|b'\t'| b'\n' | b'\r' | b'\x0c' | 0)) && !start.contains(&0x7f)
}

/// Whether it is as it should be; `None` when it is cut.
fn row_description(body: &[u8]) -> Option<bool> {
    let mut reader = Reader(body);
    for _ in 0..reader.u16()? {
        if !is_text(reader.text()?) {
            return Some(false);
        }
        reader.bytes(18)?;
    }
    Some(reader.0.is_empty())
}

fn data_row(body: &[u8]) -> Option<bool> {
    let mut reader = Reader(body);
    for _ in 0..reader.u16()? {
        match reader.i32()? {
            -1 => {}
            length => {
                let Ok(length) = usize::try_from(length) else { return Some(false) };
                reader.bytes(length)?;
            }
        }
    }
    Some(reader.0.is_empty())
}

/// Whether a body is a count after `skip` bytes, and then as many items of so many bytes.
fn counted(body: &[u8], skip: usize, item_bytes: usize) -> bool {
    let mut reader = Reader(body);
    let head = reader.bytes(skip).and_then(|_| reader.u16());
    head.is_some_and(|count| reader.0.len() == usize::from(count) * item_bytes)
}

fn notification(body: &[u8]) -> Option<bool> {
    let mut reader = Reader(body);
    let _process = reader.i32()?;
    let (channel, payload) = (reader.text()?, reader.text()?);
    Some(is_text(channel) && is_text(payload) && reader.0.is_empty())
}

fn parameter_status(body: &[u8]) -> Option<bool> {
    let mut reader = Reader(body);
    let (name, value) = (reader.text()?, reader.text()?);
    Some(!name.is_empty() && is_text(name) && is_text(value) && reader.0.is_empty())
}

/// Whether bytes end like a response: a command tag and ReadyForQuery.
fn ends_response(bytes: &[u8]) -> bool {
    const READY: usize = 6;
    let Some((before, ready)) = bytes.len().checked_sub(READY).map(|at| bytes.split_at(at)) else { return false };
    if !ready.starts_with(b"Z\0\0\0\x05") || !matches!(ready[5], b'I' | b'T' | b'E') {
        return false;
    }
    complete_at_end(before).is_some()
}

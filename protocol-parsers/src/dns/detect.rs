//! Whether bytes are DNS: messages whose every field is sensible and whose records end exactly where the bytes do. At the port of DNS
//! less is asked of them.

use super::frame::{HEADER_BYTES, Header, Message, Record};
use super::{name, names};
use crate::{Confidence, Evidence, Flow, Transport, Verdict};

/// RFC 1035, section 4.2.
const PORT: u16 = 53;
/// Multicast DNS (RFC 6762) and LLMNR (RFC 4795) have the same messages, but are no queries of a server.
const MULTICAST_PORT: u16 = 5353;
const LLMNR_PORT: u16 = 5355;
/// Opcodes.
const QUERY: u8 = 0;
const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;
/// Most additional records of a query: OPT, TSIG, SIG(0).
const QUERY_ADDITIONAL_MAX: u16 = 3;
/// Most records of a message that is believed to be DNS: as many as 64 KiB can hold.
const RECORDS_MAX: u32 = 6000;

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    let look = match evidence.transport {
        Transport::Datagram => datagrams,
        Transport::Stream => frames,
    };
    if is_multicast(evidence) {
        return Verdict::No;
    }
    let queries = look(evidence.to_server, Flow::ToServer);
    let responses = look(evidence.to_client, Flow::ToClient);
    match (queries, responses) {
        // joined inside a message of the other direction
        (Some(Framed::Whole), Some(Framed::No)) | (Some(Framed::No), Some(Framed::Whole)) if !evidence.from_start => {
            Verdict::Yes(Confidence::Likely)
        }
        (Some(Framed::No), _) | (_, Some(Framed::No)) if evidence.server_port == Some(PORT) => at_port(evidence),
        (Some(Framed::No), _) | (_, Some(Framed::No)) => Verdict::No,
        (Some(Framed::Whole), _) => Verdict::Yes(Confidence::Certain),
        (None, Some(Framed::Whole)) => Verdict::Yes(Confidence::Likely),
        _ => Verdict::Undecided,
    }
}

/// A server may listen at the port of multicast DNS; its queries have numbers and ask for recursion.
fn is_multicast(evidence: &Evidence<'_>) -> bool {
    let header = Header::read(if evidence.to_server.is_empty() { evidence.to_client } else { evidence.to_server });
    let (Transport::Datagram, Some(port), Some(header)) = (evidence.transport, evidence.server_port, header) else {
        return false;
    };
    port == LLMNR_PORT || port == MULTICAST_PORT && header.id == 0 && header.flags & 0x0100 == 0
}

/// With a header and questions that can be read it is DNS at its port, whatever follows them.
fn at_port(evidence: &Evidence<'_>) -> Verdict {
    let (mut no, mut short) = (false, false);
    for (bytes, flow) in [(evidence.to_server, Flow::ToServer), (evidence.to_client, Flow::ToClient)] {
        let message = match (evidence.transport, bytes) {
            (_, []) => continue,
            (Transport::Datagram, _) => Some(bytes),
            (Transport::Stream, [high, low, rest @ ..]) => rest.get(..usize::from(u16::from_be_bytes([*high, *low]))),
            (Transport::Stream, _) => None,
        };
        match message {
            Some(message) => no |= !readable(message, flow),
            None => short = true,
        }
    }
    match (no, short) {
        (true, _) => Verdict::No,
        (false, true) => Verdict::Undecided,
        (false, false) => Verdict::Yes(Confidence::Likely),
    }
}

fn readable(message: &[u8], flow: Flow) -> bool {
    Message::read(message).is_some_and(|message| {
        let header = message.header;
        header.response() == (flow == Flow::ToClient) && (message.question.is_some() || header.counts == [0; 4])
    })
}

/// What bytes are, as messages of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framed {
    No,
    /// As far as they go they may be a message.
    Beginning,
    Whole,
}

/// `None` without bytes.
fn datagrams(bytes: &[u8], flow: Flow) -> Option<Framed> {
    if bytes.is_empty() {
        return None;
    }
    // several datagrams may stand one after the other
    let mut rest = bytes;
    while !rest.is_empty() {
        match well_formed(rest, flow) {
            Some(used) => rest = &rest[used..],
            None if rest.len() < bytes.len() && rest.len() >= HEADER_BYTES && beginning(rest, flow) => break,
            None => return Some(Framed::No),
        }
    }
    Some(Framed::Whole)
}

fn frames(bytes: &[u8], flow: Flow) -> Option<Framed> {
    if bytes.is_empty() { None } else { Some(framed(bytes, flow)) }
}

/// Whether a message with its length before it begins here.
pub fn framed(bytes: &[u8], flow: Flow) -> Framed {
    let Some(prefix) = bytes.get(..2) else { return Framed::Beginning };
    let length = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
    let rest = &bytes[2..];
    if length < HEADER_BYTES {
        return Framed::No;
    }
    match rest.get(..length) {
        Some(message) if well_formed(message, flow) == Some(length) => Framed::Whole,
        Some(_) => Framed::No,
        None if beginning(rest, flow) => Framed::Beginning,
        None => Framed::No,
    }
}

/// Whether a message may begin here.
fn beginning(bytes: &[u8], flow: Flow) -> bool {
    match Header::read(bytes) {
        Some(header) => sensible(&header, flow),
        // the flags come third and fourth
        None => bytes.len() < 4 || (bytes[2] & 0x80 != 0) == (flow == Flow::ToClient),
    }
}

fn sensible(header: &Header, flow: Flow) -> bool {
    let [questions, answers, authorities, additional] = header.counts;
    let reserved = header.flags & 0x0040 != 0;
    if header.response() != (flow == Flow::ToClient)
        || !matches!(header.opcode(), QUERY | NOTIFY | UPDATE)
        || reserved
        || questions != 1
    {
        return false;
    }
    if header.response() {
        return u32::from(answers) + u32::from(authorities) + u32::from(additional) <= RECORDS_MAX;
    }
    // a query says nothing with these: authoritative (but in a NOTIFY), truncated, recursion available, outcome
    let quiet = header.flags & if header.opcode() == NOTIFY { 0x028f } else { 0x068f } == 0;
    quiet && additional <= QUERY_ADDITIONAL_MAX && (header.opcode() != QUERY || (answers == 0 && authorities <= 1))
}

/// The message at the beginning of `bytes`, when every part of it is sensible: how long it is.
pub fn well_formed(bytes: &[u8], flow: Flow) -> Option<usize> {
    let header = Header::read(bytes).filter(|h| sensible(h, flow))?;
    let mut text = Vec::new();
    let after = name::read(bytes, HEADER_BYTES, &mut text)?;
    let fixed: &[u8; 4] = bytes.get(after..after + 4)?.try_into().ok()?;
    let record_type = u16::from_be_bytes([fixed[0], fixed[1]]);
    let class = u16::from_be_bytes([fixed[2], fixed[3]]);
    if !matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255) || record_type == 0 || is_netbios(&text, record_type) {
        return None;
    }
    // types without a name are asked for as well, but not under odd names
    if !names::known_type(record_type) && text.contains(&b'\\') {
        return None;
    }
    let records: u32 = header.counts[1..].iter().map(|c| u32::from(*c)).sum();
    let mut at = after + 4;
    for i in 0..records {
        text.clear();
        let record = Record::read(bytes, at, &mut text)?;
        if header.opcode() != UPDATE && i < u32::from(header.counts[1]) && record.record_type == 0 {
            return None;
        }
        at = record.data.1;
    }
    Some(at)
}

/// NetBIOS names (RFC 1002) have the shape of DNS: 32 letters from A to P, types 32 and 33.
fn is_netbios(name: &[u8], record_type: u16) -> bool {
    let label = name.split(|b| *b == b'.').next().unwrap_or_default();
    matches!(record_type, 32 | 33) && label.len() == 32 && label.iter().all(|b| (b'A'..=b'P').contains(b))
}

//! Whether bytes are TLS.
//!
//! A hello is telling by itself. Joined later, records are: a header that few other bytes look like, a length, and another header
//! behind it. What is inside of them says nothing, nor who serves.

use super::alert;
use super::frame::{ALERT, APPLICATION_DATA, HANDSHAKE, HEADER_BYTES, old_plausible, plausible};
use super::message::{CLIENT_HELLO, SERVER_HELLO};
use super::read::Reader;
use crate::{Confidence, Evidence, Verdict};

/// Without a verdict after so many bytes there will be none.
const LOOKED_AT_BYTES_MAX: usize = 48 << 10;
/// So many bytes of one record are worth as much as a record behind it.
const LONG_BYTES: usize = 4 << 10;
/// Bytes of a hello that tell it: type, length, version.
const HELLO_BYTES: usize = 6;
/// The shortest hello: version, random, session.
const HELLO_LENGTH_MIN: u32 = 38;
const HELLO_LENGTH_MAX: u32 = 1 << 17;
/// Encrypted data has a checksum.
const DATA_LENGTH_MIN: usize = 16;

/// What bytes look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Empty,
    /// Too short to tell.
    Short,
    ClientHello,
    /// In the form of SSL 2.0.
    OldHello,
    ServerHello,
    /// Alerts in clear.
    Alert,
    /// Records; whether there is enough of them to believe it.
    Records(bool),
    Other,
}

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    use Shape::*;
    let (client, server) = (shape(evidence.to_server), shape(evidence.to_client));
    let joined = !evidence.from_start;
    let verdict = match (client, server) {
        (ClientHello, ClientHello) => Verdict::No,
        // whatever answers it
        (ClientHello, _) => Verdict::Yes(Confidence::Certain),
        (OldHello, ServerHello | Alert) => Verdict::Yes(Confidence::Certain),
        (OldHello, Empty | Short) => Verdict::Yes(Confidence::Likely),
        (Empty | Short | Alert | Records(_), ServerHello) => Verdict::Yes(Confidence::Certain),
        // joined inside a record
        (Other, ServerHello) if joined => Verdict::Yes(Confidence::Likely),
        (ServerHello | Other, _) | (_, ClientHello | OldHello) if !joined => Verdict::No,
        (Records(true), Empty | Short | Other | Alert | Records(_)) if joined => Verdict::Yes(Confidence::Likely),
        (Empty | Short | Other | Alert | Records(_), Records(true)) if joined => Verdict::Yes(Confidence::Likely),
        (Records(_), Records(_)) if joined => Verdict::Yes(Confidence::Likely),
        (Short | Records(_) | Alert | Empty, Short | Records(_) | Alert | Empty) if joined => Verdict::Undecided,
        (Short | Records(_), Other) | (Other, Short | Records(_)) if joined => Verdict::Undecided,
        (Short | Empty, Short | Empty) => Verdict::Undecided,
        _ => Verdict::No,
    };
    let looked_at = evidence.to_server.len() + evidence.to_client.len();
    if verdict == Verdict::Undecided && looked_at > LOOKED_AT_BYTES_MAX { Verdict::No } else { verdict }
}

fn shape(bytes: &[u8]) -> Shape {
    let header = &bytes[..bytes.len().min(HEADER_BYTES)];
    if !plausible(header) {
        return old_hello_shape(bytes);
    }
    match bytes {
        [] => Shape::Empty,
        [HANDSHAKE, ..] => hello_shape(bytes),
        [ALERT, _, _, 0, length @ (2 | 4 | 6), alerts @ ..] => {
            let alerts = &alerts[..alerts.len().min(usize::from(*length))];
            if alert::plausible(alerts) { Shape::Alert } else { Shape::Other }
        }
        _ => records_shape(bytes),
    }
}

/// The first handshake message, which may be fragmented.
fn hello_shape(bytes: &[u8]) -> Shape {
    let (mut hello, mut filled) = ([0; HELLO_BYTES], 0);
    for fragment in Fragments(bytes) {
        if fragment.kind != HANDSHAKE {
            return Shape::Other;
        }
        let used = fragment.bytes.len().min(HELLO_BYTES - filled);
        hello[filled..filled + used].copy_from_slice(&fragment.bytes[..used]);
        filled += used;
        if filled == HELLO_BYTES {
            break;
        }
    }
    let [kind, a, b, c, major, minor] = hello;
    if !matches!(kind, CLIENT_HELLO | SERVER_HELLO) && filled > 0 {
        return records_shape(bytes);
    }
    let length = u32::from_be_bytes([0, a, b, c]);
    // a draft of TLS 1.3 has a version of its own in the server's hello
    let version = major == 3 && minor <= 4 || major == 0x7f && kind == SERVER_HELLO;
    if filled < HELLO_BYTES {
        return Shape::Short;
    }
    match kind {
        // an encrypted message may begin like that
        _ if !version || !(HELLO_LENGTH_MIN..=HELLO_LENGTH_MAX).contains(&length) => records_shape(bytes),
        CLIENT_HELLO => Shape::ClientHello,
        _ => Shape::ServerHello,
    }
}

/// Records that follow each other.
fn records_shape(bytes: &[u8]) -> Shape {
    let (mut records, mut data, mut long, mut rest) = (0, false, false, bytes);
    for fragment in Fragments(bytes) {
        let is_data = fragment.kind == APPLICATION_DATA;
        if is_data && (1..DATA_LENGTH_MIN).contains(&fragment.length) {
            return Shape::Other;
        }
        records += 1;
        data |= is_data;
        long |= fragment.bytes.len() >= LONG_BYTES;
        rest = &rest[HEADER_BYTES + fragment.bytes.len()..];
    }
    if !plausible(&rest[..rest.len().min(HEADER_BYTES)]) {
        Shape::Other
    } else if records == 0 {
        Shape::Short
    } else {
        Shape::Records(data && (records > 1 || rest.len() > 2 || long))
    }
}

/// A hello in the form of SSL 2.0: its three lengths make up its own.
fn old_hello_shape(bytes: &[u8]) -> Shape {
    if !old_plausible(&bytes[..bytes.len().min(4)]) {
        return Shape::Other;
    }
    let Some(lengths) = bytes.get(5..11) else { return Shape::Short };
    let mut lengths = Reader(lengths);
    let (ciphers, session, challenge) = (lengths.u16(), lengths.u16(), lengths.u16());
    let sum = [ciphers, session, challenge].into_iter().flatten().map(usize::from).sum::<usize>() + 9;
    let fits =
        sum == usize::from(bytes[1]) && ciphers.is_some_and(|n| n > 0 && n % 3 == 0) && challenge.is_some_and(|n| n >= 16);
    if fits { Shape::OldHello } else { Shape::Other }
}

/// What is there of each record's payload, up to the first that is none.
struct Fragments<'a>(&'a [u8]);

struct Fragment<'a> {
    kind: u8,
    length: usize,
    bytes: &'a [u8],
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Fragment<'a>;

    fn next(&mut self) -> Option<Fragment<'a>> {
        let (header, rest) = self.0.split_first_chunk::<HEADER_BYTES>()?;
        if !plausible(header) {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        self.0 = rest;
        Some(Fragment { kind: header[0], length, bytes })
    }
}

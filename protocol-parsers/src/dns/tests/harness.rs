//! Builds messages and feeds them.

pub use crate::conversation::{Fed, Rows};
use crate::conversation::{Subject, lines};
use crate::{Transport, conversation};

/// Queries over UDP, or over TCP.
pub fn subject(transport: Transport) -> Subject {
    Subject { transport, ..Subject::new(&crate::dns::PROTOCOL, lines::in_order) }
}

/// One step of a conversation.
#[derive(Clone, Debug)]
pub enum Turn {
    Client(Vec<u8>),
    Server(Vec<u8>),
    /// From or to this port of 192.0.2.1.
    ClientAt(Vec<u8>, u16),
    ServerAt(Vec<u8>, u16),
    ClientUnseen(u64),
    ServerUnseen(u64),
    /// Queries that began before this step are given up.
    Expire,
}
pub use Turn::*;

impl<'a> From<&'a Turn> for conversation::Turn<'a> {
    fn from(turn: &'a Turn) -> Self {
        match turn {
            Client(bytes) => Self::Client(bytes),
            Server(bytes) => Self::Server(bytes),
            ClientAt(bytes, port) => Self::ClientAt(bytes, *port),
            ServerAt(bytes, port) => Self::ServerAt(bytes, *port),
            ClientUnseen(len) => Self::ClientUnseen(*len),
            ServerUnseen(len) => Self::ServerUnseen(*len),
            Expire => Self::Expire,
        }
    }
}

pub fn talk(transport: Transport, from_start: bool) -> Fed {
    subject(transport).talk(from_start)
}

pub fn rows(transport: Transport, from_start: bool, turns: &[Turn], piece: impl FnMut() -> usize) -> Rows {
    subject(transport).rows(from_start, turns, piece)
}

/// Datagrams give these rows.
#[track_caller]
pub fn check(turns: &[Turn], expect: &[&str]) -> Rows {
    subject(Transport::Datagram).check_whole(true, turns, expect)
}

/// A stream gives these rows, whole and byte by byte.
#[track_caller]
pub fn check_stream(from_start: bool, turns: &[Turn], expect: &[&str]) -> Rows {
    subject(Transport::Stream).check(from_start, turns, expect)
}

pub const QUERY: u16 = 0x0100;
pub const RESPONSE: u16 = 0x8180;

pub fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    [id, flags].iter().chain(&counts).flat_map(|n| n.to_be_bytes()).collect()
}

/// A name of labels without dots in them.
pub fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|l| !l.is_empty());
    let mut out: Vec<u8> = labels.flat_map(|l| [&[l.len() as u8], l.as_bytes()].concat()).collect();
    out.push(0);
    out
}

pub fn question(text: &str, record_type: u16) -> Vec<u8> {
    [name(text).as_slice(), &record_type.to_be_bytes(), &[0, 1]].concat()
}

pub fn query(id: u16, text: &str, record_type: u16) -> Vec<u8> {
    [header(id, QUERY, [1, 0, 0, 0]), question(text, record_type)].concat()
}

/// A record whose owner is the question's name.
pub fn record(record_type: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let fixed = [[0xc0, 12], record_type.to_be_bytes(), [0, 1]].concat();
    [&fixed, ttl.to_be_bytes().as_slice(), &(data.len() as u16).to_be_bytes(), data].concat()
}

pub fn response(id: u16, text: &str, record_type: u16, rcode: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let counts = [1, records.len() as u16, 0, 0];
    [header(id, RESPONSE | rcode, counts), question(text, record_type), records.concat()].concat()
}

/// As over TCP.
pub fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

//! Builds messages, feeds them and renders rows.

use std::net::SocketAddr;

use schema::{ColumnWriter, Row};

use crate::dns::PROTOCOL;
use crate::{Exchange, Flow, Moment, Output, Parser, Segment, Settings, Skipped, Transport};

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

/// Rows as lines of text.
#[derive(Debug, Default)]
pub struct Rows {
    pub lines: Vec<String>,
    pub skipped: Vec<(Skipped, u64, u64)>,
    pub sizes: Vec<(Option<u64>, Option<u64>)>,
    pub times: Vec<(u64, Option<u64>)>,
}

impl Rows {
    pub fn skipped(&self, why: Skipped) -> (u64, u64) {
        let of_reason = self.skipped.iter().filter(|s| s.0 == why);
        of_reason.fold((0, 0), |sum, s| (sum.0 + s.1, sum.1 + s.2))
    }
}

impl Output for Rows {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        assert_eq!(row.table().name, "dns_events");
        let mut columns = Columns::default();
        row.write(&mut columns);
        let mut line = columns.0.join(" | ");
        for (flag, name) in [
            (exchange.truncated, "truncated"),
            (exchange.gap_before, "gap"),
            (exchange.broken, "broken"),
            (exchange.ended_ns.is_none(), "unended"),
        ] {
            if flag {
                line = format!("{line} [{name}]");
            }
        }
        if let Some(remote) = exchange.remote {
            line = format!("{line} {remote}");
        }
        self.lines.push(format!("{line} {}", exchange.confidence.as_str()));
        self.sizes.push((exchange.request_bytes, exchange.response_bytes));
        let latency = exchange.ended_ns.map(|e| e.checked_sub(exchange.started.mono_ns).expect("latency is not negative"));
        self.times.push((exchange.started.mono_ns, latency));
    }

    fn skipped(&mut self, why: Skipped, messages: u64, bytes: u64) {
        self.skipped.push((why, messages, bytes));
    }
}

#[derive(Debug, Default)]
struct Columns(Vec<String>);

impl ColumnWriter for Columns {
    fn bool(&mut self, value: Option<bool>) {
        self.0.push(value.map_or("-".into(), |v| v.to_string()));
    }
    fn int32(&mut self, value: Option<i32>) {
        self.int64(value.map(i64::from));
    }
    fn int64(&mut self, value: Option<i64>) {
        self.0.push(value.map_or("-".into(), |v| v.to_string()));
    }
    fn text(&mut self, value: Option<&[u8]>) {
        let text = |v: &[u8]| std::str::from_utf8(v).map_or_else(|_| v.escape_ascii().to_string(), str::to_owned);
        self.0.push(value.map_or("-".into(), text));
    }
    fn name(&mut self, value: Option<&[u8]>) {
        self.text(value);
    }
}

pub struct Fed {
    pub parser: Box<dyn Parser>,
    pub rows: Rows,
    pub heap_bytes_max: usize,
    step: u64,
}

impl Fed {
    pub fn new(transport: Transport, from_start: bool) -> Self {
        let parser = (PROTOCOL.parser)(&Settings::default(), transport, from_start);
        Self { parser, rows: Rows::default(), heap_bytes_max: 0, step: 0 }
    }

    /// Feeds a step, in pieces of so many bytes.
    pub fn turn(&mut self, turn: &Turn, mut piece: impl FnMut() -> usize) {
        self.step += 1;
        let at = Moment { mono_ns: self.step * 100, thread_id: 7 };
        let peer = |port: u16| Some(SocketAddr::from(([192, 0, 2, 1], port)));
        let (flow, bytes, remote) = match turn {
            Client(bytes) => (Flow::ToServer, bytes, None),
            Server(bytes) => (Flow::ToClient, bytes, None),
            ClientAt(bytes, port) => (Flow::ToServer, bytes, peer(*port)),
            ServerAt(bytes, port) => (Flow::ToClient, bytes, peer(*port)),
            ClientUnseen(len) => return self.parser.unseen(Flow::ToServer, *len, at, &mut self.rows),
            ServerUnseen(len) => return self.parser.unseen(Flow::ToClient, *len, at, &mut self.rows),
            Expire => return self.parser.expire(at.mono_ns, &mut self.rows),
        };
        let mut bytes = bytes.as_slice();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(piece().clamp(1, bytes.len()));
            self.parser.bytes(Segment { flow, bytes: now, at, remote }, &mut self.rows);
            self.heap_bytes_max = self.heap_bytes_max.max(self.parser.heap_bytes());
            bytes = later;
        }
    }

    pub fn close(mut self) -> Rows {
        let at = Moment { mono_ns: (self.step + 1) * 100, thread_id: 7 };
        self.parser.close(at, &mut self.rows);
        self.rows
    }
}

pub fn rows(transport: Transport, from_start: bool, turns: &[Turn], mut piece: impl FnMut() -> usize) -> Rows {
    let mut fed = Fed::new(transport, from_start);
    for turn in turns {
        fed.turn(turn, &mut piece);
    }
    fed.close()
}

/// Datagrams give these rows.
#[track_caller]
pub fn check(turns: &[Turn], expect: &[&str]) -> Rows {
    let rows = rows(Transport::Datagram, true, turns, || usize::MAX);
    assert_eq!(rows.lines, expect);
    rows
}

/// A stream gives these rows, whole and byte by byte.
#[track_caller]
pub fn check_stream(from_start: bool, turns: &[Turn], expect: &[&str]) -> Rows {
    let whole = rows(Transport::Stream, from_start, turns, || usize::MAX);
    assert_eq!(whole.lines, expect);
    let bytewise = rows(Transport::Stream, from_start, turns, || 1);
    assert_eq!(bytewise.lines, whole.lines, "byte by byte");
    assert_eq!(bytewise.sizes, whole.sizes, "byte by byte");
    assert_eq!(bytewise.times, whole.times, "byte by byte");
    for why in [Skipped::Gap, Skipped::Malformed, Skipped::OverLimit, Skipped::JoinedMidMessage] {
        assert_eq!(bytewise.skipped(why), whole.skipped(why), "{why:?}, byte by byte");
    }
    whole
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

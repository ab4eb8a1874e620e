//! Conversations for the protocols' tests: feeds them to a parser, in any pieces, and renders the rows that they give.
//!
//! In: turns of client and server. Out: rows as lines of text, with what is remarkable about each. Knows no protocol.

use std::net::SocketAddr;

use schema::{ColumnWriter, Row};

use crate::{Exchange, Flow, Moment, Output, Parser, Protocol, Segment, Settings, Skipped, Transport};

/// One step of a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    Client(&'a [u8]),
    Server(&'a [u8]),
    /// From or to this port of 192.0.2.1.
    ClientAt(&'a [u8], u16),
    ServerAt(&'a [u8], u16),
    ClientUnseen(u64),
    ServerUnseen(u64),
    /// Requests that began before this step are given up.
    Expire,
}

/// Rows as lines of text: own columns, then what is remarkable about the exchange.
#[derive(Debug, Default)]
pub struct Rows {
    pub lines: Vec<String>,
    pub skipped: Vec<(Skipped, u64, u64)>,
    /// Request and response bytes, start and latency of each row.
    pub sizes: Vec<(Option<u64>, Option<u64>)>,
    pub times: Vec<(u64, Option<u64>)>,
    /// Trace and span of each row.
    pub traces: Vec<Option<(String, String)>>,
}

impl Rows {
    /// Sums of the skipped messages and bytes, by reason.
    pub fn skipped(&self, why: Skipped) -> (u64, u64) {
        let of_reason = self.skipped.iter().filter(|s| s.0 == why);
        of_reason.fold((0, 0), |sum, s| (sum.0 + s.1, sum.1 + s.2))
    }

    /// Whole or byte by byte, it is the same.
    #[track_caller]
    pub fn assert_same(&self, bytewise: &Rows) {
        assert_eq!(bytewise.lines, self.lines, "byte by byte");
        assert_eq!(bytewise.sizes, self.sizes, "byte by byte");
        assert_eq!(bytewise.times, self.times, "byte by byte");
        for why in [Skipped::Gap, Skipped::Malformed, Skipped::OverLimit, Skipped::JoinedMidMessage] {
            assert_eq!(bytewise.skipped(why), self.skipped(why), "{why:?}, byte by byte");
        }
    }
}

impl Output for Rows {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
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
        let id = |id: &[u8]| String::from_utf8(id.to_vec()).expect("an id is text");
        self.traces.push(exchange.trace_id.zip(exchange.span_id).map(|(trace, span)| (id(trace), id(span))));
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

/// What a whole conversation gives, fed in pieces of so many bytes.
pub fn rows<'a, T: Into<Turn<'a>>>(mut fed: Fed, turns: impl IntoIterator<Item = T>, mut piece: impl FnMut() -> usize) -> Rows {
    for turn in turns {
        fed.turn(turn, &mut piece);
    }
    fed.close()
}

/// A parser that is being fed.
pub struct Fed {
    pub parser: Box<dyn Parser>,
    pub rows: Rows,
    pub heap_bytes_max: usize,
    step: u64,
}

impl Fed {
    pub fn new(protocol: &Protocol, transport: Transport, from_start: bool) -> Self {
        let parser = (protocol.parser)(&Settings::default(), transport, from_start);
        Self { parser, rows: Rows::default(), heap_bytes_max: 0, step: 0 }
    }

    /// Feeds a step, in pieces of so many bytes.
    pub fn turn<'a>(&mut self, turn: impl Into<Turn<'a>>, mut piece: impl FnMut() -> usize) {
        self.step += 1;
        let at = Moment { mono_ns: self.step * 100, thread_id: 7 };
        let peer = |port: u16| Some(SocketAddr::from(([192, 0, 2, 1], port)));
        let (flow, mut bytes, remote) = match turn.into() {
            Turn::Client(bytes) => (Flow::ToServer, bytes, None),
            Turn::Server(bytes) => (Flow::ToClient, bytes, None),
            Turn::ClientAt(bytes, port) => (Flow::ToServer, bytes, peer(port)),
            Turn::ServerAt(bytes, port) => (Flow::ToClient, bytes, peer(port)),
            Turn::ClientUnseen(len) => return self.parser.unseen(Flow::ToServer, len, at, &mut self.rows),
            Turn::ServerUnseen(len) => return self.parser.unseen(Flow::ToClient, len, at, &mut self.rows),
            Turn::Expire => return self.parser.expire(at.mono_ns, &mut self.rows),
        };
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

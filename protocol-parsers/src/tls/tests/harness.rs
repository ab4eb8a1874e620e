//! Feeds conversations and renders rows.

use schema::{ColumnWriter, Row};

use crate::tls::{PROTOCOL, TlsEvent};
use crate::{Exchange, Flow, Moment, Output, Parser, Segment, Settings, Skipped, Transport};

/// One step of a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    Client(&'a [u8]),
    Server(&'a [u8]),
    ClientUnseen(u64),
    ServerUnseen(u64),
    /// Handshakes that began before this step are given up.
    Expire,
}
pub use Turn::*;

/// Rows as lines of text: columns that are not null, then what is remarkable about the exchange.
#[derive(Debug, Default)]
pub struct Rows {
    pub lines: Vec<String>,
    pub skipped: Vec<(Skipped, u64, u64)>,
    /// Request and response bytes, start and latency of each row.
    pub sizes: Vec<(Option<u64>, Option<u64>)>,
    pub times: Vec<(u64, Option<u64>)>,
}

impl Rows {
    /// Sum of the skipped bytes, by reason.
    pub fn skipped(&self, why: Skipped) -> u64 {
        self.skipped.iter().filter(|s| s.0 == why).map(|s| s.2).sum()
    }
}

impl Output for Rows {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        assert_eq!(row.table().name, "tls_events");
        assert!(exchange.encrypted);
        let mut columns = Columns::default();
        row.write(&mut columns);
        let named = TlsEvent::COLUMNS.iter().zip(columns.0).filter_map(|(c, value)| Some(format!("{}={}", c.name, value?)));
        let mut line = named.collect::<Vec<_>>().join(" | ");
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
        self.lines.push(format!("{line} {}", exchange.confidence.as_str()).trim_start().to_owned());
        self.sizes.push((exchange.request_bytes, exchange.response_bytes));
        let latency = exchange.ended_ns.map(|e| e.checked_sub(exchange.started.mono_ns).expect("latency is not negative"));
        self.times.push((exchange.started.mono_ns, latency));
    }

    fn skipped(&mut self, why: Skipped, messages: u64, bytes: u64) {
        self.skipped.push((why, messages, bytes));
    }
}

#[derive(Debug, Default)]
struct Columns(Vec<Option<String>>);

impl ColumnWriter for Columns {
    fn bool(&mut self, value: Option<bool>) {
        self.0.push(value.map(|v| v.to_string()));
    }
    fn int32(&mut self, value: Option<i32>) {
        self.int64(value.map(i64::from));
    }
    fn int64(&mut self, value: Option<i64>) {
        self.0.push(value.map(|v| v.to_string()));
    }
    fn text(&mut self, value: Option<&[u8]>) {
        self.0.push(value.map(|v| v.escape_ascii().to_string()));
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
    pub fn new(from_start: bool) -> Self {
        let parser = (PROTOCOL.parser)(&Settings::default(), Transport::Stream, from_start);
        Self { parser, rows: Rows::default(), heap_bytes_max: 0, step: 0 }
    }

    /// Feeds a step, in pieces of so many bytes.
    pub fn turn(&mut self, turn: Turn<'_>, mut piece: impl FnMut() -> usize) {
        self.step += 1;
        let at = Moment { mono_ns: self.step * 100, thread_id: 7 };
        let (flow, mut bytes) = match turn {
            Client(bytes) => (Flow::ToServer, bytes),
            Server(bytes) => (Flow::ToClient, bytes),
            ClientUnseen(len) => return self.parser.unseen(Flow::ToServer, len, at, &mut self.rows),
            ServerUnseen(len) => return self.parser.unseen(Flow::ToClient, len, at, &mut self.rows),
            Expire => return self.parser.expire(at.mono_ns, &mut self.rows),
        };
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(piece().clamp(1, bytes.len()));
            self.parser.bytes(Segment { flow, bytes: now, at, remote: None }, &mut self.rows);
            self.heap_bytes_max = self.heap_bytes_max.max(self.parser.heap_bytes());
            bytes = later;
        }
    }

    pub fn whole(&mut self, turns: &[Turn<'_>]) {
        for turn in turns {
            self.turn(*turn, || usize::MAX);
        }
    }

    pub fn close(mut self) -> Rows {
        let at = Moment { mono_ns: (self.step + 1) * 100, thread_id: 7 };
        self.parser.close(at, &mut self.rows);
        assert_eq!(self.parser.waiting_since(), None);
        self.rows
    }
}

pub fn rows(from_start: bool, turns: &[Turn<'_>], mut piece: impl FnMut() -> usize) -> Rows {
    let mut fed = Fed::new(from_start);
    for turn in turns {
        fed.turn(*turn, &mut piece);
    }
    fed.close()
}

/// A conversation from its connection's start gives these rows, whole and byte by byte.
#[track_caller]
pub fn check(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let whole = rows(true, turns, || usize::MAX);
    assert_eq!(whole.lines, expect);
    let bytewise = rows(true, turns, || 1);
    assert_eq!(bytewise.lines, whole.lines, "byte by byte");
    assert_eq!(bytewise.sizes, whole.sizes, "byte by byte");
    assert_eq!(bytewise.times, whole.times, "byte by byte");
    for why in [Skipped::Gap, Skipped::Malformed, Skipped::OverLimit, Skipped::JoinedMidMessage] {
        assert_eq!(bytewise.skipped(why), whole.skipped(why), "{why:?}, byte by byte");
    }
    whole
}

/// The same for a connection that was joined: there, where segments begin tells what their bytes do not.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let whole = rows(false, turns, || usize::MAX);
    assert_eq!(whole.lines, expect);
    whole
}

//! Conversations for the protocols' tests: feeds them to a parser, in any pieces, and renders the rows that they give.
//!
//! In: turns of client and server. Out: rows as lines of text, with what is remarkable about each. Knows no protocol.

pub mod damage;
pub mod http;
pub mod lines;

use std::net::SocketAddr;

use schema::Row;

use crate::{Exchange, Flow, Moment, Output, Parser, Protocol, Segment, Settings, Skipped, Transport};
use lines::Line;

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
    /// Requests that are older than so many nanoseconds are given up.
    ExpireOlder(u64),
    /// Nothing follows in this direction.
    End(Flow),
    Close,
    /// So many nanoseconds pass.
    Wait(u64),
}

/// Rows as lines of text.
#[derive(Debug)]
pub struct Rows {
    line: Line,
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
        self.lines.push((self.line)(row, exchange));
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

/// A protocol as its tests look at it.
#[derive(Clone, Copy)]
pub struct Subject {
    pub protocol: &'static Protocol,
    pub transport: Transport,
    pub line: Line,
    /// Time from one step to the next.
    pub tick_ns: u64,
}

impl Subject {
    /// A protocol over TCP.
    pub const fn new(protocol: &'static Protocol, line: Line) -> Self {
        Self { protocol, transport: Transport::Stream, line, tick_ns: 100 }
    }

    /// Where the rows of a parser go that is not fed from here.
    pub fn collect(&self) -> Rows {
        Rows { line: self.line, lines: vec![], skipped: vec![], sizes: vec![], times: vec![], traces: vec![] }
    }

    pub fn talk(&self, from_start: bool) -> Fed {
        self.talk_with(&Settings::default(), from_start)
    }

    pub fn talk_with(&self, settings: &Settings, from_start: bool) -> Fed {
        let parser = (self.protocol.parser)(settings, self.transport, from_start);
        Fed { parser, rows: self.collect(), heap_bytes_max: 0, passes_over: false, tick_ns: self.tick_ns, now_ns: 0 }
    }

    /// What a whole conversation gives, fed in pieces of so many bytes.
    pub fn rows<'a, T: Into<Turn<'a>>>(
        &self,
        from_start: bool,
        turns: impl IntoIterator<Item = T>,
        mut piece: impl FnMut() -> usize,
    ) -> Rows {
        let mut fed = self.talk(from_start);
        for turn in turns {
            fed.turn(turn, &mut piece);
        }
        fed.close()
    }

    /// The same byte by byte, where whatever the parser says it passes over is not seen.
    fn rows_of_what_counts<'a, T: Into<Turn<'a>>>(&self, from_start: bool, turns: impl IntoIterator<Item = T>) -> Rows {
        let mut fed = self.talk(from_start);
        fed.passes_over = true;
        for turn in turns {
            fed.turn(turn, || 1);
        }
        fed.close()
    }

    /// A conversation gives these rows, whole and byte by byte.
    #[track_caller]
    pub fn check<'a, T: Into<Turn<'a>>>(
        &self,
        from_start: bool,
        turns: impl IntoIterator<Item = T> + Clone,
        expect: &[&str],
    ) -> Rows {
        let whole = self.check_whole(from_start, turns.clone(), expect);
        whole.assert_same(&self.rows(from_start, turns.clone(), || 1));
        whole.assert_same(&self.rows_of_what_counts(from_start, turns));
        whole
    }

    /// The same where the beginnings of segments tell what their bytes do not.
    #[track_caller]
    pub fn check_whole<'a, T: Into<Turn<'a>>>(
        &self,
        from_start: bool,
        turns: impl IntoIterator<Item = T>,
        expect: &[&str],
    ) -> Rows {
        let whole = self.rows(from_start, turns, || usize::MAX);
        assert_eq!(whole.lines, expect);
        whole
    }
}

/// A parser that is being fed.
pub struct Fed {
    pub parser: Box<dyn Parser>,
    pub rows: Rows,
    pub heap_bytes_max: usize,
    /// What the parser passes over is told as unseen.
    pub passes_over: bool,
    tick_ns: u64,
    now_ns: u64,
}

impl Fed {
    /// Feeds a step, in pieces of so many bytes.
    pub fn turn<'a>(&mut self, turn: impl Into<Turn<'a>>, piece: impl FnMut() -> usize) {
        self.now_ns += self.tick_ns;
        let at = Moment { mono_ns: self.now_ns, thread_id: 7 };
        let (parser, out) = (&mut self.parser, &mut self.rows);
        let peer = |port: u16| Some(SocketAddr::from(([192, 0, 2, 1], port)));
        match turn.into() {
            Turn::Client(bytes) => self.feed(Segment { flow: Flow::ToServer, bytes, at, remote: None }, piece),
            Turn::Server(bytes) => self.feed(Segment { flow: Flow::ToClient, bytes, at, remote: None }, piece),
            Turn::ClientAt(bytes, port) => self.feed(Segment { flow: Flow::ToServer, bytes, at, remote: peer(port) }, piece),
            Turn::ServerAt(bytes, port) => self.feed(Segment { flow: Flow::ToClient, bytes, at, remote: peer(port) }, piece),
            Turn::ClientUnseen(len) => parser.unseen(Flow::ToServer, len, at, out),
            Turn::ServerUnseen(len) => parser.unseen(Flow::ToClient, len, at, out),
            Turn::Expire => parser.expire(at.mono_ns, out),
            Turn::ExpireOlder(ns) => parser.expire(at.mono_ns.saturating_sub(ns), out),
            Turn::End(flow) => parser.end(flow, at, out),
            Turn::Close => parser.close(at, out),
            Turn::Wait(ns) => self.now_ns += ns,
        }
        self.heap_bytes_max = self.heap_bytes_max.max(self.parser.heap_bytes());
    }

    fn feed(&mut self, segment: Segment<'_>, mut piece: impl FnMut() -> usize) {
        let mut bytes = segment.bytes;
        while !bytes.is_empty() {
            let passed = if self.passes_over { self.parser.passes_over(segment.flow).min(bytes.len() as u64) } else { 0 };
            if passed > 0 {
                self.parser.unseen(segment.flow, passed, segment.at, &mut self.rows);
                bytes = &bytes[passed as usize..];
                continue;
            }
            let (now, later) = bytes.split_at(piece().clamp(1, bytes.len()));
            self.parser.bytes(Segment { bytes: now, ..segment }, &mut self.rows);
            self.heap_bytes_max = self.heap_bytes_max.max(self.parser.heap_bytes());
            bytes = later;
        }
    }

    /// Feeds steps whole.
    pub fn whole(&mut self, turns: &[Turn<'_>]) {
        for turn in turns {
            self.turn(*turn, || usize::MAX);
        }
    }

    pub fn close(mut self) -> Rows {
        self.turn(Turn::Close, || usize::MAX);
        assert_eq!(self.parser.waiting_since(), None);
        self.rows
    }
}

//! Feeds conversations and renders rows.

use schema::{ColumnWriter, Row};

use crate::postgres::PROTOCOL;
use crate::{Confidence, Exchange, Flow, Moment, Output, Parser, Segment, Settings, Skipped, Transport};

/// One step of a conversation.
#[derive(Clone, Copy, Debug)]
pub enum Turn<'a> {
    Client(&'a [u8]),
    Server(&'a [u8]),
    ClientUnseen(u64),
    ServerUnseen(u64),
    /// Requests that began before this step are given up.
    Expire,
}
pub use Turn::*;

/// Rows as lines of text: own columns, then what is remarkable about the exchange.
#[derive(Debug, Default)]
pub struct Rows {
    pub lines: Vec<String>,
    pub skipped: Vec<(Skipped, u64, u64)>,
    /// Request and response bytes, start and latency of each row.
    pub sizes: Vec<(Option<u64>, Option<u64>)>,
    pub times: Vec<(u64, Option<u64>)>,
}

impl Rows {
    /// Sums of the skipped messages and bytes, by reason.
    pub fn skipped(&self, why: Skipped) -> (u64, u64) {
        let of_reason = self.skipped.iter().filter(|s| s.0 == why);
        of_reason.fold((0, 0), |sum, s| (sum.0 + s.1, sum.1 + s.2))
    }
}

impl Output for Rows {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        assert_eq!(row.table().name, "postgres_events");
        let mut columns = Columns::default();
        row.write(&mut columns);
        // name=value of what is known
        let own = row.table().own.iter().zip(&columns.0);
        let known = own.filter(|(_, v)| *v != "-").map(|(c, v)| format!("{}={v}", c.name));
        let mut line = known.collect::<Vec<_>>().join(" | ");
        if let Some((trace, span)) = exchange.trace_id.zip(exchange.span_id) {
            line = format!("{line} | {}/{}", trace.escape_ascii(), span.escape_ascii());
        }
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
        if exchange.confidence != Confidence::Certain {
            line = format!("{line} {}", exchange.confidence.as_str());
        }
        let line = line.strip_prefix("command=").unwrap_or(&line).to_owned();
        self.lines.push(line);
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

    pub fn close(mut self) -> Rows {
        let at = Moment { mono_ns: (self.step + 1) * 100, thread_id: 7 };
        self.parser.close(at, &mut self.rows);
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
    both(true, turns, expect)
}

/// The same for a connection that was joined.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    both(false, turns, expect)
}

#[track_caller]
fn both(from_start: bool, turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let whole = rows(from_start, turns, || usize::MAX);
    assert_eq!(whole.lines, expect);
    let bytewise = rows(from_start, turns, || 1);
    assert_eq!(bytewise.lines, whole.lines, "byte by byte");
    assert_eq!(bytewise.sizes, whole.sizes, "byte by byte");
    assert_eq!(bytewise.times, whole.times, "byte by byte");
    for why in [Skipped::Gap, Skipped::Malformed, Skipped::OverLimit, Skipped::JoinedMidMessage] {
        assert_eq!(bytewise.skipped(why), whole.skipped(why), "{why:?}, byte by byte");
    }
    whole
}

/// A message: type, length, body.
pub fn message(tag: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[tag], (body.len() as u32 + 4).to_be_bytes().as_slice(), body].concat()
}

fn strings(texts: &[&str]) -> Vec<u8> {
    texts.iter().flat_map(|t| [t.as_bytes(), b"\0"].concat()).collect()
}

// ---- from the client

pub fn login(user: &str, database: &str) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    body.extend(strings(&["user", user, "database", database, ""]));
    [(body.len() as u32 + 4).to_be_bytes().as_slice(), &body].concat()
}

pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', strings(&[text]))
}

pub fn parse(name: &str, text: &str, types: &[u32]) -> Vec<u8> {
    let mut body = strings(&[name, text]);
    body.extend((types.len() as u16).to_be_bytes());
    body.extend(types.iter().flat_map(|t| t.to_be_bytes()));
    message(b'P', body)
}

/// Parameters in one format: 0 text, 1 binary.
pub fn bind(portal: &str, statement: &str, format: u16, values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = strings(&[portal, statement]);
    body.extend([1_u16, format, values.len() as u16].iter().flat_map(|n| n.to_be_bytes()));
    for value in values {
        body.extend(value.map_or(-1, |v| v.len() as i32).to_be_bytes());
        body.extend_from_slice(value.unwrap_or_default());
    }
    body.extend([0, 0]);
    message(b'B', body)
}

pub fn execute(portal: &str) -> Vec<u8> {
    message(b'E', [strings(&[portal]).as_slice(), &[0; 4]].concat())
}

pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', [&[kind], strings(&[name]).as_slice()].concat())
}

pub fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', [&[kind], strings(&[name]).as_slice()].concat())
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// Parse, Bind, Describe, Execute and Sync of an unnamed statement.
pub fn all(text: &str, values: &[Option<&[u8]>]) -> Vec<u8> {
    [parse("", text, &[]), bind("", "", 0, values), describe(b'P', ""), execute(""), sync()].concat()
}

// ---- from the server

pub fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

pub fn tag(text: &str) -> Vec<u8> {
    message(b'C', strings(&[text]))
}

pub fn done(text: &str) -> Vec<u8> {
    [tag(text), ready()].concat()
}

pub fn error(code: &str, text: &str) -> Vec<u8> {
    let fields = strings(&["SERROR", "VERROR", &format!("C{code}"), &format!("M{text}"), ""]);
    message(b'E', fields)
}

pub fn row(value: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend((value.len() as u32).to_be_bytes());
    body.extend_from_slice(value.as_bytes());
    message(b'D', body)
}

pub fn columns() -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(strings(&["c"]));
    body.extend([0; 18]);
    message(b'T', body)
}

/// ParseComplete, BindComplete, row description, so many rows, and a tag.
pub fn all_done(rows: usize) -> Vec<u8> {
    let head = [message(b'1', b""), message(b'2', b""), columns()].concat();
    [head, row("x").repeat(rows), done(&format!("SELECT {rows}"))].concat()
}

/// The same for a connection after its login, without the login's row and without the names.
#[track_caller]
pub fn check_logged_in(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let (login, welcome) = (login("me", "db"), ready());
    let turns = [&[Client(&login), Server(&welcome)], turns].concat();
    let whole = rows(true, &turns, || usize::MAX);
    let lines: Vec<String> = whole.lines.iter().map(|l| l.replace(" | user_name=me | database_name=db", "")).collect();
    assert_eq!(lines[0], "Startup | transaction_status=idle");
    assert_eq!(lines[1..], *expect);
    let all: Vec<&str> = whole.lines.iter().map(String::as_str).collect();
    check(&turns, &all)
}

//! A connection as a script of frames, and its rows as text.

use schema::{ColumnWriter, Row};

use crate::http2::frame::{self, PREFACE};
use crate::{Exchange, Flow, Moment, Output, Parser, Segment, Settings, Skipped, Transport};

pub const UP: Flow = Flow::ToServer;
pub const DOWN: Flow = Flow::ToClient;

/// One thing that happens on a connection; each is a millisecond after the one before.
#[derive(Clone, Debug)]
pub enum Step {
    Bytes(Flow, Vec<u8>),
    Unseen(Flow, u64),
    End(Flow),
    Close,
    /// Calls older than so many milliseconds expire.
    Expire(u64),
    /// Time passes.
    Wait(u64),
}

pub fn up(parts: &[Vec<u8>]) -> Step {
    Step::Bytes(UP, parts.concat())
}

pub fn down(parts: &[Vec<u8>]) -> Step {
    Step::Bytes(DOWN, parts.concat())
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

pub fn preface() -> Vec<u8> {
    [PREFACE, &settings()].concat()
}

pub fn settings() -> Vec<u8> {
    frame(frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])
}

/// A block of literal fields that no table is needed for.
pub fn literal(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![];
    for (name, value) in fields {
        out.extend_from_slice(&[0, name.len() as u8]);
        out.extend_from_slice(name.as_bytes());
        out.push(value.len() as u8);
        out.extend_from_slice(value.as_bytes());
    }
    out
}

pub fn headers(stream: u32, end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(frame::HEADERS, frame::END_HEADERS | u8::from(end), stream, &literal(fields))
}

pub fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, true, &[(":method", "GET"), (":scheme", "http"), (":authority", "h.test"), (":path", path)])
}

pub fn post(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, false, &[(":method", "POST"), (":scheme", "http"), (":path", path)])
}

pub fn ok(stream: u32, end: bool) -> Vec<u8> {
    headers(stream, end, &[(":status", "200"), ("content-type", "text/plain")])
}

pub fn data(stream: u32, end: bool, bytes: &[u8]) -> Vec<u8> {
    frame(frame::DATA, u8::from(end), stream, bytes)
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(frame::RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// Collects rows and losses as lines.
#[derive(Default)]
pub struct Seen {
    pub lines: Vec<String>,
    pub skipped: Vec<(Skipped, u64, u64)>,
}

impl Output for Seen {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        let mut values = Values(vec![]);
        row.write(&mut values);
        let names = row.table().own.iter().map(|c| c.name);
        let mut fields: Vec<String> =
            names.zip(values.0).filter_map(|(name, value)| Some(format!("{}={}", short(name), value?))).collect();
        let ms = |ns: u64| ns / 1_000_000;
        let started = ms(exchange.started.mono_ns);
        fields.push(match exchange.ended_ns {
            Some(ended) => format!("at={started}+{}", ms(ended.checked_sub(exchange.started.mono_ns).expect("latency"))),
            None => format!("at={started}"),
        });
        fields.extend(exchange.request_bytes.map(|n| format!("req={n}")));
        fields.extend(exchange.response_bytes.map(|n| format!("resp={n}")));
        for (set, word) in [(exchange.truncated, "truncated"), (exchange.gap_before, "gap"), (exchange.broken, "broken")] {
            fields.extend(set.then(|| word.to_string()));
        }
        fields.push(exchange.confidence.as_str().to_string());
        for (name, id) in [("trace", exchange.trace_id), ("span", exchange.span_id)] {
            fields.extend(id.map(|id| format!("{name}={}", String::from_utf8_lossy(id))));
        }
        self.lines.push(fields.join(" "));
    }

    fn skipped(&mut self, why: Skipped, messages: u64, bytes: u64) {
        self.skipped.push((why, messages, bytes));
    }
}

/// Columns under names that are short enough to read.
fn short(column: &str) -> &str {
    match column {
        "http_version" => "v",
        "stream_id" => "id",
        "req_method" => "method",
        "req_path" => "path",
        "req_authority" => "host",
        "req_headers" => "qh",
        "req_body" => "qb",
        "req_body_bytes" => "ql",
        "resp_status" => "status",
        "resp_headers" => "ph",
        "resp_trailers" => "pt",
        "resp_body" => "pb",
        "resp_body_bytes" => "pl",
        "content_type" => "type",
        "grpc_request_messages" => "qm",
        "grpc_response_messages" => "pm",
        "stream_error" => "error",
        other => other,
    }
}

struct Values(Vec<Option<String>>);

impl ColumnWriter for Values {
    fn bool(&mut self, value: Option<bool>) {
        self.0.push(value.map(|v| v.to_string()));
    }
    fn int32(&mut self, value: Option<i32>) {
        self.0.push(value.map(|v| v.to_string()));
    }
    fn int64(&mut self, value: Option<i64>) {
        self.0.push(value.map(|v| v.to_string()));
    }
    fn text(&mut self, value: Option<&[u8]>) {
        self.0.push(value.map(|v| String::from_utf8_lossy(v).replace('\n', "|")));
    }
    fn name(&mut self, value: Option<&[u8]>) {
        self.text(value);
    }
}

pub struct Connection {
    pub parser: Box<dyn Parser>,
    pub seen: Seen,
    ms: u64,
    pub heap_bytes_max: usize,
}

impl Connection {
    pub fn new(from_start: bool) -> Self {
        let parser = (crate::http2::PROTOCOL.parser)(&Settings::default(), Transport::Stream, from_start);
        Self { parser, seen: Seen::default(), ms: 0, heap_bytes_max: 0 }
    }

    /// Does a step, its bytes in portions of at most `portion` bytes.
    pub fn run(&mut self, step: &Step, portion: usize) {
        self.ms += 1;
        let at = Moment { mono_ns: self.ms * 1_000_000, thread_id: 7 };
        let out = &mut self.seen;
        match step {
            Step::Bytes(flow, bytes) => {
                for bytes in bytes.chunks(portion.max(1)) {
                    self.parser.bytes(Segment { flow: *flow, bytes, at, remote: None }, out);
                }
            }
            Step::Unseen(flow, len) => self.parser.unseen(*flow, *len, at, out),
            Step::End(flow) => self.parser.end(*flow, at, out),
            Step::Close => self.parser.close(at, out),
            Step::Expire(ms) => self.parser.expire(at.mono_ns.saturating_sub(ms * 1_000_000), out),
            Step::Wait(ms) => self.ms += ms,
        }
        self.heap_bytes_max = self.heap_bytes_max.max(self.parser.heap_bytes());
    }
}

/// What a script gives.
pub fn run(from_start: bool, steps: &[Step], portion: usize) -> Connection {
    let mut connection = Connection::new(from_start);
    for step in steps {
        connection.run(step, portion);
    }
    connection
}

/// The rows of a script on a connection seen from its start, after its preface; the same in whole segments and byte by byte.
#[track_caller]
pub fn check(steps: &[Step], rows: &[&str]) {
    let mut script = vec![up(&[preface()]), down(&[settings()])];
    script.extend_from_slice(steps);
    let whole = run(true, &script, usize::MAX);
    assert_rows(&whole.seen.lines, rows);
    assert_eq!(whole.seen.skipped, [], "skipped");
    for portion in [1, 7] {
        let pieces = run(true, &script, portion);
        assert_eq!(pieces.seen.lines, whole.seen.lines, "in portions of {portion}");
        assert_eq!(pieces.seen.skipped, []);
    }
}

/// The rows and losses of a script on a connection joined or damaged.
#[track_caller]
pub fn check_damaged(from_start: bool, steps: &[Step], rows: &[&str], skipped: &[(Skipped, u64, u64)]) {
    let got = run(from_start, steps, usize::MAX);
    assert_rows(&got.seen.lines, rows);
    assert_eq!(got.seen.skipped, skipped);
}

/// Each row has the words that are wanted; `-word` is a word, or a column, that it must not have.
#[track_caller]
pub fn assert_rows(lines: &[String], rows: &[&str]) {
    let all = lines.join("\n");
    assert_eq!(lines.len(), rows.len(), "rows:\n{all}");
    for (line, row) in lines.iter().zip(rows) {
        let line = format!(" {line} ");
        for word in row.split_whitespace() {
            match word.strip_prefix('-') {
                Some(absent) => {
                    let found = line.contains(&format!(" {absent} ")) || line.contains(&format!(" {absent}="));
                    assert!(!found, "{absent} is in:\n{all}");
                }
                None => assert!(line.contains(&format!(" {word} ")), "{word} is not in:\n{all}"),
            }
        }
    }
}

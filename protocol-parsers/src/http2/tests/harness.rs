//! Connections as scripts of frames, and their rows.

pub use crate::conversation::http::{Step, assert_rows};
use crate::conversation::{Fed, Rows, Subject, http};
use crate::http2::frame::{self, PREFACE};
use crate::{Flow, Skipped};

pub const UP: Flow = Flow::ToServer;
pub const DOWN: Flow = Flow::ToClient;

static HTTP2: Subject = http::subject(&crate::http2::PROTOCOL, |row, exchange| http::words(row, exchange, on_one_line));

fn on_one_line(value: &[u8]) -> String {
    String::from_utf8_lossy(value).replace('\n', "|")
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

/// Where the rows of a parser go that is not fed from here.
pub fn collect() -> Rows {
    HTTP2.collect()
}

/// What a script gives, its bytes in portions of at most `portion` bytes.
pub fn run(from_start: bool, steps: &[Step], portion: usize) -> Fed {
    let mut fed = HTTP2.talk(from_start);
    for step in steps {
        fed.turn(step, || portion);
    }
    fed
}

/// The rows of a script on a connection seen from its start, after its preface; the same in whole segments and byte by byte.
#[track_caller]
pub fn check(steps: &[Step], rows: &[&str]) {
    let mut script = vec![up(&[preface()]), down(&[settings()])];
    script.extend_from_slice(steps);
    let whole = run(true, &script, usize::MAX);
    assert_rows(&whole.rows.lines, rows);
    assert_eq!(whole.rows.skipped, [], "skipped");
    for portion in [1, 7] {
        whole.rows.assert_same(&run(true, &script, portion).rows);
    }
}

/// The rows and losses of a script on a connection joined or damaged.
#[track_caller]
pub fn check_damaged(from_start: bool, steps: &[Step], rows: &[&str], skipped: &[(Skipped, u64, u64)]) {
    let got = run(from_start, steps, usize::MAX);
    assert_rows(&got.rows.lines, rows);
    assert_eq!(got.rows.skipped, skipped);
}

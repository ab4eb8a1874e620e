//! Conversations over HTTP as scripts, and their rows as words.
//!
//! Both versions fill the same table, so that their tests read it in the same way. Each step is a millisecond after the one
//! before.

use schema::Row;

use super::{Subject, Turn, lines};
use crate::{Exchange, Flow};

pub const MS: u64 = 1_000_000;

/// One thing that happens on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    Bytes(Flow, Vec<u8>),
    Unseen(Flow, u64),
    End(Flow),
    Close,
    /// Requests older than so many milliseconds expire.
    Expire(u64),
    /// Milliseconds pass.
    Wait(u64),
}

impl<'a> From<&'a Step> for Turn<'a> {
    fn from(step: &'a Step) -> Self {
        match step {
            Step::Bytes(Flow::ToServer, bytes) => Turn::Client(bytes),
            Step::Bytes(Flow::ToClient, bytes) => Turn::Server(bytes),
            Step::Unseen(Flow::ToServer, len) => Turn::ClientUnseen(*len),
            Step::Unseen(Flow::ToClient, len) => Turn::ServerUnseen(*len),
            Step::End(flow) => Turn::End(*flow),
            Step::Close => Turn::Close,
            Step::Expire(ms) => Turn::ExpireOlder(ms * MS),
            Step::Wait(ms) => Turn::Wait(ms * MS),
        }
    }
}

/// A version of HTTP.
pub const fn subject(protocol: &'static crate::Protocol, line: lines::Line) -> Subject {
    Subject { tick_ns: MS, ..Subject::new(protocol, line) }
}

/// The columns that are known, by short names, and the exchange: `method=GET status=200 at=3+1 req=69 certain`.
pub fn words(row: &dyn Row, exchange: &Exchange<'_>, text: fn(&[u8]) -> String) -> String {
    let mut fields: Vec<String> = lines::known(row, text).map(|(name, value)| format!("{}={value}", short(name))).collect();
    let started = exchange.started.mono_ns;
    fields.push(match exchange.ended_ns {
        Some(ended) => format!("at={}+{}", started / MS, ended.checked_sub(started).expect("latency") / MS),
        None => format!("at={}", started / MS),
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
    fields.join(" ")
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

//! Runs a script on a parser and judges what comes of it.

use std::fmt::Write;

use protocol_parsers::{Evidence, Exchange, Flow, Moment, Output, Parser, Segment, Settings, Skipped, Transport};
use schema::{ColumnWriter, Row, Value};

use crate::script::{Script, Step};
use crate::targets::Target;

/// Rows as text.
#[derive(Default)]
struct Seen {
    rows: Vec<String>,
    wrong: Option<String>,
}

impl Output for Seen {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        let mut text = Text(String::new());
        row.write(&mut text);
        let _ = write!(text.0, "{exchange:?}");
        if exchange.ended_ns.is_some_and(|ended| ended < exchange.started.mono_ns) {
            self.wrong = Some(format!("negative latency: {}", text.0));
        }
        self.rows.push(text.0);
    }
    fn skipped(&mut self, _: Skipped, messages: u64, bytes: u64) {
        if messages == 0 && bytes == 0 {
            self.wrong = Some("nothing was skipped, and that was told".into());
        }
    }
}

struct Text(String);

impl ColumnWriter for Text {
    fn values(&mut self, values: &[Value<'_>]) {
        for value in values {
            // writing to a String does not fail
            let _ = match value {
                Value::Null => write!(self.0, "null|"),
                Value::Bool(v) => write!(self.0, "{v}|"),
                Value::Int32(v) => write!(self.0, "{v}|"),
                Value::Int64(v) => write!(self.0, "{v}|"),
                Value::Text(v) => write!(self.0, "{}|", v.escape_ascii()),
                Value::List(v) => write!(self.0, "{}|", v.join(&b';').escape_ascii()),
            };
        }
    }
}

/// Runs a script and answers how many rows it gave, or what is wrong with it.
pub fn check(target: &Target, script: &Script) -> Result<u64, String> {
    detect(target, script);
    let whole = run(target, script, usize::MAX)?;
    let holes = script.steps.iter().any(|s| matches!(s, Step::Unseen(..)));
    // where bytes are missing, segments tell what their bytes do not
    if target.transport == Transport::Stream && script.from_start && !holes {
        let bytes = run(target, script, 1)?;
        if let Some(n) = (0..whole.len().max(bytes.len())).find(|&n| whole.get(n) != bytes.get(n)) {
            return Err(format!("row {n} differs\nwhole:        {:?}\nbyte by byte: {:?}", whole.get(n), bytes.get(n)));
        }
    }
    Ok(whole.len() as u64)
}

/// Detection must cope with every beginning.
fn detect(target: &Target, script: &Script) {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    for step in script.steps.iter().take(4) {
        match step {
            Step::Bytes(Flow::ToServer, bytes) => to_server.extend_from_slice(bytes),
            Step::Bytes(Flow::ToClient, bytes) => to_client.extend_from_slice(bytes),
            _ => {}
        }
        let (transport, from_start) = (target.transport, script.from_start);
        let server_port = from_start.then_some(53);
        (target.protocol.detect)(&Evidence {
            transport,
            to_server: &to_server,
            to_client: &to_client,
            from_start,
            server_port,
        });
    }
}

/// The rows of a script whose bytes come in portions of at most `portion`.
fn run(target: &Target, script: &Script, portion: usize) -> Result<Vec<String>, String> {
    let mut parser = (target.protocol.parser)(&Settings::default(), target.transport, script.from_start);
    let mut seen = Seen::default();
    let mut at = Moment { mono_ns: 1_000_000, thread_id: 1 };
    for step in &script.steps {
        at.mono_ns += 1_000_000;
        take(parser.as_mut(), step, portion, &mut at, &mut seen);
        let heap_bytes = parser.heap_bytes();
        if heap_bytes > target.heap_bytes_max {
            return Err(format!("{heap_bytes} bytes of heap after {step:?}"));
        }
        if let Some(wrong) = seen.wrong.take() {
            return Err(wrong);
        }
        parser.waiting_since();
        parser.state();
    }
    parser.close(at, &mut seen);
    if let Some(since) = parser.waiting_since() {
        return Err(format!("waits since {since} after the end"));
    }
    seen.wrong.map_or(Ok(seen.rows), Err)
}

fn take(parser: &mut dyn Parser, step: &Step, portion: usize, at: &mut Moment, seen: &mut Seen) {
    match step {
        Step::Bytes(flow, bytes) => {
            for bytes in bytes.chunks(portion) {
                parser.bytes(Segment { flow: *flow, bytes, at: *at, remote: None }, seen);
            }
        }
        Step::Unseen(flow, len) => parser.unseen(*flow, *len, *at, seen),
        Step::End(flow) => parser.end(*flow, *at, seen),
        Step::Expire(ms) => parser.expire(at.mono_ns.saturating_sub(ms.saturating_mul(1_000_000)), seen),
        Step::Wait(ms) => at.mono_ns += ms * 1_000_000,
    }
}

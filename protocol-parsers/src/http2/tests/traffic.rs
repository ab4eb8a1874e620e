//! Real traffic of another implementation: what a client asked and a server answered is what the rows say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::{Reason, client, server};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};

use super::harness::{DOWN, UP, collect};
use crate::conversation::Rows;
use crate::{Flow, Moment, Segment, Settings, Transport, json};

#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<Vec<u8>>,
    status: u16,
    answer_headers: BTreeMap<String, String>,
    answer: Vec<Vec<u8>>,
    trailers: BTreeMap<String, String>,
    /// The server gives up after its body.
    reset: bool,
}

/// Names that repeat from call to call fill the tables.
fn headers() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("x-[abc]{1,2}", "[!-~]([ -~]{0,60}[!-~])?", 0..6)
}

fn call() -> impl Strategy<Value = Call> {
    let body = || prop::collection::vec(prop::collection::vec(b'a'..=b'z', 1..3000), 0..4);
    let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE")];
    let parts =
        (method, "[a-z]{0,30}", headers(), body(), 200..600_u16, headers(), body(), headers(), prop::bool::weighted(0.1));
    parts.prop_map(|(method, path, headers, body, status, answer_headers, answer, trailers, reset)| Call {
        method,
        path,
        headers,
        body,
        status,
        answer_headers,
        answer,
        trailers,
        reset,
    })
}

fn map(fields: &BTreeMap<String, String>) -> HeaderMap {
    let pair = |(name, value): (&String, &String)| {
        (HeaderName::from_bytes(name.as_bytes()).expect("name"), HeaderValue::from_str(value).expect("value"))
    };
    fields.iter().map(pair).collect()
}

type Tape = Arc<Mutex<Vec<(Flow, Vec<u8>)>>>;

/// Copies one direction, and writes it down.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, flow: Flow, tape: Tape) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        tape.lock().expect("tape").push((flow, buffer[..n].to_vec()));
        if to.write_all(&buffer[..n]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, calls: Arc<Vec<Call>>, table_bytes: u32) {
    let mut connection = server::Builder::new().header_table_size(table_bytes).handshake::<_, Bytes>(io).await.expect("server");
    while let Some(Ok((request, respond))) = connection.accept().await {
        let nth: usize = request.uri().path().split('/').nth(1).and_then(|n| n.parse().ok()).expect("a path with a number");
        let call = calls[nth].clone();
        tokio::spawn(answer(request, respond, call));
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: server::SendResponse<Bytes>, call: Call) {
    let mut body = request.into_body();
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
    }
    let mut response = Response::builder().status(call.status).body(()).expect("response");
    *response.headers_mut() = map(&call.answer_headers);
    let empty = call.answer.is_empty() && call.trailers.is_empty() && !call.reset;
    let mut stream = respond.send_response(response, empty).expect("answer");
    if empty {
        return;
    }
    for part in &call.answer {
        stream.send_data(part.clone().into(), false).expect("data");
    }
    if call.reset {
        // what was sent before must have gone
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        stream.send_reset(Reason::INTERNAL_ERROR);
    } else if call.trailers.is_empty() {
        stream.send_data(Bytes::new(), true).expect("end");
    } else {
        stream.send_trailers(map(&call.trailers)).expect("trailers");
    }
}

async fn ask(mut send: client::SendRequest<Bytes>, nth: usize, call: Call) {
    let uri = format!("http://h.test/{nth}/{}", call.path);
    let mut request = Request::builder().method(call.method).uri(uri).body(()).expect("request");
    *request.headers_mut() = map(&call.headers);
    send = send.ready().await.expect("ready");
    let (response, mut stream) = send.send_request(request, call.body.is_empty()).expect("request");
    for (n, part) in call.body.iter().enumerate() {
        stream.send_data(part.clone().into(), n + 1 == call.body.len()).expect("data");
    }
    let Ok(response) = response.await else { return };
    let mut body = response.into_body();
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
    }
    let _ = body.trailers().await;
}

/// Makes the calls at once on one connection, and answers all bytes of both directions.
fn record(calls: &[Call], tables: (u32, u32)) -> Vec<(Flow, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let tape = Tape::default();
    runtime.block_on(async {
        let ((client_io, client_far), (server_io, server_far)) = (duplex(64 << 10), duplex(64 << 10));
        let ((from_client, to_client), (from_server, to_server)) = (split(client_far), split(server_far));
        tokio::spawn(copy(from_client, to_server, UP, tape.clone()));
        tokio::spawn(copy(from_server, to_client, DOWN, tape.clone()));
        tokio::spawn(serve(server_io, Arc::new(calls.to_vec()), tables.0));
        let (send, connection) =
            client::Builder::new().header_table_size(tables.1).handshake::<_, Bytes>(client_io).await.expect("client");
        tokio::spawn(connection);
        let asked: Vec<_> =
            calls.iter().enumerate().map(|(n, call)| tokio::spawn(ask(send.clone(), n, call.clone()))).collect();
        for one in asked {
            one.await.expect("a call");
        }
    });
    let tape = tape.lock().expect("tape");
    tape.clone()
}

fn rows(tape: &[(Flow, Vec<u8>)], from_start: bool, portion: usize) -> Rows {
    let mut parser = (crate::http2::PROTOCOL.parser)(&Settings::default(), Transport::Stream, from_start);
    let (mut seen, mut at) = (collect(), Moment::default());
    for (flow, bytes) in tape {
        for bytes in bytes.chunks(portion) {
            at.mono_ns += 1000;
            parser.bytes(Segment { flow: *flow, bytes, at, remote: None }, &mut seen);
        }
    }
    parser.close(at, &mut seen);
    seen
}

fn field(name: &str, value: &str) -> String {
    let mut out = vec![];
    json::text(&mut out, name.as_bytes());
    out.push(b':');
    json::text(&mut out, value.as_bytes());
    String::from_utf8(out).expect("text")
}

fn object(fields: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    fields.iter().map(|(name, value)| field(name, value))
}

/// The row of each call by its number.
fn check(calls: &[Call], seen: &Rows) -> Result<(), TestCaseError> {
    prop_assert_eq!(&seen.skipped, &vec![]);
    prop_assert_eq!(seen.lines.len(), calls.len());
    for (nth, call) in calls.iter().enumerate() {
        let path = format!(" path=/{nth}/{} ", call.path);
        let line = seen.lines.iter().find(|line| line.contains(&path));
        let line = line.ok_or_else(|| TestCaseError::fail(format!("no row with{path}in\n{}", seen.lines.join("\n"))))?;
        let mut wanted = vec![format!(" method={} ", call.method), format!(" status={} ", call.status), " host=h.test ".into()];
        for (name, body) in [("q", &call.body), ("p", &call.answer)] {
            let body = body.concat();
            wanted.push(format!(" {name}l={} ", body.len()));
            if !body.is_empty() {
                wanted.push(format!(" {name}b={} ", String::from_utf8_lossy(&body)));
            }
        }
        wanted.extend([&call.headers, &call.answer_headers].into_iter().flat_map(object));
        if call.reset {
            wanted.push(" error=INTERNAL_ERROR ".into());
        } else {
            wanted.extend(object(&call.trailers));
        }
        for text in wanted {
            prop_assert!(line.contains(&text), "{:?} is not in {}", text, line);
        }
        prop_assert_eq!(line.contains(" broken "), call.reset, "{}", line);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_what_was_asked_and_answered(
        calls in prop::collection::vec(call(), 1..30),
        tables in (prop_oneof![Just(0_u32), Just(4096), 32..300_u32, Just(65_536)], prop_oneof![Just(0_u32), Just(4096), 32..300_u32]),
        portion in prop_oneof![Just(1_usize), 2..40_usize, Just(1 << 20)],
    ) {
        let tape = record(&calls, tables);
        check(&calls, &rows(&tape, true, portion))?;
    }

    /// Joined anywhere: what is known is right.
    #[test]
    fn joined_rows_are_never_wrong(calls in prop::collection::vec(call(), 5..30), skipped in 1..200_usize) {
        let tape = record(&calls, (4096, 4096));
        let joined: Vec<_> = tape.iter().skip(skipped.min(tape.len() / 2)).cloned().collect();
        let seen = rows(&joined, false, 1 << 20);
        let paths: Vec<String> = calls.iter().enumerate().map(|(n, call)| format!("/{n}/{}", call.path)).collect();
        for line in &seen.lines {
            if let Some(path) = line.split(' ').find_map(|word| word.strip_prefix("path=")) {
                let nth = paths.iter().position(|p| p == path);
                prop_assert!(nth.is_some(), "{} was not asked: {}", path, line);
                let call = &calls[nth.unwrap_or_default()];
                prop_assert!(line.contains(&format!(" method={} ", call.method)), "{}", line);
                let status = line.split(' ').find_map(|word| word.strip_prefix("status="));
                prop_assert!(status.is_none_or(|s| s == call.status.to_string()), "{}", line);
            }
        }
    }
}

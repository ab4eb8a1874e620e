//! How many HTTP/2 streams a second one core parses: `cargo bench -p protocol-parsers --bench http2`.
//!
//! In: conversations made up here, each on a connection of its own. Out: streams/s and MB/s of each.

mod measure;

use protocol_parsers::{Flow, Transport, http2};

/// Streams of one connection, and how many are open at a time.
const STREAMS: u32 = 1000;
const CONCURRENT: u32 = 10;

/// One end of a connection.
struct End(fluke_hpack::Encoder<'static>);

impl End {
    fn new() -> Self {
        Self(fluke_hpack::Encoder::new())
    }

    fn headers(&mut self, out: &mut Vec<u8>, stream: u32, end: bool, fields: &[(&str, &str)]) {
        let block = self.0.encode(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        frame(out, 1, 4 | u8::from(end), stream, &block);
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

const BROWSER: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "shop.example:8080"),
    (":path", "/api/v1/items/42?fields=name"),
    ("user-agent", "bench/1.0"),
    ("accept", "*/*"),
];
const ANSWER: &[(&str, &str)] = &[
    (":status", "200"),
    ("server", "nghttpd nghttp2/1.52.0"),
    ("cache-control", "max-age=3600"),
    ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ("content-type", "application/json"),
    ("content-length", "15"),
];
const CALL: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/shop.v1.Cart/Add"),
    (":authority", "shop.example:8080"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
    ("grpc-accept-encoding", "identity, deflate, gzip"),
    ("user-agent", "grpc-python/1.60.0 grpc-c/37.0.0 (linux; chttp2)"),
];
const MESSAGE: &[u8] = b"\0\0\0\0\x11\x0a\x0bhello world\x10\x7b\x18\x01";

/// Each request with its response, a few at a time.
fn conversation(
    one: impl Fn(&mut End, &mut Vec<u8>, u32),
    other: impl Fn(&mut End, &mut Vec<u8>, u32),
) -> Vec<(Flow, Vec<u8>)> {
    let (mut client, mut server) = (End::new(), End::new());
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut preface, 4, 0, 0, &[]);
    let mut settings = vec![];
    frame(&mut settings, 4, 0, 0, &[]);
    let mut segments = vec![(Flow::ToServer, preface), (Flow::ToClient, settings)];
    for first in (0..STREAMS).step_by(CONCURRENT as usize) {
        let (mut up, mut down) = (vec![], vec![]);
        for n in first..first + CONCURRENT {
            one(&mut client, &mut up, 2 * n + 1);
            other(&mut server, &mut down, 2 * n + 1);
        }
        segments.extend([(Flow::ToServer, up), (Flow::ToClient, down)]);
    }
    segments
}

fn main() {
    let small = conversation(
        |end, out, stream| end.headers(out, stream, true, BROWSER),
        |end, out, stream| {
            end.headers(out, stream, false, ANSWER);
            frame(out, 0, 1, stream, b"{\"name\":\"item\"}");
        },
    );
    let call = conversation(
        |end, out, stream| {
            end.headers(out, stream, false, CALL);
            frame(out, 0, 1, stream, MESSAGE);
        },
        |end, out, stream| {
            end.headers(out, stream, false, &[(":status", "200"), ("content-type", "application/grpc")]);
            frame(out, 0, 0, stream, MESSAGE);
            end.headers(out, stream, true, &[("grpc-status", "0"), ("grpc-message", "")]);
        },
    );
    let large = conversation(
        |end, out, stream| end.headers(out, stream, true, BROWSER),
        |end, out, stream| {
            end.headers(out, stream, false, ANSWER);
            for n in 0..6 {
                frame(out, 0, u8::from(n == 5), stream, &[b'x'; 16 << 10]);
            }
        },
    );
    let measure = |name, segments: &[(Flow, Vec<u8>)], piece| {
        measure::measure(&http2::PROTOCOL, Transport::Stream, name, u64::from(STREAMS), segments, piece, 1);
    };
    measure("small responses", &small, usize::MAX);
    measure("in pieces of 64 bytes", &small, 64);
    measure("unary calls of gRPC", &call, usize::MAX);
    measure("responses of 96 KiB", &large, usize::MAX);
}

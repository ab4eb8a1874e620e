//! HTTP/2: every frame, header blocks of every kind, and gRPC.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "http2",
    protocol: &protocol_parsers::http2::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 12 << 20,
};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// POST, http, a path that is inserted, one from the table.
const REQUEST: &[u8] = b"\x83\x86\x44\x06/a.B/c\x5f\x10application/grpc\x40\x02x1\x01v\xbe";
/// 200, a value in Huffman code, one that is never to be inserted.
const RESPONSE: &[u8] = b"\x88\x5f\x10application/grpc\x58\x86\xa8\xeb\x10\x64\x9c\xbf\x10\x01n\x01v";
const TRAILERS: &[u8] = b"\x40\x0bgrpc-status\x010\x00\x0cgrpc-message\x05a%20b";
const MESSAGE: &[u8] = b"\0\0\0\0\x09\x0a\x03abc\x12\x02\x08\x01";

fn corpus() -> Vec<Vec<Step>> {
    let settings = frame(4, 0, 0, &[0, 1, 0, 0, 0, 64]);
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat();
    let mut all = vec![vec![up(preface), down(settings)]];
    for n in 0..8_u32 {
        let id = 16 * n + 1;
        let request = |id, end: u8| frame(1, 4 | end, id, REQUEST);
        let response = |id, end: u8| frame(1, 4 | end, id, RESPONSE);
        let calls = [
            vec![up(request(id, 1)), down([response(id, 0), frame(0, 1, id, b"body")].concat())],
            vec![
                up([request(id + 2, 0), frame(0, 0, id + 2, MESSAGE), frame(0, 1, id + 2, MESSAGE)].concat()),
                down([response(id + 2, 0), frame(0, 0, id + 2, MESSAGE), frame(1, 5, id + 2, TRAILERS)].concat()),
            ],
            vec![
                up([
                    frame(1, 0x28, id + 4, b"\x01\0\0\0\0\x10\x83\x86\0"),
                    frame(9, 0, id + 4, b"\x84"),
                    frame(9, 4, id + 4, b""),
                ]
                .concat()),
                up(frame(0, 9, id + 4, b"\x02xy\0\0")),
                down([frame(1, 4, id + 4, b"\x08\x03100"), frame(1, 5, id + 4, b"\x3f\x21\x20\x88")].concat()),
            ],
            vec![up(request(id + 6, 1)), down(response(id + 6, 0)), up(frame(3, 0, id + 6, &[0, 0, 0, 8]))],
            vec![
                up(request(id + 8, 1)),
                down([frame(5, 4, id + 8, &[&(2 * n + 2).to_be_bytes(), REQUEST].concat()), response(2 * n + 2, 1)].concat()),
                Step::Expire(0),
            ],
            vec![up(request(id + 10, 1)), down(frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])), down(response(id + 10, 1))],
            vec![
                up([frame(6, 0, 0, &[7; 8]), frame(8, 0, 0, &[0, 0, 1, 0]), frame(2, 0, id + 12, &[0, 0, 0, 0, 9])].concat()),
                up(request(id + 12, 1)),
                down(&frame(0, 0, id + 12, b"x")[..9]),
                Step::Unseen(Flow::ToClient, 1),
                down([response(id + 12, 0), frame(0, 1, id + 12, b"")].concat()),
            ],
            vec![
                down(response(id + 14, 1)),
                up(request(id + 14, 1)),
                Step::Unseen(Flow::ToClient, 100),
                down(response(id + 14, 1)),
            ],
        ];
        all.extend(calls);
    }
    all
}

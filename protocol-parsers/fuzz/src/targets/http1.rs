//! HTTP/1: every framing of requests and responses.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "http1",
    protocol: &protocol_parsers::http1::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 12 << 20,
};

/// gzip of "earshot earshot earshot\n".
const GZIP: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x4b, 0x4d, 0x2c, 0x2a, 0xce, 0xc8, 0x2f, 0x51, 0x48, 0x45,
    0xa5, 0xb9, 0x00, 0xd6, 0xf4, 0xb0, 0x90, 0x18, 0x00, 0x00, 0x00,
];

fn corpus() -> Vec<Vec<Step>> {
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    let get = "GET /a?b=c HTTP/1.1\r\nHost: h.test\r\nAccept: */*\r\n\r\n";
    vec![
        vec![up(get), down(ok)],
        vec![up(get.repeat(3)), down(ok.repeat(2)), down(ok)],
        vec![up("HEAD /h HTTP/1.0\nX: 1\n folded\nX: 2\n\n"), down("HTTP/1.0 200\nContent-Length: 7\n\n")],
        vec![up("POST /p HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234"), down(ok), up("56789")],
        vec![
            up("PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nab\r\nc\r\n"),
            up("0a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"),
            down("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ],
        vec![
            up("PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
            down("HTTP/1.1 100 Continue\r\n\r\n"),
            up("body"),
            down("HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        ],
        vec![
            up("PUT /r HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"),
            down("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"),
        ],
        vec![up("GET /n HTTP/1.1\r\n\r\n"), down("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")],
        vec![up("GET /z HTTP/1.0\r\n\r\n"), down("HTTP/1.0 200 OK\r\n\r\nuntil the end"), Step::End(Flow::ToClient)],
        vec![up("OPTIONS * HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"), up(get), down(ok), down(ok)],
        vec![up("GET /w HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"), down("HTTP/1.1 101 Switching\r\n\r\n\x01\x02"), up("\x01")],
        vec![up("CONNECT h.test:443 HTTP/1.1\r\n\r\n"), down("HTTP/1.1 200 OK\r\n\r\n"), up("\x16\x03\x01"), down("\x16\x03")],
        vec![up("CONNECT h.test:443 HTTP/1.1\r\n\r\n"), down("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")],
        vec![down(ok), up(get)],
        vec![up("GET http://h.test/p HTTP/1.1\r\n\r\n"), Step::Expire(0), down(ok)],
        vec![up(get), down(coded("gzip", GZIP))],
        vec![up(get), down(coded("deflate, gzip", GZIP))],
        vec![up(get), down(coded("zstd", b"\x28\xb5\x2f\xfd\x04\x00\x29\x00\x00hello\x55\x99\xe9\xd8"))],
        vec![up(get), down(coded("br", b"\x0b\x02\x80hello\x03"))],
        vec![up(get), down("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), Step::Unseen(Flow::ToClient, 100_000)],
    ]
}

fn coded(coding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

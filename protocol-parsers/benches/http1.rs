//! How many HTTP/1 exchanges a second one core parses: `cargo bench -p protocol-parsers --bench http1`.
//!
//! In: conversations made up here. Out: rows/s and MB/s of each.

mod measure;

use protocol_parsers::{Flow, Transport, http1};

const GET: &str =
    "GET /api/v1/items/42?fields=name HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";
const SMALL: &str = concat!(
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json\r\n",
    "Content-Length: 15\r\nConnection: keep-alive\r\nETag: \"65f1c0aa-f\"\r\n\r\n{\"name\":\"item\"}"
);

fn main() {
    let up = |text: String| (Flow::ToServer, text.into_bytes());
    let down = |text: String| (Flow::ToClient, text.into_bytes());
    let measure = |name, rows, segments: &[(Flow, Vec<u8>)], piece| {
        measure::measure(&http1::PROTOCOL, Transport::Stream, name, rows, segments, piece, 200);
    };
    let small = [up(GET.into()), down(SMALL.into())];
    measure("small", 1, &small, usize::MAX);
    measure("small, pipelined by 16", 16, &[up(GET.repeat(16)), down(SMALL.repeat(16))], usize::MAX);
    measure("small, byte by byte", 1, &small, 1);
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 64 << 10, "x".repeat(64 << 10));
    measure("64 KiB page", 1, &[up(GET.into()), down(page)], 16 << 10);
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(16)
    );
    measure("16 KiB in chunks", 1, &[up(GET.into()), down(chunks)], usize::MAX);
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 8 << 20, "x".repeat(8 << 20));
    measure("8 MiB download", 1, &[up(GET.into()), down(large)], 64 << 10);
}

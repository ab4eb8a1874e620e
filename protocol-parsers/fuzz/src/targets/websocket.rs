//! WebSocket: every kind of message, masked and not.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "websocket",
    protocol: &protocol_parsers::websocket::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 1 << 20,
};

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first, 0x80 | payload.len() as u8, 1, 2, 3, 4];
    out.extend(payload.iter().enumerate().map(|(n, b)| b ^ (n % 4 + 1) as u8));
    out
}

fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, payload.len() as u8], payload].concat()
}

fn corpus() -> Vec<Vec<Step>> {
    let long = [&[0x82, 126, 0x01, 0x00][..], &[7; 256]].concat();
    // "Hello" and "Hello" again, as in RFC 7692, section 7.2.3.2
    let packed: [&[u8]; 2] = [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], &[0xf2, 0x00, 0x11, 0x00, 0x00]];
    vec![
        vec![up(masked(0x81, b"hello")), down(plain(0x81, "wörld".as_bytes()))],
        vec![up(masked(0x01, b"he")), up(masked(0x89, b"ping")), up(masked(0x00, b"ll")), up(masked(0x80, b"o"))],
        vec![down(long), down(plain(0x8a, b""))],
        vec![up(masked(0xc1, packed[0])), up(masked(0xc1, packed[1]))],
        vec![down(plain(0xc1, packed[0])), down(plain(0xc1, packed[1]))],
        vec![down(&plain(0x81, b"0123456789")[..5]), Step::Unseen(Flow::ToClient, 7), down(plain(0x81, b"next"))],
        vec![up(masked(0x88, b"\x03\xe8bye")), down(plain(0x88, b"\x03\xe8"))],
    ]
}

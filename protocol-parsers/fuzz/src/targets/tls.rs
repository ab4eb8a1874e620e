//! TLS: handshakes of every version, whole and failed, and what follows them.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "tls",
    protocol: &protocol_parsers::tls::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 64 << 10,
};

fn record(kind: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&[kind, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn message(kind: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn vector16(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: impl AsRef<[u8]>) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector16(data)].concat()
}

fn client_hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let name = extension(0, vector16([&[0][..], &vector16("www.example.org")].concat()));
    let all = [extension(0x3a3a, [0]), name, extensions.concat()].concat();
    let fixed = [&[3, 3][..], &[7; 32], &[4, 9, 9, 9, 9], &vector16([0x13, 0x01, 0xc0, 0x2f]), &[1, 0]].concat();
    message(1, [fixed, vector16(all)].concat())
}

fn server_hello(random: [u8; 32], cipher: u16, extensions: &[Vec<u8>]) -> Vec<u8> {
    let fixed = [&[3, 3][..], &random, &[4, 9, 9, 9, 9], &cipher.to_be_bytes(), &[0]].concat();
    message(2, [fixed, vector16(extensions.concat())].concat())
}

fn selects13() -> Vec<u8> {
    record(22, server_hello([5; 32], 0x1301, &[extension(43, [3, 4])]))
}

fn retry() -> Vec<u8> {
    let random = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16,
        0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    ];
    record(22, server_hello(random, 0x1301, &[extension(43, [3, 4])]))
}

/// A certificate without a key: a number, an algorithm, two names, two times.
fn certificate() -> Vec<u8> {
    let value = |tag: u8, content: &[u8]| [&[tag, content.len() as u8][..], content].concat();
    let part = [value(6, &[0x55, 4, 3]), value(12, b"www.example.org")].concat();
    let name = value(0x30, &value(0x31, &value(0x30, &part)));
    let times = [value(0x17, b"260101000000Z"), value(0x18, b"20600101000000Z")].concat();
    let fields = [value(2, &[1]), value(0x30, &[]), name.clone(), value(0x30, &times), name].concat();
    let der = value(0x30, &value(0x30, &fields));
    let entry = [&(der.len() as u32).to_be_bytes()[1..], &der].concat();
    message(11, [&(entry.len() as u32).to_be_bytes()[1..], &entry].concat())
}

fn flight12() -> Vec<u8> {
    let alpn = extension(16, vector16([2, b'h', b'2']));
    let messages = [server_hello([5; 32], 0xc02f, &[alpn]), certificate(), message(12, [3; 90]), message(14, [])];
    record(22, messages.concat())
}

fn corpus() -> Vec<Vec<Step>> {
    let hello = up(record(22, client_hello(&[])));
    let change = record(20, [1]);
    let finished = [change.clone(), record(22, [0xe7; 40])].concat();
    let finished13 = record(23, [0xa5; 53]);
    let data = |length: usize| record(23, vec![0xa5; length]);
    let keys = record(22, message(16, [4; 66]));
    let fragments: Vec<u8> = client_hello(&[]).chunks(7).flat_map(|part| record(22, part)).collect();
    let old = [&[0x80, 31, 1, 3, 1, 0, 6, 0, 0, 0, 16, 1, 0, 0x80, 0, 0, 0x2f][..], &[6; 16]].concat();
    let early = up(record(22, client_hello(&[extension(42, [])])));
    vec![
        vec![
            hello.clone(),
            down(flight12()),
            up([keys, finished.clone()].concat()),
            down(&finished),
            up(data(90)),
            down(data(900)),
        ],
        vec![hello.clone(), down([record(22, server_hello([5; 32], 0xc02f, &[])), finished.clone()].concat()), up(&finished)],
        vec![
            hello.clone(),
            down([selects13(), change.clone(), data(700)].concat()),
            up([change.clone(), finished13.clone()].concat()),
        ],
        vec![hello.clone(), down([retry(), change].concat()), hello.clone(), down(selects13()), up(&finished13)],
        vec![hello.clone(), down(record(21, [2, 40]))],
        vec![hello.clone(), down([record(21, [1, 112]), flight12()].concat()), up(record(21, [2, 48]))],
        vec![hello.clone(), down(selects13()), up(data(19))],
        vec![hello.clone(), Step::Wait(70_000), Step::Expire(60_000), down(selects13())],
        vec![hello.clone(), down(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Step::End(Flow::ToClient)],
        vec![hello, down(&flight12()[..100]), Step::Unseen(Flow::ToClient, 60), up(data(90)), down(data(900))],
        vec![up(fragments), down(selects13()), up(&finished13)],
        vec![early, up(data(60)), down(selects13()), up([data(21), finished13].concat())],
        vec![up(old), down(record(21, [2, 70]))],
        vec![up(data(40)), down(data(0)), down(record(24, [1; 30])), up(record(21, [9; 26]))],
    ]
}

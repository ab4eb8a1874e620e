//! DNS over TCP: queries, answers of many types, transfers. The datagram target is the same without the lengths.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const STREAM: Target = Target {
    name: "dns",
    protocol: &protocol_parsers::dns::PROTOCOL,
    transport: Transport::Stream,
    corpus: stream_corpus,
    heap_bytes_max: 6 << 20,
};

pub const DATAGRAM: Target = Target {
    name: "dns_datagram",
    protocol: &protocol_parsers::dns::PROTOCOL,
    transport: Transport::Datagram,
    corpus: datagram_corpus,
    heap_bytes_max: 6 << 20,
};

const QUERY: u16 = 0x0100;
const RESPONSE: u16 = 0x8180;

/// A message about `www.a.test`, with records of this type whose owner is the question's name.
fn message(id: u16, flags: u16, record_type: u16, data: &[&[u8]]) -> Vec<u8> {
    let header = [id, flags, 1, data.len() as u16, 0, 0].map(u16::to_be_bytes).concat();
    let question = [b"\x03www\x01a\x04test\0".as_slice(), &record_type.to_be_bytes(), b"\0\x01"].concat();
    let records = data.iter().flat_map(|data| {
        let fixed = [[0xc0, 12], record_type.to_be_bytes(), [0, 1], [0, 0], [0, 60], (data.len() as u16).to_be_bytes()];
        [fixed.concat().as_slice(), data].concat()
    });
    [header, question].concat().into_iter().chain(records).collect()
}

/// Query and response of each conversation.
fn conversations() -> Vec<Vec<(Flow, Vec<u8>)>> {
    let exchange = |id, record_type, data: &[&[u8]]| {
        vec![(Flow::ToServer, message(id, QUERY, record_type, &[])), (Flow::ToClient, message(id, RESPONSE, record_type, data))]
    };
    let soa = b"\x02ns\xc0\x10\x02me\xc0\x10\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05".as_slice();
    let mut all = vec![
        exchange(1, 1, &[&[192, 0, 2, 1], &[192, 0, 2, 2]]),
        exchange(2, 28, &[&[0x20; 16]]),
        exchange(3, 5, &[b"\x01b\xc0\x10"]),
        exchange(4, 15, &[b"\0\x0a\x04mail\xc0\x10"]),
        exchange(5, 16, &[b"\x05hello\x03a\"b", b"\0"]),
        exchange(6, 33, &[b"\0\x05\0\x06\x1f\x90\x03srv\0"]),
        exchange(7, 6, &[soa]),
        exchange(8, 65, &[b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x04\0\x04\x01\x02\x03\x04"]),
        exchange(9, 257, &[b"\0\x05issueca.test"]),
        exchange(10, 35, &[b"\0\x0a\0\x14\x01u\x07E2U+sip\0\0"]),
        exchange(11, 52, &[b"\x03\x01\x01\xab\xcd"]),
        exchange(12, 46, &[&[7; 40]]),
        exchange(13, 252, &[soa, soa]),
        exchange(14, 1234, &[b"\x01\x02"]),
        vec![(Flow::ToServer, message(15, QUERY, 252, &[])), (Flow::ToClient, message(15, RESPONSE, 252, &[soa]))],
        vec![(Flow::ToServer, message(1, QUERY, 1, &[])), (Flow::ToServer, message(1, QUERY, 28, &[]))],
        vec![(Flow::ToClient, message(16, RESPONSE | 3, 1, &[]))],
    ];
    // without a question
    all.push(vec![(Flow::ToServer, message(17, QUERY, 1, &[])), (Flow::ToClient, b"\0\x11\x81\x81\0\0\0\0\0\0\0\0".to_vec())]);
    all
}

fn steps(frame: fn(&[u8]) -> Vec<u8>) -> Vec<Vec<Step>> {
    let step = |(flow, message): (Flow, Vec<u8>)| match flow {
        Flow::ToServer => up(frame(&message)),
        Flow::ToClient => down(frame(&message)),
    };
    conversations().into_iter().map(|conversation| conversation.into_iter().map(step).collect()).collect()
}

fn stream_corpus() -> Vec<Vec<Step>> {
    steps(|message| [(message.len() as u16).to_be_bytes().as_slice(), message].concat())
}

fn datagram_corpus() -> Vec<Vec<Step>> {
    steps(<[u8]>::to_vec)
}

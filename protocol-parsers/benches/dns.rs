//! How many DNS queries with their responses a second one core parses: `cargo bench -p protocol-parsers --bench dns`.
//!
//! In: messages made up here. Out: rows/s and MB/s of each.

mod measure;

use protocol_parsers::{Flow, Transport, dns};

/// A message about `www.example.test` with so many records of this type and data.
fn message(flags: u16, record_type: u16, records: u16, data: &[u8]) -> Vec<u8> {
    let header = [7, flags, 1, records, 0, 0].map(u16::to_be_bytes).concat();
    let question = [b"\x03www\x07example\x04test\0".as_slice(), &record_type.to_be_bytes(), b"\0\x01"].concat();
    let fixed = [[0xc0, 12], record_type.to_be_bytes(), [0, 1], [0, 0], [0, 60], (data.len() as u16).to_be_bytes()].concat();
    [header, question, [fixed.as_slice(), data].concat().repeat(usize::from(records))].concat()
}

fn framed(message: Vec<u8>) -> Vec<u8> {
    [(message.len() as u16).to_be_bytes().as_slice(), &message].concat()
}

fn main() {
    let exchange = |record_type, records, data: &[u8]| {
        [(Flow::ToServer, message(0x0100, record_type, 0, &[])), (Flow::ToClient, message(0x8180, record_type, records, data))]
    };
    let udp = |name, segments: &[(Flow, Vec<u8>)]| {
        measure::measure(&dns::PROTOCOL, Transport::Datagram, name, 1, segments, usize::MAX, 200);
    };
    udp("A, one answer", &exchange(1, 1, &[192, 0, 2, 1]));
    udp("AAAA, 30 answers", &exchange(28, 30, &[0x20; 16]));
    udp("HTTPS, one answer", &exchange(65, 1, b"\0\x01\0\0\x01\0\x06\x02h2\x02h3"));
    let tcp = exchange(1, 1, &[192, 0, 2, 1]).map(|(flow, message)| (flow, framed(message)));
    measure::measure(&dns::PROTOCOL, Transport::Stream, "A over TCP", 1, &tcp, usize::MAX, 200);
}

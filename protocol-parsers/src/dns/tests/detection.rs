//! What is taken for DNS and what is not.

use proptest::prelude::Rng;
use proptest::test_runner::{Config, RngAlgorithm, TestRng};

use super::harness::*;
use crate::dns::PROTOCOL;
use crate::{Confidence, Evidence, Transport, Verdict};

fn verdict(transport: Transport, to_server: &[u8], to_client: &[u8]) -> Verdict {
    (PROTOCOL.detect)(&Evidence { transport, to_server, to_client, from_start: true, server_port: None })
}

#[track_caller]
fn check_udp(to_server: &[u8], to_client: &[u8], expect: Verdict) {
    assert_eq!(verdict(Transport::Datagram, to_server, to_client), expect);
}

#[track_caller]
fn check_tcp(to_server: &[u8], to_client: &[u8], expect: Verdict) {
    assert_eq!(verdict(Transport::Stream, to_server, to_client), expect);
}

const CERTAIN: Verdict = Verdict::Yes(Confidence::Certain);
const LIKELY: Verdict = Verdict::Yes(Confidence::Likely);

#[test]
fn datagrams() {
    let (ask, answer) = (query(7, "a.test", 1), response(7, "a.test", 1, 0, &[record(1, 1, &[1, 2, 3, 4])]));
    check_udp(&ask, b"", CERTAIN);
    check_udp(&ask, &answer, CERTAIN);
    check_udp(b"", &answer, LIKELY);
    check_udp(&[query(7, "a.test", 1), query(8, "a.test", 28)].concat(), b"", CERTAIN);
    check_udp(b"", b"", Verdict::Undecided);
    // the ends the wrong way round
    check_udp(&answer, &ask, Verdict::No);
    check_udp(b"", &ask, Verdict::No);
    // bytes are missing, or there are more
    check_udp(&ask[..ask.len() - 1], b"", Verdict::No);
    check_udp(&[ask.as_slice(), b"xyzxyz"].concat(), b"", Verdict::No);
    check_udp(&header(1, QUERY, [0, 0, 0, 0]), b"", Verdict::No);
}

#[track_caller]
fn check_at(port: u16, transport: Transport, to_server: &[u8], to_client: &[u8], from_start: bool, expect: Verdict) {
    let server_port = Some(port);
    assert_eq!((PROTOCOL.detect)(&Evidence { transport, to_server, to_client, from_start, server_port }), expect);
}

#[test]
fn at_the_port_of_dns_a_question_is_enough() {
    use Transport::{Datagram, Stream};
    let ask = query(7, "a.test", 1);
    let two = [header(7, QUERY, [2, 0, 0, 0]), question("a.test", 1), question("b.test", 28)].concat();
    let longer = [ask.as_slice(), b"xyzxyz"].concat();
    let nothing = header(1, QUERY, [0, 0, 0, 0]);
    for odd in [&two, &longer, &nothing] {
        check_at(53, Datagram, odd, b"", true, LIKELY);
        check_at(5300, Datagram, odd, b"", true, Verdict::No);
        check_at(53, Datagram, b"", odd, true, Verdict::No);
    }
    let stream = framed(&two);
    check_at(53, Stream, &stream, b"", true, LIKELY);
    check_at(5300, Stream, &stream, b"", true, Verdict::No);
    for end in 0..stream.len() {
        check_at(53, Stream, &stream[..end], b"", true, Verdict::Undecided);
    }
    check_at(53, Datagram, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"", true, Verdict::No);
    check_at(53, Datagram, &ask[..ask.len() - 1], b"", true, Verdict::No);
}

#[test]
fn joined_inside_a_message_the_other_direction_tells() {
    let (ask, answer) = (framed(&query(7, "a.test", 1)), framed(&response(7, "a.test", 1, 3, &[])));
    check_at(5300, Transport::Stream, &ask, &[b't'; 50], false, LIKELY);
    check_at(5300, Transport::Stream, &[b't'; 50], &answer, false, LIKELY);
    check_at(5300, Transport::Stream, &ask, &[b't'; 50], true, Verdict::No);
}

#[test]
fn multicast_dns_and_llmnr_are_others() {
    let multicast = [header(0, 0, [1, 0, 0, 0]), question("a.local", 12)].concat();
    check_at(5353, Transport::Datagram, &multicast, b"", true, Verdict::No);
    check_at(5355, Transport::Datagram, &query(7, "a", 1), b"", true, Verdict::No);
    // a server of DNS at that port
    check_at(5353, Transport::Datagram, &query(7, "a.test", 1), b"", true, CERTAIN);
    check_at(5300, Transport::Datagram, &multicast, b"", true, CERTAIN);
}

#[test]
fn streams() {
    let (ask, answer) = (framed(&query(7, "a.test", 1)), framed(&response(7, "a.test", 1, 3, &[])));
    check_tcp(&ask, b"", CERTAIN);
    check_tcp(&ask, &answer, CERTAIN);
    check_tcp(b"", &answer, LIKELY);
    check_tcp(&[ask.clone(), ask.clone()].concat(), b"", CERTAIN);
    for end in 0..ask.len() {
        check_tcp(&ask[..end], b"", Verdict::Undecided);
    }
    check_tcp(&answer, &ask, Verdict::No);
    check_tcp(&query(7, "a.test", 1), b"", Verdict::No);
}

#[test]
fn other_protocols() {
    let netbios = [header(1, 0x0110, [1, 0, 0, 0]), question("CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 33)].concat();
    let ntp = [&[0x23, 2, 6, 0xec], [0; 36].as_slice(), &[0xe1, 2, 3, 4, 5, 6, 7, 8]].concat();
    let quic = [&[0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x44, 0x9e], [0x5a; 1182].as_slice()].concat();
    let others: [&[u8]; 8] = [
        &netbios,
        &ntp,
        &quic,
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        &[0; 60],
    ];
    for other in others {
        for (to_server, to_client) in [(other, b"".as_slice()), (b"", other), (other, other)] {
            check_udp(to_server, to_client, Verdict::No);
            assert!(!matches!(verdict(Transport::Stream, to_server, to_client), Verdict::Yes(_)), "{other:?}");
        }
    }
}

#[test]
fn random_bytes_are_not_claimed() {
    let mut random = TestRng::deterministic_rng(Config::default().rng_algorithm);
    assert_eq!(Config::default().rng_algorithm, RngAlgorithm::ChaCha);
    let mut bytes = [0; 200];
    for i in 0..200_000 {
        let length = 12 + i % 189;
        random.fill_bytes(&mut bytes[..length]);
        let bytes = &bytes[..length];
        for (to_server, to_client) in [(bytes, b"".as_slice()), (b"", bytes)] {
            check_udp(to_server, to_client, Verdict::No);
            assert!(!matches!(verdict(Transport::Stream, to_server, to_client), Verdict::Yes(_)), "{bytes:?}");
        }
    }
}

//! Which bytes are taken for HTTP/2.

use super::harness::{data, frame, get, ok, post, preface, settings};
use crate::http2::detect::detect;
use crate::http2::frame as f;
use crate::{Confidence, Evidence, Transport, Verdict};

fn verdict(from_start: bool, to_server: &[u8], to_client: &[u8]) -> Verdict {
    detect(&Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None })
}

#[test]
fn a_preface_is_certain() {
    let bytes = preface();
    for len in 1..24 {
        assert_eq!(verdict(true, &bytes[..len], b""), Verdict::Undecided, "{len}");
    }
    for len in 24..=bytes.len() {
        assert_eq!(verdict(true, &bytes[..len], b""), Verdict::Yes(Confidence::Certain));
    }
    assert_eq!(verdict(true, &bytes, &settings()), Verdict::Yes(Confidence::Certain));
    assert_eq!(verdict(false, &bytes, b""), Verdict::Yes(Confidence::Certain));
    assert_eq!(verdict(true, b"", &settings()), Verdict::Undecided);
    assert_eq!(verdict(true, b"", b""), Verdict::No);
    assert_eq!(verdict(true, &get(1, "/"), b""), Verdict::No);
}

#[test]
fn frames_in_the_middle() {
    let likely = Verdict::Yes(Confidence::Likely);
    assert_eq!(verdict(false, &get(7, "/"), b""), likely);
    assert_eq!(verdict(false, b"", &ok(7, true)), likely);
    assert_eq!(verdict(false, &get(7, "/"), b"the rest of a frame"), likely);
    assert_eq!(verdict(false, &[post(7, "/"), data(7, true, b"x")].concat(), b""), likely);
    // in the middle of a frame
    assert_eq!(verdict(false, &[b"rest".to_vec(), get(7, "/"), get(9, "/")].concat(), b""), likely);
    // only indices into a table that was not seen
    let unknown = frame(f::HEADERS, f::END_HEADERS | f::END_STREAM, 7, &[0xbe, 0xbf]);
    assert_eq!(verdict(false, &unknown, b""), Verdict::Undecided);
    assert_eq!(verdict(false, &frame(f::PING, 0, 0, &[0; 8]), b""), Verdict::Undecided);
    assert_eq!(verdict(false, &ok(7, true), b""), Verdict::No, "the other end serves");
}

#[test]
fn what_others_say_is_not_claimed() {
    let mysql: &[&[u8]] = &[
        b"\x0f\0\0\0\x03SELECT version()",
        b"\x01\0\0\0\x0e",
        b"\x01\0\0\x01\x01\x17\0\0\x02\x03def",
        b"\x07\0\0\x02\0\0\0\x02\0\0\0",
    ];
    let others: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"+PONG\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\x17\x03\x03\0\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01",
        b"Q\0\0\0\x0dSELECT 1\0",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\0\0\0\x47\0\x12\0\x03\0\0\0\x01\0\x09rdkafka-1",
        &[0; 200],
        b"AMQP\0\0\x09\x01",
        b"\x04\0\0\0\x05\0\0\0\x01",
    ];
    for bytes in mysql.iter().chain(others) {
        for from_start in [true, false] {
            for (to_server, to_client) in [(*bytes, &b""[..]), (b"", *bytes)] {
                let verdict = verdict(from_start, to_server, to_client);
                assert!(!matches!(verdict, Verdict::Yes(_)), "{verdict:?} for {}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn random_bytes_are_not_claimed() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..300 {
        // small numbers and zeros are what frames are made of
        let mask = [0xff, 0x0f, 0x03, 0x01][(random() % 4) as usize];
        let bytes: Vec<u8> = (0..random() % 4096).map(|_| random() as u8 & mask).collect();
        for (to_server, to_client) in [(&bytes[..], &b""[..]), (b"", &bytes), (&bytes, &bytes)] {
            for from_start in [true, false] {
                let verdict = verdict(from_start, to_server, to_client);
                assert!(!matches!(verdict, Verdict::Yes(_)), "{verdict:?} with mask {mask:x} for {} bytes", bytes.len());
            }
        }
    }
}

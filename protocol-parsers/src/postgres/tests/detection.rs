//! What is taken for PostgreSQL and what is not.

use super::recorded::{capture, captures};
use super::wire::*;
use crate::postgres::PROTOCOL;
use crate::{Confidence, Evidence, Transport, Verdict};

#[track_caller]
fn check(to_server: impl AsRef<[u8]>, to_client: impl AsRef<[u8]>, from_start: bool, expect: Verdict) {
    let (to_server, to_client) = (to_server.as_ref(), to_client.as_ref());
    let evidence = Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None };
    assert_eq!((PROTOCOL.detect)(&evidence), expect);
}

const CERTAIN: Verdict = Verdict::Yes(Confidence::Certain);
const LIKELY: Verdict = Verdict::Yes(Confidence::Likely);
const SSL: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

#[test]
fn logins_are_certain() {
    let login = login("me", "db");
    check(&login, b"", true, CERTAIN);
    check(&login, message(b'R', [0; 4]), true, CERTAIN);
    check(&login, b"HTTP/1.1 400", true, Verdict::No);
    check(SSL, b"", true, CERTAIN);
    check(SSL, b"S\x16\x03", true, CERTAIN);
    for end in 1..8 {
        check(&login[..end], b"", true, Verdict::Undecided);
    }
    check(b"", &login, true, Verdict::No);
}

#[test]
fn messages_are_recognised_in_mid_connection() {
    let answer = [columns(), row("1"), done("SELECT 1")].concat();
    for sent in [query("select 1"), all("select $1", &[Some(b"x")]), [bind("", "s", 0, &[]), execute(""), sync()].concat()] {
        check(&sent, b"", false, LIKELY);
        check(&sent, &answer, false, CERTAIN);
        check(&sent, &answer[..answer.len() - 3], false, CERTAIN);
        check(&sent, b"rest of a row", false, LIKELY);
        check(&answer, &sent, false, Verdict::No);
    }
    check(&query("select 1")[..8], b"", false, Verdict::Undecided);
    check(&query(&format!("select '{}'", "x".repeat(100_000)))[..8192], b"", false, LIKELY);
    check(b"rest of a text\0", &answer, false, LIKELY);
    check(b"", &answer, false, LIKELY);
    check(b"", [b"rest of a row".to_vec(), done("SELECT 1")].concat(), false, LIKELY);
    check(b"", &answer, true, Verdict::No);
}

#[test]
fn other_protocols_are_not_postgres() {
    let others: [&[u8]; 12] = [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"PING\r\n",
        b"SET k v\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03",
        // MySQL: a query, and one of 81 bytes
        b"\x09\0\0\0\x03select 1",
        b"\x51\0\0\0\x03select '                                                                        '",
        // Kafka, DNS over TCP, AMQP
        b"\0\0\0\x21\0\x12\0\x03\0\0\0\x01\0\x07console",
        b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01",
        b"AMQP\0\0\x09\x01",
    ];
    for bytes in others {
        check(bytes, b"", true, Verdict::No);
        check(bytes, b"", false, Verdict::No);
        check(b"", bytes, true, Verdict::No);
        check(b"", bytes, false, Verdict::No);
    }
}

#[test]
fn captures_of_other_protocols_are_not_claimed() {
    let mut seen = 0;
    for path in captures() {
        // its own, and those that go on as TLS
        let begins = path.file_name() == Some("recorded-after-postgres.pcap".as_ref());
        let ours = begins || path.parent().is_some_and(|p| p.ends_with("postgres"));
        for conversation in capture(&path) {
            let (client, server) = conversation.both();
            for (to_server, to_client) in [(&client, &server), (&server, &client)] {
                for from_start in [true, false] {
                    for end in [8, 64, 8192] {
                        let (to_server, to_client) =
                            (&to_server[..to_server.len().min(end)], &to_client[..to_client.len().min(end)]);
                        let evidence =
                            Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None };
                        let verdict = (PROTOCOL.detect)(&evidence);
                        assert!(ours || !matches!(verdict, Verdict::Yes(_)), "{}: {verdict:?}", path.display());
                        seen += 1;
                    }
                }
            }
        }
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn random_bytes_are_not_claimed() {
    let mut state = 1_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    for _ in 0..20_000 {
        let (a, b): (Vec<u8>, Vec<u8>) = ((0..64).map(|_| random()).collect(), (0..64).map(|_| random()).collect());
        for (to_server, to_client) in [(&a[..], &b[..]), (&a, &[]), (&[], &b)] {
            for from_start in [true, false] {
                let evidence = Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None };
                assert!(!matches!((PROTOCOL.detect)(&evidence), Verdict::Yes(_)), "{to_server:?} {to_client:?}");
            }
        }
    }
}

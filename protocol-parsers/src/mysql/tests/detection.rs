//! What is taken for MySQL and what is not.

use std::collections::HashMap;
use std::path::Path;

use super::wire::*;
use crate::mysql::PROTOCOL;
use crate::{Confidence, Evidence, Transport, Verdict};

fn verdict(to_server: &[u8], to_client: &[u8], from_start: bool) -> Verdict {
    (PROTOCOL.detect)(&Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None })
}

#[track_caller]
fn check(to_server: &[u8], to_client: &[u8], from_start: bool, expect: Verdict) {
    assert_eq!(verdict(to_server, to_client, from_start), expect);
}

const CERTAIN: Verdict = Verdict::Yes(Confidence::Certain);
const LIKELY: Verdict = Verdict::Yes(Confidence::Likely);

#[test]
fn a_greeting_is_enough() {
    let hello = greeting(FLAGS);
    check(b"", &hello, true, CERTAIN);
    check(b"", &hello, false, CERTAIN);
    check(&login(FLAGS, "eve", "shop"), &hello, true, CERTAIN);
    // and the other end is not the server
    check(&hello, b"", true, Verdict::No);
    check(&hello, &login(FLAGS, "eve", "shop"), true, Verdict::No);
    for end in 1..20 {
        check(b"", &hello[..end], true, Verdict::Undecided);
    }
    check(b"", &packet(0, b"\x093.23.58\0\x01\0\0\0abcdefgh\0"), true, CERTAIN);
    check(b"", &packet(0, b"\xff\x10\x04Too many connections"), true, LIKELY);
}

#[test]
fn statements_are_recognised_without_it() {
    let select = query("select * from t");
    check(&select, b"", false, LIKELY);
    check(&select, &result(1, 2, 2, false), false, LIKELY);
    check(&select, b"tail of a result", false, LIKELY);
    check(&query(&format!("INSERT INTO t VALUES ('{}')", "x".repeat(100_000)))[..60], b"", false, LIKELY);
    check(&command(0x16, b"/* c */ (select ?)"), b"", false, LIKELY);
    check(&command(3, b"\0\x01select 1"), b"", false, LIKELY);
    for end in 1..5 {
        check(&select[..end], b"", false, Verdict::Undecided);
    }
}

#[test]
fn other_commands_need_an_answer() {
    let ping = command(14, b"");
    check(&ping, b"", false, Verdict::Undecided);
    check(&ping, &ok(1, 0, 2), false, LIKELY);
    check(&ping, b"+PONG\r\n", false, Verdict::No);
    // those that have no answer are passed
    check(&[command(0x19, &[1, 0, 0, 0]), ping.clone()].concat(), &ok(1, 0, 2), false, LIKELY);
    check(&[command(0x19, &[1, 0, 0, 0]), query("select 1")].concat(), &result(1, 1, 2, true), false, LIKELY);
    check(&execute(1, &[0], None, &[1]), &ok(1, 0, 2), false, LIKELY);
    check(&execute(1, &[0], None, &[1]), b"tail of a result", false, LIKELY);
    check(&execute(1, &[0], None, &[1]), &result(1, 1, 2, true), false, LIKELY);
    check(&command(0x17, &[0; 9]), &error(1, 1243, "HY000", "Unknown statement"), false, LIKELY);
}

#[test]
fn responses_alone_say_enough() {
    check(b"", &result(1, 2, 2, false), false, LIKELY);
    check(b"", &error(1, 1146, "42S02", "Table 't' doesn't exist"), false, LIKELY);
    check(b"", &ok(1, 0, 2), false, Verdict::Undecided);
    check(b"tail of a statement", &result(1, 2, 2, false), false, LIKELY);
    check(b"tail of a statement", &ok(1, 0, 2), false, Verdict::No);
}

#[test]
fn other_protocols_are_not_mysql() {
    check(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", true, Verdict::No);
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\x04\0\0\0\0\0", true, Verdict::No);
    check(b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n", false, Verdict::No);
    check(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"", true, Verdict::No);
    check(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S", true, Verdict::No);
    check(b"Q\0\0\0\x0dselect 1\0", b"T\0\0\0\x1a", false, Verdict::No);
    // a document database's header begins with a length, too
    let find = b"\x30\0\0\0\x03\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1b\0\0\0\x02find\0\x02\0\0\0c\0\0";
    check(find, b"", true, Verdict::No);
    // DNS over TCP, Kafka
    check(b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x01a\x04test\0\0\x01\0\x01", b"", true, Verdict::No);
    check(b"\0\0\0\x1a\0\x12\0\x03\0\0\0\x01\0\x04test", b"", true, Verdict::No);
    check(b"", b"220 ready\r\n", true, Verdict::No);
    check(b"", b"SSH-2.0-OpenSSH_9.2\r\n", true, Verdict::No);
    check(b"", b"INFO {\"server_id\":\"x\"}\r\n", true, Verdict::No);
}

#[test]
fn random_bytes_are_not_mysql() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 24) as u8
    };
    for n in 0..200_000 {
        let bytes: [u8; 64] = std::array::from_fn(|_| random());
        let (up, down) = bytes.split_at(32);
        for (up, down) in [(up, down), (up, &[]), (&[], down)] {
            let verdict = verdict(up, down, n % 2 == 0);
            assert!(!matches!(verdict, Verdict::Yes(_)), "{verdict:?} of {bytes:?}");
        }
    }
}

/// First bytes of each direction of the TCP connections in a capture with Ethernet frames.
fn conversations(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let file = std::fs::read(path).expect("a capture");
    let mut said: HashMap<(u16, u16), Vec<u8>> = HashMap::new();
    let mut rest = &file[24..];
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let Some((frame, next)) = after.split_at_checked(length) else { break };
        rest = next;
        let tagged = frame.get(12..14) == Some(&[0x81, 0]);
        let Some(ip) = frame.get(if tagged { 18 } else { 14 }..).filter(|ip| ip.len() > 20 && ip[0] >> 4 == 4 && ip[9] == 6)
        else {
            continue;
        };
        let total = usize::from(u16::from_be_bytes([ip[2], ip[3]])).clamp(20, ip.len());
        let Some(tcp) = ip[..total].get(usize::from(ip[0] & 15) * 4..).filter(|tcp| tcp.len() >= 20) else { continue };
        let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let payload = tcp.get(usize::from(tcp[12] >> 4) * 4..).unwrap_or_default();
        let stream = said.entry((port(0), port(2))).or_default();
        stream.extend_from_slice(&payload[..payload.len().min(4096)]);
    }
    let pairs = said.iter().filter(|(ports, _)| ports.0 < ports.1 || !said.contains_key(&(ports.1, ports.0)));
    pairs.map(|(ports, up)| (up.clone(), said.get(&(ports.1, ports.0)).cloned().unwrap_or_default())).collect()
}

#[test]
fn captures_are_told_apart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut seen = 0;
    for protocol in std::fs::read_dir(folder).expect("captures") {
        let protocol = protocol.expect("a folder").path();
        if !protocol.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(&protocol).expect("captures") {
            let path = file.expect("a file").path();
            if path.extension().is_none_or(|e| e != "pcap") {
                continue;
            }
            // its own, and those that go on as TLS
            let mysql = protocol.ends_with("mysql") || path.ends_with("recorded-after-mysql.pcap");
            for (a, b) in conversations(&path) {
                let verdicts = [verdict(&a, &b, false), verdict(&b, &a, false)];
                let claimed = verdicts.iter().filter(|v| matches!(v, Verdict::Yes(_))).count();
                assert_eq!(claimed, usize::from(mysql), "{}: {verdicts:?}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "{seen} conversations");
}

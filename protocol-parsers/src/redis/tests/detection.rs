//! What is taken for Redis and what is not.

use super::harness::command;
use crate::redis::PROTOCOL;
use crate::{Confidence, Evidence, Transport, Verdict};

#[track_caller]
fn check(to_server: &[u8], to_client: &[u8], from_start: bool, expect: Verdict) {
    let evidence = Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None };
    assert_eq!((PROTOCOL.detect)(&evidence), expect);
}

const CERTAIN: Verdict = Verdict::Yes(Confidence::Certain);
const LIKELY: Verdict = Verdict::Yes(Confidence::Likely);

#[test]
fn empty_commands_are_passed_over() {
    for empty in ["*0\r\n", "*-1\r\n", "*-1\r\n*0\r\n"] {
        let sent = [empty.as_bytes(), &command("GET key")].concat();
        check(&sent, b"$-1\r\n", true, CERTAIN);
        for end in 0..empty.len() {
            check(&sent[..end], b"", true, Verdict::Undecided);
        }
    }
    check(b"*-2\r\n", b"", true, Verdict::No);
}

#[test]
fn joined_inside_a_command_the_next_one_tells() {
    let sent = [b"lue\r\n$2\r\nEX\r\n".as_slice(), &command("GET key")].concat();
    check(&sent, b"+OK\r\n", false, LIKELY);
    check(&sent, b"", false, LIKELY);
    check(&sent, b"+OK\r\n", true, Verdict::No);
    check(b"lue\r\n$2\r\nEX\r\n*2\r\n$3\r\nFOO\r\n", b"+OK\r\n", false, Verdict::No);
}

#[test]
fn commands_are_recognised() {
    let get = command("GET key");
    check(&get, b"", true, CERTAIN);
    check(&get, b"$-1\r\n", true, CERTAIN);
    check(&get, b"$5\r\nva", false, CERTAIN);
    check(&get[..get.len() - 9], b"", true, CERTAIN);
    check(&get, b"tail of a value\r\n", false, LIKELY);
    check(&command("NOSUCH key"), b"-ERR unknown command\r\n", true, LIKELY);
    check(&command("NOSUCH key"), b"", true, Verdict::Undecided);
    for end in 1..9 {
        check(&get[..end], b"", true, Verdict::Undecided);
    }
}

#[test]
fn inline_commands_need_an_answer() {
    check(b"SET k v\r\n", b"", true, Verdict::Undecided);
    check(b"SET k v\r\n", b"+OK\r\n", true, LIKELY);
    check(b"PING\r\n", b"+PONG\r\n", true, LIKELY);
    check(b"get k\r\n", b"$1\r\nv\r\n", true, LIKELY);
    check(b"EXISTS k\r\n", b":1\r\n", true, LIKELY);
    check(b"INFO\r\n", b"$2\r\nab\r\n", true, LIKELY);
}

#[test]
fn replies_alone_say_little() {
    check(b"", b"$5\r\nhello\r\n", false, Verdict::Yes(Confidence::Guessed));
    check(b"", b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", false, LIKELY);
    check(b"", b"+OK\r\n", false, Verdict::Undecided);
    check(b"", b"+OK\r\n", true, Verdict::No);
    check(b"", b"$5\r\nhello\r\n", true, Verdict::No);
}

#[test]
fn the_other_end_is_not_the_server() {
    let get = command("GET key");
    check(b"$3\r\nabc\r\n", &get, true, Verdict::No);
    check(b"+OK\r\n", &get, true, Verdict::No);
    check(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", &command("LRANGE k 0 -1"), true, Verdict::No);
    check(b"", &get, true, Verdict::No);
}

#[test]
fn other_protocols_are_not_redis() {
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", true, Verdict::No);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", true, Verdict::No);
    // memcached
    check(b"get key\r\n", b"VALUE key 0 1\r\nv\r\nEND\r\n", true, Verdict::No);
    check(b"get key\r\n", b"END\r\n", true, Verdict::No);
    check(b"set key 0 0 1\r\nv\r\n", b"STORED\r\n", true, Verdict::No);
    // POP3
    check(b"USER x\r\n", b"+OK POP3 ready\r\n+OK\r\n", true, Verdict::No);
    check(b"QUIT\r\n", b"+OK\r\n", false, Verdict::No);
    check(b"AUTH\r\n", b"-ERR no\r\n", false, Verdict::No);
    // NATS
    check(b"PING\r\n", b"INFO {}\r\n", true, Verdict::No);
    check(b"PING\r\n", b"+OK\r\n", false, Verdict::No);
    check(b"CONNECT {}\r\nPING\r\n", b"INFO {}\r\n+OK\r\nPONG\r\n", true, Verdict::No);
    // SMTP, FTP
    check(b"QUIT\r\n", b"220 ready\r\n", true, Verdict::No);
    check(b"TYPE I\r\n", b"200 ok\r\n", false, Verdict::No);
    // TLS
    check(b"\x16\x03\x01\x02\x00\x01\x00", b"", true, Verdict::No);
    check(b"*not redis", b"", true, Verdict::No);
    check(b"*1\r\n:5\r\n", b"", true, Verdict::No);
}

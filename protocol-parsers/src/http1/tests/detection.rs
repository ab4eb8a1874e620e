//! What is recognised, and what is not.

use crate::{Confidence, Evidence, Transport, Verdict};

const LIKELY: Verdict = Verdict::Yes(Confidence::Likely);
const CERTAIN: Verdict = Verdict::Yes(Confidence::Certain);

fn detect(from_start: bool, to_server: &[u8], to_client: &[u8]) -> Verdict {
    (crate::http1::PROTOCOL.detect)(&Evidence {
        transport: Transport::Stream,
        to_server,
        to_client,
        from_start,
        server_port: None,
    })
}

#[track_caller]
fn start(to_server: impl AsRef<[u8]>, to_client: impl AsRef<[u8]>, verdict: Verdict) {
    assert_eq!(detect(true, to_server.as_ref(), to_client.as_ref()), verdict);
}

#[track_caller]
fn middle(to_server: impl AsRef<[u8]>, to_client: impl AsRef<[u8]>, verdict: Verdict) {
    assert_eq!(detect(false, to_server.as_ref(), to_client.as_ref()), verdict);
}

#[test]
fn a_request_line_is_certain() {
    for line in ["GET / HTTP/1.1\r\n", "PATCH /x HTTP/1.0\n", "CUSTOM-1 * HTTP/1.1\r\n", "\r\nGET / HTTP/1.1\r\n"] {
        start(line, "", CERTAIN);
        start(line, "HTTP/1.1 200 OK\r\n", CERTAIN);
        start(line, "\x00\x01", LIKELY);
        for end in 1..line.len() - 1 {
            start(&line[..end], "", Verdict::Undecided);
        }
    }
}

#[test]
fn a_status_line_is_likely() {
    start("", "HTTP/1.1 408 Request Timeout\r\n", LIKELY);
    start("\x16\x03\x01", "HTTP/1.1 400\r\n", LIKELY);
    start("", "HTTP/1.1 40", Verdict::Undecided);
    start("", "HTTP/1.1 40x ", Verdict::No);
}

#[test]
fn the_roles_are_told_apart() {
    start("HTTP/1.1 200 OK\r\n", "", Verdict::No);
    start("", "GET / HTTP/1.1\r\n", Verdict::No);
}

#[test]
fn others_are_not_claimed() {
    let others: [&[u8]; 10] = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2",
        b"SET key value\r\n",
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9\x81\r\n",
        b"EHLO mail.test\r\n",
        b"\x00\x00\x00\x17\x00\x03",
        b"stats items\r\n",
    ];
    for bytes in others {
        start(bytes, "", Verdict::No);
    }
    start("", "+OK\r\n", Verdict::No);
    start("", "", Verdict::Undecided);
    start("SET key val", "", Verdict::Undecided);
}

#[test]
fn a_request_without_a_version_is_one_by_its_response() {
    start("GET /old\r\n", "", Verdict::Undecided);
    start("GET /old\r\n", "HTTP/1.1 200 OK\r\n", LIKELY);
    start("GET /key\r\n", "$-1\r\n", Verdict::No);
    start("GET /old\r\n", "<html>\n", Verdict::No);
    start("get /key\r\n", "", Verdict::No);
}

#[test]
fn joined_in_the_middle_a_start_line_is_sought() {
    middle("rest of a body\r\nGET / HTTP/1.1\r\n", "", LIKELY);
    middle("", "}\n\nHTTP/1.0 200 OK\r\n", LIKELY);
    middle("GET / HTTP/1.1\r\n", "\x00\x01", LIKELY);
    middle("rest of a body", "", Verdict::Undecided);
    middle("a GET / HTTP/1.1 in a text\r\n", "x HTTP/1.1 200 OK\r\n", Verdict::Undecided);
    middle([0x80; 600], [0x80; 600], Verdict::No);
}

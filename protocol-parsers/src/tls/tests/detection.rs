//! What is taken for TLS and what is not.

use std::path::Path;

use super::wire::*;
use crate::tls::PROTOCOL;
use crate::{Confidence, Evidence, Looks, PROTOCOLS, Transport, Verdict, begins, detect};

#[track_caller]
fn check(to_server: &[u8], to_client: &[u8], from_start: bool, expect: Verdict) {
    let evidence = Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None };
    assert_eq!((PROTOCOL.detect)(&evidence), expect);
}

const CERTAIN: Verdict = Verdict::Yes(Confidence::Certain);
const LIKELY: Verdict = Verdict::Yes(Confidence::Likely);

fn looks<'a>(sent: &'a [u8], received: &'a [u8], serves: Option<bool>, from_start: bool) -> Looks<'a> {
    Looks { transport: Transport::Stream, sent, received, ports: (None, None), serves, from_start }
}

#[test]
fn a_hello_is_enough() {
    let hello = client_hello("a.example");
    check(&hello, b"", true, CERTAIN);
    check(&hello, &selects13(AES_128_GCM), true, CERTAIN);
    check(&hello, &alert(2, 40), true, CERTAIN);
    check(&hello, b"", false, CERTAIN);
    check(&hello[..11], b"", true, CERTAIN);
    // also when the server speaks another language
    check(&hello, b"HTTP/1.1 400 Bad Request\r\n", true, CERTAIN);
    for end in 0..11 {
        check(&hello[..end], b"", true, Verdict::Undecided);
    }
    // in fragments of one byte
    let fragments: Vec<u8> = client_hello_with(&[]).iter().flat_map(|byte| record(22, [*byte])).collect();
    check(&fragments, b"", true, CERTAIN);
    check(&fragments[..30], b"", true, Verdict::Undecided);
}

#[test]
fn a_hello_in_the_form_of_ssl_2() {
    let body = [&[1, 3, 1, 0, 6, 0, 0, 0, 16, 1, 0, 0x80, 0, 0, 0x2f][..], &[6; 16]].concat();
    let hello = [&[0x80, body.len() as u8][..], &body].concat();
    check(&hello, b"", true, LIKELY);
    check(&hello, &record(22, selects(0x0301, 0x2f, None)), true, CERTAIN);
    check(&hello[..8], b"", true, Verdict::Undecided);
    let mut other = hello.clone();
    other[6] = 7;
    check(&other, b"", true, Verdict::No);
}

#[test]
fn the_server_is_who_answers() {
    let (hello, answer) = (client_hello("a.example"), selects13(AES_128_GCM));
    check(&answer, &hello, true, Verdict::No);
    check(b"", &hello, true, Verdict::No);
    check(&answer, b"", false, Verdict::No);
    for serves in [None, Some(false)] {
        let found = detect(&looks(&hello, &answer, serves, true), true).expect("found");
        assert_eq!((found.protocol.name, found.sender_serves), ("tls", Some(false)));
    }
    // encrypted data does not tell
    let found = detect(&looks(&data(100), &data(200), None, false), true).expect("found");
    assert_eq!((found.protocol.name, found.sender_serves), ("tls", None));
}

#[test]
fn the_servers_hello_is_enough() {
    check(b"", &selects13(AES_128_GCM), false, CERTAIN);
    check(&data(60), &selects13(AES_128_GCM), false, CERTAIN);
    check(b"the rest of a hello", &selects13(AES_128_GCM), false, LIKELY);
}

#[test]
fn records_that_follow_each_other() {
    check(&[data(100), data(300)].concat(), b"", false, LIKELY);
    check(b"", &[data(100), data(300)].concat(), false, LIKELY);
    check(b"the rest of a record", &[data(100), data(300)].concat(), false, LIKELY);
    check(&data(100), &data(3000), false, LIKELY);
    check(b"", &data(16_000)[..8192], false, LIKELY);
    check(&[data(0), data(40)].concat(), &finished(), false, LIKELY);
    check(&data(100), b"", false, Verdict::Undecided);
    check(&data(100)[..5], b"the rest of a record", false, Verdict::Undecided);
    check(b"", b"", false, Verdict::Undecided);
    // no connection begins like that
    check(&[data(100), data(300)].concat(), b"", true, Verdict::No);
    // what follows is none
    check(&[data(100), b"and so on".to_vec()].concat(), b"", false, Verdict::No);
    check(&[data(100), data(7)].concat(), b"", false, Verdict::No);
}

#[test]
fn other_protocols_are_not_tls() {
    let others: [(&[u8], &[u8]); 7] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\x04\0\0\0\0\0"),
        (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
        (b"\0\0\0\x08\x04\xd2\x16\x2f", b"S"),
        // MySQL: a packet whose length looks like the beginning of a record
        (b"\x17\x03\x03\x00\x03select 1 from t where a = 2", b"\x16\x03\x03\x01\x05abcdefgh"),
        (b"", b"220 mail.example ESMTP\r\n"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ];
    for (client, server) in others {
        check(client, server, true, Verdict::No);
        let joined = Evidence {
            transport: Transport::Stream,
            to_server: client,
            to_client: server,
            from_start: false,
            server_port: None,
        };
        assert!(!matches!((PROTOCOL.detect)(&joined), Verdict::Yes(_)), "{}", client.escape_ascii());
    }
    check(b"\x16\x03\x01\x00\x03SET", b"", true, Verdict::No);
    let datagram = |p: &&&crate::Protocol| p.transports.contains(&Transport::Datagram) && p.name == "tls";
    assert_eq!(PROTOCOLS.iter().filter(datagram).count(), 0);
}

#[test]
fn no_other_protocol_claims_it() {
    let flight = record(22, flight12().concat());
    let after = [client_flight12(), data(500)].concat();
    let conversations: [(Vec<u8>, Vec<u8>); 6] = [
        (client_hello("a.example"), flight.clone()),
        (client_hello("a.example"), alert(2, 40)),
        (vec![], flight),
        (after, [change_cipher(), finished(), data(2000)].concat()),
        (data(100), vec![]),
        ([data(100), data(200)].concat(), data(3000)),
    ];
    for (to_server, to_client) in &conversations {
        for from_start in [true, false] {
            let evidence = Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None };
            for protocol in PROTOCOLS.iter().filter(|p| p.name != "tls") {
                let verdict = (protocol.detect)(&evidence);
                assert!(!matches!(verdict, Verdict::Yes(_)), "{}: {verdict:?} of {}", protocol.name, to_server.escape_ascii());
            }
        }
    }
}

#[test]
fn it_begins_after_the_words_of_another() {
    assert!(begins(Transport::Stream, &client_hello("a.example")));
    assert!(!begins(Transport::Datagram, &client_hello("a.example")));
    for other in
        [b"STARTTLS\r\n".as_slice(), b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", &selects13(AES_128_GCM), &data(100)]
    {
        assert!(!begins(Transport::Stream, other), "{}", other.escape_ascii());
    }
}

/// Captures of other protocols, cut anywhere, are none.
#[test]
fn what_others_sent_is_not_tls() -> std::io::Result<()> {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let mut looked_at = 0;
    for folder in std::fs::read_dir(captures)? {
        let folder = folder?.path();
        if !folder.is_dir() || folder.ends_with("tls") {
            continue;
        }
        for file in
            std::fs::read_dir(folder)?.map_while(Result::ok).filter(|f| f.path().extension().is_some_and(|e| e == "pcap"))
        {
            let bytes = std::fs::read(file.path())?;
            for at in 0..bytes.len() {
                let evidence = Evidence {
                    transport: Transport::Stream,
                    to_server: &bytes[at..(at + 2000).min(bytes.len())],
                    to_client: b"",
                    from_start: false,
                    server_port: None,
                };
                let verdict = (PROTOCOL.detect)(&evidence);
                assert!(!matches!(verdict, Verdict::Yes(_)), "{} at {at}", file.path().display());
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 10_000, "{looked_at}");
    Ok(())
}

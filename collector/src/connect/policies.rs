//! What the source is told to copy of an encrypted connection, and how it is found behind plain words: events in, policies and
//! tables out.

use std::sync::{Arc, Mutex};

use protocol_parsers::{Moment, Transport, Wanted};

use super::kept::Kept;
use super::{Consumer, Data, Decision, Direction, Endpoint, Event, Opened, PolicyControl, Role};

const KEY: u64 = 7;
const COUNTERS: Decision = Decision { wanted: Wanted::Counters, sent_from: 0, received_from: 0 };

#[derive(Clone, Default)]
struct Policies(Arc<Mutex<Vec<Decision>>>);

impl PolicyControl for Policies {
    fn set(&mut self, key: u64, decision: Decision) -> bool {
        assert_eq!(key, KEY);
        self.0.lock().expect("nobody panicked").push(decision);
        true
    }

    fn forget(&mut self, _: u64) {}
}

/// What a client (true) and its server say; the tables that get rows of it, and the policies that were set.
fn tell(said: &[(bool, &[u8])]) -> (Vec<(&'static str, usize)>, Vec<Decision>) {
    let policies = Policies::default();
    let (mut tracker, kept) = Kept::tracker(Some(Box::new(policies.clone())));
    tracker.event(Event::Opened(Opened {
        key: KEY,
        transport: Transport::Stream,
        local: Endpoint::Inet("10.0.0.1:1000".parse().expect("an address")),
        remote: Endpoint::Inet("10.0.0.2:2000".parse().expect("an address")),
        role: Some(Role::Client),
        from_start: true,
        at_ns: 1,
        host: None,
    }));
    let (mut sent, mut received) = (0, 0);
    for (n, (client, bytes)) in said.iter().enumerate() {
        let (direction, offset) = if *client { (Direction::Sent, &mut sent) } else { (Direction::Received, &mut received) };
        let at = Moment { mono_ns: 1000 + n as u64, thread_id: 0 };
        let len = bytes.len() as u64;
        tracker.event(Event::Data(Data { key: KEY, direction, offset: *offset, len, bytes, at, pid: 0, remote: None }));
        *offset += len;
    }
    tracker.finish_all();
    let policies = policies.0.lock().expect("policies").clone();
    let traffic = kept.counts().into_iter().filter(|(name, _)| name.ends_with("_events") && *name != "lost_events");
    (traffic.collect(), policies)
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn client_hello() -> Vec<u8> {
    record(22, &[&[1, 0, 0, 43, 3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0, 0, 0]].concat())
}

/// Of TLS 1.3.
fn server_hello() -> Vec<u8> {
    record(22, &[&[2, 0, 0, 46, 3, 3][..], &[5; 32], &[0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat())
}

#[test]
fn after_its_handshake_an_encrypted_connection_is_counted_only() {
    let (hello, answer, finished, data) = (client_hello(), server_hello(), record(23, &[1; 53]), record(23, &[2; 900]));
    let handshake: [(bool, &[u8]); 4] = [(true, &hello), (false, &answer), (false, &data), (true, &finished)];
    let (rows, policies) = tell(&handshake[..3]);
    assert_eq!((rows, policies), (vec![("tls_events", 1)], vec![]));
    // told once
    let more: [(bool, &[u8]); 2] = [(false, &data), (true, &data)];
    let (rows, policies) = tell(&[&handshake[..], &more].concat());
    assert_eq!((rows, policies), (vec![("tls_events", 1)], vec![COUNTERS]));
    let plain: [(bool, &[u8]); 2] = [(true, b"GET / HTTP/1.1\r\n\r\n"), (false, b"HTTP/1.1 204 No Content\r\n\r\n")];
    assert_eq!(tell(&plain), (vec![("http_events", 1)], vec![]));
}

#[test]
fn encryption_is_found_behind_plain_words() {
    let (hello, answer, finished) = (client_hello(), server_hello(), record(23, &[1; 53]));
    let encrypted: [(bool, &[u8]); 3] = [(true, &hello), (false, &answer), (true, &finished)];
    // of a protocol that nobody recognises, of one that may still become another, of one that hands over
    let smtp: [(bool, &[u8]); 4] =
        [(false, b"220 mail.example ESMTP\r\n"), (true, b"EHLO a\r\n"), (true, b"STARTTLS\r\n"), (false, b"220 go ahead\r\n")];
    let undecided: [(bool, &[u8]); 1] = [(true, b"PING\r\n")];
    let postgres: [(bool, &[u8]); 2] = [(true, b"\0\0\0\x08\x04\xd2\x16\x2f"), (false, b"S")];
    for words in [&smtp[..], &undecided, &postgres] {
        let (rows, policies) = tell(&[words, &encrypted].concat());
        assert_eq!((rows, policies), (vec![("tls_events", 1)], vec![COUNTERS]), "{words:?}");
    }
}

#[test]
fn the_rest_of_a_large_body_is_not_copied() {
    let request: (bool, &[u8]) = (true, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = |bytes: u64| format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
    let (large, small, part) = (head(10_000_000), head(300_000), vec![b'x'; 200_000]);
    let decisions = |said: &[(bool, &[u8])]| tell(said).1;
    // what a row keeps is copied, and what is small enough
    assert_eq!(decisions(&[request, (false, &large)]), vec![]);
    assert_eq!(decisions(&[request, (false, &small), (false, &part)]), vec![]);
    let received_from = large.len() as u64 + 10_000_000;
    let passed_over = Decision { received_from, ..Decision::default() };
    assert_eq!(decisions(&[request, (false, &large), (false, &part)]), vec![passed_over]);
    // told once
    assert_eq!(decisions(&[request, (false, &large), (false, &part), (false, &part), request]), vec![passed_over]);
    // the sender's direction, by its own offsets
    let upload = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
    let passed_over = Decision { sent_from: upload.len() as u64 + 10_000_000, ..Decision::default() };
    assert_eq!(decisions(&[(true, upload), (true, &part)]), vec![passed_over]);
}

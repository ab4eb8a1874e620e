//! Plaintext finds its connection, or is told to be lost: events in, what the tables say of it out.

use std::sync::Arc;

use protocol_parsers::{Moment, Transport};

use super::kept::Kept;
use super::{
    Closed, Consumer, Data, Direction, End, Endpoint, Event, Evidence, HostSocket, Opened, Plain, Role, Tracker, Unbound,
};

const SERVER: u64 = 7;
const CLIENT: u64 = 8;
const SESSION: u64 = 70;
const REQUEST: &[u8] = b"GET /inside HTTP/1.1\r\nHost: a\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// Longer than plaintext waits for its connection.
const LONG_NS: u64 = 6_000_000_000;

struct Host {
    tracker: Tracker,
    kept: Arc<Kept>,
    now_ns: u64,
}

impl Host {
    fn begin() -> Self {
        let (tracker, kept) = Kept::tracker(None);
        Self { tracker, kept, now_ns: 1 }
    }

    /// One end of the only connection.
    fn open(&mut self, key: u64) {
        let (server, client) = ("10.0.0.1:443", "10.0.0.1:5000");
        let (role, local, remote) = match key {
            SERVER => (Role::Server, server, client),
            _ => (Role::Client, client, server),
        };
        let end = |text: &str| Endpoint::Inet(text.parse().expect("an address"));
        self.tracker.event(Event::Opened(Opened {
            key,
            transport: Transport::Stream,
            local: end(local),
            remote: end(remote),
            role: Some(role),
            from_start: true,
            at_ns: self.now_ns,
            host: Some(HostSocket { netns: 1, socket: key, peer_socket: 0, mirrored: false, pid: 0 }),
        }));
    }

    fn say(&mut self, key: u64, session: u64, direction: Direction, offset: u64, bytes: &[u8]) {
        self.now_ns += 1000;
        let at = Moment { mono_ns: self.now_ns, thread_id: 0 };
        let data = Data { key, direction, offset, len: bytes.len() as u64, bytes, at, pid: 0, remote: None };
        let evidence = if key == 0 { Evidence::None } else { Evidence::Inside };
        self.tracker.event(Event::Plain(Plain { session, evidence, data }));
    }

    /// The socket's directions end, while calls of the TLS library may be under way.
    fn shut(&mut self, key: u64) {
        for direction in [Direction::Received, Direction::Sent] {
            let at = Moment { mono_ns: self.now_ns, thread_id: 0 };
            self.tracker.event(Event::End(End { key, direction, at }));
        }
    }

    fn end(mut self, keys: &[u64]) -> Arc<Kept> {
        for key in keys {
            self.tracker.event(Event::Closed(Closed { key: *key, at_ns: self.now_ns + 1000, totals: None }));
        }
        self.tracker.finish_all();
        self.kept
    }
}

#[test]
fn plaintext_waits_for_its_connection() {
    let mut host = Host::begin();
    host.open(SERVER);
    host.say(0, SESSION, Direction::Received, 0, REQUEST);
    host.say(SERVER, SESSION, Direction::Sent, 0, RESPONSE);
    let kept = host.end(&[SERVER]);
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET"]);
    assert_eq!(kept.known_names("http_events", "confidence"), ["certain"]);
    assert!(kept.known_names("lost_events", "reason").is_empty());
}

/// The object that the first words went through is left for another one, as when a program moves it: nothing more is said by it.
#[test]
fn what_waits_needs_no_further_word_of_its_session() {
    let mut host = Host::begin();
    host.open(SERVER);
    let (first, rest) = REQUEST.split_at(4);
    host.say(0, SESSION, Direction::Received, 0, first);
    host.say(SERVER, SESSION, Direction::Sent, 0, b"");
    host.say(SERVER, SESSION + 1, Direction::Received, 0, rest);
    host.say(SERVER, SESSION + 1, Direction::Sent, 0, RESPONSE);
    let kept = host.end(&[SERVER]);
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET"]);
    assert!(kept.known_names("lost_events", "reason").is_empty());
}

#[test]
fn what_finds_no_connection_in_time_is_lost_and_told() {
    let mut host = Host::begin();
    host.open(SERVER);
    host.say(0, SESSION, Direction::Received, 0, REQUEST);
    host.tracker.tick(host.now_ns + LONG_NS);
    let kept = host.end(&[SERVER]);
    assert!(kept.known_names("http_events", "req_method").is_empty());
    assert_eq!(kept.known_names("lost_events", "reason"), ["no_connection_evidence"]);
    assert_eq!(kept.numbers("lost_events", "bytes"), [REQUEST.len() as i64]);
}

#[test]
fn a_connection_that_nobody_knows_is_a_loss() {
    let mut host = Host::begin();
    host.say(SERVER, SESSION, Direction::Received, 0, REQUEST);
    let kept = host.end(&[]);
    assert_eq!(kept.known_names("lost_events", "reason"), ["connection_unknown"]);
}

#[test]
fn of_two_ends_the_servers_rows_are_told() {
    let mut host = Host::begin();
    host.open(CLIENT);
    host.open(SERVER);
    host.say(CLIENT, SESSION + 1, Direction::Sent, 0, REQUEST);
    host.say(SERVER, SESSION, Direction::Received, 0, REQUEST);
    host.say(SERVER, SESSION, Direction::Sent, 0, RESPONSE);
    host.say(CLIENT, SESSION + 1, Direction::Received, 0, RESPONSE);
    let kept = host.end(&[CLIENT, SERVER]);
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET"]);
    assert_eq!(kept.known_names("http_events", "role"), ["server"]);
}

#[test]
fn a_client_whose_server_stays_unseen_is_told() {
    let mut host = Host::begin();
    host.open(CLIENT);
    host.open(SERVER);
    host.say(CLIENT, SESSION, Direction::Sent, 0, REQUEST);
    host.say(CLIENT, SESSION, Direction::Received, 0, RESPONSE);
    host.tracker.tick(host.now_ns + LONG_NS);
    let kept = host.end(&[CLIENT, SERVER]);
    // by whichever end it is known, the row is the server's
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET"]);
}

#[test]
fn a_session_whose_object_moves_goes_on() {
    let mut host = Host::begin();
    host.open(SERVER);
    for session in [SESSION, SESSION + 1] {
        host.say(SERVER, session, Direction::Received, 0, REQUEST);
        host.say(SERVER, session, Direction::Sent, 0, RESPONSE);
    }
    let kept = host.end(&[SERVER]);
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET", "GET"]);
    assert!(kept.known_names("lost_events", "reason").is_empty());
}

#[test]
fn what_was_written_inside_before_a_reset_is_told_after_it() {
    let mut host = Host::begin();
    host.open(SERVER);
    host.say(SERVER, SESSION, Direction::Received, 0, REQUEST);
    host.tracker.event(Event::Closed(Closed { key: SERVER, at_ns: host.now_ns, totals: None }));
    host.say(SERVER, SESSION, Direction::Sent, 0, RESPONSE);
    host.tracker.tick(host.now_ns + LONG_NS);
    assert_eq!(host.tracker.connections(), 0);
    let kept = host.end(&[]);
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET"]);
    assert!(kept.known_names("lost_events", "reason").is_empty());
}

#[test]
fn what_another_worker_reads_is_waited_for() {
    let (mut host, mut reader) = (Host::begin(), Host::begin());
    let unbound = Unbound::default();
    host.tracker.context.unbound = unbound.elsewhere();
    reader.tracker.context.unbound = unbound.clone();
    host.open(SERVER);
    host.now_ns += 1000;
    // said later, and read first
    host.say(SERVER, SESSION, Direction::Sent, 0, RESPONSE);
    host.tracker.tick(host.now_ns);
    reader.say(0, SESSION, Direction::Received, 0, REQUEST);
    unbound.has_read_until(host.now_ns + 1);
    host.tracker.tick(host.now_ns);
    let kept = host.end(&[SERVER]);
    assert_eq!(kept.known_names("http_events", "req_method"), ["GET"]);
    assert!(kept.known_names("lost_events", "reason").is_empty());
}

/// As a goroutine's write does that was under way when another closed the connection.
#[test]
fn last_words_are_told_after_their_sockets_end() {
    let mut host = Host::begin();
    host.open(SERVER);
    host.say(SERVER, SESSION, Direction::Received, 0, REQUEST);
    host.shut(SERVER);
    host.say(SERVER, SESSION, Direction::Sent, 0, RESPONSE);
    let kept = host.end(&[SERVER]);
    assert_eq!(kept.numbers("http_events", "response_bytes"), [RESPONSE.len() as i64]);
    assert!(kept.known_names("lost_events", "reason").is_empty());
}

/// The client's end stays open: the server's is what ends the response.
#[test]
fn a_response_ends_with_its_direction() {
    let mut host = Host::begin();
    host.open(SERVER);
    host.say(SERVER, SESSION, Direction::Received, 0, REQUEST);
    host.say(SERVER, SESSION, Direction::Sent, 0, b"HTTP/1.0 200 OK\r\n\r\nall of it");
    host.shut(SERVER);
    host.tracker.tick(host.now_ns + LONG_NS);
    host.tracker.flush();
    assert_eq!(host.kept.numbers("http_events", "resp_body_bytes"), ["all of it".len() as i64]);
}

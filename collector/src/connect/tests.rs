//! A wrong guess is corrected: events in, what the tables say of it out.

use std::sync::Arc;

use protocol_parsers::{Moment, Transport};

use super::kept::Kept;
use super::{Closed, Consumer, Data, Direction, Endpoint, Event, Opened, Tracker};

const KEY: u64 = 7;
/// Exchanges that follow the misleading beginning.
const EXCHANGES: usize = 6000;

/// One connection, of which nobody saw who opened it.
struct Talk {
    tracker: Tracker,
    kept: Arc<Kept>,
    sent: u64,
    received: u64,
    now_ns: u64,
}

impl Talk {
    fn begin() -> Self {
        Self::open(true)
    }

    fn open(from_start: bool) -> Self {
        let (mut tracker, kept) = Kept::tracker(None);
        tracker.event(Event::Opened(Opened {
            key: KEY,
            transport: Transport::Stream,
            local: Endpoint::Inet("10.0.0.1:1000".parse().expect("an address")),
            remote: Endpoint::Inet("10.0.0.2:2000".parse().expect("an address")),
            role: None,
            from_start,
            at_ns: 1,
            host: None,
        }));
        Self { tracker, kept, sent: 0, received: 0, now_ns: 1 }
    }

    fn say(&mut self, direction: Direction, bytes: &[u8]) {
        self.now_ns += 1000;
        let offset = match direction {
            Direction::Sent => &mut self.sent,
            Direction::Received => &mut self.received,
        };
        let data = Data {
            key: KEY,
            direction,
            offset: *offset,
            len: bytes.len() as u64,
            bytes,
            at: Moment { mono_ns: self.now_ns, thread_id: 0 },
            pid: 0,
            remote: None,
        };
        *offset += bytes.len() as u64;
        self.tracker.event(Event::Data(data));
    }

    fn end(mut self) -> Arc<Kept> {
        self.tracker.event(Event::Closed(Closed { key: KEY, at_ns: self.now_ns + 1000, totals: None }));
        self.tracker.finish_all();
        self.kept
    }
}

fn name(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_wrong_first_guess_is_corrected_and_told() {
    let mut talk = Talk::begin();
    // an inline command that is a request of HTTP, too
    talk.say(Direction::Sent, b"GET / HTTP/1.0\r\n\r\n");
    talk.say(Direction::Received, b"-ERR wrong number of arguments for 'get' command\r\n");
    for n in 0..EXCHANGES {
        talk.say(Direction::Sent, format!("*2\r\n$3\r\nGET\r\n$8\r\nkey-{n:04}\r\n").as_bytes());
        talk.say(Direction::Received, b"$5\r\nvalue\r\n");
    }
    let kept = talk.end();
    assert_eq!(kept.names("connections", "protocol"), [name("redis")]);
    assert_eq!(kept.names("connections", "protocol_before"), [name("http")]);
    let commands = kept.names("redis_events", "command");
    // all but those that refuted the guess
    assert!(commands.len() > EXCHANGES / 2, "{} rows", commands.len());
    assert!(commands.iter().all(|command| *command == name("GET")));
    assert!(kept.names("redis_events", "confidence").iter().all(|sure| *sure == name("likely")));
}

#[test]
fn who_serves_is_corrected_too() {
    let mut talk = Talk::begin();
    // the end that seems to ask at first is the server
    talk.say(Direction::Received, b"GET / HTTP/1.0\r\n\r\n");
    for n in 0..EXCHANGES {
        talk.say(Direction::Sent, format!("*2\r\n$3\r\nGET\r\n$8\r\nkey-{n:04}\r\n").as_bytes());
        talk.say(Direction::Received, b"$5\r\nvalue\r\n");
    }
    let kept = talk.end();
    assert_eq!(kept.names("connections", "protocol_before"), [name("http")]);
    let ports = kept.names("redis_events", "local_addr");
    // rows of a replay are the server's
    assert!(ports.len() > EXCHANGES / 2 && ports.iter().all(|addr| *addr == name("10.0.0.2")), "{:?}", ports.first());
}

#[test]
fn garbage_behind_a_right_guess_does_not_change_it() {
    let mut talk = Talk::begin();
    talk.say(Direction::Sent, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.say(Direction::Received, b"HTTP/1.1 204 No Content\r\n\r\n");
    for n in 0..EXCHANGES {
        let noise = [0x80 | (n % 97) as u8; 61];
        talk.say(Direction::Sent, &noise);
        talk.say(Direction::Received, &noise);
    }
    let kept = talk.end();
    assert_eq!(kept.names("connections", "protocol"), [name("http")]);
    assert_eq!(kept.names("connections", "protocol_before"), [None]);
    assert_eq!(kept.names("connections", "role"), [name("server")]);
    assert_eq!(kept.names("http_events", "req_method"), [name("GET")]);
}

#[test]
fn joined_inside_something_long_what_follows_it_is_recognised_at_once() {
    let mut talk = Talk::open(false);
    // more than is kept of a connection while it is recognised
    for _ in 0..20 {
        talk.say(Direction::Received, &[0x80; 16 << 10]);
    }
    for n in 0..50 {
        talk.say(Direction::Sent, format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        talk.say(Direction::Received, b"HTTP/1.1 204 No Content\r\n\r\n");
    }
    let kept = talk.end();
    assert_eq!(kept.names("connections", "protocol"), [name("http")]);
    assert_eq!(kept.names("http_events", "req_method").len(), 50);
}

#[test]
fn what_no_protocol_recognises_is_looked_at_now_and_then() {
    let mut talk = Talk::open(false);
    for _ in 0..400 {
        talk.say(Direction::Received, &[0x80; 16 << 10]);
    }
    // too soon after the last of many looks
    talk.say(Direction::Sent, b"GET /soon HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.say(Direction::Received, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.now_ns += 2_000_000_000;
    talk.say(Direction::Sent, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.say(Direction::Received, b"HTTP/1.1 204 No Content\r\n\r\n");
    let kept = talk.end();
    assert_eq!(kept.names("http_events", "req_method"), [name("GET")]);
}

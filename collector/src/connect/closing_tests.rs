//! What comes after a connection's close: events in, what the tables say of it out.

use std::sync::Arc;

use protocol_parsers::{Moment, Transport};

use super::kept::Kept;
use super::{Closed, Consumer, Data, Direction, End, Endpoint, Event, HostSocket, Opened, Role, Tracker};

const KEY: u64 = 7;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const CLOSED_NS: u64 = 5000;
/// Longer than a closed connection waits.
const LONG_NS: u64 = 1_000_000_000;

/// A server on this host that has read a request when its connection is reset.
fn reset() -> (Tracker, Arc<Kept>) {
    let (mut tracker, kept) = Kept::tracker(None);
    let end = |text: &str| Endpoint::Inet(text.parse().expect("an address"));
    tracker.event(Event::Opened(Opened {
        key: KEY,
        transport: Transport::Stream,
        local: end("10.0.0.1:80"),
        remote: end("10.0.0.2:5000"),
        role: Some(Role::Server),
        from_start: true,
        at_ns: 1,
        host: Some(HostSocket { netns: 1, socket: KEY, peer_socket: 0, mirrored: false, pid: 0 }),
    }));
    say(&mut tracker, Direction::Received, REQUEST, CLOSED_NS - 1000);
    tracker.event(Event::Closed(Closed { key: KEY, at_ns: CLOSED_NS, totals: None }));
    (tracker, kept)
}

fn say(tracker: &mut Tracker, direction: Direction, bytes: &[u8], at_ns: u64) {
    let (len, at) = (bytes.len() as u64, Moment { mono_ns: at_ns, thread_id: 0 });
    tracker.event(Event::Data(Data { key: KEY, direction, offset: 0, len, bytes, at, pid: 0, remote: None }));
}

#[test]
fn what_was_sent_before_a_reset_is_told_after_it() {
    let (mut tracker, kept) = reset();
    say(&mut tracker, Direction::Sent, RESPONSE, CLOSED_NS + 1000);
    tracker.tick(CLOSED_NS + LONG_NS);
    assert_eq!(tracker.connections(), 0);
    tracker.finish_all();
    assert_eq!(kept.numbers("http_events", "response_bytes"), [RESPONSE.len() as i64]);
    assert_eq!(kept.known_names("connections", "state"), ["closed"]);
}

#[test]
fn a_request_that_stays_unanswered_is_told_when_nothing_more_can_come() {
    let (mut tracker, kept) = reset();
    // an end that is read after the close
    let at = Moment { mono_ns: CLOSED_NS + 1000, thread_id: 0 };
    tracker.event(Event::End(End { key: KEY, direction: Direction::Received, at }));
    tracker.tick(CLOSED_NS + 2000);
    assert_eq!(tracker.connections(), 1);
    tracker.tick(CLOSED_NS + LONG_NS);
    assert_eq!(tracker.connections(), 0);
    tracker.finish_all();
    assert_eq!(kept.numbers("http_events", "request_bytes"), [REQUEST.len() as i64]);
    assert!(kept.numbers("http_events", "response_bytes").is_empty());
}

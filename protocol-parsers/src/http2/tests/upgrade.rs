//! HTTP/2 after an upgrade of HTTP/1.1.

use super::harness::{DOWN, UP, assert_rows, collect, data, get, ok, preface, settings};
use crate::{Flow, Moment, Output, Parser, Segment, Settings, State, Transport};

const ASK: &str = concat!(
    "POST /up?x HTTP/1.1\r\nHost: h.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
    "HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 4\r\n\r\nbody"
);
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

fn feed(parser: &mut dyn Parser, flow: Flow, bytes: &[u8], ms: u64, portion: usize, seen: &mut dyn Output) {
    let at = Moment { mono_ns: ms * 1_000_000, thread_id: 7 };
    for bytes in bytes.chunks(portion) {
        parser.bytes(Segment { flow, bytes, at, remote: None }, seen);
    }
}

#[test]
fn an_upgrade_is_one_row() {
    let row = concat!(
        "v=2 id=1 method=POST path=/up?x host=h.test qb=body ql=4 status=200 pb=hello pl=5 at=1+3 resp=61 -broken -truncated ",
        "certain"
    );
    for portion in [usize::MAX, 1] {
        for early in [true, false] {
            let mut parser = (crate::http1::PROTOCOL.parser)(&Settings::default(), Transport::Stream, true);
            let mut seen = collect();
            feed(parser.as_mut(), UP, ASK.as_bytes(), 1, portion, &mut seen);
            if early {
                feed(parser.as_mut(), UP, &preface(), 2, portion, &mut seen);
            }
            feed(parser.as_mut(), DOWN, &[SWITCH.as_bytes(), &settings()].concat(), 3, portion, &mut seen);
            assert_eq!(parser.state(), State::HandedOver);
            let mut next = parser.successor().expect("a successor");
            assert_eq!(next.protocol.name, "http2");
            assert!(parser.successor().is_none());
            if !early {
                feed(next.parser.as_mut(), UP, &preface(), 3, portion, &mut seen);
            }
            feed(next.parser.as_mut(), DOWN, &[ok(1, false), data(1, true, b"hello")].concat(), 4, portion, &mut seen);
            feed(next.parser.as_mut(), UP, &get(3, "/3"), 5, portion, &mut seen);
            feed(next.parser.as_mut(), DOWN, &ok(3, true), 6, portion, &mut seen);
            assert_rows(&seen.lines, &[row, "id=3 path=/3 status=200"]);
            assert!(seen.lines[0].contains(r#""upgrade":"h2c""#), "{}", seen.lines[0]);
            assert_eq!(seen.skipped, []);
        }
    }
}

#[test]
fn until_it_is_asked_for_the_successor_is_fed() {
    let mut parser = (crate::http1::PROTOCOL.parser)(&Settings::default(), Transport::Stream, true);
    let mut seen = collect();
    feed(parser.as_mut(), UP, ASK.as_bytes(), 1, usize::MAX, &mut seen);
    feed(parser.as_mut(), DOWN, SWITCH.as_bytes(), 2, usize::MAX, &mut seen);
    feed(parser.as_mut(), UP, &preface(), 3, usize::MAX, &mut seen);
    assert_eq!(parser.waiting_since(), Some(1_000_000));
    feed(parser.as_mut(), DOWN, &[settings(), ok(1, true)].concat(), 4, usize::MAX, &mut seen);
    feed(parser.as_mut(), UP, &get(3, "/3"), 5, usize::MAX, &mut seen);
    parser.close(Moment::default(), &mut seen);
    assert_rows(&seen.lines, &["id=1 path=/up?x status=200", "id=3 path=/3 broken"]);
}

#[test]
fn an_upgrade_that_is_refused_stays_http1() {
    let mut parser = (crate::http1::PROTOCOL.parser)(&Settings::default(), Transport::Stream, true);
    let mut seen = collect();
    feed(parser.as_mut(), UP, ASK.as_bytes(), 1, usize::MAX, &mut seen);
    feed(parser.as_mut(), DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 2, usize::MAX, &mut seen);
    assert_eq!(parser.state(), State::Working);
    assert_rows(&seen.lines, &["v=1.1 path=/up?x status=200 -id"]);
}

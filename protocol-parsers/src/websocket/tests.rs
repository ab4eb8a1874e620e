//! Messages and the rows that they give.

use schema::Row;

use super::detect::detect;
use super::limits::MALFORMED_BYTES_MAX;
use crate::conversation::{Rows, Subject, lines};
use crate::{Confidence, Evidence, Exchange, Flow, Moment, Parser, Segment, Settings, Skipped, State, Transport, Verdict};

const UP: Flow = Flow::ToServer;
const DOWN: Flow = Flow::ToClient;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

static WEBSOCKET: Subject = Subject::new(&super::PROTOCOL, line);

/// Values of the columns, what is remarkable, size; of a row of another table its name.
fn line(row: &dyn Row, exchange: &Exchange<'_>) -> String {
    if row.table().name != "websocket_events" {
        return row.table().name.to_string();
    }
    let values = lines::values(row, lines::readable);
    let mut words: Vec<String> = values.into_iter().map(|value| value.unwrap_or("-".into())).collect();
    for (set, word) in [(exchange.truncated, "truncated"), (exchange.gap_before, "gap"), (exchange.broken, "broken")] {
        words.extend(set.then(|| word.to_string()));
    }
    words.extend(exchange.request_bytes.map(|n| format!("req={n}")));
    words.extend(exchange.response_bytes.map(|n| format!("resp={n}")));
    words.join(" ")
}

fn frame(flow: Flow, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if flow == UP { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(mask_bit | len as u8),
        len @ 126..65_536 => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if flow == UP {
        out.extend_from_slice(&MASK);
        out.extend(payload.iter().enumerate().map(|(n, b)| b ^ MASK[n % 4]));
    } else {
        out.extend_from_slice(payload);
    }
    out
}

fn new(from_start: bool) -> Box<dyn Parser> {
    (super::PROTOCOL.parser)(&Settings::default(), Transport::Stream, from_start)
}

fn feed(parser: &mut dyn Parser, flow: Flow, bytes: &[u8], portion: usize, seen: &mut Rows) {
    for bytes in bytes.chunks(portion) {
        parser.bytes(Segment { flow, bytes, at: Moment::default(), remote: None }, seen);
    }
}

fn run(from_start: bool, steps: &[(Flow, Vec<u8>)], portion: usize) -> Rows {
    let (mut parser, mut seen) = (new(from_start), WEBSOCKET.collect());
    for (flow, bytes) in steps {
        feed(parser.as_mut(), *flow, bytes, portion, &mut seen);
    }
    parser.close(Moment::default(), &mut seen);
    seen
}

/// direction, opcode, payload, text, fragments, compressed, close code and reason.
#[track_caller]
fn check(steps: &[(Flow, Vec<u8>)], rows: &[&str]) {
    for portion in [usize::MAX, 1, 3] {
        let seen = run(true, steps, portion);
        assert_eq!(seen.lines, rows, "in portions of {portion}");
        assert_eq!(seen.skipped, []);
    }
}

#[test]
fn messages_of_every_kind() {
    check(
        &[
            (UP, frame(UP, 0x81, b"hello")),
            (DOWN, frame(DOWN, 0x82, &[0xff; 200])),
            (DOWN, frame(DOWN, 0x89, b"p")),
            (UP, frame(UP, 0x8a, b"p")),
            (UP, frame(UP, 0x81, b"")),
            (UP, frame(UP, 0x88, b"\x03\xe8bye")),
            (DOWN, frame(DOWN, 0x88, b"")),
        ],
        &[
            "to_server text 5 hello 1 false - - req=11",
            "to_client binary 200 - 1 false - - resp=204",
            "to_client ping 1 - 1 false - - resp=3",
            "to_server pong 1 - 1 false - - req=7",
            "to_server text 0  1 false - - req=6",
            "to_server close 5 - 1 false 1000 bye req=11",
            "to_client close 0 - 1 false - - resp=2",
        ],
    );
}

#[test]
fn fragments_with_a_ping_between_them() {
    check(
        &[(UP, [frame(UP, 0x01, b"he"), frame(UP, 0x89, b""), frame(UP, 0x00, b"ll"), frame(UP, 0x80, b"o")].concat())],
        &["to_server ping 0 - 1 false - - req=6", "to_server text 5 hello 3 false - - req=23"],
    );
}

#[test]
fn long_texts_are_cut_and_long_frames_pass_through() {
    let text = "ä".repeat(50_000);
    let seen = run(true, &[(DOWN, frame(DOWN, 0x81, text.as_bytes()))], 1000);
    let kept = "ä".repeat(32 << 10);
    assert_eq!(seen.lines, [format!("to_client text 100000 {kept} 1 false - - truncated resp=100010")]);
    let (mut parser, mut seen) = (new(true), WEBSOCKET.collect());
    feed(parser.as_mut(), DOWN, &[0x82, 127, 0, 0, 0, 0, 10, 0, 0, 0], 10, &mut seen);
    for _ in 0..100 {
        feed(parser.as_mut(), DOWN, &[0; 65_536], 65_536, &mut seen);
    }
    assert!(parser.heap_bytes() < 4 << 10, "{}", parser.heap_bytes());
}

#[test]
fn compressed_texts_refer_to_earlier_ones() {
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut packed = |text: &[u8]| {
        let mut out = Vec::with_capacity(4096);
        deflate.compress_vec(text, &mut out, flate2::FlushCompress::Sync).expect("deflate");
        out.truncate(out.len() - 4);
        out
    };
    let text = b"a text that comes twice, a text that comes twice";
    let (first, second) = (packed(text), packed(text));
    assert!(second.len() < first.len() / 2);
    let lines = run(true, &[(UP, frame(UP, 0xc1, &first)), (UP, frame(UP, 0xc1, &second))], 2).lines;
    let shown = String::from_utf8_lossy(text);
    let row = |payload: &[u8]| format!("to_server text {} {shown} 1 true - - req={}", payload.len(), payload.len() + 6);
    assert_eq!(lines, [row(&first), row(&second)]);
    // without the first one nothing can be told
    let lines = run(false, &[(UP, frame(UP, 0xc1, &second))], usize::MAX).lines;
    assert_eq!(lines, [format!("to_server text {} - 1 true - - req={}", second.len(), second.len() + 6)]);
    let lines = run(true, &[(UP, frame(UP, 0xc1, b"no deflate"))], usize::MAX).lines;
    assert_eq!(lines, ["to_server text 10 - 1 true - - req=16"]);
}

#[test]
fn a_compressed_bomb_is_bounded() {
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(1 << 20);
    deflate.compress_vec(&vec![b'a'; 64 << 20], &mut out, flate2::FlushCompress::Sync).expect("deflate");
    out.truncate(out.len() - 4);
    let (mut parser, mut seen) = (new(true), WEBSOCKET.collect());
    feed(parser.as_mut(), DOWN, &frame(DOWN, 0xc1, &out), usize::MAX, &mut seen);
    assert!(parser.heap_bytes() < 256 << 10, "{}", parser.heap_bytes());
    assert_eq!(seen.lines.len(), 1);
}

#[test]
fn losses() {
    // within a payload
    let mut parser = new(true);
    let mut seen = WEBSOCKET.collect();
    feed(parser.as_mut(), DOWN, &frame(DOWN, 0x81, b"0123456789")[..6], 6, &mut seen);
    parser.unseen(DOWN, 6, Moment::default(), &mut seen);
    feed(parser.as_mut(), DOWN, &frame(DOWN, 0x81, b"next"), 99, &mut seen);
    assert_eq!(
        seen.lines,
        ["to_client text 10 0123 1 false - - truncated resp=12", "to_client text 4 next 1 false - - resp=6"]
    );
    // beyond it
    seen.lines.clear();
    feed(parser.as_mut(), DOWN, &frame(DOWN, 0x81, b"0123456789")[..6], 6, &mut seen);
    parser.unseen(DOWN, 100, Moment::default(), &mut seen);
    feed(parser.as_mut(), DOWN, b"rest of a frame", 99, &mut seen);
    feed(parser.as_mut(), DOWN, &frame(DOWN, 0x81, b"next"), 99, &mut seen);
    feed(parser.as_mut(), DOWN, &frame(DOWN, 0x81, b"cut")[..4], 99, &mut seen);
    parser.close(Moment::default(), &mut seen);
    let rows = [
        "to_client text 4 0123 1 false - - truncated resp=6",
        "to_client text 4 next 1 false - - gap resp=6",
        "to_client text 2 cu 1 false - - truncated broken resp=4",
    ];
    assert_eq!(seen.lines, rows);
    assert_eq!(seen.skipped, [(Skipped::Gap, 0, 15)]);
}

#[test]
fn what_is_no_frame() {
    // in step, it is another protocol
    let (mut parser, mut seen) = (new(true), WEBSOCKET.collect());
    feed(parser.as_mut(), UP, &frame(DOWN, 0x81, b"not masked"), 99, &mut seen);
    assert_eq!(parser.state(), State::NotMine);
    assert_eq!(seen.skipped, [(Skipped::Malformed, 0, 12)]);
    // out of step, it is passed over, but not for ever
    let (mut parser, mut seen) = (new(false), WEBSOCKET.collect());
    feed(parser.as_mut(), UP, &frame(UP, 0x81, b"ok"), 99, &mut seen);
    feed(parser.as_mut(), UP, &frame(DOWN, 0x81, b"not masked"), 99, &mut seen);
    feed(parser.as_mut(), UP, &frame(UP, 0x81, b"ok"), 99, &mut seen);
    assert_eq!(seen.lines, ["to_server text 2 ok 1 false - - req=8", "to_server text 2 ok 1 false - - gap req=8"]);
    assert_eq!(parser.state(), State::Working);
    for _ in 0..=MALFORMED_BYTES_MAX / 1000 {
        feed(parser.as_mut(), UP, &[0x77; 1000], 1000, &mut seen);
    }
    assert_eq!(parser.state(), State::NotMine);
}

#[test]
fn an_upgrade_leads_here() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let ask = format!("GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n\r\n");
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
    for portion in [usize::MAX, 1] {
        let mut parser = (crate::http1::PROTOCOL.parser)(&Settings::default(), Transport::Stream, true);
        let mut seen = WEBSOCKET.collect();
        feed(parser.as_mut(), UP, ask.as_bytes(), portion, &mut seen);
        feed(parser.as_mut(), UP, &frame(UP, 0x81, b"early"), portion, &mut seen);
        feed(parser.as_mut(), DOWN, &[answer.as_bytes(), &frame(DOWN, 0x81, b"hi")].concat(), portion, &mut seen);
        assert_eq!(parser.state(), State::HandedOver);
        let mut next = parser.successor().expect("a successor");
        assert_eq!(next.protocol.name, "websocket");
        feed(next.parser.as_mut(), UP, &frame(UP, 0x81, b"late"), portion, &mut seen);
        let rows = [
            "http_events",
            "to_server text 5 early 1 false - - req=11",
            "to_client text 2 hi 1 false - - resp=4",
            "to_server text 4 late 1 false - - req=10",
        ];
        assert_eq!(seen.lines, rows);
    }
}

#[test]
fn detection_asks_for_much() {
    let verdict = |from_start, to_server: &[u8], to_client: &[u8]| {
        detect(&Evidence { transport: Transport::Stream, to_server, to_client, from_start, server_port: None })
    };
    let texts: Vec<u8> = (0..3).flat_map(|_| frame(UP, 0x81, b"{\"price\":17}")).collect();
    assert_eq!(verdict(false, &texts, b""), Verdict::Yes(Confidence::Likely));
    assert_eq!(verdict(false, &texts, &frame(DOWN, 0x81, b"ok")), Verdict::Yes(Confidence::Likely));
    assert_eq!(verdict(false, &texts[..20], b""), Verdict::Undecided);
    assert_eq!(verdict(true, &texts, b""), Verdict::No);
    assert_eq!(verdict(false, &texts, b"HTTP/1.1 200 OK\r\n"), Verdict::No);
    assert_eq!(verdict(false, b"", &texts), Verdict::No, "the other end is the client");
    for other in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), b"\x16\x03\x01\x02\0", b"*1\r\n$4\r\nPING\r\n", &[0; 100], &[0xff; 100]]
    {
        assert_eq!(verdict(false, other, b""), Verdict::No, "{}", other.escape_ascii());
    }
}

#[test]
fn damaged_conversations_do_not_panic() {
    let good =
        [frame(UP, 0x01, b"he"), frame(UP, 0x80, b"llo"), frame(UP, 0xc1, &[1, 2, 3]), frame(UP, 0x88, b"\x03\xe8")].concat();
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] ^= 1 << (state >> 60 & 7);
            bytes.truncate(bytes.len() - (state >> 40) as usize % 4);
        }
        run(state & 1 == 0, &[(UP, bytes)], 1 + (state >> 50) as usize % 9);
    }
}

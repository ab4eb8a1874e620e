//! How TCP connections begin, and data that comes as it should or twice.

use super::build::{ACK, FIN, PSH, Pcap, RST, SYN, down, handshake, pcap, up};
use super::{check, told};

const OPEN: &str = "open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000 server from start";
const JOINED: &str = "open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000";
const DATA: u8 = ACK | PSH;

#[track_caller]
fn check_after_handshake(frames: &[Vec<u8>], expected: &[&str]) {
    check(&pcap(&[&handshake(1000, 5000)[..], frames].concat()), &[&[OPEN], expected, &["close 1"]].concat());
}

#[test]
fn request_and_answer() {
    check_after_handshake(
        &[up(DATA, 1000, 5000, b"ping"), down(DATA, 5000, 1004, b"pong"), up(DATA, 1004, 5004, b"more")],
        &["data 1 Received 0+4 ping", "data 1 Sent 0+4 pong", "data 1 Received 4+4 more"],
    );
}

#[test]
fn the_answer_to_a_syn_tells_who_serves_too() {
    let frames = [
        down(SYN | ACK, 4999, 1000, b""),
        down(DATA, 5000, 1000, b"hello"),
        up(DATA, 1004, 5005, b"later"),
        up(DATA, 1000, 5005, b"soon"),
    ];
    let data = ["data 1 Sent 0+5 hello", "data 1 Received 0+4 soon", "data 1 Received 4+5 later"];
    check(&pcap(&frames), &[&[OPEN], &data[..], &["close 1"]].concat());
}

#[test]
fn a_handshake_without_the_answer_still_tells_where_the_answerer_begins() {
    let frames =
        [up(SYN, 999, 0, b""), up(ACK, 1000, 5000, b""), down(DATA, 5003, 1000, b"lo"), down(DATA, 5000, 1000, b"hel")];
    check(&pcap(&frames), &[OPEN, "data 1 Sent 0+3 hel", "data 1 Sent 3+2 lo", "close 1"]);
}

#[test]
fn repeated_handshakes_change_nothing() {
    let [syn, syn_ack, ack] = handshake(1000, 5000);
    let frames = [
        syn.clone(),
        syn.clone(),
        syn_ack.clone(),
        syn_ack.clone(),
        ack,
        up(DATA, 1000, 5000, b"ping"),
        syn_ack,
        syn,
        down(DATA, 5000, 1004, b"pong"),
    ];
    check(&pcap(&frames), &[OPEN, "data 1 Received 0+4 ping", "data 1 Sent 0+4 pong", "close 1"]);
}

#[test]
fn data_on_the_syn_is_data() {
    let frames = [up(SYN, 999, 0, b"fast"), down(SYN | ACK, 4999, 1004, b""), up(DATA, 1000, 5000, b"fast open")];
    check(&pcap(&frames), &[OPEN, "data 1 Received 0+4 fast", "data 1 Received 4+5  open", "close 1"]);
}

#[test]
fn a_connection_joined_in_its_midst_begins_with_its_first_data() {
    let frames = [
        up(ACK, 77, 88, b""),
        up(FIN | ACK, 77, 88, b""),
        up(RST, 77, 88, b""),
        down(DATA, 5000, 1004, b"pong"),
        up(DATA, 1004, 5004, b"ping"),
        // Sent before what was seen first.
        down(DATA, 4990, 1004, b"before the pong"),
    ];
    check(
        &pcap(&frames),
        &[
            "open 1 Stream 10.0.0.1:4000 - 10.0.0.2:80",
            "data 1 Received 0+4 pong",
            "data 1 Sent 0+4 ping",
            "lost before_start 10",
            "data 1 Received 4+1 g",
            "close 1",
        ],
    );
}

#[test]
fn probes_are_not_data() {
    check_after_handshake(
        &[
            up(DATA, 1000, 5000, b"ping"),
            up(ACK, 1003, 5000, b"\0"),
            up(ACK, 1003, 5000, b""),
            down(ACK, 4999, 1004, b"\0"),
            // A window of zero is probed with the next byte, which comes again.
            up(ACK, 1004, 5000, b"m"),
            up(DATA, 1004, 5000, b"more"),
        ],
        &["data 1 Received 0+4 ping", "data 1 Received 4+1 m", "data 1 Received 5+3 ore"],
    );
    let frames = [up(ACK, 999, 5000, b"\0"), down(ACK, 5000, 1000, b""), up(DATA, 1000, 5000, b"ping")];
    check(&pcap(&frames), &[JOINED, "data 1 Received 0+4 ping", "close 1"]);
}

#[test]
fn what_comes_twice_is_told_once() {
    check_after_handshake(
        &[
            up(DATA, 1000, 5000, b"abcd"),
            up(DATA, 1000, 5000, b"abcd"),
            up(DATA, 1000, 5000, b"ab"),
            up(DATA, 1002, 5000, b"XXefgh"),
            up(DATA, 1000, 5000, b"XXXXXXXXij"),
        ],
        &["data 1 Received 0+4 abcd", "data 1 Received 4+4 efgh", "data 1 Received 8+2 ij"],
    );
}

#[test]
fn what_comes_early_waits_and_the_first_of_overlapping_parts_is_kept() {
    check_after_handshake(
        &[
            up(DATA, 1006, 5000, b"gh"),
            up(DATA, 1002, 5000, b"cd"),
            up(DATA, 1001, 5000, b"XXXX"),
            up(DATA, 1005, 5000, b"fXXi"),
            up(DATA, 1000, 5000, b"aYYYYYYYYj"),
        ],
        &[
            "data 1 Received 0+1 a",
            "data 1 Received 1+1 X",
            "data 1 Received 2+2 cd",
            "data 1 Received 4+1 X",
            "data 1 Received 5+1 f",
            "data 1 Received 6+2 gh",
            "data 1 Received 8+1 i",
            "data 1 Received 9+1 j",
        ],
    );
}

#[test]
fn what_waited_is_told_when_the_receiver_could_read_it() {
    let frames = [up(DATA, 1002, 5000, b"cd"), up(DATA, 1000, 5000, b"ab")];
    let notes = told(&pcap(&[&handshake(1000, 5000)[..], &frames].concat()));
    assert_eq!(notes.times, [5_000_000, 5_000_000]);
}

#[test]
fn sequence_numbers_wrap() {
    let start = u32::MAX - 2;
    let frames = [
        up(DATA, start.wrapping_add(4), 5000, b"efgh"),
        up(DATA, start, 5000, b"abcd"),
        up(DATA, start.wrapping_add(2), 5000, b"XXXXXXij"),
    ];
    let notes = told(&pcap(&[&handshake(start, 5000)[..], &frames].concat()));
    assert_eq!(notes.said[&(1, false)], b"abcdefghij");
}

#[test]
fn offsets_go_on_beyond_four_gibibytes() {
    let mut file = Pcap::new(1);
    for frame in handshake(0, 5000) {
        file.add(&frame);
    }
    // Each acknowledged leap is a hole of half a gibibyte.
    for i in 1..=10_u32 {
        file.add(&up(DATA, i.wrapping_mul(1 << 29), 5000, b"x"));
        file.add(&down(DATA, 4999 + i, i.wrapping_mul(1 << 29).wrapping_add(1), b"y"));
    }
    let mut notes = Positions::default();
    super::tell_to(&mut notes, &file.bytes).unwrap();
    assert_eq!(notes.0, (1..=10).map(|i| i << 29).collect::<Vec<u64>>());
}

/// Keeps only where received data stands.
#[derive(Default)]
struct Positions(Vec<u64>);

impl super::Consumer for Positions {
    fn event(&mut self, event: super::Event<'_>) {
        if let super::Event::Data(data) = event
            && data.direction == super::Direction::Received
        {
            self.0.push(data.offset);
        }
    }

    fn lost(&mut self, _: &'static str, _: &'static str, _: u64, _: u64) {}
}

#[test]
fn both_ends_may_open_at_once() {
    let frames = [
        up(SYN, 999, 0, b""),
        down(SYN, 4999, 0, b""),
        up(SYN | ACK, 999, 5000, b""),
        down(SYN | ACK, 4999, 1000, b""),
        up(DATA, 1000, 5000, b"a"),
        down(DATA, 5000, 1001, b"b"),
    ];
    check(&pcap(&frames), &[OPEN, "data 1 Received 0+1 a", "data 1 Sent 0+1 b", "close 1"]);
}

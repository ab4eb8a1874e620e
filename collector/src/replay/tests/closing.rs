//! How TCP connections end, and what comes after.

use super::build::{ACK, FIN, PSH, Pcap, RST, SYN, down, handshake, pcap, up};
use super::{check, told};

const OPEN: &str = "open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000 server from start";
const DATA: u8 = ACK | PSH;

#[track_caller]
fn check_after_handshake(frames: &[Vec<u8>], expected: &[&str]) {
    check(&pcap(&[&handshake(1000, 5000)[..], frames].concat()), &[&[OPEN], expected].concat());
}

#[test]
fn each_end_is_told_after_its_data() {
    check_after_handshake(
        &[
            up(FIN | ACK, 1004, 5000, b"efgh"),
            up(DATA, 1000, 5000, b"abcd"),
            down(DATA, 5000, 1009, b"answer"),
            up(ACK, 1009, 5006, b""),
            down(FIN | ACK, 5006, 1009, b"!"),
            up(ACK, 1009, 5008, b""),
            // Both come again.
            up(FIN | ACK, 1008, 5000, b""),
            down(FIN | ACK, 5006, 1009, b"!"),
        ],
        &[
            "data 1 Received 0+4 abcd",
            "data 1 Received 4+4 efgh",
            "end 1 Received",
            "data 1 Sent 0+6 answer",
            "data 1 Sent 6+1 !",
            "end 1 Sent",
            "close 1",
        ],
    );
}

#[test]
fn bytes_after_the_end_are_none() {
    check_after_handshake(
        &[up(FIN | ACK, 1000, 5000, b"ab"), up(DATA, 1000, 5000, b"abcd"), up(FIN | ACK, 1004, 5000, b"")],
        &["data 1 Received 0+2 ab", "end 1 Received", "close 1"],
    );
}

#[test]
fn a_reset_closes_after_what_waits() {
    check_after_handshake(
        &[
            up(DATA, 1000, 5000, b"ab"),
            up(DATA, 1004, 5000, b"ef"),
            down(RST | ACK, 5000, 1002, b""),
            // On their way when the other end gave up: one seen before, one not.
            up(DATA, 1000, 5000, b"ab"),
            up(DATA, 1006, 5000, b"gh"),
            down(ACK, 5000, 1002, b""),
        ],
        &["data 1 Received 0+2 ab", "data 1 Received 4+2 ef", "close 1", "lost after_close 2"],
    );
}

#[test]
fn a_reset_from_elsewhere_is_not_believed() {
    check_after_handshake(
        &[up(DATA, 1000, 5000, b"ab"), up(RST, 0x9000_0000, 5000, b""), up(DATA, 1002, 5000, b"cd")],
        &["data 1 Received 0+2 ab", "data 1 Received 2+2 cd", "close 1"],
    );
}

#[test]
fn a_connection_that_goes_on_after_its_close_is_followed_again() {
    let mut frames = handshake(1000, 5000).to_vec();
    frames.push(up(RST | ACK, 1000, 5000, b""));
    frames.extend((0..66).map(|i| up(DATA, 1000 + i, 5000, b"x")));
    let lines = told(&pcap(&frames)).lines;
    assert_eq!(lines.iter().filter(|line| *line == "lost after_close 1").count(), 64);
    assert_eq!(
        lines[66..],
        ["open 2 Stream 10.0.0.2:80 - 10.0.0.1:4000", "data 2 Received 0+1 x", "data 2 Received 1+1 x", "close 2"]
    );
}

#[test]
fn a_refused_connection_opens_and_closes() {
    let frames = [up(SYN, 999, 0, b""), down(RST | ACK, 0, 1000, b"")];
    check(&pcap(&frames), &[OPEN, "close 1"]);
}

#[test]
fn another_syn_between_the_same_ends_is_another_connection() {
    let again = "open 2 Stream 10.0.0.2:80 - 10.0.0.1:4000 server from start";
    let first = [up(DATA, 1000, 5000, b"one"), up(DATA, 1005, 5000, b"x")];
    let second = [&handshake(70_000, 90_000)[..], &[up(DATA, 70_000, 90_000, b"two")]].concat();
    let lines = ["data 1 Received 0+3 one", "data 1 Received 5+1 x", "close 1", again, "data 2 Received 0+3 two", "close 2"];
    check_after_handshake(&[&first[..], &second].concat(), &lines);

    // After a close.
    let close = [up(DATA, 1000, 5000, b"one"), up(FIN | ACK, 1003, 5000, b""), down(FIN | ACK, 5000, 1004, b"")];
    let lines =
        ["data 1 Received 0+3 one", "end 1 Received", "end 1 Sent", "close 1", again, "data 2 Received 0+3 two", "close 2"];
    check_after_handshake(&[&close[..], &second].concat(), &lines);

    // Only the answer to the second SYN was captured.
    let lines = ["data 1 Received 0+3 one", "data 1 Received 5+1 x", "close 1", again, "data 2 Received 0+3 two", "close 2"];
    check_after_handshake(&[&first[..], &second[1..]].concat(), &lines);

    // The first was joined in its midst.
    let frames = [&first[..1], &second].concat();
    let lines = ["open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000", "data 1 Received 0+3 one", "close 1"];
    check(&pcap(&frames), &[&lines[..], &[again, "data 2 Received 0+3 two", "close 2"]].concat());
}

#[test]
fn another_connection_without_its_syn_is_found_out() {
    let mut frames = handshake(1000, 5000).to_vec();
    frames.push(up(DATA, 1000, 5000, b"one"));
    frames.extend((0..18).map(|i| up(DATA, 0x9000_0000 + i, 7, b"x")));
    let lines = told(&pcap(&frames)).lines;
    assert_eq!(lines.iter().filter(|line| *line == "lost out_of_window 1").count(), 16);
    assert_eq!(
        lines[18..],
        ["close 1", "open 2 Stream 10.0.0.2:80 - 10.0.0.1:4000", "data 2 Received 0+1 x", "data 2 Received 1+1 x", "close 2"]
    );
}

#[test]
fn a_silent_connection_is_closed_at_its_last_packet() {
    let mut file = Pcap::new(1);
    for frame in handshake(1000, 5000) {
        file.add(&frame);
    }
    file.add(&up(DATA, 1000, 5000, b"ab"));
    file.at_us += 3_600_000_000;
    file.add(&up(DATA, 1002, 5000, b"cd"));
    let joined = "open 2 Stream 10.0.0.2:80 - 10.0.0.1:4000";
    let lines = [OPEN, "data 1 Received 0+2 ab", "close 1", joined, "data 2 Received 0+2 cd", "close 2"];
    check(&file.bytes, &lines);
}

#[test]
fn times_that_go_backwards_are_taken_as_they_are() {
    let mut file = Pcap::new(1);
    for (at_us, frame) in [(9_000_000, up(DATA, 1, 1, b"a")), (1_000, up(DATA, 2, 1, b"b")), (8_000_000, up(DATA, 3, 1, b"c"))]
    {
        file.at_us = at_us;
        file.add(&frame);
    }
    assert_eq!(told(&file.bytes).said[&(1, false)], b"abc");
}

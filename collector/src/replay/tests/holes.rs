//! Bytes that were sent but not captured.

use super::build::{ACK, FIN, PSH, Pcap, down, handshake, pcap, up};
use super::{check, told};

const OPEN: &str = "open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000 server from start";
const DATA: u8 = ACK | PSH;

#[track_caller]
fn check_after_handshake(frames: &[Vec<u8>], expected: &[&str]) {
    check(&pcap(&[&handshake(1000, 5000)[..], frames].concat()), &[&[OPEN], expected, &["close 1"]].concat());
}

#[test]
fn an_answer_shows_that_a_hole_will_not_be_filled() {
    check_after_handshake(
        &[
            up(DATA, 1000, 5000, b"one"),
            up(DATA, 1010, 5000, b"three"),
            down(DATA, 5000, 1003, b"first"),
            down(DATA, 5005, 1015, b"third"),
            // Too late.
            up(DATA, 1003, 5000, b"two two"),
            up(DATA, 1015, 5000, b"four"),
        ],
        &[
            "data 1 Received 0+3 one",
            "data 1 Sent 0+5 first",
            "data 1 Received 10+5 three",
            "data 1 Sent 5+5 third",
            "data 1 Received 15+4 four",
        ],
    );
}

#[test]
fn a_request_after_a_lost_one_is_told_before_its_answer() {
    check_after_handshake(
        &[
            down(DATA, 5000, 1010, b"answer to what was lost"),
            up(DATA, 1010, 5023, b"request"),
            down(DATA, 5023, 1017, b"answer"),
        ],
        &["data 1 Sent 0+23 answer to what was lost", "data 1 Received 10+7 request", "data 1 Sent 23+6 answer"],
    );
}

#[test]
fn an_acknowledgement_may_come_before_its_bytes() {
    check_after_handshake(
        &[up(DATA, 1002, 5000, b"cd"), down(ACK, 5000, 1004, b""), up(DATA, 1000, 5000, b"ab")],
        &["data 1 Received 0+2 ab", "data 1 Received 2+2 cd"],
    );
}

#[test]
fn an_acknowledged_hole_is_given_up_after_a_second() {
    let mut file = Pcap::new(1);
    for frame in handshake(1000, 5000) {
        file.add(&frame);
    }
    file.add(&up(DATA, 1002, 5000, b"cd"));
    file.add(&down(ACK, 5000, 1004, b""));
    file.at_us += 1_000_000;
    file.add(&down(ACK, 5000, 1004, b""));
    file.add(&up(DATA, 1000, 5000, b"ab"));
    check(&file.bytes, &[OPEN, "data 1 Received 2+2 cd", "close 1"]);
    assert_eq!(told(&file.bytes).times, [4_000_000], "since when it was seen");
}

#[test]
fn an_acknowledged_hole_is_given_up_when_much_more_is_acknowledged() {
    let mut file = Pcap::new(1);
    for frame in handshake(1000, 5000) {
        file.add(&frame);
    }
    let block = [b'x'; 32 << 10];
    let mut ends = Vec::new();
    for i in 0..9_u32 {
        file.add(&up(DATA, 1001 + (i << 15), 5000, &block));
        file.add(&down(ACK, 5000, 1001 + ((i + 1) << 15), b""));
        ends.push(file.bytes.len());
    }
    let held = |end: usize| super::replay_bytes(&file.bytes[..end]).0.lines;
    // What is held is told at the end of the file in any case: the data that comes after tells when it was.
    let late = [&file.bytes[..ends[6]], &frame_bytes(&up(DATA, 1000, 5000, b"y"))].concat();
    assert!(told(&late).lines[1].starts_with("data 1 Received 0+1 y"));
    let late = [&file.bytes[..ends[8]], &frame_bytes(&up(DATA, 1000, 5000, b"y"))].concat();
    assert!(told(&late).lines[1].starts_with("data 1 Received 1+32768 x"));
    assert_eq!(held(ends[8]).len(), 1 + 9 + 1);
}

/// A frame with its header in a file.
fn frame_bytes(frame: &[u8]) -> Vec<u8> {
    pcap(&[frame.to_vec()]).split_off(24)
}

#[test]
fn bytes_after_a_hole_are_limited() {
    let mut file = Pcap::new(1);
    for frame in handshake(1000, 5000) {
        file.add(&frame);
    }
    let block = [b'x'; 32 << 10];
    for i in 0..128_u32 {
        file.add(&up(DATA, 1001 + (i << 15), 5000, &block));
    }
    file.add(&up(DATA, 1000, 5000, b"too late"));
    let notes = told(&file.bytes);
    let said = &notes.said[&(1, false)];
    assert_eq!((said.len(), said[0], said[1]), (1 + (4 << 20), b'_', b'x'));
}

#[test]
fn what_waits_behind_a_hole_is_told_when_the_file_ends() {
    check_after_handshake(
        &[up(DATA, 1004, 5000, b"efgh"), up(DATA, 1010, 5000, b"kl")],
        &["data 1 Received 4+4 efgh", "data 1 Received 10+2 kl"],
    );
}

#[test]
fn missing_bytes_before_the_end_are_told_as_unseen() {
    check_after_handshake(
        &[up(DATA, 1000, 5000, b"abcd"), up(FIN | ACK, 1010, 5000, b""), down(FIN | ACK, 5000, 1011, b"")],
        &["data 1 Received 0+4 abcd", "data 1 Received 4+6 ", "end 1 Received", "end 1 Sent"],
    );
}

#[test]
fn cut_segments_wait_too() {
    let mut file = Pcap::new(1);
    for frame in handshake(1000, 5000) {
        file.add(&frame);
    }
    let headers = 14 + 24 + 32;
    file.add_cut(&up(DATA, 1004, 5000, b"efgh"), headers + 2);
    file.add_cut(&up(DATA, 1000, 5000, b"abcdef"), headers + 5);
    file.add(&up(DATA, 1006, 5000, b"XXij"));
    let lines = ["data 1 Received 0+4 abcd", "data 1 Received 4+4 ef", "data 1 Received 8+2 ij"];
    check(&file.bytes, &[&[OPEN], &lines[..], &["close 1"]].concat());
}

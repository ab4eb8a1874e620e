//! Connections joined in the middle, with holes, and under limits.

use super::harness::{
    DOWN, Step, UP, assert_rows, check, check_damaged, data, down, frame, get, headers, ok, post, preface, run, settings, up,
};
use crate::http2::frame as f;
use crate::http2::limits::{HEADER_BLOCK_BYTES_MAX, MALFORMED_BYTES_MAX};
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};
use crate::{Skipped, State};

#[test]
fn joined_between_frames() {
    check_damaged(
        false,
        &[up(&[get(7, "/7")]), down(&[ok(5, true), ok(7, true)]), Step::Close],
        &["id=5 -method -path -ql -req status=200 likely at=2", "id=7 at=1+1 path=/7 status=200 likely -truncated -gap"],
        &[],
    );
    // the trailers of a response that began before
    check_damaged(
        false,
        &[down(&[headers(5, true, &[("grpc-status", "0")]), ok(9, true)])],
        &[r#"id=5 -status -ph -pl grpc_status=0 pt={"grpc-status":"0"}"#, "id=9"],
        &[],
    );
}

#[test]
fn joined_within_a_frame() {
    let rest = b"the rest of a body \0\0\0\0 with what may be \0\0\x08\x06\0 a frame";
    let steps = [
        up(&[rest.to_vec(), get(7, "/7"), get(9, "/9")]),
        down(&[rest.to_vec(), data(5, true, b"of one that began before"), ok(7, true)]),
        down(&[ok(9, true)]),
    ];
    let n = rest.len() as u64;
    check_damaged(
        false,
        &steps,
        &["id=7 path=/7 status=200 likely", "id=9 path=/9 status=200 likely"],
        &[
            (Skipped::JoinedMidMessage, 0, n),
            (Skipped::JoinedMidMessage, 0, n),
            (Skipped::JoinedMidMessage, 0, 9),
            (Skipped::JoinedMidMessage, 0, 24),
        ],
    );
}

#[test]
fn a_preface_is_the_start_after_all() {
    let steps = [up(&[preface(), get(1, "/")]), down(&[settings(), ok(1, true)])];
    check_damaged(false, &steps, &["path=/ status=200 likely"], &[]);
}

#[test]
fn bytes_not_seen_in_a_body_are_counted() {
    let mut body = data(1, true, &[b'x'; 1000]);
    body.truncate(9 + 100);
    check(
        &[up(&[get(1, "/")]), down(&[ok(1, false), body]), Step::Unseen(DOWN, 900), up(&[get(3, "/3")]), down(&[ok(3, true)])],
        &["pl=1000 truncated at=3+2 resp=1056 -gap certain", "id=3 -gap certain"],
    );
    // a whole frame that tells nothing
    let ping = frame(f::PING, 0, 0, &[1; 8]);
    check(
        &[up(&[get(1, "/")]), down(&[settings()[..9].to_vec()]), Step::Unseen(DOWN, 6), down(&[ping, ok(1, true)])],
        &["status=200 -gap certain"],
    );
}

#[test]
fn after_a_gap_the_next_frames_count() {
    let steps = [
        up(&[preface(), get(1, "/1"), get(3, "/3")]),
        down(&[settings(), ok(1, false), data(1, false, b"half")]),
        Step::Unseen(DOWN, 500),
        down(&[b"some rest".to_vec(), ok(3, false), data(3, true, b"whole")]),
        up(&[get(5, "/5")]),
        down(&[ok(5, true)]),
        Step::Close,
    ];
    check_damaged(
        true,
        &steps,
        &[
            "id=3 status=200 pb=whole gap guessed -truncated",
            "id=5 status=200 certain -gap",
            "id=1 status=200 pb=half truncated gap broken guessed",
        ],
        &[(Skipped::Gap, 0, 9)],
    );
}

#[test]
fn streams_whose_end_was_missed_expire() {
    let steps = [
        up(&[preface(), get(1, "/1")]),
        down(&[settings(), ok(1, false), data(1, false, b"half")]),
        Step::Unseen(DOWN, 500),
        Step::Wait(100),
        Step::Expire(50),
    ];
    check_damaged(true, &steps, &["id=1 status=200 pb=half truncated -broken"], &[]);
}

#[test]
fn a_header_block_not_seen_leaves_its_fields_unknown() {
    // an entry is inserted, and used after a gap that may have shifted it
    let insert = [&[0x40, 1, b'x', 1, b'y'][..], &[0x88]].concat();
    let steps = [
        up(&[preface(), get(1, "/1"), get(3, "/3")]),
        down(&[settings(), frame(f::HEADERS, f::END_HEADERS | f::END_STREAM, 1, &insert)]),
        Step::Unseen(DOWN, 30),
        down(&[frame(f::HEADERS, f::END_HEADERS | f::END_STREAM, 3, &[0x88, 0xbe]), frame(f::PING, 0, 0, &[0; 8])]),
    ];
    check_damaged(true, &steps, &[r#"ph={"x":"y"}"#, r#"id=3 status=200 ph={} truncated"#], &[]);
}

#[test]
fn what_is_no_frame_is_passed_over() {
    let junk = vec![0xff; 100];
    let steps = [up(&[preface(), junk.clone(), get(1, "/1"), get(3, "/3")]), down(&[settings(), ok(1, true), ok(3, true)])];
    let got = run(true, &steps, usize::MAX);
    assert_rows(&got.rows.lines, &["id=1 path=/1 gap guessed", "id=3 path=/3 -gap certain"]);
    assert_eq!(got.rows.skipped.iter().map(|s| s.2).sum::<u64>(), 100);
    assert_eq!(got.parser.state(), State::Working);
    let much = vec![up(&[vec![0xff; 1000]]); MALFORMED_BYTES_MAX as usize / 1000 + 1];
    assert_eq!(run(true, &[vec![up(&[preface()])], much].concat(), usize::MAX).parser.state(), State::NotMine);
    assert_eq!(run(false, &[up(&[ok(1, true)])], usize::MAX).parser.state(), State::NotMine, "the roles are swapped");
    assert_eq!(run(false, &[down(&[get(1, "/")])], usize::MAX).parser.state(), State::NotMine, "the roles are swapped");
}

#[test]
fn a_header_block_beyond_the_limit_is_passed_over() {
    let mut steps = vec![up(&[preface(), frame(f::HEADERS, f::END_STREAM, 1, b"\x82")])];
    let part = frame(f::CONTINUATION, 0, 1, &[&[0, 1, b'x', 0x7f, 0xe1, 0x7f][..], &vec![b'v'; 16_352]].concat());
    steps.extend(vec![up(&[part]); 4 * HEADER_BLOCK_BYTES_MAX / 16_000]);
    steps.push(up(&[frame(f::CONTINUATION, f::END_HEADERS, 1, b""), get(3, "/3")]));
    steps.push(down(&[settings(), ok(1, true), ok(3, true)]));
    let got = run(true, &steps, usize::MAX);
    assert_rows(&got.rows.lines, &["id=1 -method -path status=200 truncated", "id=3 path=/3 status=200"]);
    assert!(matches!(got.rows.skipped[..], [(Skipped::OverLimit, 0, _)]), "{:?}", got.rows.skipped);
    assert!(got.heap_bytes_max < 3 * HEADER_BLOCK_BYTES_MAX, "{}", got.heap_bytes_max);
}

#[test]
fn a_small_block_cannot_stand_for_much_memory() {
    let mut block = [&[0x40, 1, b'x', 0x7f, 0xe1, 0x1e][..], &vec![b'v'; 4000]].concat();
    block.extend_from_slice(&vec![0xbe; 12_000]);
    let got = run(true, &[up(&[preface(), frame(f::HEADERS, f::END_HEADERS, 1, &block)])], usize::MAX);
    assert!(got.heap_bytes_max < 1 << 20, "{}", got.heap_bytes_max);
}

#[test]
fn floods_are_bounded() {
    let mut steps = vec![up(&[preface()])];
    for n in 0..2 * PENDING_REQUESTS_MAX as u32 {
        steps.push(up(&[post(2 * n + 1, "/flood"), data(2 * n + 1, false, &[b'b'; 5000])]));
    }
    let mut got = run(true, &steps, usize::MAX);
    assert!(got.heap_bytes_max < 2 * PENDING_BYTES_MAX, "{}", got.heap_bytes_max);
    let lost: u64 = got.rows.skipped.iter().map(|s| s.1).sum();
    got.turn(&Step::Close, || 1);
    assert_eq!(got.rows.lines.len() as u64 + lost, 2 * PENDING_REQUESTS_MAX as u64);
    assert!(got.parser.heap_bytes() < 256 << 10, "{}", got.parser.heap_bytes());
}

#[test]
fn a_frame_that_never_ends_holds_no_memory() {
    for flow in [UP, DOWN] {
        let mut steps = vec![up(&[preface()]), Step::Bytes(flow, vec![0xff, 0xff, 0xff, f::DATA, 0, 0, 0, 0, 1])];
        steps.extend(vec![Step::Bytes(flow, vec![b'a'; 65_536]); 300]);
        let got = run(true, &steps, usize::MAX);
        assert!(got.heap_bytes_max < 256 << 10, "{}", got.heap_bytes_max);
    }
}

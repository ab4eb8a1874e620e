//! Connections joined in the middle, with holes, cut off, and under limits.

use super::harness::{Step, check, check_damaged, request, response, run, state};
use crate::http1::limits::{HEAD_BYTES_MAX, MALFORMED_BYTES_MAX, PLACEHOLDERS_MAX, START_LINE_BYTES_MAX};
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};
use crate::{Flow, Settings, Skipped, State};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /g HTTP/1.1\r\n\r\n";
const UP: Flow = Flow::ToServer;
const DOWN: Flow = Flow::ToClient;

#[test]
fn what_was_not_answered_is_a_row_when_the_connection_ends() {
    check(
        &[request(GET), request("PUT /p HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"), Step::Close],
        &["path=/g -status -ph -pb -pl -resp broken at=1 req=19", "path=/p qb=half ql=4 truncated broken at=2 req=42 -status"],
    );
}

#[test]
fn a_response_cut_off_has_what_came() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    for last in [Step::End(DOWN), Step::Close] {
        check(&[request(GET), response(cut), last], &["status=200 pb=half pl=4 at=1 resp=43 truncated broken"]);
    }
    let steps = [request(GET), response("HTTP/1.1 200 OK\r\nContent-Le"), Step::Close];
    check_damaged(true, &steps, &["path=/g -status broken"], &[(Skipped::Malformed, 0, 27)]);
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n";
    let steps = [request(GET), response(chunks), request(GET), response(OK)];
    let skipped = &[(Skipped::Malformed, 0, 4)];
    check_damaged(true, &steps, &["status=200 pb=half truncated at=1 -broken", "status=200 pb=ok at=3+1"], skipped);
}

#[test]
fn expired_requests_take_their_responses_with_them() {
    check(
        &[
            request("HEAD /old HTTP/1.1\r\n\r\n"),
            Step::Wait(100),
            request("GET /new HTTP/1.1\r\n\r\n"),
            Step::Expire(50),
            response("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            response(OK),
        ],
        &["path=/old -status -resp -broken at=1", "path=/new status=200 pb=ok at=103+3"],
    );
    let mut got = run(&Settings::default(), true, &[request(GET)], 1);
    assert_eq!(got.parser.waiting_since(), Some(1_000_000));
    got.turn(&Step::Expire(0), || 1);
    assert_eq!(got.parser.waiting_since(), None);
    got.turn(&response(OK), || 1);
    got.turn(&Step::Close, || 1);
    assert_eq!(got.rows.lines.len(), 1);
}

#[test]
fn joined_in_the_middle_of_bodies() {
    let steps = [
        response("...rest of a\r\nGET /not HTTP/1.1\r\n"),
        request("and of another\nGET /g HTTP/1.1\r\n\r\n"),
        response("tail HTTP/1.1 200 OK\r\n"),
        response(OK),
        Step::Close,
    ];
    let skipped = &[(Skipped::JoinedMidMessage, 0, 33), (Skipped::JoinedMidMessage, 0, 15), (Skipped::JoinedMidMessage, 0, 22)];
    check_damaged(false, &steps, &["path=/g status=200 likely at=2+2 -gap"], skipped);
}

#[test]
fn joined_before_a_response() {
    let steps = [response(OK), request(GET), response(OK), Step::Close];
    let rows = &["status=200 pb=ok -method -path -qh -ql -req likely at=1", "path=/g status=200 likely"];
    let mut late = steps.to_vec();
    late.insert(1, Step::Wait(60));
    check_damaged(false, &late, rows, &[]);
    // a rest of a line before it is no part of it
    check_damaged(
        false,
        &[response("abc"), response(OK), Step::Close],
        &["status=200 -method"],
        &[(Skipped::JoinedMidMessage, 0, 3)],
    );
}

#[test]
fn bytes_not_seen_in_a_body_are_counted() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
    check(
        &[request(GET), response(head), Step::Unseen(DOWN, 300_000), request(GET), response(OK)],
        &["status=200 -pb pl=300000 resp=300043 at=1+2 -truncated -gap certain", "pb=ok -gap certain -truncated"],
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc";
    check(
        &[request(GET), response(chunked), Step::Unseen(DOWN, 96), response("z\r\n0\r\n\r\n")],
        &["status=200 pb=abc pl=100 at=1+3 truncated -gap"],
    );
    check(
        &[request(GET), response("HTTP/1.1 200 OK\r\n\r\n"), Step::Unseen(DOWN, 7), Step::End(DOWN)],
        &["status=200 -pb pl=7 at=1+2 -truncated -broken"],
    );
    check(
        &[request("PUT /p HTTP/1.1\r\nContent-Length: 9\r\n\r\n"), Step::Unseen(UP, 9), response(OK)],
        &["path=/p -qb ql=9 status=200 at=1+2 -truncated req=47"],
    );
}

#[test]
fn after_a_gap_the_next_start_line_counts() {
    // a response is lost, and the end of one
    let steps = [
        request("GET /1 HTTP/1.1\r\n\r\n"),
        Step::Unseen(DOWN, 100),
        response("of it\r\n"),
        request("GET /2 HTTP/1.1\r\n\r\n"),
        response(OK),
        request("GET /3 HTTP/1.1\r\n\r\n"),
        response(OK),
    ];
    let rows = &["path=/1 -status guessed -broken", "path=/2 status=200 gap guessed", "path=/3 status=200 likely -gap"];
    check_damaged(true, &steps, rows, &[(Skipped::Gap, 0, 7)]);
    // a request is lost
    let steps = [
        request(GET),
        response(OK),
        Step::Unseen(UP, 50),
        response(OK),
        request(GET),
        response(OK),
        request(GET),
        response(OK),
        Step::Close,
    ];
    check_damaged(true, &steps, &["certain", "-method status=200 guessed", "path=/g gap", "path=/g likely -gap"], &[]);
}

#[test]
fn a_gap_in_a_head_or_a_chunk_line_loses_that_message() {
    let steps = [request("GET /lost HTTP/1.1\r\nHo"), Step::Unseen(UP, 9), request(GET), response(OK)];
    check_damaged(true, &steps, &["path=/g status=200 gap"], &[(Skipped::Gap, 1, 22)]);
    let steps = [
        request(GET),
        response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        Step::Unseen(DOWN, 9),
        request(GET),
        response(OK),
    ];
    check_damaged(true, &steps, &["status=200 pb=half at=1 truncated -broken", "status=200 gap"], &[]);
}

#[test]
fn what_is_not_http_is_passed_over() {
    let steps = [request(format!("\x01\x02 junk\r\nmore junk\r\n{GET}")), response(OK)];
    check_damaged(true, &steps, &["path=/g status=200 -gap"], &[(Skipped::Malformed, 0, 20)]);
    assert_eq!(state(&[request("\x01 short\r\n")]), State::Working);
    assert_eq!(state(&[request(vec![1; MALFORMED_BYTES_MAX as usize + 1])]), State::NotMine);
    assert_eq!(state(&[request(OK)]), State::NotMine, "the roles are swapped");
    assert_eq!(state(&[response(GET)]), State::NotMine, "the roles are swapped");
}

#[test]
fn a_head_beyond_the_limit_is_cut() {
    let filler = "x".repeat(2 * HEAD_BYTES_MAX);
    let steps = [request(format!("GET /g HTTP/1.1\r\nHost: h\r\nX: {filler}\r\nY: 1\r\n\r\n")), response(OK)];
    let got = run(&Settings::default(), true, &steps, 1000);
    super::harness::assert_rows(&got.rows.lines, &[r#"path=/g host=h qh={"host":"h"} status=200 req=524327 truncated"#]);
    assert!(matches!(got.rows.skipped[..], [(Skipped::OverLimit, 0, _)]), "{:?}", got.rows.skipped);
    assert!(got.heap_bytes_max < 4 * HEAD_BYTES_MAX, "{}", got.heap_bytes_max);

    let many: String = (0..1000).map(|n| format!("H{n}: {n}\r\n")).collect();
    let got = run(&Settings::default(), true, &[request(format!("GET /g HTTP/1.1\r\n{many}\r\n")), response(OK)], 1000);
    super::harness::assert_rows(&got.rows.lines, &["path=/g status=200 truncated"]);
    assert!(got.rows.lines[0].contains(r#""h511":"511"}"#));
}

#[test]
fn a_line_without_end_holds_no_memory() {
    for flow in [UP, DOWN] {
        let start: &[u8] = if flow == UP { b"GET /" } else { b"HTTP/1.1 200 " };
        let mut steps = vec![Step::Bytes(flow, start.to_vec())];
        steps.extend(vec![Step::Bytes(flow, vec![b'a'; 4096]); 1000]);
        let got = run(&Settings::default(), true, &steps, usize::MAX);
        assert!(got.heap_bytes_max < 3 * START_LINE_BYTES_MAX, "{}", got.heap_bytes_max);
        assert!(got.rows.skipped.iter().all(|s| s.0 == Skipped::OverLimit));
        assert_eq!(got.rows.skipped.iter().map(|s| s.2).sum::<u64>(), (start.len() + 4096 * 1000) as u64);
    }
}

#[test]
fn a_flood_of_requests_is_bounded_and_keeps_its_order() {
    let many = GET.repeat(PENDING_REQUESTS_MAX + 10);
    let mut got = run(&Settings::default(), true, &[request(many)], usize::MAX);
    assert_eq!(got.rows.skipped, [(Skipped::OverLimit, 1, GET.len() as u64); 10]);
    got.turn(&request("GET /last HTTP/1.1\r\n\r\n"), || usize::MAX);
    assert_eq!(got.rows.skipped.len(), 11);
    got.turn(&response(OK.repeat(PENDING_REQUESTS_MAX + 11)), || usize::MAX);
    assert_eq!(got.rows.lines.len(), PENDING_REQUESTS_MAX);
    got.turn(&request("GET /after HTTP/1.1\r\n\r\n"), || usize::MAX);
    got.turn(&response(OK), || usize::MAX);
    assert!(got.rows.lines.last().is_some_and(|l| l.contains("path=/after ql=0 ") || l.contains("path=/after")));
    assert!(got.parser.heap_bytes() < 64 << 10, "{}", got.parser.heap_bytes());
}

#[test]
fn an_endless_flood_of_requests_holds_no_more_memory() {
    let big = format!("POST / HTTP/1.1\r\nX: {}\r\nContent-Length: 2000\r\n\r\n{}", "h".repeat(2000), "b".repeat(2000));
    let mut steps = vec![request(big.repeat(20)); 200];
    steps.extend(vec![request(GET.repeat(1000)); 2 * PLACEHOLDERS_MAX / 1000]);
    let got = run(&Settings::default(), true, &steps, usize::MAX);
    assert!(got.heap_bytes_max < 2 * PENDING_BYTES_MAX, "{}", got.heap_bytes_max);
    let (rows, lost) = (got.rows.lines.len() as u64, got.rows.skipped.iter().map(|s| s.1).sum::<u64>());
    let mut closed = got;
    closed.turn(&Step::Close, || 1);
    let sent = (200 * 20 + 2 * PLACEHOLDERS_MAX / 1000 * 1000) as u64;
    assert_eq!(closed.rows.lines.len() as u64 + lost, sent, "rows before the end: {rows}");
}

//! Streams as they are meant to be.

use super::harness::{DOWN, Step, check, data, down, frame, get, headers, literal, ok, post, reset, up};
use crate::http2::frame as f;

#[test]
fn a_request_and_its_response() {
    check(
        &[up(&[get(1, "/a?b=c")]), down(&[ok(1, false), data(1, true, b"hello")])],
        &[concat!(
            "v=2 id=1 method=GET path=/a?b=c host=h.test status=200 type=text/plain pb=hello pl=5 -qb ql=0 at=3+1 certain ",
            r#"qh={":scheme":"http"} ph={"content-type":"text/plain"} req=69 resp=61 -truncated -broken -gap -error -pt "#,
            "-grpc_service -qm -pm"
        )],
    );
}

#[test]
fn streams_interleave() {
    check(
        &[
            up(&[post(1, "/1"), get(3, "/3"), data(1, false, b"ab")]),
            down(&[ok(3, false), data(3, false, b"x")]),
            up(&[data(1, true, b"cd"), get(5, "/5")]),
            down(&[ok(1, false), data(3, true, b"y"), ok(5, true), data(1, true, b"z")]),
        ],
        &["id=3 path=/3 pb=xy at=3+3", "id=5 path=/5 -pb pl=0 at=5+1", "id=1 path=/1 qb=abcd ql=4 pb=z at=3+3"],
    );
}

#[test]
fn padding_priority_and_continuation() {
    let block = literal(&[(":method", "POST"), (":path", "/p"), ("x", &"v".repeat(100))]);
    let mut padded = vec![3, 0, 0, 0, 0, 16];
    padded.extend_from_slice(&block[..10]);
    padded.extend_from_slice(&[0; 3]);
    let flags = f::PADDED | f::PRIORITISED;
    let mut body = vec![4];
    body.extend_from_slice(b"body\0\0\0\0");
    check(
        &[
            up(&[
                frame(f::HEADERS, flags, 1, &padded),
                frame(f::CONTINUATION, 0, 1, &block[10..50]),
                frame(f::CONTINUATION, f::END_HEADERS, 1, &block[50..]),
                frame(f::PRIORITY, 0, 3, &[0, 0, 0, 0, 1]),
                frame(f::DATA, f::PADDED | f::END_STREAM, 1, &body),
            ]),
            down(&[ok(1, true), frame(f::DATA, f::END_STREAM, 1, b"")]),
        ],
        &["method=POST path=/p qb=body ql=4 status=200"],
    );
    // only padding, and nothing at all
    check(
        &[up(&[post(1, "/"), frame(f::DATA, f::PADDED, 1, &[2, 0, 0]), data(1, true, b"")]), down(&[ok(1, true)])],
        &["-qb ql=0 status=200 -truncated"],
    );
}

#[test]
fn other_frames_tell_nothing() {
    check(
        &[
            up(&[
                frame(f::PING, 0, 0, &[7; 8]),
                frame(f::WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
                get(1, "/"),
                frame(0xfa, 0x55, 9, b"grease"),
            ]),
            down(&[frame(f::PING, f::ACK, 0, &[7; 8]), frame(f::SETTINGS, f::ACK, 0, b""), ok(1, true)]),
            down(&[frame(f::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0, b'b', b'y', b'e'])]),
        ],
        &["id=1 status=200"],
    );
}

#[test]
fn interim_responses_and_trailers() {
    check(
        &[
            up(&[post(1, "/t")]),
            down(&[headers(1, false, &[(":status", "100")])]),
            up(&[data(1, false, b"b"), headers(1, true, &[("x-sum", "1")])]),
            down(&[headers(1, false, &[(":status", "103"), ("link", "l")]), ok(1, false), data(1, false, b"r")]),
            down(&[headers(1, true, &[("x-a", "1"), ("x-a", "2")])]),
        ],
        &[r#"status=200 qb=b pb=r ph={"content-type":"text/plain"} pt={"x-a":["1","2"]} at=3+4"#],
    );
}

#[test]
fn a_reset_ends_a_stream() {
    check(
        &[
            up(&[get(1, "/cancelled"), get(3, "/begun"), get(5, "/refused")]),
            down(&[ok(3, false), data(3, false, b"half")]),
            up(&[reset(1, 8)]),
            down(&[reset(3, 2), reset(5, 7), ok(1, false), data(1, true, b"late")]),
            up(&[get(7, "/next")]),
            down(&[ok(7, true)]),
        ],
        &[
            "path=/cancelled -status -resp error=CANCEL broken -truncated at=3",
            "path=/begun status=200 pb=half truncated error=INTERNAL_ERROR broken at=3",
            "path=/refused -status error=REFUSED_STREAM broken",
            "path=/next status=200 -error",
        ],
    );
}

#[test]
fn a_response_before_the_end_of_its_request() {
    // the server has heard enough
    check(
        &[up(&[post(1, "/p"), data(1, false, b"some")]), down(&[ok(1, true), reset(1, 0)])],
        &["path=/p qb=some truncated status=200 error=NO_ERROR -broken at=3+1"],
    );
    // the end of the request is reported late
    check(
        &[up(&[post(1, "/p"), data(1, false, b"so")]), down(&[ok(1, true)]), up(&[data(1, true, b"me")])],
        &["path=/p qb=some -truncated status=200 at=3+1"],
    );
    check(&[down(&[ok(1, true)]), up(&[get(1, "/late")])], &["path=/late status=200 at=3+0"]);
    check(
        &[
            up(&[post(1, "/p")]),
            down(&[ok(1, true)]),
            Step::Wait(600),
            up(&[get(3, "/")]),
            up(&[data(1, true, b"late")]),
            down(&[ok(3, true)]),
        ],
        &["path=/p ql=0 status=200", "id=3"],
    );
}

#[test]
fn a_push_is_a_row_of_its_own() {
    let mut promise = 2_u32.to_be_bytes().to_vec();
    promise.extend_from_slice(&literal(&[(":method", "GET"), (":path", "/style.css"), (":authority", "h.test")]));
    check(
        &[
            up(&[get(1, "/")]),
            down(&[frame(f::PUSH_PROMISE, f::END_HEADERS, 1, &promise), ok(1, true), ok(2, false)]),
            down(&[data(2, true, b"css")]),
        ],
        &["id=1 path=/", "id=2 method=GET path=/style.css status=200 pb=css at=4+1"],
    );
}

#[test]
fn streams_beyond_a_goaway_are_over() {
    check(
        &[up(&[get(1, "/1"), get(3, "/3")]), down(&[frame(f::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), ok(1, true)])],
        &["path=/3 -status broken", "path=/1 status=200 -broken"],
    );
}

#[test]
fn what_was_not_answered_is_a_row_at_the_end() {
    for last in [Step::End(DOWN), Step::Close] {
        check(
            &[up(&[get(1, "/1"), get(3, "/3")]), down(&[ok(3, false), data(3, false, b"half")]), last],
            &["path=/1 -status -pl -resp broken at=3", "path=/3 status=200 pb=half pl=4 truncated broken at=3"],
        );
    }
}

#[test]
fn expired_requests_take_their_responses_with_them() {
    check(
        &[
            up(&[get(1, "/old"), post(3, "/open")]),
            Step::Wait(100),
            up(&[get(5, "/new")]),
            Step::Expire(50),
            down(&[ok(1, true), ok(5, true)]),
            Step::Close,
        ],
        &["path=/old -status -broken at=3", "path=/new status=200", "path=/open broken"],
    );
}

#[test]
fn encoded_bodies_are_decoded() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    gzip.write_all(b"earshot earshot earshot").expect("write");
    let body = gzip.finish().expect("gzip");
    let fields = [(":status", "200"), ("content-encoding", "gzip")];
    check(
        &[up(&[get(1, "/")]), down(&[headers(1, false, &fields), data(1, false, &body[..20]), data(1, true, &body[20..])])],
        &[&format!("pl={}", body.len())],
    );
    let got = super::harness::run(
        true,
        &[
            up(&[super::harness::preface(), get(1, "/")]),
            down(&[super::harness::settings(), headers(1, false, &fields), data(1, true, &body)]),
        ],
        usize::MAX,
    );
    assert!(got.rows.lines[0].contains(" pb=earshot earshot earshot "), "{}", got.rows.lines[0]);
}

#[test]
fn traces_come_from_headers() {
    let fields =
        [(":method", "GET"), (":path", "/"), ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    check(
        &[up(&[headers(1, true, &fields)]), down(&[ok(1, true)])],
        &["trace=4bf92f3577b34da6a3ce929d0e0e4736 span=00f067aa0ba902b7"],
    );
}

//! Calls of gRPC.

use super::harness::{Step, check, check_damaged, data, down, headers, post, up};

fn call(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, false, &[(":method", "POST"), (":path", path), ("content-type", "application/grpc"), ("te", "trailers")])
}

fn begins(stream: u32) -> Vec<u8> {
    headers(stream, false, &[(":status", "200"), ("content-type", "application/grpc")])
}

fn ends(stream: u32, status: &str, message: &str) -> Vec<u8> {
    headers(stream, true, &[("grpc-status", status), ("grpc-message", message)])
}

fn message(bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

#[test]
fn a_unary_call() {
    check(
        &[
            up(&[call(1, "/shop.v1.Cart/Add"), data(1, true, &message(b"\x0a\x02hi\x10\x7b"))]),
            down(&[begins(1), data(1, false, &message(b"")), ends(1, "0", "")]),
        ],
        &[concat!(
            r#"grpc_service=shop.v1.Cart grpc_method=Add grpc_status=0 qm=1 pm=1 qb={"1":"hi","2":123} pb={} ql=11 pl=5 "#,
            "method=POST path=/shop.v1.Cart/Add status=200 type=application/grpc -truncated"
        )],
    );
}

#[test]
fn calls_of_many_messages() {
    let (a, b) = (message(b"\x08\x01"), message(b"\x08\x02"));
    // cut anywhere, across frames
    let both = [a.clone(), b.clone()].concat();
    check(
        &[
            up(&[call(1, "/s.S/Bidi"), data(1, false, &both[..3])]),
            down(&[begins(1), data(1, false, &a)]),
            up(&[data(1, false, &both[3..9]), data(1, true, &both[9..])]),
            down(&[data(1, false, &b), data(1, false, &a), ends(1, "0", "")]),
        ],
        &[r#"qm=2 pm=3 qb={"1":1}|{"1":2} pb={"1":1}|{"1":2}|{"1":1} grpc_method=Bidi"#],
    );
    check(&[up(&[call(1, "/s.S/None"), data(1, true, b"")]), down(&[begins(1), ends(1, "0", "")])], &["qm=0 pm=0 -qb -pb"]);
}

#[test]
fn errors_come_in_trailers_only() {
    let fields = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "5"),
        ("grpc-message", "not%20here:%20100%25%zz"),
    ];
    check(
        &[up(&[call(1, "/s.S/M"), data(1, true, &message(b"plain"))]), down(&[headers(1, true, &fields)])],
        &[r#"grpc_status=5 status=200 qm=1 pm=0 qb="plain" grpc_message=not here: 100%%zz"#],
    );
}

#[test]
fn a_cancelled_call_has_no_status() {
    check(
        &[up(&[call(1, "/s.S/M"), data(1, true, &message(b""))]), down(&[begins(1)]), up(&[super::harness::reset(1, 8)])],
        &["status=200 -grpc_status error=CANCEL broken qm=1 pm=0 -pb -truncated"],
    );
}

#[test]
fn deadlines_are_told_by_either_end() {
    // the server says so
    let fields = [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-status", "4"),
        ("grpc-message", "Deadline%20Exceeded"),
    ];
    check(
        &[up(&[call(1, "/s.S/Slow"), data(1, true, &message(b""))]), down(&[headers(1, true, &fields)])],
        &["grpc_status=4 grpc_message=Deadline Exceeded pm=0 -broken -error"],
    );
    // and tells the client to stop sending
    check(
        &[
            up(&[call(1, "/s.S/Up"), data(1, false, &message(b""))]),
            down(&[headers(1, true, &fields), super::harness::reset(1, 0)]),
        ],
        &["grpc_status=4 qm=1 error=NO_ERROR -broken"],
    );
    // the client gives up, in the middle of a stream of messages
    check(
        &[
            up(&[call(1, "/s.S/Down"), data(1, true, &message(b""))]),
            down(&[begins(1), data(1, false, &message(b"\x08\x01")), data(1, false, &message(b"\x08\x02")[..5])]),
            up(&[super::harness::reset(1, 8)]),
        ],
        &["-grpc_status qm=1 pm=2 error=CANCEL broken truncated"],
    );
}

#[test]
fn a_proxy_may_answer_without_grpc() {
    let fields = [(":status", "503"), ("content-type", "text/plain")];
    check(
        &[
            up(&[call(1, "/s.S/M"), data(1, true, &message(b""))]),
            down(&[headers(1, false, &fields), data(1, true, b"no healthy upstream")]),
        ],
        &["grpc_service=s.S grpc_method=M -grpc_status status=503 pl=19"],
    );
}

#[test]
fn calls_that_the_connection_ends_have_no_outcome() {
    for last in [Step::End(super::harness::DOWN), Step::Close] {
        check(
            &[
                up(&[call(1, "/s.S/Watch"), data(1, true, &message(b""))]),
                down(&[begins(1), data(1, false, &message(b"\x08\x01"))]),
                last,
            ],
            &[r#"grpc_method=Watch status=200 -grpc_status qm=1 pm=1 pb={"1":1} broken truncated"#],
        );
    }
}

#[test]
fn joined_inside_a_call() {
    // what the server says at the end is known, what was asked for is not
    let end = super::harness::frame(
        crate::http2::frame::HEADERS,
        crate::http2::frame::END_HEADERS | crate::http2::frame::END_STREAM,
        5,
        &super::harness::literal(&[("grpc-status", "0")]),
    );
    let steps = [
        up(&[super::harness::frame(crate::http2::frame::PING, 0, 0, &[0; 8])]),
        down(&[data(5, false, &message(b"\x08\x01")), end]),
        up(&[call(7, "/s.S/Next"), data(7, true, &message(b""))]),
        down(&[begins(7), data(7, false, &message(b"")), ends(7, "0", "")]),
    ];
    let got = super::harness::run(false, &steps, usize::MAX);
    let rows = &got.rows.lines;
    assert!(rows.iter().all(|row| !row.contains("id=5 ") || !row.contains("+") && !row.contains("path=")), "{rows:#?}");
    let next = rows.last().map(String::as_str).unwrap_or_default();
    assert!(next.contains("grpc_method=Next grpc_status=0") && next.contains("likely"), "{rows:#?}");
}

#[test]
fn an_encoding_that_is_not_known_is_recognised_all_the_same() {
    let mut packed = message(b"\x01\x02\xff");
    packed[0] = 1;
    let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "snappy")];
    check(
        &[
            up(&[call(1, "/s.S/M"), data(1, true, &message(b""))]),
            down(&[headers(1, false, &fields), data(1, false, &packed), ends(1, "0", "")]),
        ],
        &["pm=1 pl=8 grpc_status=0"],
    );
}

#[test]
fn compressed_messages_are_recognised() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    gzip.write_all(b"\x0a\x05hello").expect("write");
    let mut packed = message(&gzip.finish().expect("gzip"));
    packed[0] = 1;
    let fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")];
    check(
        &[
            up(&[call(1, "/s.S/M"), data(1, true, &message(b""))]),
            down(&[headers(1, false, &fields), data(1, false, &packed), ends(1, "0", "")]),
        ],
        &[r#"pm=1 pb={"1":"hello"}"#],
    );
}

#[test]
fn what_is_not_grpc() {
    let web = [(":status", "200"), ("content-type", "application/grpc-web+proto")];
    let steps = [up(&[post(1, "/a/b"), data(1, true, b"\0\0\0\0\x01x")]), down(&[headers(1, true, &web)])];
    check(&steps, &["-grpc_service -grpc_method -qm -pm"]);
}

#[test]
fn messages_cut_by_a_gap_are_not_counted() {
    let long = message(&[b'x'; 1000]);
    let mut part = data(1, true, &long);
    part.truncate(9 + 300);
    check(
        &[up(&[call(1, "/s.S/M"), part]), Step::Unseen(super::harness::UP, 705), down(&[begins(1), ends(1, "0", "")])],
        &["qm=1 ql=1005 truncated"],
    );
    let steps = [
        up(&[super::harness::preface(), call(1, "/s.S/M"), data(1, false, &message(b""))]),
        Step::Unseen(super::harness::UP, 100),
        up(&[data(1, true, &message(b""))]),
        down(&[super::harness::settings(), begins(1), ends(1, "0", "")]),
    ];
    check_damaged(true, &steps, &["-qm pm=0 gap guessed truncated grpc_status=0"], &[]);
}

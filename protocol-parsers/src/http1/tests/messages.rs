//! Messages of every shape, whole.

use super::harness::{Step, assert_rows, check, request, response, run, state};
use crate::http1::header_columns;
use crate::{Flow, Settings, State};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_request_and_its_response_are_one_row() {
    check(
        &[
            request("GET /a?b=1 HTTP/1.1\r\nHost: h.test\r\nAccept: */*\r\n\r\n"),
            response("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"),
        ],
        &[concat!(
            r#"v=1.1 method=GET path=/a?b=1 host=h.test qh={"host":"h.test","accept":"*/*"} ql=0 -qb status=200 "#,
            r#"ph={"content-type":"text/plain","content-length":"5"} pb=hello pl=5 type=text/plain at=1+1 req=50 resp=69 "#,
            "certain -truncated -gap -broken -trace -span"
        )],
    );
}

#[test]
fn headers_that_nobody_looks_at_are_used_and_not_told() {
    let settings = Settings { headers: false, ..Settings::default() };
    let steps = [request("GET / HTTP/1.1\r\nHost: h.test\r\n\r\n"), response(OK)];
    let words = |settings: &Settings| {
        let rows = run(settings, true, &steps, 100).rows.lines.join(" ");
        let of_headers = |word: &&str| word.starts_with("qh=") || word.starts_with("ph=") || *word == "-qh" || *word == "-ph";
        rows.split(' ').filter(|word| !of_headers(word)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words(&settings), words(&Settings::default()));
    assert_rows(&run(&settings, true, &steps, 100).rows.lines, &["host=h.test -qh status=200 -ph"]);
    assert_eq!(
        header_columns().map(|column| column.name).collect::<Vec<_>>(),
        ["req_headers", "resp_headers", "resp_trailers"]
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    check(
        &[
            request("GET /1 HTTP/1.1\r\n\r\nPUT /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\n\r\n"),
            response(format!("{OK}HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")),
            response("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
        ],
        &[
            "method=GET path=/1 status=200 at=1+1 -host",
            "method=PUT path=/2 qb=abc ql=3 status=404 pl=0 -pb at=1+1",
            "path=/3 status=304 -pb pl=0 at=1+2",
        ],
    );
}

#[test]
fn interim_responses_are_part_of_the_final_one() {
    check(
        &[
            request("PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
            response("HTTP/1.1 100 Continue\r\n\r\n"),
            request("body"),
            response("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"),
            response("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        ],
        &["method=PUT qb=body ql=4 status=201 resp=105 at=1+4"],
    );
}

#[test]
fn a_body_that_the_server_did_not_want_is_not_awaited() {
    let put = "PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n";
    let no = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    check(
        &[request(put), response(no), request("GET /next HTTP/1.1\r\n\r\n"), response(OK)],
        &["path=/x status=413 ql=0 -truncated", "path=/next status=200 at=3+1"],
    );
    // it may come nevertheless
    let body = "not a start line, but the body, 40 bytes";
    check(
        &[request(put), response(no), request(body), request("GET /next HTTP/1.1\r\n\r\n"), response(OK)],
        &["path=/x status=413 ql=0 -truncated", "path=/next status=200 at=4+1"],
    );
    // and comes for sure when the answer is no error
    check(
        &[request(put), response(OK), request(body), request("GET /next HTTP/1.1\r\n\r\n"), response(OK)],
        &["path=/x status=200 ql=40 -truncated", "path=/next status=200 at=4+1"],
    );
}

#[test]
fn responses_without_body_end_with_their_head() {
    check(
        &[
            request("HEAD /h HTTP/1.1\r\n\r\n"),
            response("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
            request("DELETE /d HTTP/1.1\r\n\r\n"),
            response("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
            request("GET /g HTTP/1.1\r\n\r\n"),
            response(OK),
        ],
        &["method=HEAD status=200 -pb pl=0", "method=DELETE status=204 -pb pl=0", "path=/g status=200 pb=ok"],
    );
}

#[test]
fn chunks_may_have_extensions_and_trailers() {
    check(
        &[
            request(concat!(
                "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "3;name=\"v;w\"\r\nabc\r\n000A \r\n0123456789\r\n0;last\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"
            )),
            response("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip,  Chunked\r\n\r\n2\nok\n0\n\n"),
        ],
        &["qb=abc0123456789 ql=13 pb=ok pl=2 req=117 resp=62"],
    );
}

#[test]
fn a_response_without_length_ends_with_the_connection() {
    let steps = [
        request("GET /c HTTP/1.0\r\n\r\n"),
        response("HTTP/1.0 200 OK\r\n\r\nfirst "),
        response("last"),
        Step::Wait(10),
        Step::End(Flow::ToClient),
        Step::Close,
    ];
    check(&steps, &["v=1.0 path=/c pl=10 at=1+2 -broken -truncated"]);
    let closed_only: Vec<_> = steps.iter().filter(|s| !matches!(s, Step::End(_))).cloned().collect();
    check(&closed_only, &["v=1.0 path=/c pl=10 at=1+2 -broken -truncated"]);
}

#[test]
fn an_early_answer_to_head_waits_no_longer_than_others() {
    check(
        &[
            request("HEAD /h HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"),
            response("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
            Step::Wait(600),
            request("\r\n5\r\nab\r\nc\r\n0\r\n\r\n"),
        ],
        &["method=HEAD path=/h status=200"],
    );
}

#[test]
fn an_early_response_waits_for_the_rest_of_its_request() {
    let post = "POST /e HTTP/1.1\r\nContent-Length: 10\r\n\r\n01234";
    let next = "GET /n HTTP/1.1\r\n\r\n";
    check(
        &[request(post), response(OK), request("56789"), request(next), response(OK)],
        &["path=/e qb=0123456789 ql=10 status=200 req=50 at=1+1 -truncated", "path=/n status=200"],
    );
    // and not for ever
    check(
        &[request(post), response(OK), Step::Wait(600), request("56789"), request(next), response(OK)],
        &["path=/e qb=01234 ql=5 status=200 req=45 truncated", "path=/n status=200"],
    );
    check(
        &[request(post), response(OK), Step::Expire(60_000), Step::Expire(60_000)],
        &["path=/e qb=01234 status=200 truncated"],
    );
    check(&[request(post), response(OK), Step::Close], &["path=/e qb=01234 status=200 truncated -broken"]);
}

#[test]
fn a_response_reported_before_its_request_is_paired_with_it() {
    let get = "GET /r HTTP/1.1\r\n\r\n";
    check(&[response(OK), request(get), request(get), response(OK)], &["path=/r status=200 at=1+0", "path=/r at=3+1"]);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    check(&[response(head), request(get), response("ok")], &["path=/r status=200 pb=ok at=1+2"]);
    check(&[response(head), request("HEAD /r HTTP/1.1\r\n\r\n"), Step::Close], &["method=HEAD status=200 -pb -broken"]);
    // later than a moment it is another one
    check(&[response(OK), Step::Wait(100), request(get), response(OK)], &["-method status=200", "path=/r status=200"]);
    check(&[response(OK), Step::Expire(9), Step::Expire(9)], &["-method -path status=200 pb=ok -req at=1"]);
}

#[test]
fn after_an_upgrade_nothing_is_http() {
    let upgrade = "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    let switched = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n";
    let steps = [
        request(upgrade),
        response(format!("{switched}HTTP/1.1 200 OK\r\n\r\n")),
        request("GET /not-http HTTP/1.1\r\n\r\n"),
        response(OK),
        Step::Close,
    ];
    check(&steps, &["path=/ws status=101 pl=0 -pb at=1+1"]);
    assert_eq!(state(&steps[..1]), State::Working);
    assert_eq!(state(&steps), State::HandedOver);
    let connect = [request("CONNECT h.test:443 HTTP/1.1\r\n\r\n"), response("HTTP/1.1 200 Fine\r\n\r\n\x16\x03"), Step::Close];
    check(&connect, &["method=CONNECT path=h.test:443 host=h.test:443 status=200"]);
    assert_eq!(state(&connect), State::HandedOver);
}

#[test]
fn a_refused_upgrade_leaves_http() {
    let upgrade = "GET /ws HTTP/1.1\r\nUpgrade: h2c\r\n\r\n";
    let connect = "CONNECT h.test:443 HTTP/1.1\r\n\r\n";
    check(
        &[
            request(format!("{upgrade}GET /2 HTTP/1.1\r\n\r\n")),
            response(OK),
            response(OK),
            request(connect),
            response("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
            request("GET /3 HTTP/1.1\r\n\r\n"),
            response(OK),
        ],
        &["path=/ws status=200", "path=/2 status=200", "method=CONNECT status=403", "path=/3 status=200"],
    );
}

#[test]
fn targets_are_as_sent() {
    let targets = ["http://u.test:81/p?q", "*", "/a%20b?%00", "//x", "/a b", "/;p=1,2!$&'()*+@:~?#"];
    for target in targets {
        let steps = [request(format!("OPTIONS {target} HTTP/1.1\r\n\r\n")), response(OK)];
        let got = run(&Settings::default(), true, &steps, 1);
        assert_eq!(got.rows.lines.len(), 1);
        assert!(got.rows.lines[0].contains(&format!(" path={target} ").replace('\'', "\\'")), "{}", got.rows.lines[0]);
    }
    let absolute = |host| [request(format!("GET http://u.test:81/p HTTP/1.1\r\n{host}\r\n")), response(OK)];
    check(&absolute(""), &["host=u.test:81"]);
    check(&absolute("Host: other\r\n"), &["host=other"]);
    check(&[request(b"GET /caf\xe9 HTTP/1.1\r\n\r\n"), response(OK)], &[r"path=/caf\xe9"]);
}

#[test]
fn methods_are_any_token() {
    for method in ["PATCH", "PROPFIND", "M-SEARCH", "purge", "X!#$%&*+.^_`|~1"] {
        check(&[request(format!("{method} / HTTP/1.1\r\n\r\n")), response(OK)], &[&format!("method={method} status=200")]);
    }
}

#[test]
fn lines_may_be_odd() {
    check(
        &[
            request("\r\nGET /bare HTTP/1.0\nHost : h\nX-Fold: a\n \t b\n  c\nno colon here\nX-Empty:\n\n\r\n"),
            response("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
            request("GET /2 HTTP/1.1\r\n\r\n"),
            response("HTTP/1.1 599 \r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok"),
        ],
        &["v=1.0 path=/bare host=h status=200 at=1+1", r#"path=/2 status=599 pb=ok ph={"content-length":["2, 2","2"]}"#],
    );
    let steps = [request("GET / HTTP/1.1\nX-Fold: a\n \t b\n  c\n\n"), response(OK)];
    let got = run(&Settings::default(), true, &steps, usize::MAX);
    assert!(got.rows.lines[0].contains(r#" qh={"x-fold":"a b c"} "#), "{}", got.rows.lines[0]);
}

#[test]
fn headers_are_json() {
    let head = b"GET / HTTP/1.1\r\nX-A: 1\r\nSet: x\r\nx-a:  two \r\nX-Q: q\"\\\xff\xc3\xa9\r\nX-A: \r\n\r\n";
    check(&[request(head), response(OK)], &[r#"qh={"x-a":["1","two",""],"set":"x","x-q":"q\"\\\\xff\xc3\xa9"}"#]);
}

#[test]
fn the_type_is_the_responses_or_else_the_requests() {
    let post = "POST / HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 0\r\n\r\n";
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n";
    check(
        &[request(post), response(OK), request(post), response(html), request(post), Step::Close],
        &["type=text/csv", "type=text/html", "type=text/csv -status broken"],
    );
}

#[test]
fn a_trace_is_read_from_traceparent() {
    let get = |value: &str| [request(format!("GET / HTTP/1.1\r\nTraceparent: {value}\r\n\r\n")), response(OK)];
    check(
        &get("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        &["trace=0af7651916cd43dd8448eb211c80319c span=b7ad6b7169203331"],
    );
    for wrong in ["", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7-b7ad6b7169203331-01"] {
        check(&get(wrong), &["-trace -span"]);
    }
}

#[test]
fn the_requests_view_tells_failures() {
    let view = crate::http1::HttpEvent::TABLE.requests.expect("part of the view");
    assert_eq!((view.operation, view.target), ("COALESCE(grpc_method, req_method)", "req_path"));
    assert!(view.failed.starts_with("broken OR COALESCE(resp_status >= 500, "), "{}", view.failed);
    assert!(view.failed.ends_with("OR COALESCE(grpc_status IN (2, 4, 8, 12, 13, 14, 15), FALSE)"), "{}", view.failed);
}

#[test]
fn headers_that_repeat_and_change_belong_to_their_message() {
    let long = "x".repeat(5000);
    let get = |path: &str, headers: &str| request(format!("GET {path} HTTP/1.1\r\n{headers}\r\n"));
    let answer = |headers: &str, body: &str| response(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"));
    let (a, b) = ("Host: a\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", "Host: b\r\n");
    check(
        &[
            get("/1", a),
            answer("Content-Length: 2\r\n", "ok"),
            get("/22", a),
            answer("Content-Length: 2\r\n", "ko"),
            get("/3", b),
            answer("Content-Length: 1\r\n", "x"),
            get("/4", ""),
            answer("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
            get("/5", ""),
            answer("Transfer-Encoding: chunked\r\n", "2\r\nde\r\n0\r\n\r\n"),
            get("/6", &format!("Long: {long}\r\n")),
            answer("Content-Length: 2\r\n", "ok"),
            get("/7", a),
            answer("Content-Length: 2\r\n", "no"),
        ],
        &[
            r#"path=/1 host=a pb=ok ph={"content-length":"2"} trace=4bf92f3577b34da6a3ce929d0e0e4736 at=1+1"#,
            r#"path=/22 host=a pb=ko ph={"content-length":"2"} trace=4bf92f3577b34da6a3ce929d0e0e4736 at=3+1"#,
            r#"path=/3 qh={"host":"b"} pb=x ph={"content-length":"1"} -trace"#,
            r#"path=/4 qh={} pb=abc ph={"transfer-encoding":"chunked"} -host"#,
            r#"path=/5 qh={} pb=de ph={"transfer-encoding":"chunked"} -host"#,
            &format!(r#"path=/6 qh={{"long":"{long}"}} pb=ok ph={{"content-length":"2"}}"#),
            r#"path=/7 host=a pb=no ph={"content-length":"2"} trace=4bf92f3577b34da6a3ce929d0e0e4736"#,
        ],
    );
}

#[test]
fn requests_that_a_server_refuses_are_rows() {
    let refused = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let lines = [
        ("GET / HTTP/1.1 extra", "1.1", "/"),
        ("GET  HTTP/1.1", "1.1", ""),
        ("GET HTTP/1.1", "1.1", ""),
        ("GET /\u{1}\u{2}\u{7f} HTTP/1.1", "1.1", "/\\x01\\x02\\x7f"),
        ("POST /a HTTP/1.7", "1.7", "/a"),
        ("GET /old HTTP/0.9", "0.9", "/old"),
        ("GET /old", "0.9", "/old"),
        ("GET /100%", "0.9", "/100%"),
    ];
    for (line, version, path) in lines {
        let steps = [request(format!("{line}\r\nHost: h.test\r\n\r\n")), response(refused)];
        for portion in [1, usize::MAX] {
            let rows = run(&Settings::default(), true, &steps, portion).rows;
            let [row] = rows.lines.as_slice() else { panic!("{line}: {rows:?}") };
            let method = line.split(' ').next().unwrap();
            assert!(row.starts_with(&format!("v={version} method={method} path={path} host=h.test")), "{row}");
            assert!(row.contains(" status=400 "), "{row}");
        }
    }
}

#[test]
fn what_only_resembles_a_refused_request_is_none() {
    for line in ["get / HTTP/1.1 extra", "FETCH HTTP/1.1", "GET /a HTTP/1.x", "GET /a HTTP/11", "GET a", "GET / HTTP/2.0 x"] {
        let steps = [request(format!("{line}\r\nHost: h.test\r\n\r\n")), response(OK)];
        let rows = run(&Settings::default(), true, &steps, usize::MAX).rows;
        assert!(rows.lines.iter().all(|row| !row.contains("method=")), "{line}: {rows:?}");
    }
}

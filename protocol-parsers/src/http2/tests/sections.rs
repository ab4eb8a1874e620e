//! Header sections: cut anywhere, large, with tables of any size.

use super::harness::{check, data, down, frame, get, headers, literal, ok, post, preface, reset, run, settings, up};
use crate::http2::frame as f;

#[test]
fn a_section_may_be_cut_anywhere() {
    let block = literal(&[(":method", "GET"), (":path", "/cut"), ("x-a", "value")]);
    for at in 0..=block.len() {
        let (first, second) = block.split_at(at);
        // also by frames without a byte
        let frames = [
            frame(f::HEADERS, f::END_STREAM, 1, first),
            frame(f::CONTINUATION, 0, 1, b""),
            frame(f::CONTINUATION, f::END_HEADERS, 1, second),
        ];
        check(
            &[up(&frames), down(&[ok(1, true)])],
            &[r#"method=GET path=/cut qh={"x-a":"value"} status=200 -truncated certain"#],
        );
    }
    let bytes: Vec<Vec<u8>> = block.iter().map(|byte| frame(f::CONTINUATION, 0, 1, &[*byte])).collect();
    let begins = frame(f::HEADERS, f::END_STREAM, 1, b"");
    let ends = frame(f::CONTINUATION, f::END_HEADERS, 1, b"");
    check(&[up(&[begins, bytes.concat(), ends]), down(&[ok(1, true)])], &["path=/cut status=200"]);
}

#[test]
fn a_table_may_be_emptied_and_come_back() {
    let named = |index: u8| vec![0x80 | index];
    let insert = [&[0x40, 1], b"n".as_slice(), &[1], b"w"].concat();
    let request = |stream, parts: &[&[u8]]| {
        let block = [literal(&[(":method", "GET"), (":path", "/")]), parts.concat()].concat();
        frame(f::HEADERS, f::END_HEADERS | f::END_STREAM, stream, &block)
    };
    let resize = |stream, sizes: &[u8], parts: &[&[u8]]| {
        let block = [sizes, &literal(&[(":method", "GET"), (":path", "/")]), &parts.concat()].concat();
        frame(f::HEADERS, f::END_HEADERS | f::END_STREAM, stream, &block)
    };
    check(
        &[
            up(&[
                request(1, &[&insert]),
                request(3, &[&named(62)]),
                // to nothing and back in one section, as after two changes of the setting
                resize(5, &[0x20, 0x3f, 0xe1, 0x1f], &[&insert, &named(62)]),
                request(7, &[&named(62)]),
            ]),
            down(&[ok(1, true), ok(3, true), ok(5, true), ok(7, true)]),
        ],
        &[
            r#"id=1 qh={"n":"w"}"#,
            r#"id=3 qh={"n":"w"}"#,
            r#"id=5 qh={"n":["w","w"]}"#,
            r#"id=7 qh={"n":"w"} certain -truncated"#,
        ],
    );
}

#[test]
fn large_sections_are_cut_and_small_parts_kept() {
    let value = "v".repeat(100);
    let names: Vec<String> = (0..900).map(|n| format!("x-{n}")).collect();
    let mut fields = vec![(":method", "GET"), (":path", "/many")];
    fields.extend(names.iter().map(|name| (name.as_str(), value.as_str())));
    let block = literal(&fields);
    let parts: Vec<&[u8]> = block.chunks(16 << 10).collect();
    let frames: Vec<Vec<u8>> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| {
            let kind = if n == 0 { f::HEADERS } else { f::CONTINUATION };
            let last = if n + 1 == parts.len() { f::END_HEADERS } else { 0 };
            frame(kind, last | if n == 0 { f::END_STREAM } else { 0 }, 1, part)
        })
        .collect();
    let got = run(true, &[up(&[preface(), frames.concat()]), down(&[settings(), ok(1, true)])], 1000);
    assert_eq!(got.rows.lines.len(), 1);
    let line = &got.rows.lines[0];
    assert!(line.contains(" path=/many ") && line.contains(" status=200 ") && line.contains(" truncated "), "{line:.300}");
    assert!(line.contains(r#""x-500":"#) && !line.contains(r#""x-600":"#), "FIELDS_MAX");
    assert!(got.heap_bytes_max < 1 << 20, "{} bytes", got.heap_bytes_max);
}

#[test]
fn sections_of_streams_that_are_over_keep_the_table_right() {
    // fields of a stream that was reset still enter the table
    let insert = [&[0x40, 1], b"n".as_slice(), &[1], b"w"].concat();
    let late = frame(f::HEADERS, f::END_HEADERS, 1, &[literal(&[(":status", "200")]), insert].concat());
    let indexed = [literal(&[(":status", "201")]), vec![0x80 | 62]].concat();
    check(
        &[
            up(&[get(1, "/1"), reset(1, 8), get(3, "/3")]),
            down(&[late, frame(f::HEADERS, f::END_HEADERS | f::END_STREAM, 3, &indexed)]),
        ],
        &["id=1 -status error=CANCEL broken", r#"id=3 status=201 ph={"n":"w"} -truncated certain"#],
    );
}

#[test]
fn trailers_of_a_request_are_no_second_request() {
    check(
        &[
            up(&[post(1, "/sum"), data(1, false, b"body"), headers(1, true, &[("x-sum", "1"), (":path", "/no")])]),
            down(&[ok(1, true)]),
        ],
        &["path=/sum qb=body status=200"],
    );
}

//! Bodies: what of them is kept, and their codings.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::harness::{Step, assert_rows, check, request, response, run};
use crate::http1::body_columns;
use crate::{Flow, Settings};

const GET: &str = "GET / HTTP/1.1\r\n\r\n";
/// "decoded-" 300 times, in brotli.
const BROTLI: &[u8] = &[
    0x1b, 0x5f, 0x09, 0xf8, 0x8d, 0x94, 0xa9, 0xe3, 0x5b, 0x8d, 0x91, 0x65, 0x59, 0xcb, 0x5b, 0xfc, 0x16, 0x0e, 0x90, 0x08,
    0x00, 0xc8, 0x0d,
];

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("into memory")
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("into memory")
}

fn raw(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![], Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("into memory")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

fn answer(coding: &str, body: &[u8]) -> Step {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    response(bytes)
}

/// The row of a response with this body.
fn row(coding: &str, body: &[u8]) -> String {
    row_of(&[request(GET), answer(coding, body)], &Settings::default())
}

fn row_of(steps: &[Step], settings: &Settings) -> String {
    let whole = run(settings, true, steps, usize::MAX).rows.lines;
    assert_eq!(run(settings, true, steps, 1).rows.lines, whole, "byte by byte");
    assert_eq!(whole.len(), 1);
    whole.into_iter().next().unwrap_or_default()
}

/// The value of a column of a row; the body has no spaces in these tests.
fn value<'a>(row: &'a str, column: &str) -> &'a str {
    let at = row.find(&format!(" {column}=")).unwrap_or_else(|| panic!("no {column} in {row}"));
    row[at + column.len() + 2..].split(' ').next().unwrap_or_default()
}

#[test]
fn codings_are_undone() {
    let text = "decoded-".repeat(300);
    let bodies: [(&str, Vec<u8>); 9] = [
        ("br", BROTLI.to_vec()),
        ("gzip", gzip(text.as_bytes())),
        ("X-GZIP", gzip(text.as_bytes())),
        ("deflate", zlib(text.as_bytes())),
        ("deflate", raw(text.as_bytes())),
        ("zstd", zstd(text.as_bytes())),
        ("gzip, zstd", zstd(&gzip(text.as_bytes()))),
        ("identity", text.clone().into_bytes()),
        ("gzip", [gzip(&text.as_bytes()[..100]), gzip(&text.as_bytes()[100..])].concat()),
    ];
    for (coding, body) in bodies {
        let row = row(coding, &body);
        assert_eq!(value(&row, "pb"), text, "{coding}");
        assert_eq!(value(&row, "pl"), body.len().to_string(), "{coding}");
        assert!(!row.contains("truncated"), "{coding}");
    }
}

#[test]
fn a_request_body_and_a_transfer_coding_are_decoded_too() {
    let body = gzip(b"coded-request");
    let mut post = format!("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    post.extend_from_slice(&body);
    let mut reply = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{:x}\r\n", body.len()).into_bytes();
    reply.extend_from_slice(&body);
    reply.extend_from_slice(b"\r\n0\r\n\r\n");
    let row = row_of(&[request(post), response(reply)], &Settings::default());
    assert_rows(&[row], &[&format!("qb=coded-request ql={0} pb=coded-request pl={0}", body.len())]);
}

#[test]
fn what_cannot_be_decoded_is_kept_as_it_is() {
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, br", "unknown", "a, b, c, d, e, gzip, gzip, gzip, gzip, gzip"] {
        let row = row(coding, b"\x7fplain-text");
        assert_rows(&[row], &[r"pb=\x7fplain-text pl=11 -truncated"]);
    }
    let mut damaged = gzip(&b"some-text-".repeat(50));
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    assert!(row("gzip", &damaged).contains(r" pb=\x1f\x8b"));
    let short = &gzip(&b"some-text-".repeat(50))[..20];
    assert!(row("gzip", short).contains(r" pb=\x1f\x8b"), "the body is whole, but not what it says");
}

#[test]
fn long_bodies_are_cut_after_decoding() {
    let settings = Settings { body_bytes_max: 1000, ..Settings::default() };
    let text = "0123456789".repeat(300);
    for (coding, body) in [
        ("identity", text.clone().into_bytes()),
        ("gzip", gzip(text.as_bytes())),
        ("deflate", zlib(text.as_bytes())),
        ("zstd", zstd(text.as_bytes())),
    ] {
        let row = row_of(&[request(GET), answer(coding, &body)], &settings);
        assert_eq!(value(&row, "pb"), &text[..1000], "{coding}");
        assert_eq!(value(&row, "pl"), body.len().to_string());
        assert!(row.contains(" truncated "), "{coding}");
    }
    // a character is whole or absent
    let umlauts = format!("x{}", "\u{fc}".repeat(600));
    let row = row_of(&[request(GET), answer("identity", umlauts.as_bytes())], &settings);
    assert_eq!(value(&row, "pb").len(), 1 + 999 / 2 * 8, "as \\x escapes");
}

#[test]
fn bodies_that_nobody_looks_at_are_counted() {
    let settings = Settings { bodies: false, ..Settings::default() };
    for body in [gzip(b"some-text"), vec![b'x'; 3 * settings.body_bytes_max], vec![]] {
        let steps = [request(GET), answer("gzip", &body), request(GET), answer("gzip", b"short")];
        let rows = |settings: &Settings| {
            let rows = run(settings, true, &steps, 100).rows.lines.into_iter();
            let of_bodies = |word: &str| word.starts_with("pb=") || word == "truncated";
            rows.map(|row| row.split(' ').filter(|word| !of_bodies(word)).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(rows(&settings), rows(&Settings::default()));
        assert_rows(&run(&settings, true, &steps, 100).rows.lines, &["status=200 -pb", "status=200 pl=5 -pb"]);
    }
    assert_eq!(body_columns().map(|column| column.name).collect::<Vec<_>>(), ["req_body", "resp_body", "truncated"]);
}

#[test]
fn the_beginning_of_a_coded_body_is_decoded() {
    let settings = Settings { body_bytes_max: 64 << 10, ..Settings::default() };
    // four letters at random: the code of so much of it is longer than what is kept
    let mut seed = 1u64;
    let letters = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b'a' + (seed >> 62) as u8
    });
    let text: Vec<u8> = letters.take(600_000).collect();
    for (coding, body) in [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("zstd", zstd(&text))] {
        assert!(body.len() > 2 * settings.body_bytes_max);
        let lines = run(&settings, true, &[request(GET), answer(coding, &body)], 5000).rows.lines;
        assert!(lines[0].contains(" truncated "), "{coding}");
        assert_eq!(value(&lines[0], "pb").as_bytes(), &text[..settings.body_bytes_max], "{coding}");
    }
    let body = gzip(&b"cut-off-".repeat(1000));
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(&body[..body.len() - 10]);
    let row = row_of(&[request(GET), response(bytes), Step::End(Flow::ToClient)], &settings);
    assert!(value(&row, "pb").starts_with("cut-off-cut-off-") && row.contains(" truncated broken "), "{row}");
}

#[test]
fn bombs_are_bounded() {
    let zeros = vec![b'0'; 100 << 20];
    let bomb = gzip(&gzip(&zeros));
    let started = std::time::Instant::now();
    for coding in ["gzip", "gzip, gzip"] {
        let row = row(coding, &bomb);
        assert!(value(&row, "pb").len() <= 4 * (64 << 10) && row.len() < 300_000, "{coding}: {}", row.len());
    }
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn large_bodies_are_not_held() {
    let mut steps = vec![request(GET), response("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")];
    steps.extend(vec![response(vec![b'b'; 1 << 20]); 50]);
    let got = run(&Settings::default(), true, &steps, usize::MAX);
    assert!(got.heap_bytes_max < 200 << 10, "{}", got.heap_bytes_max);
}

#[test]
fn the_rest_of_a_large_body_is_passed_over() {
    let body = "b".repeat(200_000);
    let upload = format!("POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n{body}");
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n{body}");
    let chunks = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n{body}\r\n5\r\nabcde\r\n0\r\n\r\n");
    let until_end = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    for answer in [&length, &chunks, &until_end] {
        let script = [request(&upload), response(answer), Step::End(Flow::ToClient)];
        let whole = run(&Settings::default(), true, &script, usize::MAX).rows.lines;
        // the same when what is passed over is not seen
        check(&script, &whole.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut fed = run(&Settings::default(), true, &[request(&upload[..100_000])], 1);
    assert_eq!(fed.parser.passes_over(Flow::ToServer), upload.len() as u64 - 100_000);
    // what a row keeps is wanted
    fed.turn(&response(&length[..1000]), || 1);
    assert_eq!(fed.parser.passes_over(Flow::ToClient), 0);
}

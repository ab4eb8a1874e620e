//! How many Redis commands with their replies a second one core parses: `cargo bench -p protocol-parsers --bench redis`.
//!
//! In: conversations made up here. Out: rows/s and MB/s of each.

mod measure;

use protocol_parsers::{Flow, Transport, redis};

fn resp(words: &[&str]) -> String {
    let values: String = words.iter().map(|w| format!("${}\r\n{w}\r\n", w.len())).collect();
    format!("*{}\r\n{values}", words.len())
}

fn main() {
    let up = |text: String| (Flow::ToServer, text.into_bytes());
    let down = |text: String| (Flow::ToClient, text.into_bytes());
    let measure = |name, rows, segments: &[(Flow, Vec<u8>)], piece| {
        measure::measure(&redis::PROTOCOL, Transport::Stream, name, rows, segments, piece, 200);
    };
    let (get, set) = (resp(&["GET", "key:000000001234"]), resp(&["SET", "key:000000001234", "xxx"]));
    let value = "$3\r\nxxx\r\n".to_owned();
    let ok = "+OK\r\n".to_owned();
    let both = [up(get.clone()), down(value.clone()), up(set.clone()), down(ok.clone())];
    measure("GET and SET", 2, &both, usize::MAX);
    measure("GET, pipelined by 16", 16, &[up(get.repeat(16)), down(value.repeat(16))], usize::MAX);
    measure("SET, pipelined by 1000", 1000, &[up(set.repeat(1000)), down(ok.repeat(1000))], 16 << 10);
    measure("GET and SET, byte by byte", 2, &both, 1);
    let range = format!("*100\r\n{}", "$8\r\nelement!\r\n".repeat(100));
    measure("LRANGE of 100", 1, &[up(resp(&["LRANGE", "list", "0", "99"])), down(range)], usize::MAX);
    let large = format!("${}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20));
    measure("GET of 1 MiB", 1, &[up(get), down(large)], 64 << 10);
}

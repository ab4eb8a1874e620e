//! The compressed protocol.

use std::io::Write;

use super::harness::*;
use super::wire::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Plain,
    Zlib,
    Zstd,
}

fn frame(seq: u8, inside: &[u8], how: How) -> Vec<u8> {
    let packed = match how {
        How::Plain => inside.to_vec(),
        How::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(inside).expect("writes to memory");
            encoder.finish().expect("writes to memory")
        }
        How::Zstd => ruzstd::encoding::compress_to_vec(inside, ruzstd::encoding::CompressionLevel::Fastest),
    };
    let unpacked = if how == How::Plain { 0 } else { inside.len() as u32 };
    [&(packed.len() as u32).to_le_bytes()[..3], &[seq], &unpacked.to_le_bytes()[..3], &packed].concat()
}

const HOWS: [How; 3] = [How::Plain, How::Zlib, How::Zstd];
const LOGIN: &str = "LOGIN | - | - | - | - | - | - | - | - | eve | shop certain";

#[test]
fn frames_are_unpacked() {
    let flags = FLAGS | COMPRESS;
    let (hello, name, welcome) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2));
    for how in HOWS {
        let results = result(1, 60, 2, false);
        let (first, second) = results.split_at(200);
        let both = [frame(1, first, how), frame(2, second, how)].concat();
        let asked = frame(0, &query("select 1"), how);
        let rows = check(
            &[
                Server(&hello),
                Client(&name),
                Server(&welcome),
                Client(&asked),
                Server(&both),
                Client(&frame(0, &query("do 1"), How::Plain)),
                Server(&frame(1, &ok(1, 0, 2), How::Plain)),
            ],
            &[
                LOGIN,
                "COM_QUERY | SELECT | select 1 | - | 60 | - | - | - | - | eve | shop certain",
                "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop certain",
            ],
        );
        assert_eq!(rows.skipped, []);
        assert_eq!(rows.sizes[1], (Some(asked.len() as u64), Some(both.len() as u64)), "{how:?}: on the connection");
    }
}

#[test]
fn sizes_are_those_on_the_connection() {
    let flags = FLAGS | COMPRESS;
    let (hello, name, welcome) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2));
    for how in HOWS {
        // two commands in one frame, and a response whose packets are cut by frames anywhere
        let asked = frame(0, &[query("select 1"), query(&"x".repeat(500))].concat(), how);
        let answers = [result(1, 60, 2, false), result(1, 90, 2, false)].concat();
        for cut in [1, 3, 5, 100, 333, answers.len() - 1] {
            let answered = answers.chunks(cut).enumerate().flat_map(|(n, part)| frame(n as u8, part, how)).collect::<Vec<_>>();
            let turns = [Server(&hello), Client(&name), Server(&welcome), Client(&asked), Server(&answered)];
            let rows = check(
                &turns,
                &[
                    LOGIN,
                    "COM_QUERY | SELECT | select 1 | - | 60 | - | - | - | - | eve | shop certain",
                    &format!("COM_QUERY | - | {} | - | 90 | - | - | - | - | eve | shop certain", "x".repeat(500)),
                ],
            );
            let (requests, responses): (Vec<_>, Vec<_>) = rows.sizes[1..].iter().copied().unzip();
            let sum = |sizes: Vec<Option<u64>>| sizes.into_iter().flatten().sum::<u64>();
            assert_eq!((sum(requests), sum(responses)), (asked.len() as u64, answered.len() as u64), "{how:?}");
            assert!(rows.sizes[1].0 < rows.sizes[2].0 && rows.sizes[1].1 < rows.sizes[2].1, "{:?}", rows.sizes);
        }
    }
}

#[test]
fn sizes_are_right_after_a_login_that_was_joined() {
    let (name, welcome) = (login(FLAGS | COMPRESS, "eve", "shop"), ok(2, 0, 2));
    for how in HOWS {
        let (asked, answered) = (frame(0, &query(&"x".repeat(60)), how), frame(1, &ok(1, 0, 2), how));
        let turns = [Client(&name), Server(&welcome), Client(&asked), Server(&answered), Client(&asked), Server(&answered)];
        let row = format!("COM_QUERY | - | {} | - | - | 0 | - | - | - | eve | shop likely", "x".repeat(60));
        let rows = check_joined(&turns, &[&LOGIN.replace("certain", "likely"), &row, &row]);
        assert_eq!(rows.sizes[1..], [(Some(asked.len() as u64), Some(answered.len() as u64)); 2], "{how:?}");
    }
}

#[test]
fn what_cannot_be_unpacked_loses_one_response_only() {
    let flags = FLAGS | COMPRESS;
    let (hello, name, welcome) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2));
    for how in [How::Zlib, How::Zstd] {
        let mut damaged = frame(1, &result(1, 60, 2, false), how);
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0xee);
        let rows = rows(
            true,
            &[
                Server(&hello),
                Client(&name),
                Server(&welcome),
                Client(&frame(0, &query("select 1"), how)),
                Server(&damaged),
                Client(&frame(0, &query("do 1"), how)),
                Server(&frame(1, &ok(1, 0, 2), how)),
            ],
            || usize::MAX,
        );
        assert_eq!(rows.lines.len(), 3, "{:#?}", rows.lines);
        assert!(rows.lines[1].starts_with("COM_QUERY | SELECT | select 1 | - | - |"), "{}", rows.lines[1]);
        assert!(rows.lines[2].starts_with("COM_QUERY | DO | do 1 | - | - | 0 |"), "{}", rows.lines[2]);
    }
}

#[test]
fn unpacking_takes_bounded_memory() {
    let flags = FLAGS | COMPRESS;
    let (hello, name, welcome) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2));
    for how in [How::Zlib, How::Zstd] {
        let sent = query(&"x".repeat(10 << 20));
        let mut fed = talk(true);
        let asked = frame(0, &sent, how);
        for turn in [Server(&hello), Client(&name), Server(&welcome), Client(&asked)] {
            fed.turn(turn, || 3000);
        }
        fed.turn(Server(&frame(1, &ok(1, 0, 2), how)), || usize::MAX);
        assert!(fed.heap_bytes_max < 2 << 20, "{} bytes", fed.heap_bytes_max);
        let rows = fed.close();
        assert_eq!(rows.lines.len(), 2);
        assert_eq!(rows.sizes[1].0, Some(asked.len() as u64));
    }
}

#[test]
fn another_login_in_what_is_compressed_begins_nothing() {
    let flags = FLAGS | COMPRESS;
    let (hello, name, welcome) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2));
    let mut damaged = frame(0, &query("select 1"), How::Zlib);
    damaged[7..].fill(0xee);
    check(
        &[
            Server(&hello),
            // it seems to be joined, so that another login is believed
            Server(&hello),
            Client(&name),
            Server(&welcome),
            Client(&damaged),
            Client(&frame(1, &[name.as_slice(), &query("do 2")].concat(), How::Plain)),
            Server(&frame(0, &[welcome.as_slice(), &ok(1, 0, 2)].concat(), How::Plain)),
            Client(&frame(0, &query("do 1"), How::Plain)),
            Server(&frame(1, &ok(1, 0, 2), How::Plain)),
        ],
        &[
            "LOGIN | - | - | - | - | - | - | - | - | eve | shop likely",
            "LOGIN | - | - | - | - | - | - | - | - | eve | shop [gap] guessed",
            "COM_QUERY | DO | do 2 | - | - | 0 | - | - | - | eve | shop guessed",
            "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop likely",
        ],
    );
}

#[test]
fn a_compressed_connection_is_known_by_its_first_statement() {
    let long = format!("select '{}' as one", "x".repeat(2000));
    for how in HOWS {
        // what grows by it nobody packs
        for text in if how == How::Plain { ["select 1", long.as_str()] } else { [long.as_str(); 2] } {
            let asked = frame(0, &query(text), how);
            let answer = frame(1, &result(1, 60, 2, false), how);
            let row = format!("COM_QUERY | SELECT | {text} | - | 60 | - | - | - | - | - | - likely");
            // joined between two commands, and in the midst of a response
            let ended = [Client(&asked), Server(&answer), Client(&asked), Server(&answer)];
            let rows = check_joined(&ended, &[&row, &row]);
            assert_eq!(rows.skipped, [], "{how:?}");
            assert_eq!(rows.sizes[1], (Some(asked.len() as u64), Some(answer.len() as u64)), "{how:?}: on the connection");
            check_joined(&[Server(&answer[20..]), Client(&asked), Server(&answer)], &[&row]);
        }
    }
}

#[test]
fn what_only_resembles_a_compressed_statement_is_none() {
    use crate::mysql::detect::{First, first_command};
    let sound = frame(0, &query("select 1"), How::Zlib);
    assert_eq!(first_command(&frame(0, &query("select 1"), How::Plain)), First::Packed);
    let mut grown = sound.clone();
    grown[4..7].copy_from_slice(&[200, 0, 0]);
    assert_eq!(first_command(&grown), First::Packed, "its header does not say that it grew");
    assert_eq!(first_command(&sound), First::Packet, "nobody packs what grows by it");
    assert_eq!(first_command(&frame(1, &query("select 1"), How::Plain)), First::Packet, "a frame of an answer");
    assert_eq!(first_command(&query("select 1")), First::Packet);
    assert_eq!(first_command(&frame(0, &[0x16; 80], How::Zlib)), First::Packet, "no command");
    for at in 0..sound.len() {
        assert_ne!(first_command(&frame(0, &query("select 1"), How::Plain)[..at.min(14)]), First::Packed);
    }
}

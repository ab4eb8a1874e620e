//! Floods, nonsense and damage: bounded, counted, never a panic.

use proptest::prelude::*;

use super::harness::*;
use super::wire::*;
use crate::conversation::damage::{Said, damage, pieces, same_in_pieces, turns};
use crate::limits::PENDING_REQUESTS_MAX;
use crate::{Skipped, State};

#[test]
fn long_pipelines_keep_their_alignment() {
    let count = 10_000;
    let mut fed = talk(false);
    let sent: Vec<u8> = (0..count).flat_map(|i| query(&format!("select {i}"))).collect();
    fed.turn(Client(&sent), || 60_000);
    assert!(fed.heap_bytes_max < 8 << 20, "{} bytes", fed.heap_bytes_max);
    let answers: Vec<u8> = (0..count).flat_map(|i| ok(1, (i % 200) as u8, 2)).collect();
    fed.turn(Server(&answers), || 60_000);
    fed.turn(Client(&query("do 1")), || usize::MAX);
    fed.turn(Server(&ok(1, 77, 2)), || usize::MAX);
    let rows = fed.close();
    assert_eq!(rows.skipped(Skipped::OverLimit).0, (count - PENDING_REQUESTS_MAX) as u64);
    assert_eq!(rows.lines.len(), PENDING_REQUESTS_MAX + 1);
    for (i, line) in rows.lines[..PENDING_REQUESTS_MAX].iter().enumerate() {
        assert_eq!(*line, format!("COM_QUERY | SELECT | select {i} | - | - | {} | - | - | - | - | - likely", i % 200));
    }
    assert_eq!(rows.lines[PENDING_REQUESTS_MAX], "COM_QUERY | DO | do 1 | - | - | 77 | - | - | - | - | - likely");
}

#[test]
fn waiting_commands_hold_bounded_memory() {
    let mut fed = talk(false);
    let sent = query(&format!("select '{}'", "v".repeat(60_000)));
    for n in 0..2000 {
        fed.turn(Client(&sent), || usize::MAX);
        // silent ones of different kinds in turn
        fed.turn(Client(&command(if n % 2 == 0 { 14 } else { 9 }, b"")), || usize::MAX);
    }
    for n in 0..20_000 {
        fed.turn(Client(&command(if n % 2 == 0 { 14 } else { 9 }, b"")), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 8 << 20, "{} bytes", fed.heap_bytes_max);
    assert!(fed.rows.skipped(Skipped::OverLimit).0 > 1900);
}

#[test]
fn statements_hold_bounded_memory() {
    let mut fed = talk(false);
    for id in 0..3000 {
        let text = format!("select {id} -- {}", "x".repeat(if id < 100 { 60_000 } else { 10 }));
        fed.turn(Client(&command(0x16, text.as_bytes())), || usize::MAX);
        fed.turn(Server(&[prepared(id, 0, 2), column(2), column(3), eof(4, 2)].concat()), || usize::MAX);
        for parameter in [0, 1] {
            let portion = [&id.to_le_bytes()[..], &[parameter, 0], "long".repeat(2000).as_bytes()].concat();
            fed.turn(Client(&command(0x18, &portion)), || usize::MAX);
        }
    }
    assert!(fed.heap_bytes_max < 4 << 20, "{} bytes", fed.heap_bytes_max);
    // the newest is known, the oldest is not
    for id in [2999, 0] {
        fed.turn(Client(&execute(id, &[0], Some(&[0xfd, 0, 0xfd, 0]), &[])), || usize::MAX);
        fed.turn(Server(&ok(1, 0, 2)), || usize::MAX);
    }
    let rows = fed.close();
    let executed: Vec<_> = rows.lines.iter().filter(|l| l.starts_with("COM_STMT_EXECUTE")).collect();
    assert!(executed[0].contains("select 2999") && executed[0].contains(r#"["longlong"#));
    assert!(executed[1].starts_with("COM_STMT_EXECUTE | - | - | - |"));
}

#[test]
fn another_protocol_is_given_up() {
    let mut fed = talk(true);
    for _ in 0..10 {
        fed.turn(Client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), || usize::MAX);
        fed.turn(Server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), || usize::MAX);
    }
    for _ in 0..1200 {
        fed.turn(Client(&[0xff; 1000]), || usize::MAX);
        fed.turn(Server(&[0xff; 1000]), || usize::MAX);
    }
    assert_eq!(fed.parser.state(), State::NotMine);
    assert_eq!(fed.rows.lines, [""; 0]);
}

/// A conversation with something of everything.
fn conversation() -> Said {
    let flags = FLAGS | SESSION_TRACK;
    let types = [0x03, 0, 0xfd, 0, 0x0c, 0, 0x05, 0];
    let values = b"\x2a\0\0\0\x03abc\x07\xe8\x07\x02\x1d\x0d\x0e\x0f\0\0\0\0\0\0\xf8\x3f";
    let definitions: Vec<u8> = (2..6).flat_map(column).collect();
    vec![
        (false, greeting(flags)),
        (true, login(flags, "eve", "shop")),
        (false, packet(2, b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0")),
        (true, packet(3, &[7; 32])),
        (false, ok(4, 0, 2)),
        (true, query(&format!("select '{}'", "x".repeat(3000)))),
        (false, [result(1, 20, MORE_RESULTS, false), ok(25, 3, MORE_RESULTS), result(26, 1, 2, false)].concat()),
        (true, command(0x16, b"call p(?, ?, ?, ?)")),
        (false, [prepared(1, 0, 4), definitions, eof(6, 2)].concat()),
        (true, execute(1, &[0], Some(&types), values)),
        (false, ok(1, 1, 2)),
        (true, [command(0x18, b"\x01\0\0\0\x01\0long"), execute(1, &[4], None, b"\x2a\0\0\0\0\0\0\0\0\0\xf8\x3f")].concat()),
        (false, error(1, 1062, "23000", "Duplicate entry")),
        (true, query("load data local infile 'f' into table t")),
        (false, packet(1, b"\xfbf")),
        (true, [packet(2, b"a\tb\n"), packet(3, b"")].concat()),
        (false, ok(4, 1, 2)),
        (true, [command(2, b"other"), command(14, b""), command(9, b"")].concat()),
        (false, [ok(1, 0, 2), ok(1, 0, 2), packet(1, b"Uptime: 1")].concat()),
        (true, command(0x19, b"\x01\0\0\0")),
        (true, command(1, b"")),
    ]
}

#[test]
fn the_conversation_is_understood() {
    let conversation = conversation();
    let rows = rows(true, &turns(&conversation), || usize::MAX);
    assert_eq!(rows.skipped, []);
    assert_eq!(rows.lines.len(), 12, "{:#?}", rows.lines);
    assert!(rows.lines[3].contains(r#"[42,"abc","2024-02-29 13:14:15",1.5]"#), "{}", rows.lines[3]);
    assert!(rows.lines[5].contains(r#"[42,"long",null,1.5]"#), "{}", rows.lines[5]);
    assert!(rows.lines.iter().all(|l| l.ends_with(" certain") && !l.contains("[broken]")), "{:#?}", rows.lines);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same(sizes in pieces(), skip in 0usize..20) {
        let conversation = conversation();
        // joined at any place between packets
        same_in_pieces(&MYSQL, skip == 0, &turns(&conversation)[skip..], &sizes)?;
    }

    #[test]
    fn damage_never_panics(damage in damage(), from_start: bool) {
        damage.survive(&MYSQL, from_start, conversation(), 1 << 20)?;
    }

    #[test]
    fn nonsense_never_panics(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..40)) {
        let mut fed = talk(false);
        for (client, bytes) in &parts {
            fed.turn(if *client { Client(bytes) } else { Server(bytes) }, || 7);
        }
        fed.close();
    }
}

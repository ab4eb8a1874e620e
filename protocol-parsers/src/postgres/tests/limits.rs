//! Floods, nonsense and damage: bounded, counted, never a panic.

use proptest::prelude::*;

use super::harness::*;
use super::wire::*;
use crate::conversation::damage::{Said, damage, pieces, same_in_pieces, turns};
use crate::limits::PENDING_REQUESTS_MAX;
use crate::{Flow, Skipped};

#[test]
fn long_pipelines_keep_their_alignment() {
    let count = 10_000;
    let mut fed = talk(true);
    fed.turn(Client(&login("a", "b")), || usize::MAX);
    fed.turn(Server(&ready()), || usize::MAX);
    let sent: Vec<u8> = (0..count).flat_map(|i| query(&format!("select {i}"))).collect();
    fed.turn(Client(&sent), || 60_000);
    assert!(fed.heap_bytes_max < 8 << 20, "{} bytes", fed.heap_bytes_max);
    let answers: Vec<u8> = (0..count).flat_map(|i| done(&format!("SELECT {i}"))).collect();
    fed.turn(Server(&answers), || 60_000);
    fed.turn(Client(&query("select last")), || usize::MAX);
    fed.turn(Server(&done("SELECT 7")), || usize::MAX);
    let rows = fed.close();
    assert_eq!(rows.skipped(Skipped::OverLimit).0, (count - PENDING_REQUESTS_MAX) as u64);
    assert_eq!(rows.lines.len(), 1 + PENDING_REQUESTS_MAX + 1);
    for (i, line) in rows.lines[1..=PENDING_REQUESTS_MAX].iter().enumerate() {
        assert!(line.starts_with(&format!("Query | query=select {i} | operation=SELECT | command_tag=SELECT {i} |")), "{line}");
    }
    assert!(rows.lines[PENDING_REQUESTS_MAX + 1].contains("select last | operation=SELECT | command_tag=SELECT 7"));
}

#[test]
fn endless_pipelines_are_counted_and_survived() {
    let count = 20_000;
    let mut fed = talk(true);
    fed.turn(Client(&login("a", "b")), || usize::MAX);
    fed.turn(Server(&ready()), || usize::MAX);
    for _ in 0..count {
        fed.turn(Client(&all("select 1", &[])), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 8 << 20, "{} bytes", fed.heap_bytes_max);
    for _ in 0..count {
        fed.turn(Server(&all_done(1)), || usize::MAX);
    }
    fed.turn(Client(&query("select last")), || usize::MAX);
    fed.turn(Server(&done("SELECT 7")), || usize::MAX);
    let rows = fed.close();
    let over = rows.skipped(Skipped::OverLimit).0;
    assert_eq!(rows.lines.len() as u64 + over, 1 + 2 * count + 1);
    let last = rows.lines.last().unwrap();
    assert!(last.contains("select last | operation=SELECT | command_tag=SELECT 7"), "{last}");
}

#[test]
fn waiting_requests_and_statements_hold_bounded_memory() {
    let mut fed = talk(false);
    let text = "v".repeat(60_000);
    for i in 0..2000 {
        let name = format!("s{i}");
        let sent = [parse(&name, &text, &[25]), bind(&name, &name, 0, &[Some(text.as_bytes())]), execute(&name)].concat();
        fed.turn(Client(&sent), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 8 << 20, "{} bytes", fed.heap_bytes_max);
    assert!(fed.rows.skipped(Skipped::OverLimit).0 > 1900);
}

#[test]
fn large_messages_are_not_held() {
    let mut fed = talk(true);
    fed.turn(Client(&login("a", "b")), || usize::MAX);
    fed.turn(Server(&ready()), || usize::MAX);
    let text = format!("select '{}'", "y".repeat(4 << 20));
    fed.turn(Client(&query(&text)), || 16 << 10);
    fed.turn(Server(&[columns(), row(&text), row("2"), done("SELECT 2")].concat()), || 16 << 10);
    assert!(fed.heap_bytes_max < 512 << 10, "{} bytes", fed.heap_bytes_max);
    let rows = fed.close();
    assert_eq!(rows.lines.len(), 2);
    assert!(rows.lines[1].contains(&format!("query={} |", &text[..64 << 10])));
    assert!(rows.lines[1].contains("rows=2") && rows.lines[1].ends_with("[truncated]"));
}

/// A conversation with something of everything.
fn conversation() -> Said {
    let large = "x".repeat(9000);
    let copy = |tag| message(tag, [0, 0, 1, 0, 0]);
    vec![
        (true, vec![0, 0, 0, 8, 4, 210, 22, 47]),
        (false, b"N".to_vec()),
        (true, login("me", "db")),
        (false, [message(b'R', [0; 4]), message(b'S', b"a\0b\0"), message(b'K', [1; 8]), ready()].concat()),
        (true, query(&format!("select '{large}'"))),
        (false, [columns(), row(&large), done("SELECT 1")].concat()),
        (true, [parse("s", "select $1", &[23]), describe(b'S', "s"), bind("", "s", 1, &[Some(&[0, 0, 0, 1])])].concat()),
        (false, [message(b'1', b""), message(b't', [0, 1, 0, 0, 0, 23]), columns()].concat()),
        (true, [execute(""), close(b'S', "s"), sync(), all("select 1", &[]), sync()].concat()),
        (false, [message(b'2', b""), row("1"), tag("SELECT 1"), message(b'3', b""), ready()].concat()),
        (false, [message(b'1', b""), error("22012", "e"), ready(), ready()].concat()),
        (true, query("copy t from stdin")),
        (false, copy(b'G')),
        (true, [message(b'd', b"abc\n"), message(b'c', b"")].concat()),
        (false, done("COPY 1")),
        (true, query("copy t to stdout")),
        (false, [copy(b'H'), message(b'd', b"abc\n"), message(b'c', b""), done("COPY 1")].concat()),
        (true, message(b'F', [0; 10])),
        (false, [message(b'V', [0; 4]), message(b'A', b"\0\0\0\x01c\0p\0"), ready()].concat()),
        (true, query("START_REPLICATION 0/0")),
        (false, [copy(b'W'), message(b'd', b"wal")].concat()),
        (true, message(b'X', b"")),
    ]
}

#[test]
fn the_conversation_is_understood() {
    let conversation = conversation();
    let rows = rows(true, &turns(&conversation), || usize::MAX);
    let commands: Vec<_> = rows.lines.iter().map(|l| l.split(' ').next().unwrap()).collect();
    let want = "Startup Query Parse Execute Parse Execute Query Query FunctionCall Query Copy";
    assert_eq!(commands.join(" "), want);
    assert_eq!(rows.skipped, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same(sizes in pieces(), from_start: bool) {
        same_in_pieces(&POSTGRES, from_start, &turns(&conversation()), &sizes)?;
    }

    #[test]
    fn damage_never_panics(damage in damage(), from_start: bool) {
        let mut said = conversation();
        damage.flip(&mut said);
        let whole = rows(from_start, &turns(&said), || usize::MAX);
        let bytewise = rows(from_start, &turns(&said), || 1);
        prop_assert_eq!(bytewise.lines, whole.lines);
        prop_assert_eq!(bytewise.skipped.iter().map(|s| s.2).sum::<u64>(), whole.skipped.iter().map(|s| s.2).sum::<u64>());
        damage.survive(&POSTGRES, from_start, conversation(), 1 << 20)?;
    }

    #[test]
    fn nonsense_never_panics(parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..40)) {
        let mut fed = talk(false);
        for (client, bytes) in &parts {
            fed.turn(if *client { Client(bytes) } else { Server(bytes) }, || 7);
        }
        fed.close();
    }
}

#[test]
fn the_rest_of_a_long_message_is_passed_over() {
    let long = format!("select '{}'", "x".repeat(300_000));
    let asked = query(&long);
    let mut fed = talk(true);
    fed.whole(&[Client(&login("a", "b")), Server(&ready()), Client(&asked[..200_000])]);
    assert_eq!(fed.parser.passes_over(Flow::ToServer), asked.len() as u64 - 200_000);
    // of a row of a result nothing is kept
    let row = message(b'D', [&[0, 1, 0, 4, 0x93, 0xe0][..], &[b'y'; 300_000]].concat());
    fed.whole(&[Client(&asked[200_000..]), Server(&row[..10])]);
    assert_eq!(fed.parser.passes_over(Flow::ToClient), row.len() as u64 - 10);
    let (login, welcome, done) = (login("a", "b"), ready(), done("SELECT 1"));
    let turns = [Client(&login), Server(&welcome), Client(&asked), Server(&row), Server(&done)];
    let lines = rows(true, &turns, || usize::MAX).lines;
    assert_eq!(lines.len(), 2);
    check(&turns, &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

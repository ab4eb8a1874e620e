//! Floods, nonsense and damage: bounded, counted, never a panic.

use proptest::prelude::*;

use super::harness::*;
use crate::conversation::damage::{Said, damage, pieces, same_in_pieces, turns};
use crate::limits::PENDING_REQUESTS_MAX;
use crate::{Flow, Skipped, State};

#[test]
fn long_pipelines_keep_their_alignment() {
    let count = 10_000;
    let mut fed = talk(true);
    let sent: Vec<u8> = (0..count).flat_map(|i| command(&format!("GET {i}"))).collect();
    fed.turn(Client(&sent), || 60_000);
    assert!(fed.heap_bytes_max < 8 << 20, "{} bytes", fed.heap_bytes_max);
    let replies: Vec<u8> = (0..count).flat_map(|i| format!(":{i}\r\n").into_bytes()).collect();
    fed.turn(Server(&replies), || 60_000);
    fed.turn(Client(&command("GET last")), || usize::MAX);
    fed.turn(Server(b"+LAST\r\n"), || usize::MAX);
    let rows = fed.close();
    assert_eq!(rows.skipped(Skipped::OverLimit).0, (count - PENDING_REQUESTS_MAX) as u64);
    assert_eq!(rows.lines.len(), PENDING_REQUESTS_MAX + 1);
    for (i, line) in rows.lines[..PENDING_REQUESTS_MAX].iter().enumerate() {
        assert_eq!(*line, format!("GET | {i} | [\"{i}\"] | 1 | {i} | integer | - certain"));
    }
    assert_eq!(rows.lines[PENDING_REQUESTS_MAX], r#"GET | last | ["last"] | 1 | LAST | simple | - certain"#);
}

#[test]
fn waiting_commands_hold_bounded_memory() {
    let mut fed = talk(true);
    let value = "v".repeat(4000);
    let words: Vec<&[u8]> = [b"MSET".as_slice()].into_iter().chain([value.as_bytes(); 20]).collect();
    let sent = resp(&words);
    for _ in 0..2000 {
        fed.turn(Client(&sent), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 6 << 20, "{} bytes", fed.heap_bytes_max);
    assert!(fed.rows.skipped(Skipped::OverLimit).0 > 1900);
}

#[test]
fn many_arguments_and_elements_are_cut() {
    let many = resp(&vec![b"DEL".as_slice(); 100_000]);
    let reply = format!("*100000\r\n{}", ":1234567\r\n".repeat(100_000));
    let mut fed = talk(true);
    fed.turn(Client(&many), || 10_000);
    fed.turn(Server(reply.as_bytes()), || 10_000);
    assert!(fed.heap_bytes_max < 512 << 10, "{} bytes", fed.heap_bytes_max);
    let rows = fed.close();
    assert_eq!(rows.lines.len(), 1);
    assert!(rows.lines[0].contains("| 99999 |") && rows.lines[0].ends_with("[truncated] certain"));
    assert!(rows.lines[0].contains(r#","DEL"] |"#) && rows.lines[0].contains(",1234567] | array"));
    assert!(rows.lines[0].len() < 140 << 10);
}

#[test]
fn deep_nesting_is_refused() {
    let mut reply = b"*1\r\n".repeat(100);
    reply.extend(b":1\r\n");
    let get = command("GET k");
    let rows = check(
        &[Client(&get), Server(&reply), Client(&get), Server(b"$1\r\nv\r\n")],
        &[r#"GET | k | ["k"] | 1 | - | - | - [truncated] [unended] guessed"#, r#"GET | k | ["k"] | 1 | v | bulk | - likely"#],
    );
    assert_eq!(rows.skipped(Skipped::Malformed).0, 1);
}

#[test]
fn another_protocol_is_given_up() {
    let mut fed = talk(true);
    for _ in 0..10 {
        fed.turn(Client(b"\x16\x03\x01\x02\x00\x01\n*x\n"), || usize::MAX);
        fed.turn(Server(b"\x16\x03\x03\x00\x7a\n"), || usize::MAX);
    }
    for _ in 0..1200 {
        fed.turn(Client(&[b"\x00".repeat(1000), b"\n".to_vec()].concat()), || usize::MAX);
    }
    assert_eq!(fed.parser.state(), State::NotMine);
    assert_eq!(fed.rows.lines, [""; 0]);
}

#[test]
fn lines_without_end_are_bounded() {
    let mut fed = talk(true);
    for _ in 0..1000 {
        fed.turn(Client(&[b'a'; 1000]), || usize::MAX);
        fed.turn(Server(&[b'+'; 1000]), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 512 << 10, "{} bytes", fed.heap_bytes_max);
}

/// A conversation with something of everything.
fn conversation() -> Said {
    let large = "x".repeat(9000);
    vec![
        (true, command("HELLO 3")),
        (false, b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n".to_vec()),
        (true, [command(&format!("SET k {large}")), command("GET k"), b"set \"a b\" c\r\n".to_vec()].concat()),
        (false, format!("+OK\r\n${}\r\n{large}\r\n-ERR x\r\n", large.len()).into_bytes()),
        (true, [command("SUBSCRIBE a b"), command("UNSUBSCRIBE"), command("MULTI"), command("EXEC")].concat()),
        (false, b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n".to_vec()),
        (false, b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nm\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n".to_vec()),
        (false, b">3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n+OK\r\n*2\r\n%1\r\n+a\r\n,1.5\r\n~1\r\n_\r\n".to_vec()),
        (true, [command("CLIENT REPLY SKIP"), command("PING"), command("EVAL x 1 key")].concat()),
        (false, b"|1\r\n+a\r\n:1\r\n*?\r\n$?\r\n;3\r\nabc\r\n;0\r\n=7\r\ntxt:abc\r\n.\r\n".to_vec()),
        (true, command("MONITOR")),
        (false, b"+OK\r\n+1.5 [0 x] \"y\"\r\n".to_vec()),
    ]
}

#[test]
fn the_conversation_is_understood() {
    let conversation = conversation();
    let rows = rows(true, &turns(&conversation), || usize::MAX);
    assert_eq!(rows.lines.len(), 12);
    assert_eq!(rows.skipped, []);
    assert!(rows.lines.iter().all(|l| l.ends_with(" certain") && !l.contains("[broken]")), "{:#?}", rows.lines);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same(sizes in pieces(), from_start: bool) {
        same_in_pieces(&REDIS, from_start, &turns(&conversation()), &sizes)?;
    }

    #[test]
    fn damage_never_panics(damage in damage(), from_start: bool) {
        damage.survive(&REDIS, from_start, conversation(), 1 << 20)?;
    }

    #[test]
    fn nonsense_never_panics(parts in proptest::collection::vec((any::<bool>(), "[*$:+;|%~>.?,\\-0-3a\r\n]{0,40}"), 0..40)) {
        let mut fed = talk(true);
        for (client, text) in &parts {
            fed.turn(if *client { Client(text.as_bytes()) } else { Server(text.as_bytes()) }, || 7);
        }
        fed.close();
    }
}

#[test]
fn the_rest_of_a_large_value_is_passed_over() {
    let value = vec![b'v'; 300_000];
    let set = resp(&[b"SET", b"k", &value]);
    let mut fed = talk(true);
    fed.turn(Client(&set[..20_000]), || usize::MAX);
    assert_eq!(fed.parser.passes_over(Flow::ToServer), set.len() as u64 - 20_000);
    assert_eq!(fed.parser.passes_over(Flow::ToClient), 0);
    let reply = [&b"$300000\r\n"[..], &value, b"\r\n"].concat();
    let turns = [Client(&set), Server(b"+OK\r\n"), Client(&command("GET k")), Server(&reply), Client(&command("GET n"))];
    let turns = [&turns[..], &[Server(b"$-1\r\n")]].concat();
    let lines = rows(true, &turns, || usize::MAX).lines;
    assert_eq!(lines.len(), 3);
    check(&turns, &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

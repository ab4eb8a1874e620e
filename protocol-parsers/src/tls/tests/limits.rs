//! Floods, nonsense and damage: bounded, counted, never a panic.

use proptest::prelude::*;

use super::harness::*;
use super::wire::*;
use crate::tls::hello::Version;
use crate::{Skipped, State};

#[test]
fn a_long_hello_holds_bounded_memory() {
    let hello = client_hello_with(&[server_name("a.example"), extension(21, vec![0; 60_000])]);
    let records: Vec<u8> = hello.chunks(16_000).flat_map(|part| record(22, part)).collect();
    let mut fed = Fed::new(true);
    fed.turn(Client(&records), || 100);
    assert!(fed.heap_bytes_max < 40 << 10, "{} bytes", fed.heap_bytes_max);
    let rows = fed.close();
    assert_eq!(rows.lines, ["sni=a.example | handshake=failed [truncated] [broken] [unended] certain"]);
    assert_eq!(rows.sizes[0].0, Some(records.len() as u64));
}

#[test]
fn long_lists_of_certificates_hold_bounded_memory() {
    let list = vec![certificate_der(); 2000];
    let flight = [selects(TLS12, ECDHE, Some("h2")), certificates(&list), message(14, [])].concat();
    let records: Vec<u8> = flight.chunks(16_000).flat_map(|part| record(22, part)).collect();
    let mut fed = Fed::new(true);
    fed.whole(&[Client(&client_hello("a.example"))]);
    fed.turn(Server(&records), || 100);
    assert!(fed.heap_bytes_max < 40 << 10, "{} bytes", fed.heap_bytes_max);
    fed.whole(&[Client(&client_flight12()), Server(&[change_cipher(), finished()].concat())]);
    assert_eq!(fed.close().lines, [ROW12]);
}

#[test]
fn endless_handshakes_hold_bounded_memory() {
    let mut fed = Fed::new(true);
    let hello = client_hello("a.example");
    for _ in 0..2000 {
        fed.whole(&[Client(&hello), Server(&record(22, message(12, [9; 9000])))]);
    }
    assert!(fed.heap_bytes_max < 4 << 10, "{} bytes", fed.heap_bytes_max);
    assert_eq!(fed.close().lines.len(), 2000);
}

#[test]
fn bytes_without_records_are_given_up() {
    let mut fed = Fed::new(false);
    for _ in 0..100 {
        fed.whole(&[Client(&[b'x'; 1000])]);
    }
    assert_eq!(fed.parser.state(), State::NotMine);
    assert_eq!(fed.rows.skipped(Skipped::JoinedMidMessage), 66_000);
}

#[test]
fn versions_have_names_whatever_they_are() {
    for number in 0..=u16::MAX {
        assert!(!Version(number).name().is_empty());
    }
}

/// A conversation with something of everything.
fn conversation() -> Vec<(bool, Vec<u8>)> {
    vec![
        (true, [record(22, &client_hello_with(&[grease(), server_name("a.example")])[..30])].concat()),
        (true, record(22, &client_hello_with(&[grease(), server_name("a.example")])[30..])),
        (false, [alert(1, 112), retry_request(AES_128_GCM), change_cipher()].concat()),
        (true, [change_cipher(), client_hello("a.example")].concat()),
        (false, [selects13(AES_128_GCM), data(700), data(0)].concat()),
        (true, [finished13(), data(50)].concat()),
        (false, data(5000)),
        (true, client_hello("b.example")),
        (false, record(22, flight12().concat())),
        (true, client_flight12()),
        (false, [record(22, message(4, [1; 200])), change_cipher(), finished()].concat()),
        (true, [data(300), record(21, [3; 26])].concat()),
        (true, client_hello("c.example")),
        (false, alert(2, 40)),
    ]
}

fn turns(conversation: &[(bool, Vec<u8>)]) -> Vec<Turn<'_>> {
    conversation.iter().map(|(client, bytes)| if *client { Client(bytes) } else { Server(bytes) }).collect()
}

#[test]
fn the_conversation_is_understood() {
    let conversation = conversation();
    let third = "sni=c.example | handshake=failed | alert=handshake_failure certain";
    let rows = check(&turns(&conversation), &[ROW13, &ROW12.replace("a.example", "b.example"), third]);
    assert_eq!(rows.skipped, []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same(sizes in proptest::collection::vec(1usize..200, 1..50)) {
        let conversation = conversation();
        let turns = turns(&conversation);
        let whole = rows(true, &turns, || usize::MAX);
        let mut sizes = sizes.into_iter().cycle();
        let pieces = rows(true, &turns, || sizes.next().unwrap_or(1));
        prop_assert_eq!(pieces.lines, whole.lines);
        prop_assert_eq!(pieces.sizes, whole.sizes);
        prop_assert_eq!(pieces.times, whole.times);
    }

    #[test]
    fn damage_never_panics(
        flips in proptest::collection::vec((0usize..100_000, any::<u8>()), 0..20),
        cut in 0usize..14,
        unseen in proptest::collection::vec((0usize..14, any::<bool>(), 1u64..10_000), 0..4),
        from_start: bool,
    ) {
        let mut conversation = conversation();
        for (at, byte) in flips {
            let count = conversation.len();
            let bytes = &mut conversation[at % count].1;
            let index = at % bytes.len();
            bytes[index] = byte;
        }
        let cut_at = conversation[cut].1.len() / 2;
        conversation[cut].1.truncate(cut_at);
        let mut turns = turns(&conversation);
        for (at, client, len) in unseen {
            turns.insert(at, if client { ClientUnseen(len) } else { ServerUnseen(len) });
        }
        let mut fed = Fed::new(from_start);
        for turn in turns {
            fed.turn(turn, || 100);
        }
        prop_assert!(fed.heap_bytes_max < 64 << 10);
        fed.close();
    }

    #[test]
    fn damage_is_the_same_in_any_pieces(flips in proptest::collection::vec((0usize..100_000, any::<u8>()), 1..8)) {
        let mut conversation = conversation();
        for (at, byte) in flips {
            let count = conversation.len();
            let bytes = &mut conversation[at % count].1;
            let index = at % bytes.len();
            bytes[index] = byte;
        }
        let turns = turns(&conversation);
        prop_assert_eq!(rows(true, &turns, || 1).lines, rows(true, &turns, || usize::MAX).lines);
    }
}

//! Floods, nonsense and damage: bounded, counted, never a panic.

use proptest::prelude::*;

use super::harness::*;
use super::wire::*;
use crate::conversation::damage::{Said, damage, pieces, same_in_pieces, turns};
use crate::tls::hello::Version;
use crate::{Skipped, State};

#[test]
fn a_long_hello_holds_bounded_memory() {
    let hello = client_hello_with(&[server_name("a.example"), extension(21, vec![0; 60_000])]);
    let records: Vec<u8> = hello.chunks(16_000).flat_map(|part| record(22, part)).collect();
    let mut fed = talk(true);
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
    let mut fed = talk(true);
    fed.whole(&[Client(&client_hello("a.example"))]);
    fed.turn(Server(&records), || 100);
    assert!(fed.heap_bytes_max < 40 << 10, "{} bytes", fed.heap_bytes_max);
    fed.whole(&[Client(&client_flight12()), Server(&[change_cipher(), finished()].concat())]);
    assert_eq!(fed.close().lines, [ROW12]);
}

#[test]
fn endless_handshakes_hold_bounded_memory() {
    let mut fed = talk(true);
    let hello = client_hello("a.example");
    for _ in 0..2000 {
        fed.whole(&[Client(&hello), Server(&record(22, message(12, [9; 9000])))]);
    }
    assert!(fed.heap_bytes_max < 4 << 10, "{} bytes", fed.heap_bytes_max);
    assert_eq!(fed.close().lines.len(), 2000);
}

#[test]
fn bytes_without_records_are_given_up() {
    let mut fed = talk(false);
    for _ in 0..100 {
        fed.whole(&[Client(&[b'x'; 1000])]);
    }
    assert_eq!(fed.parser.state(), State::NotMine);
    assert_eq!(fed.rows.skipped(Skipped::JoinedMidMessage).1, 66_000);
}

#[test]
fn versions_have_names_whatever_they_are() {
    for number in 0..=u16::MAX {
        assert!(!Version(number).name().is_empty());
    }
}

/// A conversation with something of everything.
fn conversation() -> Said {
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
    fn any_pieces_give_the_same(sizes in pieces()) {
        same_in_pieces(&TLS, true, &turns(&conversation()), &sizes)?;
    }

    #[test]
    fn damage_never_panics(damage in damage(), from_start: bool) {
        damage.survive(&TLS, from_start, conversation(), 64 << 10)?;
    }

    #[test]
    fn damage_is_the_same_in_any_pieces(damage in damage()) {
        let mut said = conversation();
        damage.flip(&mut said);
        prop_assert_eq!(rows(true, &turns(&said), || 1).lines, rows(true, &turns(&said), || usize::MAX).lines);
    }
}

//! Connections that were joined, and bytes that were not seen.

use super::harness::*;
use super::wire::*;
use crate::{Skipped, Wanted};

#[test]
fn data_alone_gives_no_row() {
    let mut fed = talk(false);
    fed.whole(&[Client(&data(100)), Server(&data(3000)), Server(&data(16_000))]);
    assert_eq!(fed.parser.wanted(), Wanted::Full);
    fed.whole(&[Server(&[data(16_000), data(100)].concat())]);
    // it is TLS indeed
    assert_eq!(fed.parser.wanted(), Wanted::Counters);
    let rows = fed.close();
    assert_eq!((rows.lines.len(), rows.skipped.len()), (0, 0));
}

#[test]
fn joined_inside_a_record() {
    let rows = check_joined(
        &[
            Server(&[0x16, 0x99, 3, 4, 5, 6]),
            Client(&client_hello("a.example")),
            Server(&selects13(AES_128_GCM)),
            Server(&data(100)),
            Client(&finished13()),
        ],
        &[&ROW13.replace("certain", "likely")],
    );
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage).1, 6);
}

#[test]
fn joined_between_the_hellos() {
    let rows = check_joined(
        &[Server(&selects13(AES_128_GCM)), Server(&data(100)), Client(&finished13())],
        &["version=TLSv1.3 | cipher=TLS_AES_128_GCM_SHA256 | handshake=done | resumed=false [unended] likely"],
    );
    assert_eq!(rows.sizes, [(None, Some((selects13(AES_128_GCM).len() + data(100).len()) as u64))]);
    // after them nothing of the handshake can be told
    let joined = [Server(&record(22, certificates(&[certificate_der()]))), Client(&client_flight12()), Server(&data(90))];
    check_joined(&joined, &[]);
}

#[test]
fn a_hole_inside_a_message_hides_what_it_says() {
    let flight = record(22, flight12().concat());
    let end = [Client(&client_flight12()), Server(&[change_cipher(), finished()].concat())];
    let hello = client_hello("a.example");
    // somewhere in the certificates
    let turns = [Client(&hello), Server(&flight[..200]), ServerUnseen(300), Server(&flight[500..]), end[0], end[1]];
    let line = "sni=a.example | version=TLSv1.2 | alpn=h2 | cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 | handshake=done | \
                resumed=false certain";
    let rows = check(&turns, &[line]);
    assert_eq!(rows.sizes[0].1, Some((flight.len() + change_cipher().len() + finished().len()) as u64));
    // the selection
    let turns = [Client(&hello), Server(&flight[..7]), ServerUnseen(200), Server(&flight[207..]), end[0], end[1]];
    check(&turns, &["sni=a.example | handshake=done guessed"]);
    // the client's name
    let turns = [Client(&hello[..60]), ClientUnseen(hello.len() as u64 - 60), Server(&flight), end[0], end[1]];
    check(&turns, &[&ROW12.replace("sni=a.example | ", "").replace("certain", "[truncated] certain")]);
}

#[test]
fn a_hole_over_records_hides_the_end() {
    let hello = client_hello("a.example");
    let rows = check(&[Client(&hello), ServerUnseen(4000)], &["sni=a.example [broken] [unended] guessed"]);
    assert_eq!(rows.skipped(Skipped::Gap).1, 4000);
    assert_eq!(rows.sizes, [(Some(hello.len() as u64), None)]);
    // data of both ends shows that it had one
    let turns = [Client(&hello), ServerUnseen(4000), Client(&finished13()), Server(&data(60))];
    let whole = rows_of(&turns);
    assert_eq!(whole.lines, ["sni=a.example | handshake=done guessed"]);
    let turns = [ClientUnseen(300), Server(&selects13(AES_128_GCM)), Client(&finished13()), Server(&data(60))];
    let line = "version=TLSv1.3 | cipher=TLS_AES_128_GCM_SHA256 | handshake=done | resumed=false [gap] [unended] guessed";
    assert_eq!(rows_of(&turns).lines, [line]);
    // a retry that was not seen
    let turns = [Client(&hello), ServerUnseen(150), Client(&hello), Server(&selects13(AES_128_GCM)), Client(&finished13())];
    assert_eq!(rows_of(&turns).lines, [ROW13.replace("certain", "guessed")]);
}

fn rows_of(turns: &[Turn<'_>]) -> Rows {
    rows(true, turns, || usize::MAX)
}

#[test]
fn an_alert_that_was_not_seen_says_nothing() {
    let hello = client_hello("a.example");
    let warning = alert(1, 112);
    check(
        &[Client(&hello), Server(&warning[..5]), ServerUnseen(2), Server(&selects13(AES_128_GCM)), Client(&finished13())],
        &[ROW13],
    );
}

//! Queries and responses over TCP.

use super::harness::*;
use crate::{Skipped, Transport};

const A: u16 = 1;
const SOA: u16 = 6;
const AXFR: u16 = 252;

fn ask(id: u16, text: &str) -> Vec<u8> {
    framed(&query(id, text, A))
}

fn answer(id: u16, text: &str) -> Vec<u8> {
    framed(&response(id, text, A, 3, &[]))
}

fn expect(id: u16, text: &str, confidence: &str) -> String {
    format!("tcp | {id} | {text} | A | NXDOMAIN | [] | 0{confidence}")
}

#[test]
fn several_queries_answered_in_any_order() {
    let asked = [ask(1, "a.test"), ask(2, "b.test"), ask(3, "c.test")].concat();
    let answered = [answer(3, "c.test"), answer(1, "a.test"), answer(2, "b.test")].concat();
    let rows = check_stream(
        true,
        &[Client(asked), Server(answered)],
        &[&expect(3, "c.test", " certain"), &expect(1, "a.test", " certain"), &expect(2, "b.test", " certain")],
    );
    let bytes = Some(ask(1, "a.test").len() as u64);
    assert_eq!(rows.sizes, [(bytes, bytes); 3]);
    assert_eq!(rows.times, [(100, Some(100)); 3]);
}

#[test]
fn a_zone_transfer_is_one_row() {
    let soa = || record(SOA, 1, &[name("ns"), name("me"), vec![0; 20]].concat());
    let host = || record(A, 1, &[192, 0, 2, 9]);
    let first = response(9, "zone.test", AXFR, 0, &[soa(), host()]);
    // the later messages need no question
    let middle = [header(9, RESPONSE, [0, 1, 0, 0]).as_slice(), &[0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 1, 2, 3, 4]].concat();
    let last = response(9, "zone.test", AXFR, 0, &[host(), soa()]);
    let answered = [framed(&first), framed(&middle), framed(&last)].concat();
    let bytes = answered.len() as u64;
    let soa_text = r#"{"name":"zone.test","type":"SOA","ttl":1,"data":"ns me 0 0 0 0 0"}"#;
    let host_text = r#"{"name":"zone.test","type":"A","ttl":1,"data":"192.0.2.9"}"#;
    let text = format!(r#"[{soa_text},{host_text},{{"name":".","type":"A","ttl":1,"data":"1.2.3.4"}},{host_text},{soa_text}]"#);
    let rows = check_stream(
        true,
        &[
            Client(framed(&query(9, "zone.test", AXFR))),
            Server(answered.clone()),
            Client(ask(2, "a.test")),
            Server(answer(2, "a.test")),
        ],
        &[&format!("tcp | 9 | zone.test | AXFR | NOERROR | {text} | 5 certain"), &expect(2, "a.test", " certain")],
    );
    assert_eq!(rows.sizes[0].1, Some(bytes));
    // the connection ends before the transfer does
    let cut = framed(&first);
    check_stream(
        true,
        &[Client(framed(&query(9, "zone.test", AXFR))), Server(cut)],
        &[&format!(
            "tcp | 9 | zone.test | AXFR | NOERROR | [{soa_text},{host_text}] | 2 [truncated] [broken] [unended] likely"
        )],
    );
    // refused
    check_stream(
        true,
        &[Client(framed(&query(9, "zone.test", AXFR))), Server(framed(&response(9, "zone.test", AXFR, 5, &[])))],
        &["tcp | 9 | zone.test | AXFR | REFUSED | [] | 0 certain"],
    );
}

#[test]
fn joined() {
    let turns = [Client(ask(1, "a.test")), Server(answer(1, "a.test"))];
    check_stream(false, &turns, &[&expect(1, "a.test", " likely")]);
    // inside a message
    let turns = [
        Client([&ask(1, "a.test")[5..], &ask(2, "b.test")].concat()),
        Server([&answer(1, "a.test")[9..], &answer(2, "b.test")].concat()),
    ];
    let rows = check_stream(false, &turns, &[&expect(2, "b.test", " likely")]);
    let length = ask(1, "a.test").len() as u64;
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 2 * length - 14));
}

#[test]
fn unseen_bytes_inside_a_message() {
    let first = response(
        1,
        "a.test",
        A,
        0,
        &[record(A, 1, &[1, 2, 3, 4]), record(16, 1, &[b"\xff".as_slice(), &[b'x'; 255]].concat())],
    );
    let sent = framed(&first);
    let seen = sent.len() - 200;
    let rows = check_stream(
        true,
        &[
            Client([ask(1, "a.test"), ask(2, "b.test")].concat()),
            Server(sent[..seen].to_vec()),
            ServerUnseen(150),
            Server([&sent[seen + 150..], &answer(2, "b.test")].concat()),
        ],
        &[
            r#"tcp | 1 | a.test | A | NOERROR | [{"name":"a.test","type":"A","ttl":1,"data":"1.2.3.4"}] | 2 [truncated] [unended] certain"#,
            &expect(2, "b.test", " certain"),
        ],
    );
    assert_eq!(rows.sizes[0].1, Some(sent.len() as u64));
    assert_eq!(rows.skipped, []);
}

#[test]
fn unseen_bytes_between_messages() {
    let rows = check_stream(
        true,
        &[
            Client(ask(1, "a.test")),
            Server(answer(1, "a.test")),
            ClientUnseen(100),
            Client([&ask(3, "c.test")[7..], &ask(2, "b.test")].concat()),
            Server([answer(3, "c.test"), answer(2, "b.test")].concat()),
        ],
        &[&expect(1, "a.test", " certain"), &expect(2, "b.test", " [gap] likely")],
    );
    assert_eq!(rows.skipped(Skipped::Gap), (0, 100 + ask(3, "c.test").len() as u64 - 7));
}

#[test]
fn lengths_that_are_none() {
    let turns = [Client([b"\0\x03abc".to_vec(), ask(1, "a.test")].concat()), Server(answer(1, "a.test"))];
    let rows = check_stream(true, &turns, &[&expect(1, "a.test", " certain")]);
    assert_eq!(rows.skipped(Skipped::Malformed), (0, 5));
}

#[test]
fn unanswered() {
    let cut = answer(1, "a.test");
    check_stream(
        true,
        &[Client(ask(1, "a.test")), Server(cut[..20].to_vec())],
        &["tcp | 1 | a.test | A | - | - | - [broken] [unended] certain"],
    );
    let mut fed = talk(Transport::Stream, true);
    fed.turn(&Client(ask(1, "a.test")), || usize::MAX);
    fed.turn(&Expire, || usize::MAX);
    assert_eq!(fed.close().lines, ["tcp | 1 | a.test | A | - | - | - [unended] certain"]);
}

//! Queries and responses in datagrams.

use super::harness::*;
use crate::{Skipped, State, Transport};

const A: u16 = 1;
const AAAA: u16 = 28;
const ADDRESS: [u8; 4] = [192, 0, 2, 9];
const ANSWER: &str = r#"[{"name":"a.Test","type":"A","ttl":60,"data":"192.0.2.9"}]"#;

#[test]
fn a_query_and_its_response() {
    let (ask, answer) = (query(7, "a.Test", A), response(7, "a.Test", A, 0, &[record(A, 60, &ADDRESS)]));
    let sizes = (Some(ask.len() as u64), Some(answer.len() as u64));
    let rows = check(&[Client(ask), Server(answer)], &[&format!("udp | 7 | a.Test | A | NOERROR | {ANSWER} | 1 certain")]);
    assert_eq!(rows.sizes, [sizes]);
    assert_eq!(rows.times, [(100, Some(100))]);
}

#[test]
fn outcomes() {
    let ask = |rcode, expect: &str| {
        check(
            &[Client(query(7, "a.test", A)), Server(response(7, "a.test", A, rcode, &[]))],
            &[&format!("udp | 7 | a.test | A | {expect} | [] | 0 certain")],
        );
    };
    ask(0, "NOERROR");
    ask(1, "FORMERR");
    ask(2, "SERVFAIL");
    ask(3, "NXDOMAIN");
    ask(5, "REFUSED");
    ask(12, "RCODE12");
}

#[test]
fn names_as_sent() {
    let ask = |sent: &[u8], expect: &str| {
        let message = [header(7, QUERY, [1, 0, 0, 0]).as_slice(), sent, &[0, 1, 0, 1]].concat();
        check(&[Client(message)], &[&format!("udp | 7 | {expect} | A | - | - | - [broken] [unended] certain")]);
    };
    ask(&name("WwW.ExAmPlE.oRg"), "WwW.ExAmPlE.oRg");
    ask(&name(""), ".");
    ask(b"\x03a.b\x01c\x00", r"a\.b.c");
    ask(b"\x03a\\b\x00", r"a\\b");
    ask(b"\x02\xff\x00\x00", r"\255\000");
    ask("\u{3}bü\u{1}c\0".as_bytes(), r"b\195\188.c");
}

#[test]
fn types_without_a_name() {
    check(
        &[Client(query(7, "a.test", 1234)), Server(response(7, "a.test", 1234, 0, &[record(1234, 1, &[1, 2])]))],
        &[
            r##"udp | 7 | a.test | TYPE1234 | NOERROR | [{"name":"a.test","type":"TYPE1234","ttl":1,"data":"\\# 2 0102"}] | 1 certain"##,
        ],
    );
}

#[test]
fn the_servers_case_may_differ() {
    check(
        &[Client(query(7, "A.test", A)), Server(response(7, "a.TEST", A, 3, &[]))],
        &["udp | 7 | A.test | A | NXDOMAIN | [] | 0 certain"],
    );
}

#[test]
fn a_query_sent_again_is_one() {
    let ask = query(7, "a.test", A);
    let rows = check(
        &[Client(ask.clone()), Client(ask.clone()), Server(response(7, "a.test", A, 3, &[])), Client(ask)],
        &["udp | 7 | a.test | A | NXDOMAIN | [] | 0 certain", "udp | 7 | a.test | A | - | - | - [broken] [unended] certain"],
    );
    assert_eq!(rows.times[0], (100, Some(200)));
}

#[test]
fn one_id_for_two_types() {
    check(
        &[
            Client(query(7, "a.test", A)),
            Client(query(7, "a.test", AAAA)),
            Server(response(7, "a.test", AAAA, 3, &[])),
            Server(response(7, "a.test", A, 0, &[])),
        ],
        &["udp | 7 | a.test | AAAA | NXDOMAIN | [] | 0 certain", "udp | 7 | a.test | A | NOERROR | [] | 0 certain"],
    );
}

#[test]
fn responses_without_their_query_are_no_rows() {
    check(&[Server(response(7, "a.test", A, 0, &[]))], &[]);
    check(
        &[Client(query(7, "a.test", A)), Server(response(7, "b.test", A, 0, &[])), Server(response(8, "a.test", A, 0, &[]))],
        &["udp | 7 | a.test | A | - | - | - [broken] [unended] certain"],
    );
}

#[test]
fn a_response_without_a_question() {
    let refused = header(7, RESPONSE | 1, [0, 0, 0, 0]);
    check(&[Client(query(7, "a.test", A)), Server(refused.clone())], &["udp | 7 | a.test | A | FORMERR | [] | 0 guessed"]);
    // of two queries it could be either's
    check(
        &[Client(query(7, "a.test", A)), Client(query(7, "a.test", AAAA)), Server(refused)],
        &[
            "udp | 7 | a.test | A | - | - | - [broken] [unended] certain",
            "udp | 7 | a.test | AAAA | - | - | - [broken] [unended] certain",
        ],
    );
}

#[test]
fn a_query_without_a_question() {
    let (ask, answer) = (header(7, QUERY, [0, 0, 0, 0]), header(7, RESPONSE, [0, 0, 0, 0]));
    check(&[Client(ask), Server(answer)], &["udp | 7 | - | - | NOERROR | [] | 0 certain"]);
}

#[test]
fn several_questions() {
    let both = |flags| [header(7, flags, [2, 0, 0, 0]), question("a.test", A), question("b.test", AAAA)].concat();
    check(&[Client(both(QUERY)), Server(both(RESPONSE))], &["udp | 7 | a.test | A | NOERROR | [] | 0 certain"]);
}

#[test]
fn extended_dns() {
    let option = [0, 0, 41, 16, 0, 1, 0, 0, 0, 0, 0];
    let ask = [header(7, QUERY, [1, 0, 0, 1]).as_slice(), &question("a.test", A), &option].concat();
    let answer = [header(7, RESPONSE, [1, 0, 0, 1]).as_slice(), &question("a.test", A), &option].concat();
    // the header's four bits are the outcome, whatever the option adds
    check(&[Client(ask), Server(answer)], &["udp | 7 | a.test | A | NOERROR | [] | 0 certain"]);
}

#[test]
fn notify_and_update() {
    for (opcode, flags) in [(4, 0x2400), (5, 0x2800)] {
        let message = |response: u16| [header(opcode, flags | response, [1, 0, 0, 0]), question("zone.test", 6)].concat();
        check(
            &[Client(message(0)), Server(message(0x8000))],
            &[&format!("udp | {opcode} | zone.test | SOA | NOERROR | [] | 0 certain")],
        );
    }
}

#[test]
fn unanswered_queries_expire() {
    check(
        &[Client(query(7, "a.test", A)), Expire, Server(response(7, "a.test", A, 0, &[])), Client(query(8, "a.test", A))],
        &["udp | 7 | a.test | A | - | - | - [unended] certain", "udp | 8 | a.test | A | - | - | - [broken] [unended] certain"],
    );
    let mut fed = talk(Transport::Datagram, true);
    assert_eq!(fed.parser.waiting_since(), None);
    fed.turn(&Client(query(7, "a.test", A)), || usize::MAX);
    fed.turn(&Client(query(8, "a.test", A)), || usize::MAX);
    assert_eq!(fed.parser.waiting_since(), Some(100));
    fed.turn(&Server(response(7, "a.test", A, 0, &[])), || usize::MAX);
    assert_eq!(fed.parser.waiting_since(), Some(200));
}

#[test]
fn the_other_end_is_known_by_the_answer() {
    let (ask, answer) = (query(7, "a.test", A), response(7, "a.test", A, 3, &[]));
    let expect = "udp | 7 | a.test | A | NXDOMAIN | [] | 0 192.0.2.1:5555 certain";
    check(&[Client(ask.clone()), ServerAt(answer.clone(), 5555)], &[expect]);
    check(&[ClientAt(ask, 5555), Server(answer)], &[expect]);
}

#[test]
fn several_clients_of_one_socket() {
    // the same question under the same id, from two clients whose addresses are known
    let (ask, answer) = (query(7, "a.test", A), response(7, "a.test", A, 3, &[]));
    check(
        &[ClientAt(ask.clone(), 1), ClientAt(ask, 2), ServerAt(answer.clone(), 2), ServerAt(answer, 1)],
        &[
            "udp | 7 | a.test | A | NXDOMAIN | [] | 0 192.0.2.1:2 certain",
            "udp | 7 | a.test | A | NXDOMAIN | [] | 0 192.0.2.1:1 certain",
        ],
    );
}

#[test]
fn what_is_no_message_is_counted() {
    let mut fed = talk(Transport::Datagram, true);
    for i in 0..8 {
        assert_eq!(fed.parser.state(), State::Working, "after {i}");
        fed.turn(&Client(vec![0xff; 20]), || usize::MAX);
    }
    assert_eq!(fed.parser.state(), State::NotMine);
    assert_eq!(fed.close().skipped(Skipped::Malformed), (0, 160));
}

//! Connections that were joined, and bytes that were not seen.

use super::harness::*;
use super::wire::*;
use crate::{Skipped, State};

const ONE: &str = "Query | query=select 1 | operation=SELECT | command_tag=SELECT 1 | rows=1 | transaction_status=idle";

fn one() -> (Vec<u8>, Vec<u8>) {
    (query("select 1"), [columns(), row("1"), done("SELECT 1")].concat())
}

#[test]
fn joined_between_messages() {
    let (ask, answer) = one();
    let expect = format!("{ONE} likely");
    check_joined(&[Client(&ask), Server(&answer), Client(&ask), Server(&answer)], &[&expect, &expect]);
    // the end of an earlier response comes first
    check_joined(&[Server(&done("SELECT 5")), Client(&ask), Server(&answer)], &[&expect]);
    check_joined(&[Client(&ask), Server(&ready()), Server(&answer)], &[&expect]);
}

#[test]
fn joined_inside_messages() {
    let (ask, answer) = one();
    let expect = format!("{ONE} likely");
    let rows = check_joined(&[Client(b"ect 1\0"), Server(&answer), Client(&ask), Server(&answer)], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (1, 6));
    let middle = [b"rest of a row".to_vec(), row("2"), done("SELECT 2")].concat();
    let rows = check_joined(&[Server(&middle), Client(&ask), Server(&answer)], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (1, (middle.len() - 6) as u64));
    // inside a pipeline
    let middle = [b"rest\0".to_vec(), sync(), ask.clone()].concat();
    check_joined(&[Client(&middle), Server(&ready()), Server(&answer)], &[&expect]);
}

#[test]
fn joined_inside_a_copy() {
    let (ask, answer) = one();
    let expect = format!("{ONE} likely");
    let line = message(b'd', b"1\tvalue\n");
    // to the server, whose answer belongs to what was not seen
    let sent = [b"rest of a line\n".to_vec(), line.clone(), line.clone(), message(b'c', b"")].concat();
    check_joined(&[Client(&sent), Server(&done("COPY 9")), Client(&ask), Server(&answer)], &[&expect]);
    // to the client
    let got = [b"rest of a line\n".to_vec(), line.clone(), line, message(b'c', b""), done("COPY 9")].concat();
    check_joined(&[Server(&got), Client(&ask), Server(&answer)], &[&expect]);
}

#[test]
fn joined_inside_a_large_row() {
    let (ask, answer) = one();
    let middle = [vec![b'y'; 300_000], row("2"), done("SELECT 2")].concat();
    check_joined(&[Server(&middle), Client(&ask), Server(&answer)], &[&format!("{ONE} likely")]);
}

#[test]
fn a_login_may_be_seen_although_joined() {
    let (ask, answer) = one();
    let expect = ONE.replace(" | transaction", " | user_name=me | database_name=db | transaction");
    check_joined(
        &[Client(&login("me", "db")), Server(&ready()), Client(&ask), Server(&answer)],
        &["Startup | user_name=me | database_name=db | transaction_status=idle likely", &format!("{expect} likely")],
    );
}

#[test]
fn a_statement_from_before_has_no_query() {
    let run = [bind("", "s1", 0, &[Some(b"7")]), execute(""), sync()].concat();
    let ran = [message(b'2', b""), row("7"), done("SELECT 1")].concat();
    check_joined(&[Client(&run), Server(&ran)], &[r#"Execute | parameters=["7"] | command_tag=SELECT 1 | rows=1 likely"#]);
    // not even the Bind was seen
    check_joined(
        &[Client(&[execute("p"), sync()].concat()), Server(&[row("7"), done("SELECT 1")].concat())],
        &["Execute | command_tag=SELECT 1 | rows=1 likely"],
    );
}

#[test]
fn holes_inside_bodies_are_counted() {
    let (ask, answer) = one();
    let text = "x".repeat(1000);
    let long = query(&format!("select '{text}'"));
    let large = row(&text);
    let rows = rows(
        true,
        &[
            Client(&login("a", "b")),
            Server(&ready()),
            Client(&long[..100]),
            ClientUnseen(long.len() as u64 - 100),
            Server(&[columns().as_slice(), &large[..20]].concat()),
            ServerUnseen(large.len() as u64 - 20),
            Server(&done("SELECT 1")),
            Client(&ask),
            Server(&answer),
        ],
        || usize::MAX,
    );
    let names = "user_name=a | database_name=b";
    let tail = format!("command_tag=SELECT 1 | rows=1 | {names} | transaction_status=idle");
    let seen = std::str::from_utf8(&long[5..100]).unwrap();
    assert_eq!(
        rows.lines[1..],
        [
            format!("Query | query={seen} | operation=SELECT | {tail} [truncated]"),
            format!("Query | query=select 1 | operation=SELECT | {tail}"),
        ]
    );
    assert_eq!(rows.sizes[1], (Some(long.len() as u64), Some((columns().len() + large.len() + done("SELECT 1").len()) as u64)));
    assert_eq!(rows.skipped, []);
}

#[test]
fn a_hole_in_a_response_loses_at_most_its_row() {
    let (ask, answer) = one();
    let names = " | user_name=a | database_name=b";
    let one = ONE.replace(" | transaction", &format!("{names} | transaction"));
    // the end of the response is found behind the hole
    let seen = rows(
        true,
        &[
            Client(&login("a", "b")),
            Server(&ready()),
            Client(&ask),
            Server(&columns()),
            ServerUnseen(500),
            Server(&[b"rest of a row".to_vec(), done("SELECT 9")].concat()),
            Client(&ask),
            Server(&answer),
        ],
        || usize::MAX,
    );
    assert_eq!(
        seen.lines[1..],
        [
            format!(
                "Query | query=select 1 | operation=SELECT | command_tag=SELECT 9 | rows=9{names} | transaction_status=idle [gap] guessed"
            ),
            format!("{one} likely"),
        ]
    );
    // it is not
    let seen = rows(
        true,
        &[Client(&login("a", "b")), Server(&ready()), Client(&ask), ServerUnseen(500), Client(&ask), Server(&answer)],
        || usize::MAX,
    );
    assert_eq!(
        seen.lines[1..],
        [format!("Query | query=select 1 | operation=SELECT{names} [gap] [unended] guessed"), format!("{one} likely"),]
    );
}

#[test]
fn a_hole_in_requests_loses_only_them() {
    let (ask, answer) = one();
    let names = " | user_name=a | database_name=b";
    let one = ONE.replace(" | transaction", &format!("{names} | transaction"));
    let seen = rows(
        true,
        &[
            Client(&login("a", "b")),
            Server(&ready()),
            ClientUnseen(20),
            Server(&answer),
            Client(&ask),
            Server(&answer),
            Client(&ask),
            Server(&answer),
        ],
        || usize::MAX,
    );
    assert_eq!(seen.lines[1..], [format!("{one} [gap] likely"), format!("{one} likely")]);
    assert_eq!(seen.skipped(Skipped::Gap), (0, 20));
}

#[test]
fn what_is_no_message_is_passed_over() {
    let (ask, answer) = one();
    let rows = rows(
        true,
        &[
            Client(&login("a", "b")),
            Server(&ready()),
            Client(b"Q\0\0\0\x09no end"),
            Server(&[error("08P01", "invalid"), ready()].concat()),
            Client(&ask),
            Server(&answer),
        ],
        || usize::MAX,
    );
    assert_eq!(rows.lines.len(), 2);
    assert_eq!(rows.skipped(Skipped::Malformed), (1, 11));
}

#[test]
fn another_protocol_is_given_up() {
    let mut fed = talk(false);
    for _ in 0..10 {
        fed.turn(Client(b"\x17\x03\x03\x02\x00"), || usize::MAX);
        fed.turn(Server(b"\x17\x03\x03\x00\x7a"), || usize::MAX);
    }
    assert_eq!(fed.parser.state(), State::NotMine);
}

#[test]
fn after_lost_requests_a_name_may_mean_another_statement() {
    let run = [bind("", "s", 0, &[]), execute(""), sync()].concat();
    let ran = [message(b'2', b""), done("SELECT 1")].concat();
    let prepare = |text| [parse("s", text, &[]), sync()].concat();
    let parsed = [message(b'1', b""), ready()].concat();
    let seen = rows(
        true,
        &[
            Client(&login("a", "b")),
            Server(&ready()),
            Client(&prepare("select 1")),
            Server(&parsed),
            ClientUnseen(20),
            Server(&done("SELECT 5")),
            Client(&run),
            Server(&ran),
            Client(&prepare("select 2")),
            Server(&parsed),
            Client(&run),
            Server(&ran),
        ],
        || usize::MAX,
    );
    let tail = "operation=SELECT | parameters=[] | command_tag=SELECT 1 | rows=1 | user_name=a | database_name=b";
    assert_eq!(seen.lines[2], format!("Execute | query=select 1 | {tail} [gap] guessed"));
    assert_eq!(seen.lines[4], format!("Execute | query=select 2 | {tail} likely"));
}

#[test]
fn a_hole_in_copy_data_hides_no_request() {
    let (ask, answer) = one();
    let copy = query("copy t from stdin");
    let data = message(b'd', vec![b'x'; 50]);
    let names = " | user_name=a | database_name=b";
    let seen = rows(
        true,
        &[
            Client(&login("a", "b")),
            Server(&ready()),
            Client(&copy),
            Server(&message(b'G', [0, 0, 1, 0, 0])),
            Client(&[data.as_slice(), &data[..20]].concat()),
            ClientUnseen(1000),
            Client(b"rest of the data"),
            Server(&done("COPY 9")),
            Client(&ask),
            Server(&answer),
        ],
        || usize::MAX,
    );
    let copied = format!("operation=COPY | command_tag=COPY 9 | rows=9{names} | transaction_status=idle [gap]");
    assert_eq!(
        seen.lines[1..],
        [
            format!("Query | query=copy t from stdin | {copied}"),
            format!("{} likely", ONE.replace(" | transaction", &format!("{names} | transaction"))),
        ]
    );
}

#[test]
fn a_hole_that_hid_nothing_shifts_no_pairing() {
    let (ask, answer) = one();
    let asked = [Client(&ask), Server(&answer)];
    let (login, welcome) = (login("a", "b"), ready());
    let turns = [&[Client(&login), Server(&welcome), ClientUnseen(7)], &asked[..], &asked, &asked].concat();
    let seen = rows(true, &turns, || usize::MAX);
    let names = " | user_name=a | database_name=b";
    let one = ONE.replace(" | transaction", &format!("{names} | transaction"));
    assert_eq!(
        seen.lines[1..],
        [
            format!("Query | query=select 1 | operation=SELECT{names} [gap] [unended] guessed"),
            format!("{one} likely"),
            format!("{one} likely"),
        ]
    );
}

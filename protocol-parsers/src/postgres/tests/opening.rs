//! Logins, encryption, cancellation.

use super::harness::*;
use super::wire::*;
use crate::State;

const SSL: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
const GSS: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 48];

#[test]
fn no_secret_is_kept() {
    let sasl = message(b'R', [b"\0\0\0\x0a".as_slice(), b"SCRAM-SHA-256\0\0"].concat());
    let (first, last) = (message(b'p', b"SCRAM-SHA-256\0\0\0\0\x05n,,n=x"), message(b'p', b"c=biws,r=secret,p=secret"));
    let turns = [
        Client(SSL),
        Server(b"N"),
        Client(&login("me", "db")),
        Server(&sasl),
        Client(&first),
        Server(&message(b'R', b"\0\0\0\x0br=x,s=salt")),
        Client(&last),
        Server(&[message(b'R', b"\0\0\0\x0cv=x"), message(b'R', b"\0\0\0\0"), message(b'K', [7; 8]), ready()].concat()),
        Client(&query("select 1")),
        Server(&done("SELECT 1")),
    ];
    let names = "user_name=me | database_name=db";
    let rows = check(
        &turns,
        &[
            &format!("Startup | {names} | transaction_status=idle"),
            &format!(
                "Query | query=select 1 | operation=SELECT | command_tag=SELECT 1 | rows=1 | {names} | transaction_status=idle"
            ),
        ],
    );
    assert_eq!(rows.sizes[0].0, Some((login("me", "db").len() + first.len() + last.len()) as u64));
    assert_eq!(rows.times[0], (300, Some(500)));
    let mut fed = talk(true);
    for turn in turns {
        fed.turn(turn, || 1);
        assert!(!format!("{:?}", fed.parser.heap_bytes()).contains("secret"));
    }
}

#[test]
fn a_refused_login_is_a_row() {
    check(
        &[Client(&login("me", "db")), Server(&error("28P01", "password authentication failed"))],
        &["Startup | error_code=28P01 | error_message=password authentication failed | user_name=me | database_name=db"],
    );
    check(&[Client(&login("me", "db"))], &["Startup | user_name=me | database_name=db [broken] [unended]"]);
}

#[test]
fn the_database_is_the_users_by_default() {
    let packet = [&[0, 0, 0, 18, 0, 3, 0, 0], b"user\0you\0\0".as_slice()].concat();
    check(&[Client(&packet), Server(&ready())], &["Startup | user_name=you | database_name=you | transaction_status=idle"]);
}

#[test]
fn encryption_hands_the_connection_over() {
    for (packet, answer) in [(SSL, b"S"), (GSS, b"G")] {
        let mut fed = talk(true);
        fed.turn(Client(packet), || 3);
        assert_eq!(fed.parser.state(), State::Working);
        fed.turn(Server(answer), || 1);
        assert_eq!(fed.parser.state(), State::HandedOver);
        let next = fed.parser.successor().map(|next| next.protocol.name);
        assert_eq!(next, (packet == SSL).then_some("tls"));
        fed.turn(Client(b"\x16\x03\x01"), || 3);
        let rows = fed.close();
        assert_eq!((rows.lines.len(), rows.skipped.len()), (0, 0));
    }
    // both refused, one after the other
    check(
        &[Client(GSS), Server(b"N"), Client(SSL), Server(b"N"), Client(&login("a", "b")), Server(&ready())],
        &["Startup | user_name=a | database_name=b | transaction_status=idle"],
    );
    // a server that does not know the request
    check(&[Client(SSL), Server(&error("08P01", "unsupported"))], &[]);
}

#[test]
fn a_cancellation_is_a_row_without_an_answer() {
    let packet = [&[0, 0, 0, 16, 4, 210, 22, 46], [7; 8].as_slice()].concat();
    let rows = check(&[Client(&packet)], &["Cancel [unended]"]);
    assert_eq!(rows.sizes, [(Some(16), None)]);
}

#[test]
fn newer_protocols_are_negotiated() {
    let names = "user_name=me | database_name=db";
    let mut asked = login("me", "db");
    asked[4..8].copy_from_slice(&[0, 3, 0, 2]);
    // 3.0 is what the server speaks, and there is an option that it does not know
    let negotiated = message(b'v', b"\0\0\0\0\0\0\0\x01_pq_.x\0");
    let welcome = [negotiated, message(b'R', [0; 4]), message(b'K', [7; 36]), ready()].concat();
    check(
        &[Client(&asked), Server(&welcome), Client(&query("select 1")), Server(&done("SELECT 1"))],
        &[
            &format!("Startup | {names} | transaction_status=idle"),
            &format!(
                "Query | query=select 1 | operation=SELECT | command_tag=SELECT 1 | rows=1 | {names} | transaction_status=idle"
            ),
        ],
    );
    // keys may be longer there
    let cancel = [&[0, 0, 0, 44, 4, 210, 22, 46], [7; 36].as_slice()].concat();
    check(&[Client(&cancel)], &["Cancel [unended]"]);
}

#[test]
fn what_is_no_login_is_another_protocol() {
    for bytes in [b"GET / HTTP/1.1\r\n".as_slice(), b"\0\0\0\x09\0\x02\0\0\0", b"\0\0\0\x04\0\x03\0\0"] {
        let mut fed = talk(true);
        fed.turn(Client(bytes), || usize::MAX);
        assert_eq!(fed.parser.state(), State::NotMine, "{}", bytes.escape_ascii());
    }
}

//! Handshakes that fail, or whose end is not seen.

use super::harness::*;
use super::wire::*;
use crate::{State, Wanted};

const SELECTED12: &str = "sni=a.example | version=TLSv1.2 | alpn=h2 | cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
const CERTIFIED: &str = "cert_subject=CN=www.example.org | cert_issuer=CN=Test Authority,O=Example\\, Inc,C=ES | \
                         cert_not_after=1827178230000000000";
const SELECTED13: &str = "sni=a.example | version=TLSv1.3 | cipher=TLS_AES_128_GCM_SHA256";

#[test]
fn a_server_refuses() {
    let (hello, refusal) = (client_hello("a.example"), alert(2, 40));
    let rows =
        check(&[Client(&hello), Server(&refusal)], &["sni=a.example | handshake=failed | alert=handshake_failure certain"]);
    assert_eq!(rows.times, [(100, Some(100))]);
    assert_eq!(rows.sizes, [(Some(hello.len() as u64), Some(7))]);
    // a number that no RFC names
    check(&[Client(&hello), Server(&alert(2, 200))], &["sni=a.example | handshake=failed | alert=200 certain"]);
}

#[test]
fn a_client_refuses_the_certificate() {
    let hello = client_hello("a.example");
    let flight = record(22, flight12().concat());
    let line = format!("{SELECTED12} | handshake=failed | alert=unknown_ca | {CERTIFIED} certain");
    check(&[Client(&hello), Server(&flight), Client(&alert(2, 48))], &[&line]);
    // in TLS 1.3 in clear, as OpenSSL says it
    let server = [selects13(AES_128_GCM), change_cipher(), data(2000)].concat();
    let line = format!("{SELECTED13} | handshake=failed | alert=unknown_ca | resumed=false certain");
    check(&[Client(&hello), Server(&server), Client(&alert(2, 48))], &[&line]);
    check(&[Client(&hello), Server(&server), Client(&[change_cipher(), alert(2, 48)].concat())], &[&line]);
    // or encrypted, as others do: an alert has two bytes
    let line = format!("{SELECTED13} | handshake=failed | resumed=false certain");
    check(&[Client(&hello), Server(&server), Client(&[change_cipher(), data(2 + 17)].concat())], &[&line]);
}

#[test]
fn an_encrypted_alert_says_no_reason() {
    let line = format!("{SELECTED12} | handshake=failed | resumed=false | {CERTIFIED} certain");
    check(
        &[
            Client(&client_hello("a.example")),
            Server(&record(22, flight12().concat())),
            Client(&client_flight12()),
            Server(&[change_cipher(), record(21, [0x55; 26])].concat()),
        ],
        &[&line],
    );
}

#[test]
fn warnings_are_no_failures() {
    let flight = [alert(1, 112), record(22, flight12().concat())].concat();
    let rest = [Client(&client_flight12()), Server(&[change_cipher(), finished()].concat())];
    check(&[Client(&client_hello("a.example")), Server(&flight), rest[0], rest[1]], &[ROW12]);
    // two in one record, the second of which ends it
    check(
        &[Client(&client_hello("a.example")), Server(&record(21, [1, 112, 2, 40]))],
        &["sni=a.example | handshake=failed | alert=handshake_failure certain"],
    );
}

#[test]
fn a_close_is_a_failure_without_an_alert() {
    let hello = client_hello("a.example");
    let broken = "sni=a.example | handshake=failed [broken] [unended] certain";
    check(&[Client(&hello)], &[broken]);
    check(&[Client(&hello), Server(&alert(1, 0))], &[broken]);
    let rows = check(&[Client(&hello), Server(&alert(2, 0))], &[broken]);
    assert_eq!(rows.sizes, [(Some(hello.len() as u64), Some(7))]);
    check(&[Client(&hello), Client(&alert(1, 90))], &["sni=a.example | handshake=failed | alert=user_canceled certain"]);
    let line = format!("{SELECTED12} | handshake=failed | {CERTIFIED} [broken] [unended] certain");
    check(&[Client(&hello), Server(&record(22, flight12().concat()))], &[&line]);
    let line = format!("{SELECTED13} | handshake=failed | resumed=false [broken] [unended] certain");
    check(&[Client(&hello), Server(&selects13(AES_128_GCM)), Server(&data(3000))], &[&line]);
    // of a hello that is not whole nothing is known
    check(&[Client(&hello[..40])], &[]);
}

#[test]
fn after_the_end_alerts_say_nothing() {
    let (hello, server) = (client_hello("a.example"), [selects13(AES_128_GCM), data(700)].concat());
    check(&[Client(&hello), Server(&server), Client(&finished13()), Client(&data(19)), Server(&alert(2, 80))], &[ROW13]);
}

#[test]
fn a_handshake_that_takes_too_long_is_a_row_without_an_end() {
    let mut fed = talk(true);
    fed.whole(&[Client(&client_hello("a.example"))]);
    assert_eq!(fed.parser.waiting_since(), Some(100));
    fed.whole(&[Expire]);
    assert_eq!(fed.parser.waiting_since(), None);
    assert_eq!(fed.parser.wanted(), Wanted::Full);
    fed.whole(&[Server(&selects13(AES_128_GCM)), Client(&finished13())]);
    assert_eq!(fed.close().lines, ["sni=a.example [unended] certain"]);
}

#[test]
fn a_server_that_does_not_know_tls_fails_the_handshake() {
    let hello = client_hello("a.example");
    let answer = b"HTTP/1.1 400 Bad Request\r\n\r\nThis is not TLS.";
    let mut fed = talk(true);
    fed.whole(&[Client(&hello), Server(answer), Server(&selects13(AES_128_GCM))]);
    assert_eq!(fed.parser.state(), State::Working);
    assert_eq!(fed.close().lines, ["sni=a.example | handshake=failed [broken] [unended] certain"]);
    check(
        &[Client(&hello), Server(answer), Client(&alert(2, 70))],
        &["sni=a.example | handshake=failed | alert=protocol_version certain"],
    );
}

#[test]
fn another_protocol_is_given_up() {
    for bytes in [b"GET / HTTP/1.1\r\n".as_slice(), b"\x16\x03\x09", b"\x16\x03\x01\xff", b"\x80\x2e\x02"] {
        let mut fed = talk(true);
        fed.whole(&[Client(bytes)]);
        assert_eq!(fed.parser.state(), State::NotMine, "{}", bytes.escape_ascii());
    }
    // also in the middle
    let mut fed = talk(true);
    fed.whole(&[Client(&client_hello("a.example")), Server(&selects13(AES_128_GCM)), Server(b"220 ready\r\n")]);
    assert_eq!(fed.parser.state(), State::NotMine);
    let line = format!("{SELECTED13} | handshake=failed | resumed=false [broken] [unended] certain");
    assert_eq!(fed.close().lines, [line]);
}

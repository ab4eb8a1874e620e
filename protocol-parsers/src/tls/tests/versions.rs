//! Handshakes of every version that come to their end.

use super::harness::*;
use super::wire::*;
use crate::Wanted;

#[test]
fn tls_1_2_shows_its_certificate() {
    let (hello, flight) = (client_hello("a.example"), record(22, flight12().concat()));
    let (client, server) = (client_flight12(), [change_cipher(), finished()].concat());
    let rows = check(
        &[Client(&hello), Server(&flight), Client(&client), Server(&server), Client(&data(100)), Server(&data(3000))],
        &[ROW12],
    );
    assert_eq!(rows.times, [(100, Some(300))]);
    assert_eq!(rows.sizes, [(Some((hello.len() + client.len()) as u64), Some((flight.len() + server.len()) as u64))]);
    assert_eq!(rows.skipped, []);
}

#[test]
fn messages_are_fragmented_and_coalesced_in_any_way() {
    let hello = client_hello_with(&[server_name("a.example")]);
    let flight = flight12().concat();
    for size in [1, 2, 3, 5, 64, 1000, 16_384] {
        let up: Vec<u8> = hello.chunks(size).flat_map(|part| record(22, part)).collect();
        let down: Vec<u8> = flight.chunks(size).flat_map(|part| record(22, part)).collect();
        let rows = check(
            &[Client(&up), Server(&down), Client(&client_flight12()), Server(&[change_cipher(), finished()].concat())],
            &[ROW12],
        );
        let client_bytes = up.len() + client_flight12().len();
        assert_eq!(rows.sizes[0].0, Some(client_bytes as u64), "fragments of {size}");
    }
}

#[test]
fn a_client_may_send_data_before_the_end() {
    let (hello, flight) = (client_hello("a.example"), record(22, flight12().concat()));
    let client = [client_flight12(), data(50)].concat();
    let server = [record(22, message(4, [1; 200])), change_cipher(), finished()].concat();
    let rows = check(&[Client(&hello), Server(&flight), Client(&client), Server(&server)], &[ROW12]);
    // which is not the handshake's
    assert_eq!(rows.sizes[0].0, Some((hello.len() + client_flight12().len()) as u64));
}

#[test]
fn clients_show_certificates_of_their_own() {
    let request = [flight12()[..3].concat(), message(13, [2; 40]), message(14, [])].concat();
    let client =
        [record(22, [certificates(&[vec![7; 500]]), message(16, [4; 66]), message(15, [5; 260])].concat()), change_cipher()];
    check(
        &[
            Client(&client_hello("a.example")),
            Server(&record(22, request)),
            Client(&[client.concat(), finished()].concat()),
            Server(&[change_cipher(), finished()].concat()),
        ],
        &[ROW12],
    );
}

#[test]
fn a_session_is_resumed() {
    let server = [record(22, selects(TLS12, ECDHE, Some("h2"))), change_cipher(), finished()].concat();
    let rows = check(
        &[Client(&client_hello("a.example")), Server(&server), Client(&[change_cipher(), finished(), data(80)].concat())],
        &[
            "sni=a.example | version=TLSv1.2 | alpn=h2 | cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 | handshake=done | resumed=true \
           certain",
        ],
    );
    assert_eq!(rows.times, [(100, Some(200))]);
    let shared = server_hello_with(TLS12, [5; 32], AES_256_GCM, &[extension(43, TLS13.to_be_bytes()), extension(41, [0, 0])]);
    check(
        &[Client(&client_hello("a.example")), Server(&record(22, shared)), Server(&data(80)), Client(&data(4 + 48 + 17))],
        &["sni=a.example | version=TLSv1.3 | cipher=TLS_AES_256_GCM_SHA384 | handshake=done | resumed=true certain"],
    );
}

#[test]
fn tls_1_3_hides_all_but_the_selection() {
    let server = [selects13(AES_128_GCM), change_cipher(), data(2000), data(300), finished13()].concat();
    let client = [change_cipher(), finished13(), data(90)].concat();
    let hello = client_hello("a.example");
    let rows = check(&[Client(&hello), Server(&server), Client(&client), Server(&data(300))], &[ROW13]);
    assert_eq!(rows.times, [(100, Some(200))]);
    let client_bytes = hello.len() + change_cipher().len() + finished13().len();
    assert_eq!(rows.sizes, [(Some(client_bytes as u64), Some(server.len() as u64))]);
}

#[test]
fn a_retry_stays_in_its_row() {
    // with the records that middleboxes like to see
    let turns = [
        Client(&client_hello("a.example")),
        Server(&[retry_request(AES_128_GCM), change_cipher()].concat()),
        Client(&[change_cipher(), client_hello("a.example")].concat()),
        Server(&[selects13(AES_128_GCM), data(2000)].concat()),
        Client(&finished13()),
    ];
    let rows = check(&turns, &[ROW13]);
    assert_eq!(rows.times, [(100, Some(400))]);
    check(&turns[..2], &["sni=a.example | handshake=failed [broken] [unended] certain"]);
    check(
        &[turns[0], turns[1], Server(&alert(2, 47))],
        &["sni=a.example | handshake=failed | alert=illegal_parameter certain"],
    );
}

#[test]
fn early_data_is_not_the_end() {
    let hello = record(22, client_hello_with(&[server_name("a.example"), extension(42, [])]));
    let early = data(19);
    let server = [selects13(AES_128_GCM), data(80)].concat();
    let end = [data(4 + 17), finished13()].concat();
    let rows =
        check(&[Client(&hello), Client(&early), Server(&server), Client(&early), Client(&end), Client(&data(9000))], &[ROW13]);
    assert_eq!(rows.times, [(100, Some(400))]);
    // of an end that does not show itself nothing is said
    check(
        &[Client(&hello), Client(&early), Server(&server), Client(&data(700)), Server(&data(900))],
        &["sni=a.example | version=TLSv1.3 | cipher=TLS_AES_128_GCM_SHA256 | resumed=false [broken] [unended] certain"],
    );
}

#[test]
fn every_version_has_its_name() {
    let names = [(0x0300, "SSLv3"), (0x0301, "TLSv1.0"), (0x0302, "TLSv1.1"), (TLS12, "TLSv1.2"), (0x0305, "0x0305")];
    for (version, name) in names {
        check(
            &[
                Client(&client_hello("a.example")),
                Server(&[record(22, selects(version, 0x002f, None)), change_cipher(), finished()].concat()),
                Client(&[change_cipher(), finished()].concat()),
            ],
            &[&format!(
                "sni=a.example | version={name} | cipher=TLS_RSA_WITH_AES_128_CBC_SHA | handshake=done | resumed=true certain"
            )],
        );
    }
    // a draft, whose hello is shorter
    let body = [&[0x7f, 18][..], &[5; 32], &AES_128_GCM.to_be_bytes(), &vector16(extension(51, [0, 29]))].concat();
    let server = record(22, message(2, body));
    check(&[Client(&client_hello("a.example")), Server(&server), Server(&data(900)), Client(&finished13())], &[ROW13]);
}

#[test]
fn old_clients_begin_in_the_form_of_ssl_2() {
    let body = [&[1, 3, 1, 0, 6, 0, 0, 0, 16, 1, 0, 0x80, 0, 0, 0x2f][..], &[6; 16]].concat();
    let hello = [&[0x80, body.len() as u8][..], &body].concat();
    let rows = check(
        &[
            Client(&hello),
            Server(&record(22, [selects(0x0301, 0x002f, None), message(14, [])].concat())),
            Client(&client_flight12()),
            Server(&[change_cipher(), finished()].concat()),
        ],
        &["version=TLSv1.0 | cipher=TLS_RSA_WITH_AES_128_CBC_SHA | handshake=done | resumed=false certain"],
    );
    assert_eq!(rows.sizes[0].0, Some((hello.len() + client_flight12().len()) as u64));
}

#[test]
fn after_its_end_nothing_more_is_wanted() {
    let mut fed = talk(true);
    fed.whole(&[Client(&client_hello("a.example")), Server(&selects13(AES_128_GCM)), Server(&data(500))]);
    assert_eq!(fed.parser.wanted(), Wanted::Full);
    fed.whole(&[Client(&finished13())]);
    assert_eq!(fed.parser.wanted(), Wanted::Counters);
    // and what is not seen is not missed
    fed.whole(&[ClientUnseen(100_000), ServerUnseen(1), Server(&[7; 5000]), Client(&[1; 70_000])]);
    let rows = fed.close();
    assert_eq!(rows.lines, [ROW13]);
    assert_eq!(rows.skipped, []);
}

#[test]
fn another_handshake_in_clear_is_another_row() {
    let whole = [
        Client(&client_hello("a.example")),
        Server(&selects13(AES_128_GCM)),
        Server(&data(500)),
        Client(&finished13()),
        Client(&data(100)),
    ];
    check(&[whole, whole].concat(), &[ROW13, ROW13]);
    // an encrypted one is none
    let encrypted = [record(22, [1; 300]), record(22, [&[1, 0, 0, 60, 3, 3][..], &[9; 58]].concat())].concat();
    check(&[&whole[..], &[Client(&encrypted), Server(&record(22, [2; 90]))]].concat(), &[ROW13]);
}

//! What hellos and certificates say.

use super::harness::*;
use super::wire::*;
use crate::tls::certificate;
use crate::tls::hello::{ClientHello, ServerHello};

fn sni(extensions: &[Vec<u8>]) -> Option<String> {
    let hello = ClientHello::read(&client_hello_with(extensions)[4..]);
    assert!(hello.whole);
    hello.sni.map(|name| name.escape_ascii().to_string())
}

#[test]
fn the_name_is_found_among_other_extensions() {
    assert_eq!(
        sni(&[grease(), extension(16, b"\x00\x03\x02h2"), server_name("a.example"), grease()]).as_deref(),
        Some("a.example")
    );
    assert_eq!(sni(&[]), None);
    assert_eq!(sni(&[extension(0, [])]), None);
    // a list whose first entry is of another kind
    let list = [&[9, 0, 1, b'x', 0][..], &vector16("b.example")].concat();
    assert_eq!(sni(&[extension(0, vector16(list))]).as_deref(), Some("b.example"));
    // with the true name encrypted, the outer one
    assert_eq!(sni(&[server_name("outer.example"), extension(0xfe0d, [0; 200])]).as_deref(), Some("outer.example"));
}

#[test]
fn hellos_of_before_extensions_are_whole() {
    let body = [&[3, 0][..], &[7; 32], &[0], &vector16([0, 0x2f]), &[1, 0]].concat();
    assert_eq!(ClientHello::read(&body), ClientHello { whole: true, ..ClientHello::default() });
    let cut = ClientHello::read(&client_hello_with(&[server_name("a.example"), extension(21, [0; 100])])[4..150]);
    assert_eq!((cut.sni.as_deref(), cut.whole), (Some(b"a.example".as_slice()), false));
}

#[test]
fn long_names_are_cut() {
    let hello = client_hello(&"x".repeat(3000));
    let rows = check(
        &[Client(&hello)],
        &[&format!("sni={} | handshake=failed [truncated] [broken] [unended] certain", "x".repeat(1024))],
    );
    assert_eq!(rows.sizes[0].0, Some(hello.len() as u64));
}

#[test]
fn hellos_that_end_early_say_what_they_have() {
    let body = &selects(TLS12, ECDHE, Some("h2"))[4..];
    for end in 0..body.len() {
        match ServerHello::read(&body[..end]) {
            Some(ServerHello::Selected(selected)) => {
                assert_eq!(selected.version.name().as_ref(), b"TLSv1.2");
                assert_eq!(selected.cipher, (end >= 69).then_some(ECDHE), "{end}");
                assert_eq!(selected.alpn, None, "{end}");
            }
            other => assert!(end < 2 && other.is_none(), "{end}"),
        }
    }
}

#[test]
fn certificates_are_summed_up() {
    let der = certificate_der();
    let body = certificates(&[der.clone(), vec![0; 30]]);
    let summary = certificate::first(&body[4..]).expect("a certificate");
    assert_eq!(summary.subject.as_deref(), Some("CN=www.example.org"));
    assert_eq!(summary.issuer.as_deref(), Some("CN=Test Authority,O=Example\\, Inc,C=ES"));
    assert_eq!(summary.not_after_ns, Some(1_827_178_230_000_000_000));
    assert_eq!(certificate::first(&certificates(&[])[4..]), None);
    // damaged in any place, and cut
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut damaged = der.clone();
            damaged[at] ^= 1 << bit;
            certificate::first(&certificates(&[damaged])[4..]);
        }
        assert_eq!(certificate::first(&certificates(&[der[..at].to_vec()])[4..]), None);
    }
}

#[test]
fn certificates_without_an_end_or_a_name() {
    let der = |value: &[u8], tag: u8| [&[tag, value.len() as u8][..], value].concat();
    let name = [];
    let validity = [der(b"20200101000000Z", 0x18), der(b"99991231235959Z", 0x18)].concat();
    // an odd number, and no version
    let fields = [der(&[0; 21], 2), der(&[], 0x30), der(&name, 0x30), der(&validity, 0x30), der(&name, 0x30)].concat();
    let summary = certificate::first(&certificates(&[der(&der(&fields, 0x30), 0x30)])[4..]).expect("a certificate");
    assert_eq!((summary.subject, summary.issuer, summary.not_after_ns), (None, None, None));
}

#[test]
fn cipher_suites_have_their_names() {
    let name = |number| String::from_utf8(crate::tls::cipher::name(number).into_owned()).expect("text");
    assert_eq!(name(0x0000), "TLS_NULL_WITH_NULL_NULL");
    assert_eq!(name(0x1301), "TLS_AES_128_GCM_SHA256");
    assert_eq!(name(0xcca9), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
    assert_eq!(name(0xc0b5), "TLS_SHA384_SHA384");
    assert_eq!(name(0x2a2a), "0x2a2a");
    // in order, as the search wants it
    let known = (0..=u16::MAX).filter(|number| name(*number).starts_with("TLS_")).count();
    assert_eq!(known, crate::tls::cipher::NAMES.len());
}

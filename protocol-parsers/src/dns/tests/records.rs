//! Record data as text.

use super::harness::*;

/// One record of this type and data is written so.
#[track_caller]
fn check_data(record_type: u16, type_name: &str, data: &[u8], expect: &str) {
    check(
        &[
            Client(query(1, "a.test", record_type)),
            Server(response(1, "a.test", record_type, 0, &[record(record_type, 300, data)])),
        ],
        &[&format!(
            r#"udp | 1 | a.test | {type_name} | NOERROR | [{{"name":"a.test","type":"{type_name}","ttl":300,"data":"{expect}"}}] | 1 certain"#
        )],
    );
}

#[test]
fn common_types() {
    check_data(1, "A", &[192, 0, 2, 1], "192.0.2.1");
    check_data(28, "AAAA", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "2001:db8::1");
    check_data(5, "CNAME", &name("b.test"), "b.test");
    check_data(5, "CNAME", b"\x01b\xc0\x0e", "b.test");
    check_data(2, "NS", &name("ns.b.test"), "ns.b.test");
    check_data(12, "PTR", &name("Host.test"), "Host.test");
    check_data(15, "MX", &[b"\0\x0a".as_slice(), &name("mail.test")].concat(), "10 mail.test");
    check_data(33, "SRV", &[b"\0\x05\0\x06\x1f\x90".as_slice(), &name("srv.test")].concat(), "5 6 8080 srv.test");
    check_data(16, "TXT", b"\x05hello\x03a\"b", r#"\"hello\" \"a\\\"b\""#);
    let numbers: Vec<u8> = (1u32..=5).flat_map(u32::to_be_bytes).collect();
    check_data(6, "SOA", &[name("ns.test"), name("me.test"), numbers].concat(), "ns.test me.test 1 2 3 4 5");
}

#[test]
fn rarer_types() {
    check_data(257, "CAA", b"\0\x05issueca.test", r#"0 issue \"ca.test\""#);
    check_data(65, "HTTPS", b"\0\x01\0\0\x01\0\x03\x02h2", "1 . alpn=h2");
    check_data(65, "HTTPS", b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x04\0\x04\x01\x02\x03\x04", "1 . alpn=h2,h3 ipv4hint=1.2.3.4");
    check_data(13, "HINFO", b"\x03cpu\x02os", "cpu os");
    check_data(52, "TLSA", b"\x03\x01\x01\xab\xcd", "3 1 1 abcd");
    check_data(44, "SSHFP", b"\x01\x02\xab\xcd", "1 2 abcd");
    check_data(35, "NAPTR", b"\0\x0a\0\x14\x01u\x07E2U+sip\0\0", r#"10 20 \"u\" \"E2U+sip\" \"\" ."#);
}

#[test]
fn signed_zones() {
    check_data(43, "DS", b"\x30\x39\x08\x02\xab\xcd", "12345 8 2 abcd");
    check_data(48, "DNSKEY", b"\x01\x01\x03\x08foo", "257 3 8 Zm9v");
    let fixed = b"\0\x01\x08\x02\0\0\x0e\x10\0\0\0\x02\0\0\0\x01\x30\x39".as_slice();
    check_data(46, "RRSIG", &[fixed, &name("a.test"), b"foo"].concat(), "A 8 2 3600 2 1 12345 a.test Zm9v");
    check_data(
        47,
        "NSEC",
        &[name("b.test").as_slice(), b"\0\x06\x40\x01\0\0\0\x03\x01\x01\x40"].concat(),
        "b.test A MX RRSIG NSEC CAA",
    );
    check_data(50, "NSEC3", b"\x01\0\0\x0a\x02\xaa\xbb\x02fo\0\x01\x40", "1 0 10 aabb CPNG A");
    check_data(51, "NSEC3PARAM", b"\x01\0\0\0\0", "1 0 0 -");
}

#[test]
fn what_cannot_be_read_is_hexadecimal() {
    check_data(1, "A", &[1, 2, 3], r"\\# 3 010203");
    check_data(1, "A", &[], r"\\# 0");
    check_data(5, "CNAME", b"\xc0\xff", r"\\# 2 c0ff");
    check_data(16, "TXT", b"\x09a", r"\\# 2 0961");
    check_data(15, "MX", &[1], r"\\# 1 01");
    check_data(65, "HTTPS", b"\0", r"\\# 1 00");
    check_data(46, "RRSIG", &[1, 2], r"\\# 2 0102");
}

#[test]
fn an_odd_record_among_others() {
    let good = record(1, 1, &[192, 0, 2, 1]);
    let answers = [good.clone(), record(65, 1, b"\0"), good];
    let a = r#"{"name":"a.test","type":"A","ttl":1,"data":"192.0.2.1"}"#;
    let odd = r#"{"name":"a.test","type":"HTTPS","ttl":1,"data":"\\# 1 00"}"#;
    check(
        &[Client(query(1, "a.test", 255)), Server(response(1, "a.test", 255, 0, &answers))],
        &[&format!("udp | 1 | a.test | ANY | NOERROR | [{a},{odd},{a}] | 3 certain")],
    );
}

#[test]
fn a_response_that_is_cut_off() {
    let mut answer = response(1, "a.test", 1, 0, &[record(1, 1, &[192, 0, 2, 1]), record(1, 1, &[192, 0, 2, 2])]);
    answer.truncate(answer.len() - 1);
    check(
        &[Client(query(1, "a.test", 1)), Server(answer)],
        &[
            r#"udp | 1 | a.test | A | NOERROR | [{"name":"a.test","type":"A","ttl":1,"data":"192.0.2.1"}] | 2 [truncated] certain"#,
        ],
    );
}

//! Parameters as JSON lists.

use super::harness::*;
use super::wire::*;

#[track_caller]
fn check_bound(types: &[u32], bind: &[u8], parameters: &str) {
    let sent = [parse("", "x", types), bind.to_vec(), execute(""), sync()].concat();
    let answer = [message(b'1', b""), message(b'2', b""), done("SELECT 0")].concat();
    check_logged_in(
        &[Client(&sent), Server(&answer)],
        &[
            "Parse | query=x | operation=X",
            &format!("Execute | query=x | operation=X | parameters={parameters} | command_tag=SELECT 0 | rows=0"),
        ],
    );
}

#[test]
fn both_formats_say_the_same() {
    let types = [25, 23, 25, 1082, 701, 17];
    let texts: [Option<&[u8]>; 6] =
        [Some("text ü".as_bytes()), Some(b"42"), None, Some(b"2024-02-29"), Some(b"1.5"), Some(b"\\xdeadbeef")];
    let float = 1.5_f64.to_be_bytes();
    let binary: [Option<&[u8]>; 6] = [
        Some("text ü".as_bytes()),
        Some(&[0, 0, 0, 42]),
        None,
        Some(&[0, 0, 0x22, 0x79]),
        Some(&float),
        Some(b"\xde\xad\xbe\xef"),
    ];
    let expect = r#"["text ü",42,null,"2024-02-29",1.5,"\\xdeadbeef"]"#;
    check_bound(&types, &bind("", "", 0, &texts), expect);
    check_bound(&types, &bind("", "", 1, &binary), expect);
}

#[test]
fn formats_may_differ() {
    // two parameters with a format each; then none at all, so that all are text
    let mixed = message(b'B', b"\0\0\0\x02\0\0\0\x01\0\x02\0\0\0\x011\0\0\0\x04\0\0\0\x02\0\0");
    check_bound(&[23, 23], &mixed, "[1,2]");
    let plain = message(b'B', b"\0\0\0\0\0\x02\0\0\0\x011\0\0\0\x012\0\0");
    check_bound(&[23, 23], &plain, "[1,2]");
    check_bound(&[], &plain, r#"["1","2"]"#);
}

#[test]
fn long_ones_are_cut_and_the_rest_is_kept() {
    let long = "y".repeat(300_000);
    let sent = all("x", &[Some(b"a"), Some(long.as_bytes()), Some(b"b")]);
    let rows = check_logged_in(
        &[Client(&sent), Server(&all_done(0))],
        &[
            "Parse | query=x | operation=X",
            &format!(
                "Execute | query=x | operation=X | parameters=[\"a\",\"{}\"] | command_tag=SELECT 0 | rows=0 [truncated]",
                &long[..4096]
            ),
        ],
    );
    assert_eq!(rows.sizes[2].0, Some((sent.len() - parse("", "x", &[]).len() - 5) as u64));
    let values = [Some(b"z".repeat(5000)), Some(b"b".to_vec())];
    let values: Vec<_> = values.iter().map(|v| v.as_deref()).collect();
    let rows = rows_of(&all("x", &values), &all_done(0));
    assert!(rows[1].contains(&format!("\"{}\",\"b\"]", "z".repeat(4096))) && rows[1].contains("[truncated]"));
}

fn rows_of(client: &[u8], server: &[u8]) -> Vec<String> {
    rows(false, &[Client(client), Server(server)], || usize::MAX).lines
}

//! Prepared statements: texts, parameters of every type, cursors, pipelines.

use super::harness::*;
use super::sessions::check_session;
use super::wire::*;

fn prepare(text: &str) -> Vec<u8> {
    command(0x16, text.as_bytes())
}

/// The answer to a prepare with one parameter and no column.
fn prepared_one(id: u32) -> Vec<u8> {
    [prepared(id, 0, 1), column(2), eof(3, 2)].concat()
}

#[test]
fn executions_know_their_text() {
    let text = "insert into t values (?)";
    let first = execute(7, &[0], Some(&[0x03, 0]), &42_i32.to_le_bytes());
    let again = execute(7, &[0], None, &(-1_i32).to_le_bytes());
    let null = execute(7, &[1], None, &[]);
    check_session(
        FLAGS,
        &[
            Client(&prepare(text)),
            Server(&prepared_one(7)),
            Client(&first),
            Server(&ok(1, 1, 2)),
            Client(&again),
            Server(&error(1, 1062, "23000", "Duplicate entry")),
            Client(&null),
            Server(&ok(1, 1, 2)),
            Client(&command(0x1a, &7_u32.to_le_bytes())),
            Server(&ok(1, 0, 2)),
            Client(&command(0x19, &7_u32.to_le_bytes())),
            Client(&first),
            Server(&error(1, 1243, "HY000", "Unknown prepared statement handler")),
        ],
        &[
            &format!("COM_STMT_PREPARE | INSERT | {text} | - | - | - | - | - | - | eve | shop certain"),
            &format!("COM_STMT_EXECUTE | INSERT | {text} | [42] | - | 1 | - | - | - | eve | shop certain"),
            &format!("COM_STMT_EXECUTE | INSERT | {text} | [-1] | - | - | 1062 | 23000 | Duplicate entry | eve | shop certain"),
            &format!("COM_STMT_EXECUTE | INSERT | {text} | [null] | - | 1 | - | - | - | eve | shop certain"),
            "COM_STMT_RESET | - | - | - | - | - | - | - | - | eve | shop certain",
            "COM_STMT_CLOSE | - | - | - | - | - | - | - | - | eve | shop [unended] certain",
            "COM_STMT_EXECUTE | - | - | - | - | - | 1243 | HY000 | Unknown prepared statement handler | eve | shop certain",
        ],
    );
}

#[test]
fn parameters_of_every_type_are_read() {
    let parameters: &[(u8, bool, &[u8], &str)] = &[
        (0x01, false, b"\xff", "-1"),
        (0x01, true, b"\xff", "255"),
        (0x02, false, b"\xfe\xff", "-2"),
        (0x0d, true, b"\xe8\x07", "2024"),
        (0x03, true, b"\xff\xff\xff\xff", "4294967295"),
        (0x09, false, b"\x05\0\0\0", "5"),
        (0x08, false, b"\xff\xff\xff\xff\xff\xff\xff\xff", "-1"),
        (0x08, true, b"\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        (0x04, false, b"\0\0\xc0\x3f", "1.5"),
        (0x05, false, b"\x9a\x99\x99\x99\x99\x99\xb9\x3f", "0.1"),
        (0x05, false, b"\0\0\0\0\0\0\xf0\x7f", r#""inf""#),
        (0x06, false, b"", "null"),
        (0xf6, false, b"\x0512.50", r#""12.50""#),
        (0x0f, false, b"\x07text \xc3\xbc", r#""text ü""#),
        (0xfd, false, b"\x03a\"\n", r#""a\"\n""#),
        (0xfc, false, b"\x04\xde\xad\xbe\xef", r#""\\xdeadbeef""#),
        (0xf5, false, b"\x02{}", r#""{}""#),
        (0x0a, false, b"\x04\xe8\x07\x02\x1d", r#""2024-02-29""#),
        (0x0a, false, b"\0", r#""0000-00-00""#),
        (0x0c, false, b"\x04\xe8\x07\x02\x1d", r#""2024-02-29 00:00:00""#),
        (0x0c, false, b"\x07\xe8\x07\x02\x1d\x0d\x0e\x0f", r#""2024-02-29 13:14:15""#),
        (0x07, false, b"\x0b\xe8\x07\x02\x1d\x0d\x0e\x0f\x01\0\0\0", r#""2024-02-29 13:14:15.000001""#),
        (0x0b, false, b"\0", r#""00:00:00""#),
        (0x0b, false, b"\x08\x01\x02\0\0\0\x03\x04\x05", r#""-51:04:05""#),
        (0x0b, false, b"\x0c\0\0\0\0\0\x03\x04\x05\x40\xe2\x01\0", r#""03:04:05.123456""#),
    ];
    let count = parameters.len();
    let types: Vec<u8> = parameters.iter().flat_map(|p| [p.0, if p.1 { 0x80 } else { 0 }]).collect();
    let values = parameters.iter().map(|p| p.2).collect::<Vec<_>>().concat();
    let expect = parameters.iter().map(|p| p.3).collect::<Vec<_>>().join(",");
    let definitions: Vec<u8> = (0..count).flat_map(|n| column(n as u8 + 2)).collect();
    let answer = [prepared(1, 0, count as u16), definitions, eof(count as u8 + 2, 2)].concat();
    let execution = execute(1, &vec![0; count.div_ceil(8)], Some(&types), &values);
    check_session(
        FLAGS,
        &[Client(&prepare("call p(?)")), Server(&answer), Client(&execution), Server(&ok(1, 0, 2))],
        &[
            "COM_STMT_PREPARE | CALL | call p(?) | - | - | - | - | - | - | eve | shop certain",
            &format!("COM_STMT_EXECUTE | CALL | call p(?) | [{expect}] | - | 0 | - | - | - | eve | shop certain"),
        ],
    );
}

#[test]
fn long_data_is_a_parameter() {
    let portion = |text: &[u8]| command(0x18, &[&7_u32.to_le_bytes()[..], &[0, 0], text].concat());
    let execution = execute(7, &[0], Some(&[0xfc, 0]), &[]);
    let again = execute(7, &[0], None, b"\x01z");
    check_session(
        FLAGS,
        &[
            Client(&prepare("do ?")),
            Server(&prepared_one(7)),
            Client(&portion(b"one, ")),
            Client(&portion(b"two")),
            Client(&execution),
            Server(&ok(1, 0, 2)),
            Client(&again),
            Server(&ok(1, 0, 2)),
        ],
        &[
            "COM_STMT_PREPARE | DO | do ? | - | - | - | - | - | - | eve | shop certain",
            "COM_STMT_SEND_LONG_DATA | - | - | - | - | - | - | - | - | eve | shop [unended] certain",
            "COM_STMT_SEND_LONG_DATA | - | - | - | - | - | - | - | - | eve | shop [unended] certain",
            r#"COM_STMT_EXECUTE | DO | do ? | ["one, two"] | - | 0 | - | - | - | eve | shop certain"#,
            r#"COM_STMT_EXECUTE | DO | do ? | ["z"] | - | 0 | - | - | - | eve | shop certain"#,
        ],
    );
}

#[test]
fn a_reset_forgets_long_data_and_a_new_session_the_statements() {
    let portion = command(0x18, &[&7_u32.to_le_bytes()[..], &[0, 0], b"long"].concat());
    let execution = execute(7, &[0], Some(&[0xfc, 0]), b"\x01z");
    let prepared_row = "COM_STMT_PREPARE | DO | do ? | - | - | - | - | - | - | eve | shop certain";
    let bound_row = r#"COM_STMT_EXECUTE | DO | do ? | ["z"] | - | 0 | - | - | - | eve | shop certain"#;
    for (new_session, name) in
        [(command(0x1f, b""), "COM_RESET_CONNECTION"), (command(0x11, b"eve\0\0shop\0\x2d\0"), "COM_CHANGE_USER")]
    {
        check_session(
            FLAGS,
            &[
                Client(&prepare("do ?")),
                Server(&prepared_one(7)),
                Client(&portion),
                Client(&command(0x1a, &7_u32.to_le_bytes())),
                Server(&ok(1, 0, 2)),
                Client(&execution),
                Server(&ok(1, 0, 2)),
                Client(&new_session),
                Server(&ok(1, 0, 2)),
                Client(&execution),
                Server(&error(1, 1243, "HY000", "Unknown prepared statement handler")),
            ],
            &[
                prepared_row,
                "COM_STMT_SEND_LONG_DATA | - | - | - | - | - | - | - | - | eve | shop [unended] certain",
                "COM_STMT_RESET | - | - | - | - | - | - | - | - | eve | shop certain",
                bound_row,
                &format!("{name} | - | - | - | - | - | - | - | - | eve | shop certain"),
                "COM_STMT_EXECUTE | - | - | - | - | - | 1243 | HY000 | Unknown prepared statement handler | eve | shop certain",
            ],
        );
    }
}

#[test]
fn long_values_are_cut() {
    let long = "v".repeat(10_000);
    let value = [b"\xfc\x10\x27".as_slice(), long.as_bytes()].concat();
    check_session(
        FLAGS,
        &[
            Client(&prepare("do ?")),
            Server(&prepared_one(7)),
            Client(&execute(7, &[0], Some(&[0xfd, 0]), &value)),
            Server(&ok(1, 0, 2)),
        ],
        &[
            "COM_STMT_PREPARE | DO | do ? | - | - | - | - | - | - | eve | shop certain",
            &format!(
                r#"COM_STMT_EXECUTE | DO | do ? | ["{}"] | - | 0 | - | - | - | eve | shop [truncated] certain"#,
                &long[..4096]
            ),
        ],
    );
}

#[test]
fn rows_of_a_cursor_come_when_fetched() {
    let answer = [prepared(3, 1, 0), column(2), eof(3, 2)].concat();
    let opened = [packet(1, &[1]), column(2), eof(3, 2 | CURSOR)].concat();
    let fetched = [packet(1, b"\0\0\x01a"), packet(2, b"\0\0\x01b"), eof(3, 2 | CURSOR)].concat();
    let fetch = command(0x1c, &[3, 0, 0, 0, 2, 0, 0, 0]);
    check_session(
        FLAGS,
        &[
            Client(&prepare("select a")),
            Server(&answer),
            Client(&execute(3, &[], None, &[])),
            Server(&opened),
            Client(&fetch),
            Server(&fetched),
            Client(&fetch),
            Server(&eof(1, 0x80)),
        ],
        &[
            "COM_STMT_PREPARE | SELECT | select a | - | - | - | - | - | - | eve | shop certain",
            "COM_STMT_EXECUTE | SELECT | select a | [] | - | - | - | - | - | eve | shop certain",
            "COM_STMT_FETCH | SELECT | select a | - | 2 | - | - | - | - | eve | shop certain",
            "COM_STMT_FETCH | SELECT | select a | - | 0 | - | - | - | - | eve | shop certain",
        ],
    );
}

#[test]
fn a_statement_may_be_executed_before_its_number_is_known() {
    let sent = [prepare("do ?"), execute(u32::MAX, &[0], Some(&[0x01, 0]), &[9])].concat();
    check_session(
        FLAGS | DEPRECATE_EOF,
        &[Client(&sent), Server(&[prepared(5, 0, 1), column(2)].concat()), Server(&ok(1, 0, 2))],
        &[
            "COM_STMT_PREPARE | DO | do ? | - | - | - | - | - | - | eve | shop certain",
            "COM_STMT_EXECUTE | DO | do ? | [9] | - | 0 | - | - | - | eve | shop certain",
        ],
    );
}

#[test]
fn bulk_executions_list_their_rows() {
    let rows = b"\0\x01\0\0\0\0\x01a\0\x02\0\0\0\x01";
    let sent = command(0xfa, &[&7_u32.to_le_bytes()[..], &[0x80, 0], &[0x03, 0, 0xfd, 0], rows].concat());
    let answer = [prepared(7, 0, 2), column(2), column(3), eof(4, 2)].concat();
    check_session(
        FLAGS,
        &[Client(&prepare("insert into t values (?, ?)")), Server(&answer), Client(&sent), Server(&ok(1, 2, 2))],
        &[
            "COM_STMT_PREPARE | INSERT | insert into t values (?, ?) | - | - | - | - | - | - | eve | shop certain",
            r#"COM_STMT_BULK_EXECUTE | INSERT | insert into t values (?, ?) | [[1,"a"],[2,null]] | - | 2 | - | - | - | eve | shop certain"#,
        ],
    );
}

#[test]
fn attributes_are_not_the_statement() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let attribute = [b"\x01\x01\0\x01\xfe\0\x0btraceparent".as_slice(), &[55], trace.as_bytes(), b"select 1"].concat();
    let rows = check_session(
        FLAGS | QUERY_ATTRIBUTES,
        &[
            Client(&command(3, b"\0\x01select 2")),
            Server(&ok(1, 0, 2)),
            Client(&command(3, &attribute)),
            Server(&ok(1, 0, 2)),
            Client(&command(3, format!("\0\x01select 3 /*traceparent='{trace}'*/").as_bytes())),
            Server(&ok(1, 0, 2)),
        ],
        &[
            "COM_QUERY | SELECT | select 2 | - | - | 0 | - | - | - | eve | shop certain",
            "COM_QUERY | SELECT | select 1 | - | - | 0 | - | - | - | eve | shop certain",
            &format!("COM_QUERY | SELECT | select 3 /*traceparent='{trace}'*/ | - | - | 0 | - | - | - | eve | shop certain"),
        ],
    );
    let named = Some(("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned()));
    assert_eq!(rows.traces, [None, None, named.clone(), named]);
}

//! Connections that were joined, bytes that were not seen, responses that did not come.

use super::harness::*;
use super::wire::*;
use crate::Skipped;

const SELECT: &str = "COM_QUERY | SELECT | select 1 | - | 2 | - | - | - | - | - | -";
const DO: &str = "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | - | -";

#[test]
fn joined_between_messages() {
    for deprecated in [false, true] {
        let select = query("select 1");
        let results = result(1, 2, 2, deprecated);
        let empty = "COM_QUERY | SELECT | select 0 | - | 0 | - | - | - | - | - | - likely";
        check_joined(
            &[
                Client(&query("select 0")),
                Server(&result(1, 0, 2, deprecated)),
                Client(&select),
                Server(&results),
                Client(&query("do 1")),
                Server(&ok(1, 0, 2)),
            ],
            &[empty, &format!("{SELECT} likely"), &format!("{DO} likely")],
        );
    }
}

#[test]
fn joined_inside_messages() {
    let (sent, done) = (query("do 1"), ok(1, 0, 2));
    let expect = format!("{DO} likely");
    // inside a response
    let rows = check_joined(&[Server(&row(9, "tail")), Server(&eof(10, 2)), Client(&sent), Server(&done)], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 18));
    // inside a command, whose response comes
    let rows = check_joined(&[Client(b"from t where a = 1"), Server(&done), Client(&sent), Server(&done)], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 18 + 11));
    // inside a file
    let rows = check_joined(
        &[Client(&packet(9, b"a\tb\n")), Client(&packet(10, b"")), Server(&ok(11, 5, 2)), Client(&sent), Server(&done)],
        &[&expect],
    );
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, 8 + 4 + 11));
}

#[test]
fn joined_inside_a_large_row() {
    let tail = [vec![b'z'; 200_000], packet(1, &[b'z'; 50]), eof(2, 2)].concat();
    let expect = format!("{DO} likely");
    let rows = check_joined(&[Server(&tail), Client(&query("do 1")), Server(&ok(1, 0, 2))], &[&expect]);
    assert_eq!(rows.skipped(Skipped::JoinedMidMessage), (0, tail.len() as u64));
}

#[test]
fn joined_after_the_greeting() {
    let mut name = login(FLAGS, "eve", "shop");
    let rows = check_joined(
        &[Client(&name), Server(&ok(2, 0, 2)), Client(&query("do 1")), Server(&ok(1, 0, 2))],
        &[
            "LOGIN | - | - | - | - | - | - | - | - | eve | shop likely",
            "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop likely",
        ],
    );
    assert_eq!(rows.skipped, []);
    // after an SSLRequest, when a library shows what is inside
    name[3] = 2;
    check_joined(&[Client(&name), Server(&ok(3, 0, 2))], &["LOGIN | - | - | - | - | - | - | - | - | eve | shop likely"]);
}

#[test]
fn without_a_greeting_it_is_joined() {
    let expect = format!("{DO} likely");
    check(&[Client(&query("do 1")), Server(&ok(1, 0, 2)), Client(&query("do 1")), Server(&ok(1, 0, 2))], &[&expect, &expect]);
}

#[test]
fn statements_of_before_have_no_text() {
    let execution = execute(7, &[0], Some(&[0x03, 0]), &[1, 0, 0, 0]);
    check_joined(
        &[Client(&execution), Server(&ok(1, 1, 2))],
        &["COM_STMT_EXECUTE | - | - | - | - | 1 | - | - | - | - | - likely"],
    );
}

#[test]
fn a_prepared_statement_shows_whether_eof_is_deprecated() {
    let prepare = command(0x16, b"do ?");
    let execution = execute(7, &[0], Some(&[0x01, 0]), &[1]);
    for end in [eof(3, 2), vec![]] {
        let answer = [prepared(7, 0, 1), column(2), end].concat();
        let rows = check_joined(
            &[Client(&prepare), Server(&answer), Client(&execution), Server(&ok(1, 0, 2))],
            &[
                "COM_STMT_PREPARE | DO | do ? | - | - | - | - | - | - | - | - likely",
                "COM_STMT_EXECUTE | DO | do ? | [1] | - | 0 | - | - | - | - | - likely",
            ],
        );
        assert_eq!(rows.skipped, []);
    }
}

#[test]
fn a_hole_inside_a_packet_is_passed() {
    let sent = query(&format!("select '{}'", "x".repeat(100)));
    let rows = check_joined(
        &[
            Client(&sent[..20]),
            ClientUnseen(80),
            Client(&sent[100..]),
            Server(&packet(1, &[1])),
            Server(&column(2)),
            Server(&eof(3, 2)),
            Server(&packet(4, &[50; 51])[..30]),
            ServerUnseen(25),
            Server(&eof(5, 2)),
        ],
        &["COM_QUERY | SELECT | select 'xxxxxxx | - | 1 | - | - | - | - | - | - [truncated] likely"],
    );
    assert_eq!(rows.sizes[0].0, Some(sent.len() as u64));
    assert_eq!(rows.skipped, []);
}

#[test]
fn after_a_hole_the_next_command_is_found() {
    let (sent, done) = (query("do 1"), ok(1, 0, 2));
    let rows = check_joined(
        &[
            Client(&sent),
            Server(&done),
            ClientUnseen(30),
            Server(&done),
            Client(&sent),
            Server(&done),
            Client(&sent),
            Server(&done),
        ],
        &[&format!("{DO} likely"), &format!("{DO} [gap] guessed"), &format!("{DO} likely")],
    );
    assert_eq!(rows.skipped(Skipped::Gap), (0, 30));
    // from inside a command to inside another
    let rows = check_joined(
        &[Client(&sent[..7]), ClientUnseen(30), Client(b" of it"), Server(&done), Client(&sent), Server(&done)],
        &["COM_QUERY | DO | do | - | - | 0 | - | - | - | - | - [truncated] guessed", &format!("{DO} [gap] guessed")],
    );
    assert_eq!(rows.skipped(Skipped::Gap), (0, 36));
}

#[test]
fn after_a_hole_in_a_result_the_next_response_is_found() {
    let select = query("select 1");
    let rows = check_joined(
        &[
            Client(&select),
            Server(&result(1, 2, 2, false)[..30]),
            ServerUnseen(10_000),
            Server(b"value\x05\0\0\x99\xfe\0\0\x02\0"),
            Client(&select),
            Server(&result(1, 2, 2, false)),
            Client(&query("do 1")),
            Server(&ok(1, 0, 2)),
        ],
        &[
            "COM_QUERY | SELECT | select 1 | - | - | - | - | - | - | - | - [truncated] [gap] [unended] guessed",
            &format!("{SELECT} [gap] likely"),
            &format!("{DO} likely"),
        ],
    );
    assert_eq!(rows.skipped(Skipped::Gap), (0, 10_014));
}

#[test]
fn what_is_not_answered_is_broken() {
    check_joined(
        &[Client(&query("select 1")), Server(&result(1, 2, 2, false)[..45])],
        &["COM_QUERY | SELECT | select 1 | - | - | - | - | - | - | - | - [truncated] [broken] [unended] likely"],
    );
    let rows = check_joined(
        &[Client(&query("select 1"))],
        &["COM_QUERY | SELECT | select 1 | - | - | - | - | - | - | - | - [broken] [unended] likely"],
    );
    assert_eq!(rows.sizes, [(Some(13), None)]);
}

#[test]
fn a_late_response_goes_with_its_command() {
    check_joined(
        &[Client(&query("select 1")), Expire, Server(&result(1, 2, 2, false)), Client(&query("do 1")), Server(&ok(1, 0, 2))],
        &["COM_QUERY | SELECT | select 1 | - | - | - | - | - | - | - | - [unended] likely", &format!("{DO} likely")],
    );
}

#[test]
fn a_wrong_length_loses_one_response_only() {
    let mut wrong = ok(1, 0, 2);
    wrong[0] = 3;
    let (sent, done) = (query("do 1"), ok(1, 0, 2));
    let rows = rows(false, &[Client(&sent), Server(&wrong), Client(&sent), Server(&done)], || usize::MAX);
    assert_eq!(rows.lines.len(), 2);
    assert_eq!(rows.lines[1], format!("{DO} likely"));
    assert!(rows.skipped(Skipped::Malformed).1 > 0);
}

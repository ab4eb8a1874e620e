//! Logins, commands, and what changes the session.

use super::harness::*;
use super::wire::*;
use crate::{Skipped, State};

/// A connection on which somebody has logged in, before `turns`.
#[track_caller]
pub fn check_session(flags: u32, turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let (hello, name, welcome) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2));
    let all = [&[Server(&hello), Client(&name), Server(&welcome)], turns].concat();
    let expect = [&["LOGIN | - | - | - | - | - | - | - | - | eve | shop certain"], expect].concat();
    check(&all, &expect)
}

#[test]
fn a_session_knows_its_names() {
    let rows = check_session(
        FLAGS,
        &[
            Client(&query("select 1")),
            Server(&result(1, 1, 2, false)),
            Client(&command(2, b"other")),
            Server(&ok(1, 0, 2)),
            Client(&query("insert into t values (1)")),
            Server(&ok(1, 1, 2)),
            Client(&command(2, b"nosuch")),
            Server(&error(1, 1049, "42000", "Unknown database 'nosuch'")),
            Client(&query("use `third`")),
            Server(&ok(1, 0, 2)),
            Client(&command(14, b"")),
            Server(&ok(1, 0, 2)),
            Client(&command(1, b"")),
        ],
        &[
            "COM_QUERY | SELECT | select 1 | - | 1 | - | - | - | - | eve | shop certain",
            "COM_INIT_DB | - | - | - | - | - | - | - | - | eve | other certain",
            "COM_QUERY | INSERT | insert into t values (1) | - | - | 1 | - | - | - | eve | other certain",
            "COM_INIT_DB | - | - | - | - | - | 1049 | 42000 | Unknown database 'nosuch' | eve | nosuch certain",
            "COM_QUERY | USE | use `third` | - | - | 0 | - | - | - | eve | other certain",
            "COM_PING | - | - | - | - | - | - | - | - | eve | third certain",
            "COM_QUIT | - | - | - | - | - | - | - | - | eve | third [unended] certain",
        ],
    );
    assert_eq!(rows.skipped, []);
    assert_eq!(rows.sizes[1], (Some(13), Some(result(1, 1, 2, false).len() as u64)));
    assert_eq!(rows.times[1], (400, Some(100)));
}

#[test]
fn a_refused_login_tells_why() {
    let (hello, name) = (greeting(FLAGS), login(FLAGS, "eve", "shop"));
    let rows = check(
        &[
            Server(&hello),
            Client(&name),
            // another method, its answer, more data, its answer
            Server(&packet(2, b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0")),
            Client(&packet(3, &[7; 32])),
            Server(&packet(4, b"\x01\x04")),
            Client(&packet(5, b"SECRET\0")),
            Server(&error(6, 1045, "28000", "Access denied for user 'eve'")),
        ],
        &["LOGIN | - | - | - | - | - | 1045 | 28000 | Access denied for user 'eve' | eve | shop certain"],
    );
    assert_eq!(rows.skipped, []);
    assert_eq!(rows.sizes[0].0, Some(name.len() as u64 + 36 + 11));
    assert_eq!(rows.times[0], (200, Some(500)));
    check(
        &[Server(&packet(0, b"\xff\x10\x04Too many connections"))],
        // nothing was asked, so that nothing tells how long it took
        &["LOGIN | - | - | - | - | - | 1040 | - | Too many connections | - | - [unended] certain"],
    );
}

#[test]
fn secrets_are_in_no_row() {
    let (hello, name) = (greeting(FLAGS), login(FLAGS, "eve", "shop"));
    let change = command(0x11, b"mallory\0\x06SECRETdb2\0\x2d\0mysql_native_password\0");
    let rows = check(
        &[
            Server(&hello),
            Client(&name),
            Server(&ok(2, 0, 2)),
            Client(&change),
            Server(&packet(1, b"\xfemysql_native_password\0abcdefghijklmnopqrst\0")),
            Client(&packet(2, b"SECRET")),
            Server(&ok(3, 0, 2)),
            Client(&query("do 1")),
            Server(&ok(1, 0, 2)),
        ],
        &[
            "LOGIN | - | - | - | - | - | - | - | - | eve | shop certain",
            "COM_CHANGE_USER | - | - | - | - | - | - | - | - | mallory | db2 certain",
            "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | mallory | db2 certain",
        ],
    );
    assert!(!rows.lines.concat().contains("SECRET"));
}

#[test]
fn tls_is_another_protocol() {
    let request = packet(1, &[&(FLAGS | 1 << 11).to_le_bytes()[..], &[0, 0, 0, 1, 0x2d], &[0; 23]].concat());
    let mut fed = talk(true);
    fed.turn(Server(&greeting(FLAGS | 1 << 11)), || usize::MAX);
    assert_eq!(fed.parser.state(), State::Working);
    fed.turn(Client(&request), || 1);
    assert_eq!(fed.parser.state(), State::HandedOver);
    assert_eq!(fed.parser.successor().map(|next| next.protocol.name), Some("tls"));
    assert_eq!(fed.close().lines, [""; 0]);
}

#[test]
fn tls_begins_with_what_came_along_with_the_request() {
    let request = packet(1, &[&(FLAGS | 1 << 11).to_le_bytes()[..], &[0, 0, 0, 1, 0x2d], &[0; 23]].concat());
    let hello = [b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03".as_slice(), &[7; 32], b"\0\0\x02\x13\x01\x01\0\0\0"].concat();
    let mut fed = talk(true);
    fed.turn(Server(&greeting(FLAGS | 1 << 11)), || usize::MAX);
    fed.turn(Client(&[request, hello].concat()), || usize::MAX);
    let next = fed.parser.successor().expect("TLS");
    assert_eq!(next.parser.waiting_since(), Some(200), "a handshake has begun");
}

#[test]
fn session_tracking_tells_the_database() {
    let tracked = b"\x00\x00\x00\x02\x40\x00\x00\x00\x08\x01\x06\x05store";
    check_session(
        FLAGS | SESSION_TRACK,
        &[Client(&query("/*c*/ UsE store")), Server(&packet(1, tracked)), Client(&query("commit")), Server(&ok(1, 0, 2))],
        &[
            "COM_QUERY | USE | /*c*/ UsE store | - | - | 0 | - | - | - | eve | shop certain",
            "COM_QUERY | COMMIT | commit | - | - | 0 | - | - | - | eve | store certain",
        ],
    );
}

#[test]
fn commands_have_their_own_answers() {
    let fields = [column(1), column(2), eof(3, 2)].concat();
    check_session(
        FLAGS,
        &[
            Client(&command(9, b"")),
            Server(&packet(1, b"Uptime: 5  Threads: 1")),
            Client(&command(4, b"t\0")),
            Server(&fields),
            Client(&command(27, b"\0\0")),
            Server(&eof(1, 2)),
            Client(&command(31, b"")),
            Server(&ok(1, 0, 2)),
            Client(&command(10, b"")),
            Server(&result(1, 2, 2, false)),
            Client(&command(77, b"x")),
            Server(&error(1, 1047, "08S01", "Unknown command")),
        ],
        &[
            "COM_STATISTICS | - | - | - | - | - | - | - | - | eve | shop certain",
            "COM_FIELD_LIST | - | - | - | - | - | - | - | - | eve | shop certain",
            "COM_SET_OPTION | - | - | - | - | - | - | - | - | eve | shop certain",
            "COM_RESET_CONNECTION | - | - | - | - | - | - | - | - | eve | shop certain",
            "COM_PROCESS_INFO | - | - | - | 2 | - | - | - | - | eve | shop certain",
            "COM_77 | - | - | - | - | - | 1047 | 08S01 | Unknown command | eve | shop certain",
        ],
    );
}

#[test]
fn events_of_a_binlog_are_counted() {
    let events: Vec<u8> = (1..=200).flat_map(|seq| packet(seq, b"\0event of some length")).collect();
    let (dump, acknowledged) = (command(0x12, &[0; 14]), packet(0, b"\xefack"));
    check_session(
        FLAGS,
        &[Client(&dump), Server(&events), Client(&acknowledged), Server(&eof(201, 0))],
        &["COM_BINLOG_DUMP | - | - | - | 200 | - | - | - | - | eve | shop certain"],
    );
    check_session(
        FLAGS,
        &[Client(&dump), Server(&events)],
        &["COM_BINLOG_DUMP | - | - | - | 200 | - | - | - | - | eve | shop [unended] certain"],
    );
}

#[test]
fn what_belongs_to_nothing_is_told() {
    let rows = check_session(
        FLAGS,
        &[Server(&ok(1, 0, 2)), Client(&query("do 1")), Server(&ok(1, 0, 2))],
        &["COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop certain"],
    );
    assert_eq!(rows.skipped(Skipped::Malformed), (0, 11));
}

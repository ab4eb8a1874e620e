//! Result sets of every framing, multi-results, files, packets of any size.

use super::harness::*;
use super::sessions::check_session;
use super::wire::*;

#[test]
fn results_end_with_eof_or_ok() {
    for deprecated in [false, true] {
        let flags = if deprecated { FLAGS | DEPRECATE_EOF } else { FLAGS };
        check_session(
            flags,
            &[
                Client(&query("select 1")),
                Server(&result(1, 3, 2, deprecated)),
                Client(&query("select 0")),
                Server(&result(1, 0, 2, deprecated)),
            ],
            &[
                "COM_QUERY | SELECT | select 1 | - | 3 | - | - | - | - | eve | shop certain",
                "COM_QUERY | SELECT | select 0 | - | 0 | - | - | - | - | eve | shop certain",
            ],
        );
    }
}

#[test]
fn several_results_are_one_row() {
    let text = "select 1; insert into t values (1); call p()";
    let results =
        [result(1, 3, MORE_RESULTS, true), ok(7, 4, MORE_RESULTS), result(8, 2, MORE_RESULTS, true), ok(13, 1, 2)].concat();
    let failing = [result(1, 3, MORE_RESULTS, true), error(7, 1146, "42S02", "Table 't' doesn't exist")].concat();
    check_session(
        FLAGS | DEPRECATE_EOF,
        &[
            Client(&query(text)),
            Server(&results),
            Client(&query(text)),
            Server(&failing),
            Client(&query("do 1")),
            Server(&ok(1, 0, 2)),
        ],
        &[
            &format!("COM_QUERY | SELECT | {text} | - | 5 | 5 | - | - | - | eve | shop certain"),
            &format!("COM_QUERY | SELECT | {text} | - | 3 | - | 1146 | 42S02 | Table 't' doesn't exist | eve | shop certain"),
            "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop certain",
        ],
    );
}

#[test]
fn a_local_file_belongs_to_its_statement() {
    let file: Vec<u8> = (0..300_u32).flat_map(|n| packet((n + 2) as u8, b"a\tb\n")).collect();
    let end = packet((300 + 2) as u8, b"");
    let rows = check_session(
        FLAGS,
        &[
            Client(&query("load data local infile 'f' into table t")),
            Server(&packet(1, b"\xfbf")),
            Client(&file),
            Client(&end),
            Server(&ok(47, 100, 2)),
            Client(&command(14, b"")),
            Server(&ok(1, 0, 2)),
        ],
        &[
            "COM_QUERY | LOAD | load data local infile 'f' into table t | - | - | 100 | - | - | - | eve | shop certain",
            "COM_PING | - | - | - | - | - | - | - | - | eve | shop certain",
        ],
    );
    assert_eq!(rows.sizes[1].0, Some(44 + 300 * 8 + 4));
    assert_eq!(rows.skipped, []);
}

#[test]
fn a_local_file_may_be_refused_or_missing() {
    let text = "load data local infile 'f' into table t";
    let (asked, wanted) = (query(text), packet(1, b"\xfbf"));
    check_session(
        FLAGS,
        &[
            // forbidden before it is asked for
            Client(&asked),
            Server(&error(1, 4166, "HY000", "disabled")),
            // the client has none, and sends an empty one
            Client(&asked),
            Server(&wanted),
            Client(&packet(2, b"")),
            Server(&ok(3, 0, 2)),
            // what is in it is refused
            Client(&asked),
            Server(&wanted),
            Client(&[packet(2, b"a\tb\n"), packet(3, b"")].concat()),
            Server(&error(4, 1366, "22007", "Incorrect integer value")),
            Client(&query("do 1")),
            Server(&ok(1, 0, 2)),
        ],
        &[
            &format!("COM_QUERY | LOAD | {text} | - | - | - | 4166 | HY000 | disabled | eve | shop certain"),
            &format!("COM_QUERY | LOAD | {text} | - | - | 0 | - | - | - | eve | shop certain"),
            &format!("COM_QUERY | LOAD | {text} | - | - | - | 1366 | 22007 | Incorrect integer value | eve | shop certain"),
            "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop certain",
        ],
    );
}

#[test]
fn an_error_may_end_rows() {
    let rows = [packet(1, &[1]), column(2), row(3, "x"), error(4, 1317, "70100", "Query execution was interrupted")].concat();
    check_session(
        FLAGS | DEPRECATE_EOF,
        &[Client(&query("select 1")), Server(&rows), Client(&query("do 1")), Server(&ok(1, 0, 2))],
        &[
            "COM_QUERY | SELECT | select 1 | - | 1 | - | 1317 | 70100 | Query execution was interrupted | eve | shop certain",
            "COM_QUERY | DO | do 1 | - | - | 0 | - | - | - | eve | shop certain",
        ],
    );
}

#[test]
fn progress_is_no_end() {
    let progress = packet(1, b"\xff\xff\xff\x01\x01\x02\0\0\0\x07copying");
    check_session(
        FLAGS,
        &[Client(&query("alter table t add x int")), Server(&progress), Server(&ok(2, 0, 2))],
        &["COM_QUERY | ALTER | alter table t add x int | - | - | 0 | - | - | - | eve | shop certain"],
    );
}

#[test]
fn metadata_may_be_left_out() {
    // in MariaDB the byte follows the number, in MySQL it precedes it
    for count in [[1, 0], [0, 1]] {
        let rows = [packet(1, &count), eof(2, 2), row(3, "x"), eof(4, 2)].concat();
        check_session(
            FLAGS,
            &[Client(&query("select 1")), Server(&rows)],
            &["COM_QUERY | SELECT | select 1 | - | 1 | - | - | - | - | eve | shop certain"],
        );
    }
}

#[test]
fn packets_of_16_mib_continue() {
    let part = vec![b'z'; 0xff_ffff];
    let text = [b"\x03select '".as_slice(), &part, b"'"].concat();
    let sent = [packet(0, &text[..0xff_ffff]), packet(1, &text[0xff_ffff..])].concat();
    let value = [b"\xfd\xfe\xff\xff".as_slice(), &part[..0xff_fffb]].concat();
    let got = [packet(2, &[1]), column(3), packet(4, &value), packet(5, b""), row(6, "x"), end(7, 2)].concat();
    let mut fed = talk(true);
    let (hello, name, welcome) = (greeting(FLAGS | DEPRECATE_EOF), login(FLAGS | DEPRECATE_EOF, "eve", "shop"), ok(2, 0, 2));
    for turn in [Server(&hello), Client(&name), Server(&welcome), Client(&sent), Server(&got)] {
        fed.turn(turn, || 60_001);
    }
    assert!(fed.heap_bytes_max < 512 << 10, "{} bytes", fed.heap_bytes_max);
    let rows = fed.close();
    assert_eq!(rows.lines.len(), 2);
    assert!(rows.lines[1].starts_with("COM_QUERY | SELECT | select 'zzz"));
    assert!(
        rows.lines[1].ends_with("zzz | - | 2 | - | - | - | - | eve | shop [truncated] certain"),
        "{}",
        &rows.lines[1][65_000..]
    );
    assert_eq!(rows.sizes[1].0, Some(sent.len() as u64));
}

#[test]
fn results_of_any_size_are_counted() {
    let mut seq = 3_u8;
    let mut next = || {
        seq = seq.wrapping_add(1);
        seq - 1
    };
    let rows: Vec<u8> = (0..100_000).flat_map(|_| row(next(), "some value of a row")).collect();
    let tail = end(next(), 2);
    let head = [packet(1, &[1]), column(2)].concat();
    let all = [head, rows, tail].concat();
    let mut fed = talk(true);
    let flags = FLAGS | DEPRECATE_EOF;
    let (hello, name, welcome, sent) = (greeting(flags), login(flags, "eve", "shop"), ok(2, 0, 2), query("select x from t"));
    for turn in [Server(&hello), Client(&name), Server(&welcome), Client(&sent), Server(&all)] {
        fed.turn(turn, || 1447);
    }
    assert!(fed.heap_bytes_max < 16 << 10, "{} bytes", fed.heap_bytes_max);
    let rows = fed.close();
    assert_eq!(rows.lines[1], "COM_QUERY | SELECT | select x from t | - | 100000 | - | - | - | - | eve | shop certain");
    assert_eq!(rows.sizes[1].1, Some(all.len() as u64));
}

//! COPY both ways and replication streams.

use super::harness::*;
use super::wire::*;

fn data(text: &str) -> Vec<u8> {
    message(b'd', text)
}

fn begin(tag: u8) -> Vec<u8> {
    message(tag, [0, 0, 1, 0, 0])
}

fn copied(query: &str, rows: usize, messages: usize, bytes: usize) -> String {
    format!(
        "{query} | operation=COPY | command_tag=COPY {rows} | rows={rows} | transaction_status=idle | copy_messages={messages} | copy_bytes={bytes}"
    )
}

#[test]
fn copy_in_and_out_are_one_row_each() {
    let (into, out) = (query("copy t from stdin"), query("copy t to stdout"));
    let sent = [data("1\tx\n"), data("2\ty\n3\tz\n"), message(b'c', b"")].concat();
    let got = [begin(b'H'), data("1\n"), data("2\n"), message(b'c', b""), done("COPY 2")].concat();
    let rows = check_logged_in(
        &[Client(&into), Server(&begin(b'G')), Client(&sent), Server(&done("COPY 3")), Client(&out), Server(&got)],
        &[&copied("Query | query=copy t from stdin", 3, 2, 12), &copied("Query | query=copy t to stdout", 2, 2, 4)],
    );
    assert_eq!(rows.sizes[1].0, Some((into.len() + sent.len()) as u64));
    assert_eq!(rows.sizes[2].1, Some(got.len() as u64));
}

#[test]
fn a_failed_copy_has_its_error() {
    let sent = [data("x"), message(b'f', b"gave up\0")].concat();
    check_logged_in(
        &[
            Client(&query("copy t from stdin")),
            Server(&begin(b'G')),
            Client(&sent),
            Server(&[error("57014", "COPY failed"), ready()].concat()),
        ],
        &[
            "Query | query=copy t from stdin | operation=COPY | error_code=57014 | error_message=COPY failed | transaction_status=idle | copy_messages=1 | copy_bytes=1",
        ],
    );
}

#[test]
fn a_copy_out_may_fail_midway() {
    let got = [begin(b'H'), data("1\n"), error("57014", "canceled"), ready()].concat();
    check_logged_in(
        &[Client(&query("copy t to stdout")), Server(&got), Client(&query("select 1")), Server(&done("SELECT 1"))],
        &[
            "Query | query=copy t to stdout | operation=COPY | error_code=57014 | error_message=canceled | transaction_status=idle | copy_messages=1 | copy_bytes=2",
            "Query | query=select 1 | operation=SELECT | command_tag=SELECT 1 | rows=1 | transaction_status=idle",
        ],
    );
}

#[test]
fn the_first_sync_of_an_extended_copy_is_ignored() {
    let started = [message(b'1', b""), message(b'2', b""), message(b'n', b""), begin(b'G')].concat();
    check_logged_in(
        &[
            Client(&all("copy t from stdin", &[])),
            Server(&started),
            Client(&[data("x"), message(b'c', b""), sync()].concat()),
            Server(&done("COPY 1")),
            Client(&all("select 1", &[])),
            Server(&all_done(1)),
        ],
        &[
            "Parse | query=copy t from stdin | operation=COPY",
            "Execute | query=copy t from stdin | operation=COPY | parameters=[] | command_tag=COPY 1 | rows=1 | copy_messages=1 | copy_bytes=1",
            "Parse | query=select 1 | operation=SELECT",
            "Execute | query=select 1 | operation=SELECT | parameters=[] | command_tag=SELECT 1 | rows=1",
        ],
    );
}

#[test]
fn replication_streams_are_counted() {
    let start = "START_REPLICATION SLOT s LOGICAL 0/0";
    let wal = data(&format!("w{}", "x".repeat(30)));
    let turns = [
        Client(&query(start)),
        Server(&begin(b'W')),
        Server(&[wal.clone(), data("k1234567812345678x"), wal].concat()),
        Client(&data("r12345678")),
    ];
    let asked = format!("Query | query={start} | operation=START_REPLICATION");
    let end = [message(b'c', b""), tag("COPY 0"), done("START_REPLICATION")].concat();
    let over = message(b'c', b"");
    let ended = [&turns[..], &[Client(&over), Server(&end)]].concat();
    let stream = format!("Copy | query={start} | operation=START_REPLICATION | copy_messages=2 | copy_bytes=62");
    check_logged_in(&ended, &[&asked, &stream]);
    // the server ends it by an error
    let terminated = error("57P01", "terminated");
    let killed = [&turns[..], &[Server(&terminated)]].concat();
    check_logged_in(&killed, &[&asked, &format!("{stream} [truncated] [broken] [unended]")]);
    // one that is still running when the connection ends
    check_logged_in(&turns, &[&asked, &format!("{stream} [truncated] [broken] [unended]")]);
}

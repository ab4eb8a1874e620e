//! How many PostgreSQL commands with their answers a second one core parses:
//! `cargo bench -p protocol-parsers --bench postgres`.
//!
//! In: conversations made up here, after a login and the Parse of a named statement. Out: rows/s and MB/s of each; Parse and Execute are a row each.

mod measure;

use protocol_parsers::{Exchange, Flow, Moment, Output, Parser, Protocol, Segment, Settings, Skipped, Transport, postgres};
use schema::Row;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], (body.len() as u32 + 4).to_be_bytes().as_slice(), body].concat()
}

fn data_row(value: &[u8]) -> Vec<u8> {
    message(b'D', &[&[0, 1], (value.len() as u32).to_be_bytes().as_slice(), value].concat())
}

const TEXT: &[u8] = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;\0";

/// Takes no notice.
struct Nowhere;

impl Output for Nowhere {
    fn row(&mut self, _: &dyn Row, _: &Exchange<'_>) {}
    fn skipped(&mut self, _: Skipped, _: u64, _: u64) {}
}

/// A parser whose connection has had its login and the Parse of the statement `s`.
fn logged_in(settings: &Settings, transport: Transport, from_start: bool) -> Box<dyn Parser> {
    let mut parser = (postgres::PROTOCOL.parser)(settings, transport, from_start);
    let login = [&[0, 0, 0, 23, 0, 3, 0, 0], b"user\0postgres\0\0".as_slice()].concat();
    let prepare = [message(b'P', &[b"s\0".as_slice(), TEXT, &[0, 0]].concat()), message(b'S', b"")].concat();
    let (ready, parsed) = (message(b'Z', b"I"), message(b'1', b""));
    let turns = [(Flow::ToServer, login), (Flow::ToClient, ready.clone()), (Flow::ToServer, prepare)];
    for (flow, bytes) in turns.into_iter().chain([(Flow::ToClient, [parsed, ready].concat())]) {
        parser.bytes(Segment { flow, bytes: &bytes, at: Moment::default(), remote: None }, &mut Nowhere);
    }
    parser
}

static LOGGED_IN: Protocol = Protocol {
    name: "postgres",
    table: postgres::PostgresEvent::TABLE,
    transports: &[Transport::Stream],
    detect: |evidence| (postgres::PROTOCOL.detect)(evidence),
    parser: logged_in,
};

fn main() {
    let measure = |name, rows, segments: &[(Flow, Vec<u8>)], piece| {
        measure::measure(&LOGGED_IN, Transport::Stream, name, rows, segments, piece, 200);
    };
    let up = |messages: &[Vec<u8>]| (Flow::ToServer, messages.concat());
    let down = |messages: &[Vec<u8>]| (Flow::ToClient, messages.concat());
    let (one, sync, ready) = (message(b'Q', b"SELECT 1\0"), message(b'S', b""), message(b'Z', b"I"));
    let columns = message(b'T', &[&[0, 1], b"abalance\0".as_slice(), &[0; 18]].concat());
    let selected = message(b'C', b"SELECT 1\0");
    let answer = [columns.clone(), data_row(b"1"), selected.clone(), ready.clone()];
    measure("Query", 1, &[up(std::slice::from_ref(&one)), down(&answer)], usize::MAX);
    measure("Query, byte by byte", 1, &[up(std::slice::from_ref(&one)), down(&answer)], 1);

    let parse = message(b'P', &[b"\0".as_slice(), TEXT, &[0, 0]].concat());
    let bind = |statement: &[u8]| message(b'B', &[b"\0".as_slice(), statement, b"\0\0\0\x01\0\0\0\x055500\x31\0\0"].concat());
    let (describe, execute) = (message(b'D', b"P\0"), message(b'E', b"\0\0\0\0\0"));
    let extended = [parse, bind(b"\0"), describe.clone(), execute.clone(), sync.clone()];
    let (parsed, bound) = (message(b'1', b""), message(b'2', b""));
    let result = [bound.clone(), columns, data_row(b"0"), selected, ready];
    let extended_result = [vec![parsed], result.to_vec()].concat();
    measure("Parse, Bind, Execute", 2, &[up(&extended), down(&extended_result)], usize::MAX);
    let pipeline = [extended.concat().repeat(16)];
    measure("the same, pipelined by 16", 32, &[up(&pipeline), down(&[extended_result.concat().repeat(16)])], usize::MAX);
    let prepared = [bind(b"s\0"), describe, execute, sync];
    measure("Bind, Execute", 1, &[up(&prepared), down(&result)], usize::MAX);

    let many =
        [message(b'T', &[0, 0]), data_row(&[b'x'; 100]).repeat(1000), message(b'C', b"SELECT 1000\0"), message(b'Z', b"I")];
    measure("Query of 1000 rows", 1, &[up(&[one]), down(&many)], 64 << 10);
}

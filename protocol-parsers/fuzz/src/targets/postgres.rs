//! PostgreSQL: both protocols, COPY, replication, logins, errors in every place.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "postgres",
    protocol: &protocol_parsers::postgres::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 8 << 20,
};

fn message(tag: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    [&[tag], (body.len() as u32 + 4).to_be_bytes().as_slice(), body].concat()
}

fn packet(body: &[u8]) -> Step {
    up([(body.len() as u32 + 4).to_be_bytes().as_slice(), body].concat())
}

fn query(text: &str) -> Step {
    up(message(b'Q', format!("{text}\0")))
}

fn done(tag: &str) -> Vec<u8> {
    [message(b'C', format!("{tag}\0")), message(b'Z', b"I")].concat()
}

fn error(code: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0C{code}\0Mwrong\0\0"))
}

fn row(value: &str) -> Vec<u8> {
    message(b'D', [&[0, 1], (value.len() as u32).to_be_bytes().as_slice(), value.as_bytes()].concat())
}

fn columns() -> Vec<u8> {
    message(b'T', [&[0, 1], b"c\0".as_slice(), &[0; 18]].concat())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\x01\0\0\0\x17"))
}

fn bind(statement: &str) -> Vec<u8> {
    message(b'B', format!("\0{statement}\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\0"))
}

fn execute() -> Vec<u8> {
    message(b'E', b"\0\0\0\0\0")
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn corpus() -> Vec<Vec<Step>> {
    [logins(), simple(), extended(), copies(), foreign()].concat()
}

fn logins() -> Vec<Vec<Step>> {
    let login = || packet(b"\0\x03\0\0user\0me\0database\0db\0\0");
    let welcome = [message(b'R', [0; 4]), message(b'S', b"a\0b\0"), message(b'K', [1; 8]), message(b'Z', b"I")].concat();
    let ssl = || packet(&[4, 210, 22, 47]);
    vec![
        vec![login(), down(&welcome), query("select 1"), down(done("SELECT 1"))],
        vec![ssl(), down("N"), login(), down(&welcome)],
        vec![packet(&[4, 210, 22, 48]), down("N"), ssl(), down("S"), up("\x16\x03\x01")],
        vec![packet(b"\x04\xd2\x16\x2e12345678")],
        vec![login(), down(message(b'R', b"\0\0\0\x05salt")), up(message(b'p', b"md5secret\0")), down(error("28P01"))],
        vec![login(), down(&welcome), up(message(b'X', b"")), Step::End(Flow::ToServer)],
    ]
}

fn simple() -> Vec<Vec<Step>> {
    let large = "x".repeat(5000);
    let answer = [columns(), row("1"), done("SELECT 1")].concat();
    vec![
        vec![query("select 1"), down(&answer)],
        vec![query(&format!("select '{large}'")), down([columns(), row(&large), done("SELECT 1")].concat())],
        vec![query("select 1; select 2"), down([columns(), message(b'C', b"SELECT 1\0"), answer.clone()].concat())],
        vec![query("selec"), down([error("42601"), message(b'Z', b"E")].concat())],
        vec![query(""), down([message(b'I', b""), message(b'Z', b"I")].concat())],
        vec![query("listen c"), down([message(b'A', b"\0\0\0\x01c\0p\0"), done("LISTEN")].concat())],
        vec![query("raise"), down([message(b'N', b"C00000\0Mhi\0\0"), done("DO")].concat())],
        vec![up(message(b'F', [0; 10])), down([message(b'V', [0; 4]), message(b'Z', b"I")].concat())],
        vec![query("sleep"), Step::Wait(70_000), Step::Expire(60_000), down(&answer)],
        vec![query("select"), down(columns()), Step::Unseen(Flow::ToClient, 100), down(row("2")), down(done("SELECT 2"))],
        vec![up(&message(b'Q', vec![b'y'; 300])[..50]), Step::Unseen(Flow::ToServer, 255), down(&answer)],
    ]
}

fn extended() -> Vec<Vec<Step>> {
    let all = [parse("", "select $1"), bind(""), message(b'D', b"P\0"), execute(), sync()].concat();
    let answer = [message(b'1', b""), message(b'2', b""), columns(), row("7"), done("SELECT 1")].concat();
    let run = [bind("s"), execute(), sync()].concat();
    let ran = [message(b'2', b""), row("7"), done("SELECT 1")].concat();
    let ready = message(b'Z', b"I");
    vec![
        vec![up(&all), down(&answer)],
        vec![up(all.repeat(3)), down(answer.repeat(3))],
        vec![up([parse("s", "select $1"), message(b'D', b"Ss\0"), message(b'H', b"")].concat())],
        vec![up([parse("s", "select $1"), sync()].concat()), down([message(b'1', b""), ready.clone()].concat())],
        vec![up(&run), down(&ran), up(&run), down(&ran)],
        vec![up(&all), down([error("42P01"), ready.clone()].concat())],
        vec![up(&all), down([message(b'1', b""), error("22P02"), ready.clone()].concat())],
        vec![up([bind(""), message(b'H', b"")].concat()), down(error("22P02")), up(sync()), down(&ready)],
        vec![up([message(b'C', b"Ss\0"), sync()].concat()), down([message(b'3', b""), ready.clone()].concat())],
        vec![up([execute(), sync()].concat()), down([row("1"), message(b's', b""), ready.clone()].concat())],
        vec![
            up([message(b'D', b"Ss\0"), sync()].concat()),
            down([message(b't', b"\0\x01\0\0\0\x19"), columns(), ready].concat()),
        ],
    ]
}

fn copies() -> Vec<Vec<Step>> {
    let copy = |tag| message(tag, [0, 0, 1, 0, 0]);
    let (data, over) = (message(b'd', b"wal\n"), message(b'c', b""));
    vec![
        vec![query("copy t from stdin"), down(copy(b'G')), up([data.clone(), over.clone()].concat()), down(done("COPY 1"))],
        vec![query("copy t to stdout"), down([copy(b'H'), data.clone(), over.clone(), done("COPY 1")].concat())],
        vec![query("copy t from stdin"), down(copy(b'G')), up(message(b'f', b"no\0")), down(error("57014"))],
        vec![
            up([parse("", "copy"), bind(""), execute(), sync()].concat()),
            down([message(b'1', b""), message(b'2', b""), copy(b'G')].concat()),
            up([data.clone(), over.clone(), sync()].concat()),
            down(done("COPY 1")),
        ],
        vec![query("START_REPLICATION 0/0"), down([copy(b'W'), data.clone()].concat()), up(data)],
        vec![up(over.clone()), down([over, done("START_REPLICATION")].concat())],
    ]
}

/// What does not belong there.
fn foreign() -> Vec<Vec<Step>> {
    vec![
        vec![down(error("57P01")), Step::End(Flow::ToClient)],
        vec![up("GET / HTTP/1.1\r\n\r\n"), down("HTTP/1.1 400\r\n\r\n")],
        vec![up("Q\0\0\0\x09no end"), down(message(b'Z', b"I"))],
        vec![up("S\0\0\0\x04S\0\0\0"), down("Z\0\0\0\x05Z\0\0")],
        vec![up(message(b'B', b"\0s\0\0\x02\0\x01\xff\xff")), down(message(b'D', b"\xff\xff"))],
    ]
}

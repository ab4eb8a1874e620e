//! MySQL: logins, every kind of response, prepared statements, files, compression.

use protocol_parsers::{Flow, Transport};

use super::Target;
use crate::script::{Step, down, up};

pub const TARGET: Target = Target {
    name: "mysql",
    protocol: &protocol_parsers::mysql::PROTOCOL,
    transport: Transport::Stream,
    corpus,
    heap_bytes_max: 10 << 20,
};

/// 4.1 protocol, database, secure connection, plugins.
const FLAGS: u32 = 1 << 3 | 1 << 9 | 1 << 15 | 1 << 19;
const COMPRESS: u32 = 1 << 5;
const DEPRECATE_EOF: u32 = 1 << 24;

fn packet(seq: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [&(payload.len() as u32).to_le_bytes()[..3], &[seq], payload].concat()
}

fn query(text: &str) -> Step {
    up(packet(0, format!("\x03{text}")))
}

const OK: &[u8] = b"\0\x01\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const COLUMN: &[u8] = b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x03\0\0\0\0\0";

fn login(flags: u32) -> Vec<Step> {
    let bits = flags.to_le_bytes();
    let hello = [
        b"\x0a8.0.36\0\x01\0\0\0abcdefgh\0".as_slice(),
        &bits[..2],
        b"\x2d\x02\0",
        &bits[2..],
        b"\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0",
    ];
    let name = [&bits[..], b"\0\0\0\x01\x2d", &[0; 23], b"eve\0\x02xyshop\0mysql_native_password\0"];
    vec![down(packet(0, hello.concat())), up(packet(1, name.concat())), down(packet(2, OK))]
}

/// A result set of one column and two rows.
fn result(deprecated: bool, more: bool) -> Vec<u8> {
    let status = if more { 10 } else { 2 };
    let between = if deprecated { vec![] } else { packet(3, EOF) };
    let seq = if deprecated { 3 } else { 4 };
    let end = if deprecated { vec![0xfe, 0, 0, status, 0, 0, 0] } else { vec![0xfe, 0, 0, status, 0] };
    [packet(1, [1]), packet(2, COLUMN), between, packet(seq, b"\x02ab"), packet(seq + 1, b"\xfb"), packet(seq + 2, end)]
        .concat()
}

fn corpus() -> Vec<Vec<Step>> {
    [sessions(), commands(), statements(), compressed()].concat()
}

fn sessions() -> Vec<Vec<Step>> {
    let mut switched = login(FLAGS);
    switched.truncate(2);
    switched.push(down(packet(2, b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0")));
    switched.extend([up(packet(3, [7; 32])), down(packet(4, b"\x01\x03")), down(packet(5, OK))]);
    let refused = vec![down(packet(0, b"\xff\x10\x04Too many connections")), Step::End(Flow::ToClient)];
    let tracked = packet(1, b"\0\0\0\x02\x40\0\0\0\x08\x01\x06\x05store");
    vec![
        login(FLAGS),
        login(FLAGS | DEPRECATE_EOF),
        switched,
        refused,
        vec![query("use store"), down(tracked)],
        vec![
            up(packet(0, b"\x11eve\0\x02xyshop\0")),
            down(packet(1, b"\xfep\0abc\0")),
            up(packet(2, b"xy")),
            down(packet(3, OK)),
        ],
        vec![up(packet(0, b"\x02shop")), down(packet(1, OK))],
        vec![up(packet(0, b"\x01"))],
    ]
}

fn commands() -> Vec<Vec<Step>> {
    let error = packet(1, b"\xff\x7a\x04#42S02Table 't' doesn't exist");
    let several = [result(false, true), packet(7, OK)].concat();
    let file = [packet(2, b"a\tb\n"), packet(3, b"")].concat();
    vec![
        vec![query("select a from t"), down(result(false, false))],
        vec![query("select a from t"), down(result(true, false))],
        vec![query("insert into t values (1)"), down(packet(1, OK))],
        vec![query("select nothing"), down(error)],
        vec![query("call p()"), down(several)],
        vec![query("load data local infile 'f' into table t"), down(packet(1, b"\xfbf")), up(file), down(packet(4, OK))],
        vec![query("alter table t"), down(packet(1, b"\xff\xff\xff\x01\x01\x02\0\0\0\x01x")), down(packet(2, OK))],
        vec![query("select sleep(70)"), Step::Wait(70_000), Step::Expire(60_000), down(result(false, false))],
        vec![query("select a"), down(&result(false, false)[..20]), Step::Unseen(Flow::ToClient, 30)],
        vec![up(packet(0, b"\x0e")), down(packet(1, OK))],
        vec![up(packet(0, b"\x09")), down(packet(1, b"Uptime: 5"))],
        vec![up(packet(0, b"\x04t\0")), down([packet(1, COLUMN), packet(2, EOF)].concat())],
        vec![up([packet(0, b"\x0e"), packet(0, b"\x0e")].concat()), down([packet(1, OK), packet(1, OK)].concat())],
        vec![
            up(packet(0, [b"\x12".as_slice(), &[0; 14]].concat())),
            down([packet(1, b"\0event one"), packet(2, EOF)].concat()),
        ],
        vec![up(packet(0, b"\x03\x01\x01\0\x01\xfe\0\x01k\x01vselect 1")), down(packet(1, OK))],
        vec![query(&format!("select '{}'", "x".repeat(3000))), down(result(false, false))],
    ]
}

fn statements() -> Vec<Vec<Step>> {
    let prepare = up(packet(0, b"\x16insert into t values (?, ?)"));
    let prepared = [packet(1, b"\0\x01\0\0\0\0\0\x02\0\0\0\0"), packet(2, COLUMN), packet(3, COLUMN), packet(4, EOF)].concat();
    let types: [&[u8]; 6] = [
        b"\x03\0\xfd\0\x2a\0\0\0\x03abc",
        b"\x0c\0\x0b\0\x07\xe8\x07\x02\x1d\x0d\x0e\x0f\x08\x01\x02\0\0\0\x03\x04\x05",
        b"\x04\0\x05\0\0\0\xc0\x3f\0\0\0\0\0\0\xf8\x3f",
        b"\x08\x80\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xfc\0\xf6\0\x04\xde\xad\xbe\xef\x0512.50",
        b"\x0a\0\x06\0\x04\xe8\x07\x02\x1d",
    ];
    let executions = types.map(|t| up(packet(0, [b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01".as_slice(), t].concat())));
    let executed = executions.into_iter().map(|e| vec![prepare.clone(), down(&prepared), e, down(packet(1, OK))]);
    let mut all: Vec<_> = executed.collect();
    all.push(vec![
        up(packet(0, b"\x18\x01\0\0\0\x01\0long data")),
        up(packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\x01\0\x09long data")),
        down(packet(1, OK)),
        up(packet(0, b"\x1a\x01\0\0\0")),
        down(packet(1, OK)),
        up(packet(0, b"\x19\x01\0\0\0")),
    ]);
    let opened = [packet(1, [1]), packet(2, COLUMN), packet(3, b"\xfe\0\0\x42\0")].concat();
    let fetched = [packet(1, b"\0\0\x01a"), packet(2, EOF)].concat();
    all.push(vec![
        up(packet(0, b"\x17\x01\0\0\0\x01\x01\0\0\0")),
        down(opened),
        up(packet(0, b"\x1c\x01\0\0\0\x01\0\0\0")),
        down(fetched),
    ]);
    all.push(vec![up(packet(0, b"\xfa\x01\0\0\0\x80\0\x03\0\xfd\0\0\x01\0\0\0\x01\0\x02\0\0\0\0\x01b")), down(packet(1, OK))]);
    let at_once = [packet(0, b"\x16do ?"), packet(0, b"\x17\xff\xff\xff\xff\0\x01\0\0\0\0\x01\x01\0\x05")].concat();
    let answers = [packet(1, b"\0\x02\0\0\0\0\0\x01\0\0\0\0"), packet(2, COLUMN), packet(3, EOF), packet(1, OK)].concat();
    all.push(vec![up(at_once), down(answers)]);
    all
}

/// Frames: plain, zlib, zstd.
fn compressed() -> Vec<Vec<Step>> {
    let frame = |seq: u8, packed: &[u8], unpacked: u32| {
        [&(packed.len() as u32).to_le_bytes()[..3], &[seq], &unpacked.to_le_bytes()[..3], packed].concat()
    };
    let plain = [up(frame(0, &packet(0, b"\x03do 1"), 0)), down(frame(1, &packet(1, OK), 0))];
    let mut all = vec![[login(FLAGS | COMPRESS), plain.to_vec()].concat()];
    // `select 'xxx…'` of 64 bytes, as a packet
    let statement = packet(0, format!("\x03select '{}'", "x".repeat(54)));
    let zlib = stored_zlib(&statement);
    let zstd = raw_zstd(&statement);
    for packed in [zlib, zstd] {
        let steps = [up(frame(0, &packed, statement.len() as u32)), down(frame(1, &result(false, false), 0))];
        all.push([login(FLAGS | COMPRESS), steps.to_vec(), plain.to_vec()].concat());
    }
    all
}

/// A zlib stream of one stored block (RFC 1950, RFC 1951 section 3.2.4).
fn stored_zlib(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    let checksum = (b << 16 | a).to_be_bytes();
    [&[0x78, 0x01, 0x01][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes, &checksum].concat()
}

/// A zstd frame of one raw block (RFC 8878 section 3.1.1).
fn raw_zstd(bytes: &[u8]) -> Vec<u8> {
    let block = (bytes.len() as u32) << 3 | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.len() as u8][..], &block.to_le_bytes()[..3], bytes].concat()
}

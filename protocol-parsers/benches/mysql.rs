//! How many MySQL commands with their responses a second one core parses: `cargo bench -p protocol-parsers --bench mysql`.
//!
//! In: conversations made up here. Out: rows/s and MB/s of each.

mod measure;

use protocol_parsers::{Flow, Transport, mysql};

fn packet(seq: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..3], &[seq], payload].concat()
}

fn query(text: &str) -> Vec<u8> {
    packet(0, &[b"\x03", text.as_bytes()].concat())
}

fn column(seq: u8) -> Vec<u8> {
    packet(seq, b"\x03def\x04test\x01t\x01t\x01c\x01c\x0c\x3f\0\x0b\0\0\0\x03\0\0\0\0\0")
}

/// Two columns, so many rows.
fn result(rows: usize) -> Vec<u8> {
    let mut out = [packet(1, &[2]), column(2), column(3), packet(4, b"\xfe\0\0\x02\0")].concat();
    for n in 0..rows {
        out.extend(packet(n as u8 + 5, b"\x0212\x0esome text here"));
    }
    out.extend(packet(rows as u8 + 5, b"\xfe\0\0\x02\0"));
    out
}

fn main() {
    let ok = packet(1, b"\0\x01\0\x02\0\0\0");
    let select = query("SELECT c FROM sbtest1 WHERE id=5047");
    let measure = |name, rows, segments: &[(Flow, Vec<u8>)], piece| {
        measure::measure(&mysql::PROTOCOL, Transport::Stream, name, rows, segments, piece, 200);
    };
    let insert = query("INSERT INTO t (id, name, at) VALUES (1, 'some name', now())");
    measure("SELECT of one row", 1, &[(Flow::ToServer, select.clone()), (Flow::ToClient, result(1))], usize::MAX);
    measure("INSERT", 1, &[(Flow::ToServer, insert.clone()), (Flow::ToClient, ok.clone())], usize::MAX);
    measure("INSERT, byte by byte", 1, &[(Flow::ToServer, insert), (Flow::ToClient, ok.clone())], 1);
    let prepare = packet(0, b"\x16UPDATE t SET name = ? WHERE id = ?");
    let prepared = [packet(1, b"\0\x01\0\0\0\0\0\x02\0\0\0\0"), column(2), column(3), packet(4, b"\xfe\0\0\x02\0")].concat();
    let execute = packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x03\0\x09some name\x2a\0\0\0");
    let close = packet(0, b"\x19\x01\0\0\0");
    let once = [(Flow::ToServer, execute), (Flow::ToClient, ok)];
    let mut statement = vec![(Flow::ToServer, prepare), (Flow::ToClient, prepared)];
    statement.extend((0..20).flat_map(|_| once.clone()));
    statement.push((Flow::ToServer, close));
    measure("EXECUTE, 20 a PREPARE", 22, &statement, usize::MAX);
    measure("SELECT of 100 rows", 1, &[(Flow::ToServer, select.clone()), (Flow::ToClient, result(100))], usize::MAX);
    measure("SELECT of 100,000 rows", 1, &[(Flow::ToServer, select), (Flow::ToClient, result(100_000))], 16 << 10);
}

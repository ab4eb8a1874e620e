//! Packets, written the long way round.

pub const MORE_RESULTS: u16 = 8;
pub const CURSOR: u16 = 0x40;
/// Flags of a usual client: 4.1 protocol, secure connection, plugins, database, multi-results.
pub const FLAGS: u32 = 1 << 3 | 1 << 9 | 1 << 15 | 1 << 17 | 1 << 19;
pub const DEPRECATE_EOF: u32 = 1 << 24;
pub const SESSION_TRACK: u32 = 1 << 23;
pub const QUERY_ATTRIBUTES: u32 = 1 << 27;
pub const COMPRESS: u32 = 1 << 5;

pub fn packet(seq: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..3], &[seq], payload].concat()
}

pub fn query(text: &str) -> Vec<u8> {
    command(3, text.as_bytes())
}

pub fn command(code: u8, rest: &[u8]) -> Vec<u8> {
    packet(0, &[&[code], rest].concat())
}

pub fn ok(seq: u8, affected: u8, status: u16) -> Vec<u8> {
    packet(seq, &[&[0, affected, 0][..], &status.to_le_bytes(), &[0, 0]].concat())
}

/// The OK packet with which rows end where EOF is deprecated.
pub fn end(seq: u8, status: u16) -> Vec<u8> {
    packet(seq, &[&[0xfe, 0, 0][..], &status.to_le_bytes(), &[0, 0]].concat())
}

pub fn eof(seq: u8, status: u16) -> Vec<u8> {
    packet(seq, &[&[0xfe, 0, 0][..], &status.to_le_bytes()].concat())
}

pub fn error(seq: u8, code: u16, state: &str, text: &str) -> Vec<u8> {
    packet(seq, &[&[0xff][..], &code.to_le_bytes(), b"#", state.as_bytes(), text.as_bytes()].concat())
}

/// Definition of a column.
pub fn column(seq: u8) -> Vec<u8> {
    let texts = [b"def".as_slice(), b"", b"", b"", b"a", b""].map(|t| [&[t.len() as u8], t].concat()).concat();
    packet(seq, &[texts.as_slice(), &[0x0c, 0x3f, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0]].concat())
}

/// A row of one text.
pub fn row(seq: u8, text: &str) -> Vec<u8> {
    packet(seq, &[&[text.len() as u8], text.as_bytes()].concat())
}

/// A result set of one column; `seq` is of its first packet.
pub fn result(seq: u8, rows: u8, status: u16, deprecated: bool) -> Vec<u8> {
    let mut out = [packet(seq, &[1]), column(seq + 1)].concat();
    let mut seq = seq + 2;
    if !deprecated {
        out.extend(eof(seq, status));
        seq += 1;
    }
    for _ in 0..rows {
        out.extend(row(seq, "value"));
        seq += 1;
    }
    out.extend(if deprecated { end(seq, status) } else { eof(seq, status) });
    out
}

pub fn greeting(flags: u32) -> Vec<u8> {
    let flags = flags.to_le_bytes();
    let parts = [
        b"\x0a10.11.6-MariaDB\0\x01\0\0\0abcdefgh\0".as_slice(),
        &flags[..2],
        b"\x2d\x02\0",
        &flags[2..],
        b"\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0",
    ];
    packet(0, &parts.concat())
}

pub fn login(flags: u32, user: &str, database: &str) -> Vec<u8> {
    let database = if flags & 1 << 3 != 0 { format!("{database}\0") } else { String::new() };
    let parts = [
        &flags.to_le_bytes()[..],
        &[0, 0, 0, 1, 0x2d],
        &[0; 23],
        user.as_bytes(),
        b"\0\x14SECRETSECRETSECRETSE",
        database.as_bytes(),
        b"mysql_native_password\0",
    ];
    packet(1, &parts.concat())
}

/// `[00] number columns parameters`.
pub fn prepared(id: u32, columns: u16, parameters: u16) -> Vec<u8> {
    let parts = [&[0][..], &id.to_le_bytes(), &columns.to_le_bytes(), &parameters.to_le_bytes(), &[0, 0, 0]];
    packet(1, &parts.concat())
}

/// An execution: bitmap of nulls, types when they are new, values.
pub fn execute(id: u32, nulls: &[u8], types: Option<&[u8]>, values: &[u8]) -> Vec<u8> {
    let new = [types.is_some().into()];
    let parts = [&id.to_le_bytes()[..], &[0, 1, 0, 0, 0], nulls, &new, types.unwrap_or_default(), values];
    command(0x17, &parts.concat())
}

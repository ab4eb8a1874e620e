//! The beginning of a connection: greeting, handshake response, change of user. Names and capability flags only.

use super::limits::NAME_BYTES_MAX;
use super::read::Reader;

/// Capability flags (<https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>).
pub mod flag {
    pub const CONNECT_WITH_DB: u32 = 1 << 3;
    pub const COMPRESS: u32 = 1 << 5;
    pub const PROTOCOL_41: u32 = 1 << 9;
    pub const SSL: u32 = 1 << 11;
    pub const SECURE_CONNECTION: u32 = 1 << 15;
    pub const PLUGIN_AUTH_LENENC: u32 = 1 << 21;
    pub const SESSION_TRACK: u32 = 1 << 23;
    pub const DEPRECATE_EOF: u32 = 1 << 24;
    pub const ZSTD: u32 = 1 << 26;
    pub const QUERY_ATTRIBUTES: u32 = 1 << 27;
}

/// Who is logged in, and to which database. Empty is unknown or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub user: Vec<u8>,
    pub database: Vec<u8>,
}

impl Names {
    pub fn heap_bytes(&self) -> usize {
        self.user.capacity() + self.database.capacity()
    }
}

pub fn name(text: &[u8]) -> Vec<u8> {
    text[..text.len().min(NAME_BYTES_MAX)].to_vec()
}

/// What both ends agreed on. `None` where the login was not seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// Result sets end with an OK packet, and there is nothing between columns and rows.
    pub deprecate_eof: Option<bool>,
    pub session_track: Option<bool>,
    pub query_attributes: Option<bool>,
}

/// Capability flags of a server's greeting, version 10 or 9; `None` when it is no greeting.
pub fn greeting(payload: &[u8]) -> Option<u32> {
    let mut reader = Reader::new(payload);
    let version = reader.u8()?;
    let text = reader.until_nul()?;
    let plausible = (1..=128).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic_or_space);
    if !plausible || !text.iter().any(u8::is_ascii_digit) {
        return None;
    }
    reader.u32()?;
    if version == 9 {
        // the scramble, and nothing else
        let scramble = reader.until_nul()?;
        return (reader.is_empty() && (8..=32).contains(&scramble.len())).then_some(0);
    }
    if version != 10 {
        return None;
    }
    reader.take(8)?;
    if reader.u8()? != 0 {
        return None;
    }
    let low = u32::from(reader.u16()?);
    // very old servers end here
    let high = reader.take(3).and_then(|_| reader.u16()).unwrap_or(0);
    Some(low | u32::from(high) << 16)
}

trait Graphic {
    fn is_ascii_graphic_or_space(&self) -> bool;
}

impl Graphic for u8 {
    fn is_ascii_graphic_or_space(&self) -> bool {
        matches!(self, b' '..=b'~')
    }
}

/// A client's answer to the greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// Everything that follows is TLS.
    Tls,
    Login {
        flags: u32,
        names: Names,
    },
}

/// Bytes of the fixed part of a handshake response, which is the whole of an SSLRequest.
const FIXED_BYTES: usize = 32;

pub fn response(payload: &[u8]) -> Option<Response> {
    let mut reader = Reader::new(payload);
    let low = u32::from(reader.u16()?);
    if low & flag::PROTOCOL_41 == 0 {
        return old_response(low, reader);
    }
    let flags = low | u32::from(reader.u16()?) << 16;
    reader.take(5)?;
    // the last four of these may be MariaDB's own flags
    if reader.take(23)?[..19].iter().any(|b| *b != 0) {
        return None;
    }
    if payload.len() == FIXED_BYTES {
        return (flags & flag::SSL != 0).then_some(Response::Tls);
    }
    let user = name(reader.until_nul()?);
    let scramble = if flags & flag::PLUGIN_AUTH_LENENC != 0 {
        reader.text()
    } else if flags & flag::SECURE_CONNECTION != 0 {
        reader.u8().and_then(|len| reader.take(usize::from(len)))
    } else {
        reader.until_nul()
    };
    let database = scramble.filter(|_| flags & flag::CONNECT_WITH_DB != 0).and_then(|_| reader.until_nul());
    Some(Response::Login { flags, names: Names { user, database: name(database.unwrap_or_default()) } })
}

/// Before version 4.1: flags, largest packet, user, scramble, database.
fn old_response(flags: u32, mut reader: Reader<'_>) -> Option<Response> {
    reader.take(3)?;
    if reader.is_empty() {
        return (flags & flag::SSL != 0).then_some(Response::Tls);
    }
    let user = name(reader.until_nul()?);
    let database = if flags & flag::CONNECT_WITH_DB != 0 { reader.until_nul().and_then(|_| reader.until_nul()) } else { None };
    Some(Response::Login { flags, names: Names { user, database: name(database.unwrap_or_default()) } })
}

/// Names in COM_CHANGE_USER, without the byte of the command.
pub fn change_user(payload: &[u8]) -> Option<Names> {
    let mut reader = Reader::new(payload);
    let user = name(reader.until_nul()?);
    let scramble = reader.u8().and_then(|len| reader.take(usize::from(len)));
    let database = scramble.and_then(|_| reader.until_nul()).unwrap_or_default();
    Some(Names { user, database: name(database) })
}

//! Names of commands, and what answers each.

pub const QUIT: u8 = 0x01;
pub const INIT_DB: u8 = 0x02;
pub const QUERY: u8 = 0x03;
pub const CHANGE_USER: u8 = 0x11;
pub const PREPARE: u8 = 0x16;
pub const EXECUTE: u8 = 0x17;
pub const SEND_LONG_DATA: u8 = 0x18;
pub const STMT_CLOSE: u8 = 0x19;
pub const STMT_RESET: u8 = 0x1a;
pub const FETCH: u8 = 0x1c;
pub const RESET_CONNECTION: u8 = 0x1f;
pub const BULK_EXECUTE: u8 = 0xfa;

/// By number, as in `enum_server_command`.
const NAMES: [&str; 34] = [
    "COM_SLEEP",
    "COM_QUIT",
    "COM_INIT_DB",
    "COM_QUERY",
    "COM_FIELD_LIST",
    "COM_CREATE_DB",
    "COM_DROP_DB",
    "COM_REFRESH",
    "COM_SHUTDOWN",
    "COM_STATISTICS",
    "COM_PROCESS_INFO",
    "COM_CONNECT",
    "COM_PROCESS_KILL",
    "COM_DEBUG",
    "COM_PING",
    "COM_TIME",
    "COM_DELAYED_INSERT",
    "COM_CHANGE_USER",
    "COM_BINLOG_DUMP",
    "COM_TABLE_DUMP",
    "COM_CONNECT_OUT",
    "COM_REGISTER_SLAVE",
    "COM_STMT_PREPARE",
    "COM_STMT_EXECUTE",
    "COM_STMT_SEND_LONG_DATA",
    "COM_STMT_CLOSE",
    "COM_STMT_RESET",
    "COM_SET_OPTION",
    "COM_STMT_FETCH",
    "COM_DAEMON",
    "COM_BINLOG_DUMP_GTID",
    "COM_RESET_CONNECTION",
    "COM_CLONE",
    "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM",
];

/// What a row is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Code {
    Login,
    Command(u8),
}

impl Code {
    /// The name, written into `spare` when the number has none.
    pub fn name(self, spare: &mut Vec<u8>) -> &[u8] {
        match self {
            Code::Login => b"LOGIN",
            Code::Command(code) => match name(code) {
                Some(name) => name.as_bytes(),
                None => {
                    spare.extend_from_slice(format!("COM_{code}").as_bytes());
                    spare
                }
            },
        }
    }
}

/// The name of a command; the numbers above 0xf0 are MariaDB's.
pub fn name(code: u8) -> Option<&'static str> {
    match code {
        BULK_EXECUTE => Some("COM_STMT_BULK_EXECUTE"),
        0xfd => Some("COM_SLAVE_WORKER"),
        0xfe => Some("COM_MULTI"),
        _ => NAMES.get(usize::from(code)).copied(),
    }
}

/// What answers a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    Nothing,
    /// OK, error, result sets, or a request for a local file.
    Result,
    /// Number of the statement, and definitions.
    Prepared,
    /// Rows of an open cursor.
    Rows,
    /// Definitions of columns.
    Fields,
    /// OK, error, or the end-of-file packet.
    Plain,
    /// One packet of text.
    Text,
    /// Packets of an authentication, to and fro, then OK or error.
    Login,
    /// Events without end.
    Stream,
}

pub fn reply(code: u8) -> Reply {
    match code {
        QUIT | SEND_LONG_DATA | STMT_CLOSE => Reply::Nothing,
        QUERY | EXECUTE | BULK_EXECUTE | 0x0a => Reply::Result,
        PREPARE => Reply::Prepared,
        FETCH => Reply::Rows,
        0x04 => Reply::Fields,
        0x09 => Reply::Text,
        CHANGE_USER => Reply::Login,
        0x12 | 0x13 | 0x1e => Reply::Stream,
        0x00..=0x1f => Reply::Plain,
        _ => Reply::Result,
    }
}

/// Whether a payload of this length may begin with this command. For bytes that may be anything.
pub fn plausible(code: u8, length: u32) -> bool {
    match code {
        QUIT | 0x08 | 0x09 | 0x0a | 0x0d | 0x0e | RESET_CONNECTION => length == 1 || (code == 0x08 && length == 2),
        INIT_DB | 0x05 | 0x06 => (2..=520).contains(&length),
        QUERY | PREPARE => length >= 2,
        0x04 => (2..=4096).contains(&length),
        0x07 => length == 2,
        0x0c | STMT_CLOSE | STMT_RESET => length == 5,
        CHANGE_USER => (4..=65_536).contains(&length),
        0x12 | 0x1e => (11..=65_536).contains(&length),
        0x15 => (18..=1024).contains(&length),
        EXECUTE => length >= 10,
        SEND_LONG_DATA => length >= 7,
        0x1b => length == 3,
        FETCH => length == 9,
        BULK_EXECUTE => length >= 7,
        _ => false,
    }
}

//! Where a response ends and what it says: packet by packet, with rows counted and not kept.

use super::command::Reply;
use super::frame::Packet;
use super::limits::COLUMNS_MAX;
use super::login::{Dialect, name};
use super::read::Reader;

/// Bits of the status in OK and EOF packets.
const MORE_RESULTS_EXIST: u16 = 1 << 3;
const CURSOR_EXISTS: u16 = 1 << 6;
const SESSION_STATE_CHANGED: u16 = 1 << 14;
/// Kind of a change of session state: the default database.
const TRACK_SCHEMA: u8 = 1;
/// MariaDB tells how far a command has come by an error with this number.
const PROGRESS_REPORT: u16 = 0xffff;

const OK: u8 = 0x00;
/// Kind, affected rows, last number, status.
const OK_BYTES_MIN: u64 = 5;
const LOCAL_INFILE: u8 = 0xfb;
const EOF: u8 = 0xfe;
const ERROR: u8 = 0xff;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Step {
    #[default]
    First,
    /// Definitions of a result set's columns are to come.
    Columns(u64),
    ColumnsEnd,
    Rows,
    /// Definitions of a prepared statement's parameters, then of its columns.
    Parameters(u64, u64),
    ParametersEnd(u64),
    PreparedColumns(u64),
    PreparedEnd,
}

/// What a packet does to its response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    More,
    Whole,
    /// The client shall send a file.
    Infile,
    /// The packet belongs to no response of this kind.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    pub id: u32,
    pub parameters: u16,
}

#[derive(Debug, Default)]
pub struct Response {
    step: Step,
    /// Something of it has come.
    pub begun: bool,
    /// Bytes of its packets so far, on the connection.
    pub bytes: u64,
    pub rows: Option<u64>,
    pub affected_rows: Option<u64>,
    pub error_code: Option<u16>,
    pub sql_state: Option<[u8; 5]>,
    pub error_message: Vec<u8>,
    /// The error's text is not whole.
    pub cut: bool,
    pub prepared: Option<Prepared>,
    /// The default database was changed to this one.
    pub database: Option<Vec<u8>>,
    /// It was taken for whole although an EOF packet may follow.
    pub perhaps_eof: bool,
}

impl Response {
    pub fn reset(&mut self) {
        let mut error_message = std::mem::take(&mut self.error_message);
        error_message.clear();
        *self = Self { error_message, ..Self::default() };
    }

    /// Nothing of it has come.
    pub fn is_empty(&self) -> bool {
        !self.begun
    }

    pub fn heap_bytes(&self) -> usize {
        self.error_message.capacity() + self.database.as_ref().map_or(0, Vec::capacity)
    }

    #[inline]
    pub fn packet(&mut self, packet: &Packet<'_>, reply: Reply, dialect: &mut Dialect) -> Progress {
        self.begun = true;
        self.bytes += packet.bytes;
        match self.step {
            Step::First => self.first(packet, reply, dialect),
            Step::Columns(left) => {
                self.step = if left > 1 { Step::Columns(left - 1) } else { after_columns(dialect) };
                Progress::More
            }
            Step::ColumnsEnd => self.columns_end(packet, reply, dialect),
            Step::Rows => self.row(packet, reply, dialect),
            Step::Parameters(..) | Step::ParametersEnd(_) | Step::PreparedColumns(_) | Step::PreparedEnd => {
                self.definition(packet, dialect)
            }
        }
    }

    fn first(&mut self, packet: &Packet<'_>, reply: Reply, dialect: &mut Dialect) -> Progress {
        let Some(&kind) = packet.payload.first() else { return self.empty(packet, reply) };
        if kind == ERROR {
            return self.error(packet);
        }
        match reply {
            Reply::Result => self.result(kind, packet, dialect),
            Reply::Prepared if kind == OK => self.prepare_ok(packet),
            Reply::Rows => {
                self.step = Step::Rows;
                self.rows = Some(0);
                self.row(packet, reply, dialect)
            }
            Reply::Fields => {
                self.step = Step::Rows;
                self.row(packet, reply, dialect)
            }
            Reply::Text => Progress::Whole,
            Reply::Plain if kind == OK => self.ok(packet, dialect),
            Reply::Plain if kind == EOF && packet.length < 9 => Progress::Whole,
            Reply::Login if kind == OK => {
                self.ok(packet, dialect);
                Progress::Whole
            }
            Reply::Login => Progress::More,
            Reply::Stream if kind == EOF && packet.length < 9 => Progress::Whole,
            Reply::Stream => {
                *self.rows.get_or_insert(0) += 1;
                Progress::More
            }
            Reply::Prepared | Reply::Plain | Reply::Nothing => Progress::Malformed,
        }
    }

    /// A packet without payload, or whose beginning was not seen.
    fn empty(&mut self, packet: &Packet<'_>, reply: Reply) -> Progress {
        match reply {
            Reply::Login => Progress::More,
            Reply::Stream if packet.length >= 9 => {
                *self.rows.get_or_insert(0) += 1;
                Progress::More
            }
            Reply::Text => Progress::Whole,
            _ => Progress::Malformed,
        }
    }

    fn result(&mut self, kind: u8, packet: &Packet<'_>, dialect: &mut Dialect) -> Progress {
        match kind {
            // a shorter one tells the number of columns
            OK if packet.length >= OK_BYTES_MIN => {
                let affected = Reader::new(&packet.payload[1..]).number();
                if let Some(affected) = affected {
                    self.affected_rows = Some(self.affected_rows.unwrap_or(0).saturating_add(affected));
                }
                self.ok(packet, dialect)
            }
            EOF if packet.length < 9 => self.end(eof_status(packet)),
            LOCAL_INFILE => Progress::Infile,
            _ => match column_count(packet) {
                Some((columns, defined)) if columns <= COLUMNS_MAX => {
                    self.rows.get_or_insert(0);
                    self.step = if defined { Step::Columns(columns) } else { after_columns(dialect) };
                    Progress::More
                }
                _ => Progress::Malformed,
            },
        }
    }

    /// The EOF packet between columns and rows, or, where it is deprecated, the first row.
    fn columns_end(&mut self, packet: &Packet<'_>, reply: Reply, dialect: &mut Dialect) -> Progress {
        self.step = Step::Rows;
        if !is_eof(packet) {
            if dialect.deprecate_eof.is_none() {
                dialect.deprecate_eof = Some(true);
            }
            return self.row(packet, reply, dialect);
        }
        dialect.deprecate_eof = Some(false);
        match eof_status(packet) {
            // the rows come when they are fetched
            Some(status) if status & CURSOR_EXISTS != 0 => self.cursor(status),
            _ => Progress::More,
        }
    }

    fn cursor(&mut self, status: u16) -> Progress {
        self.rows = self.rows.filter(|rows| *rows > 0);
        self.end(Some(status))
    }

    #[inline]
    fn row(&mut self, packet: &Packet<'_>, reply: Reply, dialect: &mut Dialect) -> Progress {
        match packet.payload.first() {
            // its beginning was not seen, and it may be the end
            None if packet.length < 9 => return Progress::Malformed,
            Some(&ERROR) => return self.error(packet),
            Some(&EOF) if is_eof(packet) && dialect.deprecate_eof != Some(true) => {
                dialect.deprecate_eof = Some(false);
                return self.end(eof_status(packet));
            }
            // a row that begins so is as long as its first value, 16 MiB or more
            Some(&EOF) if packet.length >= 7 && packet.length < 0xff_ffff && dialect.deprecate_eof != Some(false) => {
                dialect.deprecate_eof = Some(true);
                let opened = reply == Reply::Result && status_of_ok(packet).is_some_and(|s| s & CURSOR_EXISTS != 0);
                if opened {
                    self.rows = self.rows.filter(|rows| *rows > 0);
                }
                return self.ok(packet, dialect);
            }
            _ => {}
        }
        if let Some(rows) = &mut self.rows {
            *rows += 1;
        }
        Progress::More
    }

    // ---- prepared statements

    fn prepare_ok(&mut self, packet: &Packet<'_>) -> Progress {
        let mut reader = Reader::new(&packet.payload[1..]);
        let (Some(id), Some(columns), Some(parameters)) = (reader.u32(), reader.u16(), reader.u16()) else {
            return Progress::Malformed;
        };
        self.prepared = Some(Prepared { id, parameters });
        // a filler, warnings, and whether definitions follow, where that was agreed to be optional
        let undefined = reader.take(3).is_some() && reader.u8() == Some(0);
        if undefined {
            return Progress::Whole;
        }
        self.step = match (u64::from(parameters), u64::from(columns)) {
            (0, 0) => return Progress::Whole,
            (0, columns) => Step::PreparedColumns(columns),
            (parameters, columns) => Step::Parameters(parameters, columns),
        };
        Progress::More
    }

    fn definition(&mut self, packet: &Packet<'_>, dialect: &mut Dialect) -> Progress {
        match self.step {
            Step::Parameters(left, columns) if left > 1 => self.step = Step::Parameters(left - 1, columns),
            Step::Parameters(_, columns) => return self.parameters_defined(columns, dialect),
            Step::ParametersEnd(columns) => {
                let eof = is_eof(packet);
                if dialect.deprecate_eof.is_none() {
                    dialect.deprecate_eof = Some(!eof);
                }
                self.step = if columns > 0 { Step::PreparedColumns(columns) } else { Step::PreparedEnd };
                return match (eof, columns) {
                    (true, 0) => Progress::Whole,
                    (true, _) => Progress::More,
                    (false, 0) => Progress::Malformed,
                    (false, _) => self.definition(packet, dialect),
                };
            }
            Step::PreparedColumns(left) if left > 1 => self.step = Step::PreparedColumns(left - 1),
            Step::PreparedColumns(_) => return self.definitions_end(dialect),
            _ => return if is_eof(packet) { Progress::Whole } else { Progress::Malformed },
        }
        Progress::More
    }

    fn parameters_defined(&mut self, columns: u64, dialect: &Dialect) -> Progress {
        if columns == 0 {
            return self.definitions_end(dialect);
        }
        self.step =
            if dialect.deprecate_eof == Some(true) { Step::PreparedColumns(columns) } else { Step::ParametersEnd(columns) };
        Progress::More
    }

    fn definitions_end(&mut self, dialect: &Dialect) -> Progress {
        if dialect.deprecate_eof == Some(false) {
            self.step = Step::PreparedEnd;
            return Progress::More;
        }
        self.perhaps_eof = dialect.deprecate_eof.is_none();
        Progress::Whole
    }

    // ---- ends

    fn end(&mut self, status: Option<u16>) -> Progress {
        if status.is_some_and(|s| s & MORE_RESULTS_EXIST != 0) {
            self.step = Step::First;
            return Progress::More;
        }
        Progress::Whole
    }

    fn ok(&mut self, packet: &Packet<'_>, dialect: &Dialect) -> Progress {
        let status = status_of_ok(packet);
        let tracked = status.is_some_and(|s| s & SESSION_STATE_CHANGED != 0) && dialect.session_track != Some(false);
        if tracked && let Some(database) = changed_database(packet) {
            self.database = Some(name(database));
        }
        self.end(status)
    }

    /// Number, '#' and SQLSTATE (not before the login), text.
    fn error(&mut self, packet: &Packet<'_>) -> Progress {
        let mut reader = Reader::new(&packet.payload[1..]);
        let code = reader.u16();
        if code == Some(PROGRESS_REPORT) {
            return Progress::More;
        }
        self.error_code = code;
        let mut text = reader.rest();
        if let Some((state, rest)) = text.strip_prefix(b"#").and_then(<[u8]>::split_first_chunk::<5>) {
            self.sql_state = Some(*state);
            text = rest;
        }
        self.error_message.clear();
        self.error_message.extend_from_slice(text);
        self.cut = packet.cut();
        Progress::Whole
    }
}

fn after_columns(dialect: &Dialect) -> Step {
    if dialect.deprecate_eof == Some(true) { Step::Rows } else { Step::ColumnsEnd }
}

/// The number of columns, and whether their definitions follow. Where definitions are optional, a byte says so: before the
/// number in MySQL, after it in MariaDB.
fn column_count(packet: &Packet<'_>) -> Option<(u64, bool)> {
    let whole = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes);
        reader.number().filter(|n| *n > 0 && reader.is_empty())
    };
    if packet.cut() {
        return None;
    }
    let payload = packet.payload;
    if let Some(count) = whole(payload) {
        return Some((count, true));
    }
    match payload {
        [count @ .., defined @ 0..=1] if let Some(count) = whole(count) => Some((count, *defined == 1)),
        [defined @ 0..=1, count @ ..] => whole(count).map(|count| (count, *defined == 1)),
        _ => None,
    }
}

/// 0xfe, warnings, status.
fn is_eof(packet: &Packet<'_>) -> bool {
    packet.length == 5 && packet.payload.first() == Some(&EOF)
}

fn eof_status(packet: &Packet<'_>) -> Option<u16> {
    Some(u16::from_le_bytes([*packet.payload.get(3)?, *packet.payload.get(4)?]))
}

/// Whether a packet is the EOF packet that may follow a response that was taken for whole.
pub fn ends_late(packet: &Packet<'_>) -> bool {
    is_eof(packet)
}

fn status_of_ok(packet: &Packet<'_>) -> Option<u16> {
    let mut reader = Reader::new(packet.payload.get(1..)?);
    reader.number()?;
    reader.number()?;
    reader.u16()
}

/// The default database among the changes of session state that an OK packet tells.
fn changed_database<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    let mut reader = Reader::new(packet.payload.get(1..)?);
    reader.number()?;
    reader.number()?;
    reader.array::<4>()?;
    reader.text()?;
    let mut changes = Reader::new(reader.text()?);
    while let Some(kind) = changes.u8() {
        let change = changes.text()?;
        if kind == TRACK_SCHEMA {
            return Reader::new(change).text();
        }
    }
    None
}

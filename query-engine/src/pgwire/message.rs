//! Messages from server to client (PostgreSQL documentation, "Message Formats").

use arrow::datatypes::Schema;

use super::value::{Values, type_of};
use crate::sql::{SqlError, SqlErrorKind};

/// An error as the protocol has it.
pub(super) struct Failure {
    sqlstate: &'static str,
    message: String,
    hint: Option<String>,
    /// Character of the query, from 1.
    position: Option<usize>,
}

impl Failure {
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), hint: None, position: None }
    }

    pub fn hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        let sqlstate = match error.kind {
            SqlErrorKind::Wrong => "42000",
            SqlErrorKind::Forbidden => "25006",
            SqlErrorKind::TextTooLong => "54000",
            SqlErrorKind::Exhausted => "53200",
            SqlErrorKind::Busy => "53300",
            SqlErrorKind::Timeout => "57014",
            SqlErrorKind::Internal => "XX000",
        };
        Self { sqlstate, message: error.message, hint: error.hint, position: error.place.map(|p| p.position) }
    }
}

/// Messages that go out together.
#[derive(Default)]
pub(super) struct Out {
    pub bytes: Vec<u8>,
}

impl Out {
    pub fn new() -> Self {
        Self::default()
    }

    fn message(mut self, tag: u8, body: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.bytes.push(tag);
        let at = self.bytes.len();
        self.bytes.extend([0; 4]);
        body(&mut self.bytes);
        let length = (self.bytes.len() - at) as i32;
        self.bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        self
    }

    pub fn ready(self) -> Self {
        self.message(b'Z', |b| b.push(b'I'))
    }

    pub fn ask_password(self) -> Self {
        self.message(b'R', |b| b.extend(3_i32.to_be_bytes()))
    }

    pub fn welcome(self) -> Self {
        let version = concat!("15.0 (earshot ", env!("CARGO_PKG_VERSION"), ")");
        let parameters = [
            ("server_version", version),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("TimeZone", "UTC"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("default_transaction_read_only", "on"),
        ];
        let welcome = self.message(b'R', |b| b.extend(0_i32.to_be_bytes()));
        parameters.iter().fold(welcome, |out, (name, value)| {
            out.message(b'S', |b| {
                text(b, name);
                text(b, value);
            })
        })
    }

    /// Says that of what the client asked for only the plain protocol is spoken.
    pub fn only_version_3_0(self, options: &[&[u8]]) -> Self {
        self.message(b'v', |b| {
            b.extend(0_i32.to_be_bytes());
            b.extend((options.len() as i32).to_be_bytes());
            for option in options {
                b.extend(*option);
                b.push(0);
            }
        })
    }

    pub fn empty_query(self) -> Self {
        self.message(b'I', |_| {})
    }

    pub fn complete(self, rows: u64) -> Self {
        self.message(b'C', |b| text(b, &format!("SELECT {rows}")))
    }

    pub fn columns(self, schema: &Schema) -> Self {
        self.message(b'T', |b| {
            b.extend((schema.fields().len() as i16).to_be_bytes());
            for field in schema.fields() {
                let (oid, size) = type_of(field.data_type());
                text(b, field.name());
                b.extend(0_i32.to_be_bytes());
                b.extend(0_i16.to_be_bytes());
                b.extend(oid.to_be_bytes());
                b.extend(size.to_be_bytes());
                b.extend((-1_i32).to_be_bytes());
                b.extend(0_i16.to_be_bytes());
            }
        })
    }

    pub fn row(self, values: &Values, row: usize) -> Self {
        self.message(b'D', |b| values.write(row, b))
    }

    pub fn failure(self, failure: &Failure) -> Self {
        self.message(b'E', |b| {
            let mut field = |tag: u8, value: &str| {
                b.push(tag);
                text(b, value);
            };
            field(b'S', "ERROR");
            field(b'V', "ERROR");
            field(b'C', failure.sqlstate);
            field(b'M', &failure.message);
            if let Some(hint) = &failure.hint {
                field(b'H', hint);
            }
            if let Some(position) = failure.position {
                field(b'P', &position.to_string());
            }
            b.push(0);
        })
    }
}

/// Text up to a zero byte, which the text itself cannot have.
fn text(to: &mut Vec<u8>, value: &str) {
    to.extend(value.bytes().filter(|b| *b != 0));
    to.push(0);
}

//! Feeds conversations.

use schema::Row;

use crate::Exchange;
pub use crate::conversation::Turn::*;
pub use crate::conversation::{Fed, Rows, Turn};
use crate::conversation::{Subject, lines};

pub static TLS: Subject = Subject::new(&crate::tls::PROTOCOL, line);

fn line(row: &dyn Row, exchange: &Exchange<'_>) -> String {
    assert_eq!(row.table().name, "tls_events");
    assert!(exchange.encrypted);
    lines::by_name(row, exchange)
}

pub fn talk(from_start: bool) -> Fed {
    TLS.talk(from_start)
}

pub fn rows(from_start: bool, turns: &[Turn<'_>], piece: impl FnMut() -> usize) -> Rows {
    TLS.rows(from_start, turns.iter().copied(), piece)
}

/// A conversation from its connection's start gives these rows, whole and byte by byte.
#[track_caller]
pub fn check(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    TLS.check(true, turns.iter().copied(), expect)
}

/// The same for a connection that was joined: there, where segments begin tells what their bytes do not.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    TLS.check_whole(false, turns.iter().copied(), expect)
}

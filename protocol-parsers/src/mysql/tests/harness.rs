//! Feeds conversations.

pub use crate::conversation::Turn::*;
pub use crate::conversation::{Fed, Rows, Turn};
use crate::conversation::{Subject, lines};

pub static MYSQL: Subject = Subject::new(&crate::mysql::PROTOCOL, lines::in_order);

pub fn talk(from_start: bool) -> Fed {
    MYSQL.talk(from_start)
}

pub fn rows(from_start: bool, turns: &[Turn<'_>], piece: impl FnMut() -> usize) -> Rows {
    MYSQL.rows(from_start, turns.iter().copied(), piece)
}

/// A conversation from its connection's start gives these rows, whole and byte by byte.
#[track_caller]
pub fn check(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    MYSQL.check(true, turns.iter().copied(), expect)
}

/// The same for a connection that was joined.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    MYSQL.check(false, turns.iter().copied(), expect)
}

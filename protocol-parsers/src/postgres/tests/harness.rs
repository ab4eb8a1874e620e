//! Feeds conversations.

use schema::Row;

use super::wire::{login, ready};
pub use crate::conversation::Turn::*;
pub use crate::conversation::{Fed, Rows, Turn};
use crate::conversation::{Subject, lines};
use crate::{Confidence, Exchange};

pub static POSTGRES: Subject = Subject::new(&crate::postgres::PROTOCOL, line);

/// The command, the other columns by name, then what is remarkable.
fn line(row: &dyn Row, exchange: &Exchange<'_>) -> String {
    assert_eq!(row.table().name, "postgres_events");
    let columns: Vec<String> = lines::known(row, lines::readable).map(|(name, value)| format!("{name}={value}")).collect();
    let mut line = columns.join(" | ");
    if let Some((trace, span)) = exchange.trace_id.zip(exchange.span_id) {
        line = format!("{line} | {}/{}", trace.escape_ascii(), span.escape_ascii());
    }
    line += &lines::flags(exchange);
    if exchange.confidence != Confidence::Certain {
        line = format!("{line} {}", exchange.confidence.as_str());
    }
    line.strip_prefix("command=").unwrap_or(&line).to_owned()
}

pub fn talk(from_start: bool) -> Fed {
    POSTGRES.talk(from_start)
}

pub fn rows(from_start: bool, turns: &[Turn<'_>], piece: impl FnMut() -> usize) -> Rows {
    POSTGRES.rows(from_start, turns.iter().copied(), piece)
}

/// A conversation from its connection's start gives these rows, whole and byte by byte.
#[track_caller]
pub fn check(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    POSTGRES.check(true, turns.iter().copied(), expect)
}

/// The same for a connection that was joined.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    POSTGRES.check(false, turns.iter().copied(), expect)
}

/// The same for a connection after its login, without the login's row and without the names.
#[track_caller]
pub fn check_logged_in(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let (login, welcome) = (login("me", "db"), ready());
    let turns = [&[Client(&login), Server(&welcome)], turns].concat();
    let whole = rows(true, &turns, || usize::MAX);
    let lines: Vec<String> = whole.lines.iter().map(|l| l.replace(" | user_name=me | database_name=db", "")).collect();
    assert_eq!(lines[0], "Startup | transaction_status=idle");
    assert_eq!(lines[1..], *expect);
    let all: Vec<&str> = whole.lines.iter().map(String::as_str).collect();
    check(&turns, &all)
}

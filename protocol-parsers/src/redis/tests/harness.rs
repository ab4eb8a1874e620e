//! Feeds conversations and writes commands.

pub use crate::conversation::Turn::*;
pub use crate::conversation::{Fed, Rows, Turn};
use crate::conversation::{Subject, lines};

pub static REDIS: Subject = Subject::new(&crate::redis::PROTOCOL, lines::in_order);

pub fn talk(from_start: bool) -> Fed {
    REDIS.talk(from_start)
}

pub fn rows(from_start: bool, turns: &[Turn<'_>], piece: impl FnMut() -> usize) -> Rows {
    REDIS.rows(from_start, turns.iter().copied(), piece)
}

/// A conversation from its connection's start gives these rows, whole and byte by byte.
#[track_caller]
pub fn check(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    REDIS.check(true, turns.iter().copied(), expect)
}

/// The same for a connection that was joined.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    REDIS.check(false, turns.iter().copied(), expect)
}

/// A command as an array of values.
pub fn resp(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// A command of words without spaces.
pub fn command(words: &str) -> Vec<u8> {
    resp(&words.split(' ').map(str::as_bytes).collect::<Vec<_>>())
}

//! Feeds conversations and writes commands.

pub use crate::conversation::Turn::*;
pub use crate::conversation::{Fed, Rows, Turn};
use crate::{Transport, conversation};

pub fn talk(from_start: bool) -> Fed {
    Fed::new(&crate::redis::PROTOCOL, Transport::Stream, from_start)
}

pub fn rows(from_start: bool, turns: &[Turn<'_>], piece: impl FnMut() -> usize) -> Rows {
    conversation::rows(talk(from_start), turns.iter().copied(), piece)
}

/// A conversation from its connection's start gives these rows, whole and byte by byte.
#[track_caller]
pub fn check(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    both(true, turns, expect)
}

/// The same for a connection that was joined.
#[track_caller]
pub fn check_joined(turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    both(false, turns, expect)
}

#[track_caller]
fn both(from_start: bool, turns: &[Turn<'_>], expect: &[&str]) -> Rows {
    let whole = rows(from_start, turns, || usize::MAX);
    assert_eq!(whole.lines, expect);
    whole.assert_same(&rows(from_start, turns, || 1));
    whole
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

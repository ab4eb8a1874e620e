//! How far an operator reaches.
//!
//! PostgreSQL takes the longest run of operator characters, MySQL has a list.

use crate::Dialect;

const THREE: [&[u8]; 2] = [b"<=>", b"->>"];
const TWO: [&[u8]; 9] = [b"->", b"<<", b">>", b"<=", b">=", b"<>", b"!=", b"&&", b"||"];

/// Operators that end in a sign; elsewhere a sign at the end belongs to what is behind it.
const SIGNED: [&[u8]; 2] = [b"-|-", b"#-"];

/// The end of the operator that begins at `start`; at least one character.
pub(crate) fn end(bytes: &[u8], start: usize, dialect: Dialect) -> usize {
    match dialect {
        Dialect::MySql => listed(&bytes[start..]).map_or(start + 1, |n| start + n),
        Dialect::PostgreSql | Dialect::Unknown => run(bytes, start, dialect),
    }
}

fn listed(rest: &[u8]) -> Option<usize> {
    let begins = |list: &[&[u8]]| list.iter().any(|o| rest.starts_with(o));
    if begins(&THREE) {
        Some(3)
    } else if begins(&TWO) {
        Some(2)
    } else {
        None
    }
}

fn run(bytes: &[u8], start: usize, dialect: Dialect) -> usize {
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        let before = if end > start { bytes[end - 1] } else { 0 };
        let next = bytes.get(end + 1).copied().unwrap_or(0);
        let part = match byte {
            // a comment begins
            b'-' if next == b'-' => false,
            b'/' if next == b'*' => false,
            b'@' => {
                end == start
                    || matches!(before, b'<' | b'@' | b'#')
                    || &bytes[start..end] == b"@-"
                    || !(next.is_ascii_alphabetic() || next == b'_')
            }
            b'?' => before == b'@',
            b'#' => end == start || dialect == Dialect::PostgreSql,
            b'+' | b'-' => {
                end == start
                    || SIGNED.contains(&&bytes[start..=end])
                    || (&bytes[start..=end] == b"@-" && next == b'@')
                    || (dialect == Dialect::PostgreSql && next == b'#')
                    || matches!(next, b'<' | b'>' | b'=' | b'~' | b'!' | b'%' | b'^' | b'&' | b'|')
            }
            b'*' | b'/' | b'<' | b'>' | b'=' | b'~' | b'!' | b'%' | b'^' | b'&' | b'|' => true,
            _ => false,
        };
        if !part {
            break;
        }
        end += 1;
    }
    end.max(start + 1)
}

//! Where quoted text, names and comments end.
//!
//! In: a text's bytes and where something was opened. Out: where it ends, and whether its end was seen. Every end lies at the
//! text's end or behind an ASCII byte. `whole` is false also where the two dialects would read on differently ([`Backslash::Disputed`]):
//! what follows cannot be told apart then.

/// Where something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub at: usize,
    /// Its end was seen; otherwise `at` is the text's end.
    pub whole: bool,
}

/// What a backslash in quotes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backslash {
    Plain,
    Escapes,
    /// One dialect says so, the other so.
    Disputed,
}

fn open(bytes: &[u8]) -> End {
    End { at: bytes.len(), whole: false }
}

/// The end of what `quote` opened just before `at`; a doubled quote is part of it.
pub(crate) fn quoted(bytes: &[u8], mut at: usize, quote: u8, backslash: Backslash) -> End {
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        at += match byte {
            b'\\' if backslash == Backslash::Plain => 1,
            b'\\' if backslash == Backslash::Disputed && next == Some(quote) => return open(bytes),
            b'\\' => 2,
            _ if byte == quote && next == Some(quote) => 2,
            _ if byte == quote => return End { at: at + 1, whole: true },
            _ => 1,
        };
    }
    open(bytes)
}

/// The end of dollar-quoted text whose opening `tag` (with both dollars) ends at `at`.
pub(crate) fn dollar(bytes: &[u8], mut at: usize, tag: &[u8]) -> End {
    // no dollar is inside a tag, so that no byte is compared twice
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| *b == b'$')) {
        at += found;
        if bytes[at..].starts_with(tag) {
            return End { at: at + tag.len(), whole: true };
        }
        at += 1;
    }
    open(bytes)
}

/// How `/* … */` behaves in one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nesting {
    Flat,
    Nested,
    Disputed,
}

/// The end of the comment whose `/*` begins at `start`.
pub(crate) fn block_comment(bytes: &[u8], start: usize, nesting: Nesting) -> End {
    let (mut at, mut depth) = (start + 2, 1_usize);
    while let Some(pair) = bytes.get(at..at + 2) {
        match pair {
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return End { at, whole: true };
                }
            }
            b"/*" if nesting == Nesting::Disputed => return open(bytes),
            b"/*" if nesting == Nesting::Nested => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    open(bytes)
}

/// The end of a comment that ends with its line; the line's end is not part of it.
pub(crate) fn line_comment(bytes: &[u8], start: usize, ends: fn(u8) -> bool) -> usize {
    bytes[start..].iter().position(|b| ends(*b)).map_or(bytes.len(), |found| start + found)
}

/// Whether anything in `bytes` could open or close something, so that it matters whether it is read as a comment.
pub(crate) fn quotes(bytes: &[u8]) -> bool {
    bytes.iter().any(|b| matches!(b, b'\'' | b'"' | b'`' | b'$' | b'\\')) || bytes.windows(2).any(|w| w == b"/*" || w == b"*/")
}

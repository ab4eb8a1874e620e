//! What the text of a statement tells: its first keyword, the trace it belongs to, the database it changes to.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Longest keyword that is taken for one.
pub const KEYWORD_BYTES_MAX: usize = 24;

/// The first keyword in upper case, after white space, comments and brackets.
pub fn keyword<'a>(text: &[u8], spare: &'a mut [u8; KEYWORD_BYTES_MAX]) -> Option<&'a [u8]> {
    let text = statement(text);
    let len = text.iter().position(|b| !b.is_ascii_alphabetic() && *b != b'_').unwrap_or(text.len());
    if len == 0 || len > KEYWORD_BYTES_MAX {
        return None;
    }
    let word = &mut spare[..len];
    word.copy_from_slice(&text[..len]);
    word.make_ascii_uppercase();
    Some(word)
}

/// The text without what stands before its first word. A comment that only MySQL reads (`/*!40101 SET … */`) is no comment.
fn statement(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b, rest @ ..] if b.is_ascii_whitespace() || matches!(b, b'(' | b';') => rest,
            [b'/', b'*', b'!', rest @ ..] => digits_skipped(rest),
            [b'/', b'*', b'M', b'!', rest @ ..] => digits_skipped(rest),
            [b'/', b'*', rest @ ..] => match memchr::memmem::find(rest, b"*/") {
                Some(end) => &rest[end + 2..],
                None => return &[],
            },
            [b'#', rest @ ..] | [b'-', b'-', rest @ ..] => match memchr::memchr(b'\n', rest) {
                Some(end) => &rest[end + 1..],
                None => return &[],
            },
            _ => return text,
        }
    }
}

fn digits_skipped(text: &[u8]) -> &[u8] {
    &text[text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len())..]
}

/// Trace and span of `traceparent='00-TRACE-SPAN-FLAGS'` in a comment (<https://google.github.io/sqlcommenter/spec/>).
pub fn trace(text: &[u8]) -> Option<(&[u8], &[u8])> {
    static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"traceparent='"));
    // most statements have no comment, which is found out faster
    memchr::memmem::find(text, b"/*")?;
    let at = FINDER.find(text)?;
    traceparent(&text[at + FINDER.needle().len()..])
}

/// Trace and span of a traceparent (<https://www.w3.org/TR/trace-context/>), perhaps followed by something.
pub fn traceparent(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = value.get(..55)?;
    let (trace, span) = (&value[3..35], &value[36..52]);
    let hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let dashes = [2, 35, 52].iter().all(|&at| value[at] == b'-');
    let named = |part: &[u8]| hex(part) && part.iter().any(|b| *b != b'0');
    (dashes && hex(&value[..2]) && named(trace) && named(span)).then_some((trace, span))
}

/// The database of `USE name`.
pub fn used_database(text: &[u8]) -> Option<&[u8]> {
    let text = statement(text);
    let (word, rest) = text.split_at_checked(4)?;
    if !word[..3].eq_ignore_ascii_case(b"use") || !word[3].is_ascii_whitespace() {
        return None;
    }
    let name = rest.trim_ascii();
    let name = name.strip_suffix(b";").unwrap_or(name).trim_ascii();
    let quoted = name.strip_prefix(b"`").and_then(|n| n.strip_suffix(b"`"));
    let name = quoted.unwrap_or(name);
    (!name.is_empty() && !name.contains(&b'`') && (quoted.is_some() || !name.contains(&b' '))).then_some(name)
}

//! What the text of a statement tells: its first keyword, the database it changes to.

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

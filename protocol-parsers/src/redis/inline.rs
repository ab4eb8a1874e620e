//! Inline commands: a line of words, quoted as Redis' `sdssplitargs` has it.

/// The words of a line; `None` when its quotes are not balanced, which Redis answers with an error.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.iter().position(|b| !space(*b)).unwrap_or(rest.len());
        rest = &rest[start..];
        if rest.is_empty() {
            return Some(words);
        }
        let (word, used) = word(rest)?;
        words.push(word);
        rest = &rest[used..];
    }
}

/// One word, in which quoted parts may follow unquoted ones, and how many bytes it took.
fn word(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        match byte {
            b'"' | b'\'' => {
                i += quoted(&mut out, &bytes[i..])?;
                // a closing quote must end the word
                return bytes.get(i).is_none_or(|b| space(*b)).then_some((out, i));
            }
            b if space(b) || b == 0 => break,
            b => out.push(b),
        }
        i += 1;
    }
    // a NUL ends the line for Redis
    Some((out, if bytes.get(i) == Some(&0) { bytes.len() } else { i }))
}

/// A quoted part with both its quotes; how many bytes it took.
fn quoted(out: &mut Vec<u8>, bytes: &[u8]) -> Option<usize> {
    let quote = bytes[0];
    let mut i = 1;
    loop {
        let rest = bytes.get(i..)?;
        let used = match *rest {
            [b, ..] if b == quote => return Some(i + 1),
            [b'\\', b'x', high, low, ..] if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push((hex(high) << 4) | hex(low));
                4
            }
            [b'\\', b, ..] if quote == b'"' => {
                out.push(escaped(b));
                2
            }
            [b'\\', b'\'', ..] => {
                out.push(b'\'');
                2
            }
            [b, ..] => {
                out.push(b);
                1
            }
            [] => return None,
        };
        i += used;
    }
}

fn escaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

fn space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

//! JSON text into a byte buffer, for the columns that hold JSON.

/// A JSON string of bytes that may not be UTF-8: what is not is escaped as `\xNN`.
pub fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    if plain(bytes) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    for chunk in bytes.utf8_chunks() {
        escaped(out, chunk.valid());
        for byte in chunk.invalid() {
            out.extend_from_slice(b"\\\\x");
            hex(out, *byte);
        }
    }
    out.push(b'"');
}

/// A JSON string of a value that is text or binary: a value that is not UTF-8 is `\x` and all its bytes in hexadecimal.
pub fn value(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(s) => {
            out.push(b'"');
            escaped(out, s);
            out.push(b'"');
        }
        Err(_) => {
            out.extend_from_slice(b"\"\\\\x");
            for byte in bytes {
                hex(out, *byte);
            }
            out.push(b'"');
        }
    }
}

/// Most texts are, and need no look at each byte.
fn plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, &b| plain & matches!(b, b' '..=b'~') & (b != b'"') & (b != b'\\'))
}

fn hex(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 15)]);
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (i, &b) in bytes.iter().enumerate() {
        let short = match b {
            b'"' => b"\\\"".as_slice(),
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"",
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..i]);
        from = i + 1;
        if short.is_empty() {
            out.extend_from_slice(b"\\u00");
            hex(out, b);
        } else {
            out.extend_from_slice(short);
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    #[test]
    fn odd_bytes_stay_readable() {
        let mut out = vec![];
        super::text(&mut out, b"a\"b\\c\n\x01\xffz");
        assert_eq!(out, br#""a\"b\\c\n\u0001\\xffz""#);
        out.clear();
        super::value(&mut out, b"a\xff");
        assert_eq!(out, br#""\\x61ff""#);
    }
}

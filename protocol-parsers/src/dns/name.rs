//! Domain names (RFC 1035 sections 3.1 and 4.1.4).

/// Longest name on the wire, its length bytes and the final zero included.
const NAME_BYTES_MAX: usize = 255;

/// Appends the name at `at` to `out`, as sent, labels joined by dots, without the final dot; the root is `.`. Returns where
/// the bytes after the name begin. `None` when it is no whole name; `out` may then have part of it.
///
/// As in master files (RFC 1035 section 5.1): `\.` and `\\` are a dot and a backslash inside a label, `\DDD` is another byte that is
/// no printable ASCII.
pub fn read(message: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let begin = out.len();
    let mut here = at;
    let mut after = None;
    let mut wire_bytes = 1;
    loop {
        let length = *message.get(here)?;
        match length >> 6 {
            0 if length == 0 => {
                if out.len() == begin {
                    out.push(b'.');
                }
                return Some(after.unwrap_or(here + 1));
            }
            0 => {
                let label = message.get(here + 1..here + 1 + usize::from(length))?;
                wire_bytes += 1 + label.len();
                if wire_bytes > NAME_BYTES_MAX {
                    return None;
                }
                if out.len() > begin {
                    out.push(b'.');
                }
                write_label(label, out);
                here += 1 + label.len();
            }
            3 => {
                let target = usize::from(length & 0x3f) << 8 | usize::from(*message.get(here + 1)?);
                after.get_or_insert(here + 2);
                // a pointer points back, so that there is an end
                if target >= here {
                    return None;
                }
                here = target;
            }
            _ => return None,
        }
    }
}

fn write_label(label: &[u8], out: &mut Vec<u8>) {
    for &byte in label {
        match byte {
            b'.' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'!'..=b'~' => out.push(byte),
            _ => out.extend_from_slice(&[b'\\', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn check(message: &[u8], at: usize, expect: Option<(&str, usize)>) {
        let mut out = vec![];
        let got = read(message, at, &mut out).map(|after| (String::from_utf8_lossy(&out).into_owned(), after));
        assert_eq!(got, expect.map(|(name, after)| (name.to_owned(), after)));
    }

    #[test]
    fn names() {
        check(b"\x03www\x02De\x00", 0, Some(("www.De", 8)));
        check(b"\x00", 0, Some((".", 1)));
        check(b"\x03a.b\x01c\x00", 0, Some(("a\\.b.c", 7)));
        check(b"\x06\\\xfe \x00\x7fA\x00", 0, Some((r"\\\254\032\000\127A", 8)));
        check(b"\x02de\x00\x03www\xc0\x00x", 4, Some(("www.de", 10)));
        check(b"\x02de\x00\xc0\x00\xc0\x04", 6, Some(("de", 8)));
        check(b"\xc0\x00", 0, None);
        check(b"\x01a\xc0\x00", 0, None);
        check(b"\x01a\xc0\x04\x01b\xc0\x00", 0, None);
        check(b"\x05ab", 0, None);
        check(b"\x80ab", 0, None);
        check(&b"\x3f".repeat(300), 0, None);
    }
}

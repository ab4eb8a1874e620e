//! Protocol Buffers without a schema: the wire format tells field numbers and four kinds of values, and the rest is inferred.
//!
//! In: a message. Out: JSON text such as `{"1":"text","2":123}`. Varints and fixed values are unsigned numbers, as the wire has
//! no sign. Of length-delimited values printable text is text; others are a message when they can be read as one, else bytes
//! (`\xHEX`). A repeated field is a list at its first place.

use super::limits::{PROTOBUF_DEPTH_MAX, PROTOBUF_FIELDS_MAX};
use crate::json;

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Appends the message as JSON; false when the bytes are no message. Of a message that is `cut` the fields that are there.
pub fn json(message: &[u8], cut: bool, out: &mut Vec<u8>) -> bool {
    // what is printable as a whole is rather a text than a message that happens to read like one
    if !message.is_empty() && is_text(message) {
        return false;
    }
    match fields(message, cut) {
        Some(fields) => {
            write(&fields, PROTOBUF_DEPTH_MAX, out);
            true
        }
        None => false,
    }
}

fn fields(mut message: &[u8], cut: bool) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        match field(&mut message) {
            Some(field) if fields.len() < PROTOBUF_FIELDS_MAX => fields.push(field),
            _ if cut && !fields.is_empty() => break,
            _ => return None,
        }
    }
    Some(fields)
}

fn field<'a>(message: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = varint(message)?;
    let number = tag >> 3;
    if !(1..1 << 29).contains(&number) {
        return None;
    }
    let value = match tag & 7 {
        0 => Value::Number(varint(message)?),
        1 => Value::Number(u64::from_le_bytes(take(message)?)),
        5 => Value::Number(u64::from(u32::from_le_bytes(take(message)?))),
        2 => {
            let len = usize::try_from(varint(message)?).ok()?;
            let (bytes, rest) = message.split_at_checked(len)?;
            *message = rest;
            Value::Bytes(bytes)
        }
        _ => return None,
    };
    Some((number, value))
}

fn take<const N: usize>(message: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = message.split_first_chunk::<N>()?;
    *message = rest;
    Some(*bytes)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (n, &byte) in message.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            *message = &message[n + 1..];
            return Some(value);
        }
    }
    None
}

fn write(fields: &[(u64, Value<'_>)], depth: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut seen = std::collections::HashSet::new();
    for (n, &(number, first)) in fields.iter().enumerate() {
        if !seen.insert(number) {
            continue;
        }
        if seen.len() > 1 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(number.to_string().as_bytes());
        out.extend_from_slice(b"\":");
        let mut more = fields[n + 1..].iter().filter(|f| f.0 == number).peekable();
        let repeated = more.peek().is_some();
        if repeated {
            out.push(b'[');
        }
        value(first, depth, out);
        for &(_, next) in more {
            out.push(b',');
            value(next, depth, out);
        }
        if repeated {
            out.push(b']');
        }
    }
    out.push(b'}');
}

fn value(value: Value<'_>, depth: usize, out: &mut Vec<u8>) {
    match value {
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Bytes(bytes) if bytes.is_empty() || is_text(bytes) => json::value(out, bytes),
        Value::Bytes(bytes) => match fields(bytes, false) {
            Some(fields) if depth > 0 => write(&fields, depth - 1, out),
            _ => json::value(out, bytes),
        },
    }
}

/// Printable as a whole; a line end may be inside, as the first byte it is rather the tag of a field.
fn is_text(bytes: &[u8]) -> bool {
    let first_is_tag = bytes.first().is_some_and(|&b| b < b' ');
    !first_is_tag
        && std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8], cut: bool) -> Option<String> {
        let mut out = vec![];
        json(message, cut, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn every_kind_of_value() {
        assert_eq!(read(b"", false).as_deref(), Some("{}"));
        assert_eq!(read(b"\x08\x96\x01", false).as_deref(), Some(r#"{"1":150}"#));
        assert_eq!(read(b"\x12\x07testing", false).as_deref(), Some(r#"{"2":"testing"}"#));
        assert_eq!(read(b"\x1a\x03\x08\x96\x01", false).as_deref(), Some(r#"{"3":{"1":150}}"#));
        assert_eq!(read(b"\x0a\x02hi\x10\x7b\x0a\x02ho", false).as_deref(), Some(r#"{"1":["hi","ho"],"2":123}"#));
        assert_eq!(read(b"\x0d\x01\0\0\0\x11\x02\0\0\0\0\0\0\0", false).as_deref(), Some(r#"{"1":1,"2":2}"#));
        assert_eq!(read(b"\x0a\x02\xff\xfe", false).as_deref(), Some(r#"{"1":"\\xfffe"}"#));
        assert_eq!(read(b"\x0a\x05a\nb\"c", false).as_deref(), Some(r#"{"1":"a\nb\"c"}"#));
        assert_eq!(read("\x0a\x02ü".as_bytes(), false).as_deref(), Some(r#"{"1":"ü"}"#));
        assert_eq!(
            read(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", false).as_deref(),
            Some(r#"{"1":18446744073709551615}"#)
        );
    }

    #[test]
    fn what_is_no_message() {
        for bytes in [b"hello 0".as_slice(), b"\x08", b"\x0a\x05ab", b"\x00\x01", b"\x0b\x0c", b"\xff\xff"] {
            assert_eq!(read(bytes, false), None, "{bytes:?}");
        }
        assert_eq!(read(b"\x08\x01\x0a\x05ab", true).as_deref(), Some(r#"{"1":1}"#));
    }

    #[test]
    fn depth_is_bounded() {
        let mut message = b"\x08\x01".to_vec();
        while message.len() < 100 {
            message = [&[0x0a, message.len() as u8][..], &message].concat();
        }
        let text = read(&message, false).expect("a message");
        assert_eq!(text.matches('{').count(), PROTOBUF_DEPTH_MAX + 1);
    }
}

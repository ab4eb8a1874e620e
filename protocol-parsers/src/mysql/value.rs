//! One binary value of a prepared statement as JSON
//! (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_binary_resultset.html>).

use std::io::Write;

use super::read::Reader;
use super::statements::ParameterType;
use crate::json;

const UNSIGNED: u8 = 0x80;

/// Writes the value at the reader's beginning; `None` when it is not all there, else whether it was cut to `bytes_max`.
pub fn value(reader: &mut Reader<'_>, kind: ParameterType, bytes_max: usize, out: &mut Vec<u8>) -> Option<bool> {
    let unsigned = kind[1] & UNSIGNED != 0;
    let integer = |signed: i64, bits: u64| if unsigned { i128::from(bits) } else { i128::from(signed) };
    let number = match kind[0] {
        0x01 => reader.u8().map(|n| integer(i64::from(n as i8), u64::from(n)))?,
        0x02 | 0x0d => reader.u16().map(|n| integer(i64::from(n as i16), u64::from(n)))?,
        0x03 | 0x09 => reader.u32().map(|n| integer(i64::from(n as i32), u64::from(n)))?,
        0x08 => reader.u64().map(|n| integer(n as i64, n))?,
        0x04 => {
            let value = f32::from_bits(reader.u32()?);
            return float(value.is_finite(), value, out);
        }
        0x05 => {
            let value = f64::from_bits(reader.u64()?);
            return float(value.is_finite(), value, out);
        }
        0x06 => {
            out.extend_from_slice(b"null");
            return Some(false);
        }
        0x07 | 0x0a | 0x0c | 0x0e | 0x11 | 0x12 => return date(reader, matches!(kind[0], 0x0a | 0x0e), out),
        0x0b | 0x13 => return time(reader, out),
        _ => return Some(text(reader.text()?, bytes_max, out)),
    };
    // writing to a vector does not fail
    let _ = write!(out, "{number}");
    Some(false)
}

/// A text or bytes, cut to `bytes_max`.
pub fn text(bytes: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> bool {
    let cut = bytes.len() > bytes_max;
    let kept = &bytes[..bytes.len().min(bytes_max)];
    let kept = match std::str::from_utf8(kept) {
        // without the beginning of a character whose end was cut off
        Err(e) if cut && e.error_len().is_none() => &kept[..e.valid_up_to()],
        _ => kept,
    };
    json::value(out, kept);
    cut
}

/// JSON has no infinity, so that one is a text.
fn float(finite: bool, value: impl std::fmt::Debug, out: &mut Vec<u8>) -> Option<bool> {
    let _ = if finite { write!(out, "{value:?}") } else { write!(out, "\"{value:?}\"") };
    Some(false)
}

/// A length of 0, 4, 7 or 11 bytes, then as many of: year, month, day, hour, minute, second, microseconds.
fn date(reader: &mut Reader<'_>, only_date: bool, out: &mut Vec<u8>) -> Option<bool> {
    let len = usize::from(reader.u8()?);
    let mut part = Reader::new(reader.take(len)?);
    let (year, month, day) = (part.u16().unwrap_or(0), part.u8().unwrap_or(0), part.u8().unwrap_or(0));
    let _ = write!(out, "\"{year:04}-{month:02}-{day:02}");
    if !only_date || len > 4 {
        let [hour, minute, second] = part.array().unwrap_or_default();
        let _ = write!(out, " {hour:02}:{minute:02}:{second:02}");
    }
    if let Some(micros) = part.u32() {
        let _ = write!(out, ".{micros:06}");
    }
    out.push(b'"');
    Some(false)
}

/// A length of 0, 8 or 12 bytes, then as many of: whether negative, days, hour, minute, second, microseconds.
fn time(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Option<bool> {
    let len = usize::from(reader.u8()?);
    let mut part = Reader::new(reader.take(len)?);
    let negative = part.u8().unwrap_or(0) != 0;
    let days = part.u32().unwrap_or(0);
    let [hour, minute, second] = part.array().unwrap_or_default();
    let hours = u64::from(days) * 24 + u64::from(hour);
    let _ = write!(out, "\"{}{hours:02}:{minute:02}:{second:02}", if negative { "-" } else { "" });
    if let Some(micros) = part.u32() {
        let _ = write!(out, ".{micros:06}");
    }
    out.push(b'"');
    Some(false)
}

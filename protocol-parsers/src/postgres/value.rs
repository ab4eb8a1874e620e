//! One parameter as JSON.
//!
//! In: a value's bytes, its type and its format. Out: JSON into a buffer. Numbers and booleans are JSON's, all else is text as
//! PostgreSQL writes it; a binary value that cannot be read is `\xHEX`.

use std::io::Write;

use super::{array, calendar};
use crate::json;

/// Types by their numbers in `pg_type` (<https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>).
pub mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const NAME: u32 = 19;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const TEXT: u32 = 25;
    pub const OID: u32 = 26;
    pub const JSON: u32 = 114;
    pub const XML: u32 = 142;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const UNKNOWN: u32 = 705;
    pub const BPCHAR: u32 = 1042;
    pub const VARCHAR: u32 = 1043;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const JSONB: u32 = 3802;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text,
    Binary,
}

/// Writes a value, of which at most `keep_max` bytes are kept; whether it was cut.
pub fn write(out: &mut Vec<u8>, value: &[u8], ty: u32, format: Format, keep_max: usize) -> bool {
    if value.len() > keep_max {
        let kept = &value[..keep_max];
        match (format, ty) {
            (Format::Text, _)
            | (_, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::JSON | oid::XML | oid::NAME | oid::UNKNOWN) => {
                json::value(out, super::statement::whole_characters(kept));
            }
            _ => hexadecimal(out, kept),
        }
        return true;
    }
    match format {
        Format::Text => text(out, value, ty),
        Format::Binary => {
            let start = out.len();
            if binary(out, value, ty).is_none() {
                out.truncate(start);
                hexadecimal(out, value);
            }
        }
    }
    false
}

fn text(out: &mut Vec<u8>, value: &[u8], ty: u32) {
    match (ty, value) {
        (oid::INT2 | oid::INT4 | oid::INT8 | oid::OID | oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC, v) if is_number(v) => {
            out.extend_from_slice(v);
        }
        (oid::BOOL, b"t" | b"true") => out.extend_from_slice(b"true"),
        (oid::BOOL, b"f" | b"false") => out.extend_from_slice(b"false"),
        _ => json::value(out, value),
    }
}

/// Whether text is a number as JSON writes it.
pub fn is_number(text: &[u8]) -> bool {
    let digits = |s: &[u8]| !s.is_empty() && s.iter().all(u8::is_ascii_digit);
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = match memchr::memchr(b'.', mantissa) {
        Some(at) => (&mantissa[..at], Some(&mantissa[at + 1..])),
        None => (mantissa, None),
    };
    let signed = |e: &[u8]| digits(e.strip_prefix(b"-").or_else(|| e.strip_prefix(b"+")).unwrap_or(e));
    digits(whole) && (whole.len() == 1 || whole[0] != b'0') && fraction.is_none_or(digits) && exponent.is_none_or(signed)
}

/// A binary value; `None` when it is not as its type says, or of no known type.
pub fn binary(out: &mut Vec<u8>, value: &[u8], ty: u32) -> Option<()> {
    // writing to a Vec does not fail
    match ty {
        oid::BOOL => match value {
            [0] => out.extend_from_slice(b"false"),
            [1] => out.extend_from_slice(b"true"),
            _ => return None,
        },
        oid::INT2 => number(out, i16::from_be_bytes(value.try_into().ok()?)),
        oid::INT4 => number(out, i32::from_be_bytes(value.try_into().ok()?)),
        oid::INT8 => number(out, i64::from_be_bytes(value.try_into().ok()?)),
        oid::OID => number(out, u32::from_be_bytes(value.try_into().ok()?)),
        oid::FLOAT4 => float(out, f32::from_be_bytes(value.try_into().ok()?)),
        oid::FLOAT8 => float(out, f64::from_be_bytes(value.try_into().ok()?)),
        oid::NUMERIC => numeric(out, value)?,
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::JSON | oid::XML | oid::UNKNOWN => {
            json::text(out, std::str::from_utf8(value).ok()?.as_bytes());
        }
        oid::JSONB => match value.split_first()? {
            (1, text) => json::text(out, std::str::from_utf8(text).ok()?.as_bytes()),
            _ => return None,
        },
        oid::BYTEA => hexadecimal(out, value),
        oid::UUID => uuid(out, value.try_into().ok()?),
        oid::DATE => quoted(out, value, |out, v| calendar::date(out, i32::from_be_bytes(v))),
        oid::TIME => quoted(out, value, |out, v| calendar::time(out, i64::from_be_bytes(v).clamp(0, 86_400_000_000))),
        oid::TIMESTAMP => quoted(out, value, |out, v| calendar::timestamp(out, i64::from_be_bytes(v), false)),
        oid::TIMESTAMPTZ => quoted(out, value, |out, v| calendar::timestamp(out, i64::from_be_bytes(v), true)),
        _ => return array::binary(out, value, ty),
    }
    Some(())
}

fn number(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "{value}");
}

/// A float as its shortest text; what JSON has no number for is text.
fn float<F: std::fmt::Display + Into<f64> + Copy>(out: &mut Vec<u8>, value: F) {
    let wide: f64 = value.into();
    if !wide.is_finite() {
        let text: &[u8] = if wide.is_nan() {
            b"\"NaN\""
        } else if wide > 0.0 {
            b"\"Infinity\""
        } else {
            b"\"-Infinity\""
        };
        out.extend_from_slice(text);
    } else {
        let _ = write!(out, "{value}");
    }
}

fn quoted<const N: usize>(out: &mut Vec<u8>, value: &[u8], write: impl FnOnce(&mut Vec<u8>, [u8; N])) {
    match value.try_into() {
        Ok(value) => {
            out.push(b'"');
            write(out, value);
            out.push(b'"');
        }
        Err(_) => hexadecimal(out, value),
    }
}

/// `"\xHEX"`, its backslash escaped.
pub fn hexadecimal(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(b"\"\\\\x");
    digits(out, value);
    out.push(b'"');
}

fn digits(out: &mut Vec<u8>, value: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(value.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]));
}

fn uuid(out: &mut Vec<u8>, value: &[u8; 16]) {
    out.push(b'"');
    for (i, part) in [&value[..4], &value[4..6], &value[6..8], &value[8..10], &value[10..]].into_iter().enumerate() {
        if i > 0 {
            out.push(b'-');
        }
        digits(out, part);
    }
    out.push(b'"');
}

/// `numeric`: count of groups, weight of the first, sign, digits shown after the point, then groups of four decimal digits
/// (<https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/numeric.c>, `numeric_send`).
fn numeric(out: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    let (head, groups) = value.split_first_chunk::<8>()?;
    let short = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
    let (count, weight, sign, shown) = (usize::from(short(0)), short(2) as i16, short(4), usize::from(short(6)));
    let special: &[u8] = match sign {
        0xc000 => b"\"NaN\"",
        0xd000 => b"\"Infinity\"",
        0xf000 => b"\"-Infinity\"",
        0 | 0x4000 => b"",
        _ => return None,
    };
    if !special.is_empty() {
        out.extend_from_slice(special);
        return Some(());
    }
    // a number that long would be all zeros
    if groups.len() != count * 2 || shown > 16_383 || weight > 4096 {
        return None;
    }
    let group = |i: i32| {
        let at = usize::try_from(i).ok().filter(|i| *i < count).map(|i| i * 2);
        at.map_or(0, |at| u16::from_be_bytes([groups[at], groups[at + 1]])).min(9999)
    };
    if sign == 0x4000 {
        out.push(b'-');
    }
    let weight = i32::from(weight);
    if weight < 0 {
        out.push(b'0');
    }
    for i in 0..=weight {
        let _ = if i == 0 { write!(out, "{}", group(0)) } else { write!(out, "{:04}", group(i)) };
    }
    if shown > 0 {
        out.push(b'.');
        let end = out.len() + shown;
        let mut i = weight + 1;
        while out.len() < end {
            let _ = write!(out, "{:04}", group(i));
            i += 1;
        }
        out.truncate(end);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &[u8], ty: u32, format: Format, expect: &str) {
        let mut out = vec![];
        assert!(!write(&mut out, value, ty, format, 4096));
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn binary_values() {
        let binary = |value: &[u8], ty, expect| check(value, ty, Format::Binary, expect);
        binary(&[1], oid::BOOL, "true");
        binary(&(-2_i16).to_be_bytes(), oid::INT2, "-2");
        binary(&42_i32.to_be_bytes(), oid::INT4, "42");
        binary(&i64::MIN.to_be_bytes(), oid::INT8, "-9223372036854775808");
        binary(&1.5_f64.to_be_bytes(), oid::FLOAT8, "1.5");
        binary(&0.1_f32.to_be_bytes(), oid::FLOAT4, "0.1");
        binary(&f64::NAN.to_be_bytes(), oid::FLOAT8, r#""NaN""#);
        binary("text ü".as_bytes(), oid::TEXT, r#""text ü""#);
        binary(b"\xff", oid::TEXT, r#""\\xff""#);
        binary(b"\xde\xad", oid::BYTEA, r#""\\xdead""#);
        binary(b"ab", oid::BYTEA, r#""\\x6162""#);
        binary(&8825_i32.to_be_bytes(), oid::DATE, r#""2024-02-29""#);
        binary(&0_i64.to_be_bytes(), oid::TIMESTAMPTZ, r#""2000-01-01 00:00:00+00""#);
        binary(b"\x01{\"a\": 1}", oid::JSONB, r#""{\"a\": 1}""#);
        let uuid = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
        binary(&uuid, oid::UUID, r#""00112233-4455-6677-8899-aabbccddeeff""#);
        // of the wrong length, and of unknown type
        binary(&[1, 2, 3], oid::INT4, r#""\\x010203""#);
        binary(&[1, 2, 3], oid::DATE, r#""\\x010203""#);
        binary(&[0, 0, 0, 7], 0, r#""\\x00000007""#);
    }

    #[test]
    fn numerics() {
        let encode = |weight: i16, sign: u16, shown: u16, groups: &[u16]| {
            let head = [groups.len() as u16, weight as u16, sign, shown];
            head.iter().chain(groups).flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>()
        };
        let numeric = |value: Vec<u8>, expect| check(&value, oid::NUMERIC, Format::Binary, expect);
        numeric(encode(0, 0, 2, &[12, 5000]), "12.50");
        numeric(encode(1, 0x4000, 0, &[1, 2345]), "-12345");
        numeric(encode(2, 0, 0, &[1]), "100000000");
        numeric(encode(-1, 0, 4, &[12]), "0.0012");
        numeric(encode(-2, 0, 8, &[12]), "0.00000012");
        numeric(encode(0, 0, 0, &[]), "0");
        numeric(encode(0, 0xc000, 0, &[]), r#""NaN""#);
        numeric(encode(5000, 0, 0, &[1]), r#""\\x0001138800000000""#.replace("00000000", "000000000001").as_str());
    }

    #[test]
    fn texts_are_numbers_where_their_type_says_so() {
        let text = |value: &str, ty, expect| check(value.as_bytes(), ty, Format::Text, expect);
        text("42", oid::INT4, "42");
        text("42", 0, r#""42""#);
        text(" 42", oid::INT4, r#"" 42""#);
        text("1e300", oid::FLOAT8, "1e300");
        text("NaN", oid::FLOAT8, r#""NaN""#);
        text("007", oid::INT4, r#""007""#);
        text("12.50", oid::NUMERIC, "12.50");
        text("t", oid::BOOL, "true");
        text("t", oid::TEXT, r#""t""#);
        text("\\xdead", oid::BYTEA, r#""\\xdead""#);
        for wrong in ["", "-", ".5", "5.", "1e", "1e+", "+1", "0x1", "1_000", "--1"] {
            assert!(!is_number(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn long_values_are_cut() {
        let mut out = vec![];
        assert!(write(&mut out, "aü".as_bytes(), oid::TEXT, Format::Binary, 2));
        assert!(write(&mut out, b"abc", oid::BYTEA, Format::Binary, 2));
        assert_eq!(out, br#""a""\\x6162""#);
    }
}

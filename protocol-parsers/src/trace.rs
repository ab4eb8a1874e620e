//! Trace and span of a request, as its headers or its SQL comment tell.
//!
//! In: a way to look headers up, or the text of a statement. Out: ids as sent. What is no id is none; nothing is converted.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// An id is not longer.
const ID_BYTES_MAX: usize = 128;
/// `VERSION-TRACE-SPAN-FLAGS`, as version 00 has it and later ones begin.
const TRACEPARENT_BYTES: usize = 55;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace<'a> {
    pub trace_id: &'a [u8],
    pub span_id: Option<&'a [u8]>,
}

/// The first of these that a request has: W3C Trace Context, B3 (one header or several), Jaeger, Datadog, and at last a plain
/// request id, which tells no span. `header` answers the value of a header by its name in lower case.
pub fn from_headers<'a>(header: impl Fn(&'static [u8]) -> Option<&'a [u8]>) -> Option<Trace<'a>> {
    header(b"traceparent")
        .and_then(w3c)
        .or_else(|| header(b"b3").and_then(b3))
        .or_else(|| several(header(b"x-b3-traceid"), header(b"x-b3-spanid"), is_hex_id))
        .or_else(|| header(b"uber-trace-id").and_then(jaeger))
        .or_else(|| several(header(b"x-datadog-trace-id"), header(b"x-datadog-parent-id"), is_decimal))
        .or_else(|| {
            let names: [&[u8]; 4] = [b"x-request-id", b"x-correlation-id", b"x-trace-id", b"request-id"];
            let trace_id = names.into_iter().find_map(|name| header(name).filter(|id| is_plain(id)))?;
            Some(Trace { trace_id, span_id: None })
        })
}

/// Where in a statement the value of the last `traceparent='…'` in a comment begins
/// (sqlcommenter, <https://google.github.io/sqlcommenter/spec/>): there [`traceparent`] reads it.
pub fn in_sql(text: &[u8]) -> Option<usize> {
    // most statements have no comment, and that is found out fast
    memchr::memchr(b'*', text)?;
    let (mut found, mut from) = (None, 0);
    while let Some(open) = memchr::memmem::find(text.get(from..)?, b"/*") {
        let inside = from + open + 2;
        let end = memchr::memmem::find(&text[inside..], b"*/").map_or(text.len(), |len| inside + len);
        found = in_comment(&text[inside..end]).map(|at| inside + at).or(found);
        from = (end + 2).min(text.len());
    }
    found
}

/// The trace that a comment of a statement names.
pub fn from_sql(text: &[u8]) -> Option<Trace<'_>> {
    traceparent(&text[in_sql(text)?..])
}

fn in_comment(comment: &[u8]) -> Option<usize> {
    static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"traceparent"));
    let value = |key: usize| {
        let at = key + KEY.needle().len();
        let equals = at + comment[at..].iter().position(|b| *b != b' ')?;
        let rest = comment[equals..].strip_prefix(b"=")?;
        let at = equals + 1 + rest.iter().position(|b| !matches!(b, b' ' | b'\'' | b'"'))?;
        traceparent(&comment[at..]).map(|_| at)
    };
    KEY.find_iter(comment).filter_map(value).last()
}

/// Trace and span of a traceparent, whatever follows it.
pub fn traceparent(value: &[u8]) -> Option<Trace<'_>> {
    w3c(value.get(..TRACEPARENT_BYTES)?)
}

/// Version, 16 bytes, 8 bytes, flags, in hexadecimal (W3C Trace Context, section 3.2).
fn w3c(value: &[u8]) -> Option<Trace<'_>> {
    let hex = |text: &[u8]| text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = value.trim_ascii().split(|&b| b == b'-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = version.len() == 2 && trace_id.len() == 32 && span_id.len() == 16;
    let digits = hex(version) && hex(trace_id) && hex(span_id) && flags.get(..2).is_some_and(hex);
    let known = digits && version != b"ff" && is_hex_id(trace_id) && is_hex_id(span_id);
    (lengths && known).then_some(Trace { trace_id, span_id: Some(span_id) })
}

/// `TRACE-SPAN[-SAMPLED[-PARENT]]`; a lone sampling decision is no trace.
fn b3(value: &[u8]) -> Option<Trace<'_>> {
    let mut parts = value.trim_ascii().split(|&b| b == b'-');
    several(parts.next(), Some(parts.next()?), is_hex_id).filter(|trace| trace.span_id.is_some())
}

/// `TRACE:SPAN:PARENT:FLAGS`, whose colons may be percent-encoded.
fn jaeger(value: &[u8]) -> Option<Trace<'_>> {
    let value = value.trim_ascii();
    let part = |text: &'_ [u8]| {
        let plain = memchr::memchr(b':', text).map(|at| (at, 1));
        plain.or_else(|| memchr::memmem::find(text, b"%3A").or_else(|| memchr::memmem::find(text, b"%3a")).map(|at| (at, 3)))
    };
    let (end, len) = part(value)?;
    let rest = &value[end + len..];
    let (span_end, _) = part(rest)?;
    several(Some(&value[..end]), Some(&rest[..span_end]), is_hex_id)
}

/// Two ids that come apart.
fn several<'a>(trace: Option<&'a [u8]>, span: Option<&'a [u8]>, is_id: fn(&[u8]) -> bool) -> Option<Trace<'a>> {
    let trace_id = trace.map(<[u8]>::trim_ascii).filter(|id| is_id(id))?;
    Some(Trace { trace_id, span_id: span.map(<[u8]>::trim_ascii).filter(|id| is_id(id)) })
}

fn is_hex_id(id: &[u8]) -> bool {
    matches!(id.len(), 1..=32) && id.iter().all(u8::is_ascii_hexdigit) && id.iter().any(|&b| b != b'0')
}

fn is_decimal(id: &[u8]) -> bool {
    matches!(id.len(), 1..=20) && id.iter().all(u8::is_ascii_digit) && id.iter().any(|&b| b != b'0')
}

fn is_plain(id: &[u8]) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn ids(headers: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let owned = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        let header = |name: &'static [u8]| headers.iter().find(|h| h.0.as_bytes() == name).map(|h| h.1.as_bytes());
        from_headers(header).map(|t| (owned(t.trace_id), t.span_id.map(owned)))
    }

    #[test]
    fn every_style_of_header() {
        let both = Some((TRACE.to_string(), Some(SPAN.to_string())));
        assert_eq!(ids(&[("traceparent", &format!("00-{TRACE}-{SPAN}-01"))]), both);
        assert_eq!(ids(&[("b3", &format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"))]), both);
        assert_eq!(ids(&[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)]), both);
        assert_eq!(ids(&[("x-b3-traceid", TRACE)]), Some((TRACE.into(), None)));
        assert_eq!(ids(&[("uber-trace-id", &format!("{TRACE}:{SPAN}:0:1"))]), both);
        assert_eq!(ids(&[("uber-trace-id", &format!("{TRACE}%3A{SPAN}%3A0%3A1"))]), both);
        let datadog = [("x-datadog-trace-id", "123456789"), ("x-datadog-parent-id", "42")];
        assert_eq!(ids(&datadog), Some(("123456789".into(), Some("42".into()))));
        assert_eq!(ids(&[("x-request-id", "abc-1")]), Some(("abc-1".into(), None)));
        assert_eq!(ids(&[("x-request-id", "abc-1"), ("b3", &format!("{TRACE}-{SPAN}"))]), both);
    }

    #[test]
    fn what_is_no_id_is_none() {
        for value in ["", "00", "00-zz-11-01", &format!("ff-{TRACE}-{SPAN}-01"), &format!("00-{}-{SPAN}-01", "0".repeat(32))] {
            assert_eq!(ids(&[("traceparent", value)]), None, "{value}");
        }
        for (name, value) in
            [("b3", "0"), ("b3", "x-y"), ("uber-trace-id", "1:"), ("x-datadog-trace-id", "1f"), ("x-b3-spanid", SPAN)]
        {
            assert_eq!(ids(&[(name, value)]), None, "{name}: {value}");
        }
        assert_eq!(ids(&[("traceparent", "broken"), ("x-request-id", "r")]), Some(("r".into(), None)));
        assert_eq!(ids(&[("x-request-id", "with space")]), None);
    }

    fn of_sql(text: &str) -> Option<(String, Option<String>)> {
        let owned = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        let trace = from_sql(text.as_bytes())?;
        Some((owned(trace.trace_id), trace.span_id.map(owned)))
    }

    #[test]
    fn comments_of_statements() {
        let (value, other) = (format!("00-{TRACE}-{SPAN}-01"), format!("00-{SPAN}{SPAN}-{SPAN}-01"));
        let both = Some((TRACE.to_string(), Some(SPAN.to_string())));
        for text in [
            format!("SELECT 1 /*action='a',traceparent='{value}'*/"),
            format!("/* traceparent = \"{value}\" */ SELECT 1"),
            format!("/**/ SELECT /* traceparent */ 2 /* 3 */* 4 /*traceparent_of='x',traceparent='{value}',b='c'*/"),
            // the last one counts, and what stands outside comments does not
            format!("/*traceparent='{other}'*/ SELECT 1 /*traceparent='{value}'*/ + traceparent /* */"),
            format!("/*traceparent='{other}',traceparent='{value}'*/"),
            // cut behind it
            format!("SELECT 1 /*traceparent='{value}"),
        ] {
            assert_eq!(of_sql(&text), both, "{text}");
        }
    }

    #[test]
    fn statements_without_a_trace() {
        let value = format!("00-{TRACE}-{SPAN}-01");
        for text in [
            format!("SELECT traceparent='{value}'"),
            format!("SELECT /* c */ traceparent='{value}'"),
            format!("SELECT 1 /* 2 */* traceparent='{value}'"),
            format!("SELECT 1 /*traceparent='{}'*/", &value[..54]),
            format!("SELECT 1 /*traceparent='{}'*/", value.replace(|c| c != '-', "0")),
            format!("SELECT 1 /*traceparent='ff{}'*/", &value[2..]),
            format!("SELECT 1 /*traceparent='{}'*/", value.to_uppercase()),
            "SELECT 1 /*traceparent=''*/".to_owned(),
            "/*traceparent=".to_owned(),
            "/*traceparent".to_owned(),
            "SELECT 2 * 3 /*".to_owned(),
        ] {
            assert_eq!(of_sql(&text), None, "{text}");
        }
    }
}

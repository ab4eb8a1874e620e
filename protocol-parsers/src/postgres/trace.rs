//! The trace that an SQL comment names (sqlcommenter, <https://google.github.io/sqlcommenter/spec/>):
//! `/*traceparent='00-TRACE-SPAN-01'*/`.

/// `VERSION-TRACE-SPAN-FLAGS` (<https://www.w3.org/TR/trace-context/#traceparent-header>).
const TRACEPARENT_BYTES: usize = 55;

/// Where in a statement its traceparent is.
pub fn find(text: &[u8]) -> Option<usize> {
    // most statements have no comment
    memchr::memchr(b'*', text)?;
    let key = memchr::memmem::find(text, b"traceparent")?;
    let rest = &text[key + b"traceparent".len()..];
    let equals = rest.iter().position(|b| *b != b' ').filter(|i| rest[*i] == b'=')?;
    let value = rest[equals + 1..].iter().position(|b| !matches!(b, b' ' | b'\'' | b'"'))? + equals + 1;
    let at = key + b"traceparent".len() + value;
    ids(text, at).map(|_| at)
}

/// Trace and span of the traceparent at `at`.
pub fn ids(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let value = text.get(at..at + TRACEPARENT_BYTES)?;
    let (version, trace_id, span_id, flags) = (&value[..2], &value[3..35], &value[36..52], &value[53..]);
    let digits = [version, trace_id, span_id, flags].iter().all(|part| part.iter().all(u8::is_ascii_hexdigit));
    let dashes = [2, 35, 52].iter().all(|i| value[*i] == b'-');
    let zero = |id: &[u8]| id.iter().all(|b| *b == b'0');
    (digits && dashes && version != b"ff" && !zero(trace_id) && !zero(span_id)).then_some((trace_id, span_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn comments_name_traces() {
        for text in
            [format!("SELECT 1 /*action='x',traceparent='{TRACE}'*/"), format!("/* traceparent = \"{TRACE}\" */ SELECT 1")]
        {
            let (trace, span) = ids(text.as_bytes(), find(text.as_bytes()).unwrap()).unwrap();
            assert_eq!((trace, span), (b"4bf92f3577b34da6a3ce929d0e0e4736".as_slice(), b"00f067aa0ba902b7".as_slice()));
        }
    }

    #[test]
    fn others_do_not() {
        let wrong = [
            "SELECT traceparent FROM t".to_owned(),
            "SELECT 1 /* traceparent */".to_owned(),
            format!("SELECT 1 /*traceparent='{}'*/", &TRACE[..54]),
            format!("SELECT 1 /*traceparent='{}'*/", TRACE.replace(|c| c != '-', "0")),
            format!("SELECT 1 /*traceparent='ff{}'*/", &TRACE[2..]),
            "/*traceparent=".to_owned(),
        ];
        for text in wrong {
            assert_eq!(find(text.as_bytes()), None, "{text}");
        }
    }
}

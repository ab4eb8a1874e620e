//! Heads against an independent parser.

use proptest::prelude::*;

use crate::http1::frame::{Event, Reader};
use crate::http1::message::Message;
use crate::{Flow, Moment};

/// What both parsers can tell: start line and headers.
type Told = (Vec<String>, Vec<(String, Vec<u8>)>);

fn ours(flow: Flow, head: &[u8], portion: usize) -> Option<Told> {
    let mut reader = Reader::new(flow, true);
    for mut rest in head.chunks(portion) {
        if reader.next(&mut rest, Moment::default()) == Some(Event::Head) {
            let mut message = Message::default();
            reader.take_head(&mut message);
            let head = &message.head;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let mut line = vec![text(head.version())];
            match flow {
                Flow::ToServer => line.extend([head.method()?, head.target()?].map(text)),
                Flow::ToClient => line.push(head.status().to_string()),
            }
            return Some((line, head.iter().map(|(name, value)| (text(name), value.to_vec())).collect()));
        }
    }
    None
}

fn theirs(flow: Flow, head: &[u8]) -> Option<Told> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let version = |minor: Option<u8>| minor.map(|minor| format!("1.{minor}"));
    let (line, headers) = match flow {
        Flow::ToServer => {
            let mut request = httparse::Request::new(&mut headers);
            if !request.parse(head).ok()?.is_complete() {
                return None;
            }
            (vec![version(request.version)?, request.method?.into(), request.path?.into()], request.headers)
        }
        Flow::ToClient => {
            let mut response = httparse::Response::new(&mut headers);
            if !response.parse(head).ok()?.is_complete() {
                return None;
            }
            (vec![version(response.version)?, response.code?.to_string()], response.headers)
        }
    };
    Some((line, headers.iter().map(|h| (h.name.to_string(), h.value.to_vec())).collect()))
}

fn headers() -> impl Strategy<Value = String> {
    let value = "[!-~\u{e4}]([ -~\u{e4}]{0,40}[!-~])?|";
    let one = ("[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}", "[ \t]{0,2}", value, "[ \t]{0,2}");
    let lines = one.prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"));
    prop::collection::vec(lines, 0..20).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests(
        method in "[A-Z]{1,10}|[!#$%&'*+.^_`|~a-z-]{1,10}",
        target in "/[!-~]{0,60}|\\*|http://h.test/[!-~]{0,20}",
        minor in 0..2_u8,
        headers in headers(),
        portion in 1..200_usize,
    ) {
        let head = format!("{method} {target} HTTP/1.{minor}\r\n{headers}\r\n").into_bytes();
        let want = theirs(Flow::ToServer, &head);
        prop_assume!(want.is_some());
        prop_assert_eq!(ours(Flow::ToServer, &head, portion), want);
    }

    #[test]
    fn responses(code in 100..1000_u16, reason in "( [ -~]{0,20})?", minor in 0..2_u8, headers in headers(), portion in 1..200_usize) {
        let head = format!("HTTP/1.{minor} {code}{reason}\r\n{headers}\r\n").into_bytes();
        let want = theirs(Flow::ToClient, &head);
        prop_assume!(want.is_some());
        prop_assert_eq!(ours(Flow::ToClient, &head, portion), want);
    }
}

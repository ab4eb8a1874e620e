//! Is it HTTP/1? A request line or a status line says so; a list of methods is not needed.

use super::limits::{DETECT_BYTES_MAX, START_LINE_BYTES_MAX};
use super::line;
use crate::{Confidence, Evidence, Flow, Verdict};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Nothing has come in this direction.
    Nothing,
    No,
    /// It may become a start line.
    Maybe,
    Yes,
}

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    let look = if evidence.from_start { at_start } else { anywhere };
    let requests = look(Flow::ToServer, evidence.to_server);
    let responses = look(Flow::ToClient, evidence.to_client);
    match (requests, responses) {
        (Sight::Yes, Sight::Yes | Sight::Maybe | Sight::Nothing) if evidence.from_start => Verdict::Yes(Confidence::Certain),
        (Sight::Yes, _) | (_, Sight::Yes) => Verdict::Yes(Confidence::Likely),
        _ if evidence.from_start => match (requests, responses) {
            (Sight::No, _) | (_, Sight::No) => Verdict::No,
            _ => Verdict::Undecided,
        },
        // in the middle of bodies both may be anything, but not for long
        _ if evidence.to_server.len().min(evidence.to_client.len()) >= DETECT_BYTES_MAX => Verdict::No,
        _ if evidence.to_server.len().max(evidence.to_client.len()) >= START_LINE_BYTES_MAX => Verdict::No,
        _ => Verdict::Undecided,
    }
}

fn at_start(flow: Flow, bytes: &[u8]) -> Sight {
    // an empty line before a request is to be ignored (RFC 9112, section 2.2)
    let skipped = bytes.iter().take(4).take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = if flow == Flow::ToServer { &bytes[skipped..] } else { bytes };
    if bytes.is_empty() {
        return if skipped > 0 { Sight::Maybe } else { Sight::Nothing };
    }
    let window = &bytes[..bytes.len().min(START_LINE_BYTES_MAX)];
    match memchr::memchr(b'\n', window) {
        Some(end) if line::complete(flow, &window[..=end]).is_some() => Sight::Yes,
        // its response tells
        Some(end) if flow == Flow::ToServer && line::simple_request(&window[..=end]).is_some() => Sight::Maybe,
        None if window.len() < START_LINE_BYTES_MAX && line::possible(flow, window) => Sight::Maybe,
        _ => Sight::No,
    }
}

/// Looks at every line's start.
fn anywhere(flow: Flow, bytes: &[u8]) -> Sight {
    let mut sight = Sight::Nothing;
    let mut rest = &bytes[..bytes.len().min(START_LINE_BYTES_MAX)];
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        match at_start(flow, &rest[..end]) {
            Sight::Yes => return Sight::Yes,
            seen => sight = seen,
        }
        rest = &rest[end..];
    }
    sight
}

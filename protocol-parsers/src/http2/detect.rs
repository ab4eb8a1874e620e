//! Is it HTTP/2? The preface says so; in the middle of a connection, frames that follow each other and carry the fields of
//! requests from one end or of responses from the other.

use super::frame::{Begins, HEADER_BYTES, Header, PREFACE, SETTINGS, Sight, look};
use crate::{Confidence, Evidence, Flow, Verdict};

/// How much of each direction is looked at.
const DETECT_BYTES_MAX: usize = 8 << 10;

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    let len = evidence.to_server.len().min(PREFACE.len());
    if len > 0 && evidence.to_server[..len] == PREFACE[..len] {
        return match (len == PREFACE.len(), server_begins(evidence.to_client)) {
            // the server's first frame may be anything when it was not seen first
            (_, false) if evidence.from_start => Verdict::No,
            (true, _) => Verdict::Yes(Confidence::Certain),
            (false, _) => Verdict::Undecided,
        };
    }
    if evidence.from_start {
        let silent = evidence.to_server.is_empty() && !evidence.to_client.is_empty();
        return if silent && server_begins(evidence.to_client) { Verdict::Undecided } else { Verdict::No };
    }
    joined(evidence)
}

/// Whether these may be a server's first bytes: a SETTINGS frame.
fn server_begins(bytes: &[u8]) -> bool {
    match Header::of(bytes) {
        Some(header) => header.kind == SETTINGS && header.flags == 0 && header.plausible(Flow::ToClient),
        None => bytes.get(3).is_none_or(|&kind| kind == SETTINGS) && bytes.iter().take(2).all(|&b| b == 0),
    }
}

fn joined(evidence: &Evidence<'_>) -> Verdict {
    let requests = anywhere(evidence.to_server, Flow::ToServer);
    let responses = anywhere(evidence.to_client, Flow::ToClient);
    if requests.response || responses.request {
        return Verdict::No;
    }
    if requests.request || responses.response {
        return Verdict::Yes(Confidence::Likely);
    }
    // which end serves is not known yet
    let frames = |sight: &Sight, bytes: &[u8]| bytes.is_empty() || sight.begins != Begins::No;
    if frames(&requests, evidence.to_server) && frames(&responses, evidence.to_client) {
        Verdict::Undecided
    } else {
        Verdict::No
    }
}

/// What the first frames tell, wherever they begin.
fn anywhere(bytes: &[u8], flow: Flow) -> Sight {
    let bytes = &bytes[..bytes.len().min(DETECT_BYTES_MAX)];
    let first = look(bytes, flow, usize::MAX, |_| false);
    if first.begins != Begins::No {
        return first;
    }
    let later = (1..bytes.len().saturating_sub(HEADER_BYTES)).map(|at| look(&bytes[at..], flow, usize::MAX, |_| false));
    later.into_iter().find(|sight| sight.begins == Begins::Yes).unwrap_or(first)
}

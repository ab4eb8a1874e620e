//! Is it WebSocket, on a connection whose upgrade was not seen? Frames that follow each other, masked by one end only, with a
//! readable text among them. There is no signature, so that much is asked for.

use super::frame::{Header, Read, TEXT, unmask};
use super::limits::PLAUSIBLE_FRAME_BYTES_MAX;
use crate::{Confidence, Evidence, Flow, Verdict};

/// How much of each direction is looked at.
const DETECT_BYTES_MAX: usize = 8 << 10;
/// Whole frames from the client, and readable bytes in them, that are asked for.
const FRAMES_MIN: usize = 3;
const TEXT_BYTES_MIN: usize = 16;

#[derive(Default)]
struct Sight {
    frames: usize,
    text_bytes: usize,
    malformed: bool,
}

pub fn detect(evidence: &Evidence<'_>) -> Verdict {
    // what begins a connection is the upgrade
    if evidence.from_start || evidence.to_server.is_empty() {
        return Verdict::No;
    }
    let (client, server) = (look(evidence.to_server, Flow::ToServer), look(evidence.to_client, Flow::ToClient));
    if client.malformed || server.malformed {
        Verdict::No
    } else if client.frames >= FRAMES_MIN && client.text_bytes >= TEXT_BYTES_MIN {
        Verdict::Yes(Confidence::Likely)
    } else {
        Verdict::Undecided
    }
}

fn look(bytes: &[u8], flow: Flow) -> Sight {
    let mut rest = &bytes[..bytes.len().min(DETECT_BYTES_MAX)];
    let mut sight = Sight::default();
    while !rest.is_empty() {
        let header = match Header::read(rest, flow) {
            Read::Header(header) if header.payload_bytes <= PLAUSIBLE_FRAME_BYTES_MAX => header,
            Read::NeedMore => break,
            _ => {
                sight.malformed = true;
                break;
            }
        };
        let end = header.len as u64 + header.payload_bytes;
        let Some((frame, after)) = usize::try_from(end).ok().and_then(|end| rest.split_at_checked(end)) else { break };
        sight.frames += 1;
        if header.opcode == TEXT && header.last && !header.compressed {
            let mut text = frame[header.len..].to_vec();
            unmask(&mut text, header.mask, 0);
            sight.malformed |= !readable(&text);
            sight.text_bytes += text.len();
        }
        rest = after;
    }
    sight
}

fn readable(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()))
}

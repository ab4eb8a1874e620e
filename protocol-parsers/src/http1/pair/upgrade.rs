//! The connection leaves HTTP/1: an upgrade to WebSocket or HTTP/2, or a tunnel.

use super::{Connection, Upgrade};
use crate::http1::head::{Head, list};
use crate::http1::message::Message;
use crate::http2::{self, Fields, Upgraded};
use crate::{Flow, Output, Segment, Skipped, Successor, Transport, websocket};

/// What comes after a 101.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Http2,
    Websocket,
    /// To be found out from its bytes.
    Other,
}

impl Next {
    fn of(response: &Head) -> Self {
        let upgrades = response.status() == 101;
        let to = |name: &[u8]| upgrades && response.values(b"upgrade").flat_map(list).any(|p| p.eq_ignore_ascii_case(name));
        if to(b"websocket") {
            Next::Websocket
        } else if to(b"h2c") {
            Next::Http2
        } else {
            Next::Other
        }
    }
}

impl Connection {
    /// This response is the last one of HTTP/1.
    pub(super) fn hand_over(&mut self, response: Box<Message>, paired: bool, broken: bool, out: &mut dyn Output) {
        self.handed_over = true;
        let next = Next::of(&response.head);
        let request = if next == Next::Http2 && paired { self.queue.pop().flatten() } else { None };
        self.successor = match (next, &request) {
            // the request becomes stream 1, whose response is still to come: one row, of HTTP/2
            (Next::Http2, Some(request)) => Some(Successor {
                protocol: &http2::PROTOCOL,
                parser: http2::upgraded(self.settings.body_bytes_max, upgraded(request)),
            }),
            (Next::Http2, None) => Some(self.new_connection(&http2::PROTOCOL)),
            (Next::Websocket, _) => Some(self.new_connection(&websocket::PROTOCOL)),
            (Next::Other, _) => None,
        };
        match request {
            Some(request) => {
                self.spare.put(request);
                self.spare.put(response);
            }
            None => self.answered(response, paired, broken, out),
        }
        if let Some(held) = self.upgrade.take() {
            self.give(held, out);
        }
    }

    fn new_connection(&self, protocol: &'static crate::Protocol) -> Successor {
        Successor { protocol, parser: (protocol.parser)(&self.settings, Transport::Stream, true) }
    }

    /// Gives the successor what the client sent before the answer.
    fn give(&mut self, held: Upgrade, out: &mut dyn Output) {
        match &mut self.successor {
            Some(next) => {
                let Upgrade { bytes, at, cut_bytes } = held;
                if !bytes.is_empty() {
                    next.parser.bytes(Segment { flow: Flow::ToServer, bytes: &bytes, at, remote: None }, out);
                }
                next.parser.unseen(Flow::ToServer, cut_bytes, at, out);
            }
            None if !held.bytes.is_empty() => out.skipped(Skipped::Malformed, 0, held.bytes.len() as u64),
            None => {}
        }
    }
}

/// A request as the first one of HTTP/2.
fn upgraded(request: &Message) -> Upgraded<'_> {
    let head = &request.head;
    let mut fields = Fields::default();
    let authority = head.values(b"host").next();
    let pseudo = [(b":method".as_slice(), head.method()), (b":path", head.target()), (b":authority", authority)];
    for (name, value) in pseudo {
        if let Some(value) = value {
            fields.push(name, value);
        }
    }
    for (name, value) in head.iter() {
        fields.push(&name.to_ascii_lowercase(), value);
    }
    fields.cut_bytes += head.cut_bytes;
    Upgraded {
        fields,
        started: request.started,
        last_ns: request.last_ns,
        bytes: request.bytes,
        body: &request.body,
        body_bytes: request.body_bytes,
        body_cut: request.body_cut,
        whole: request.whole,
        gap_before: request.gap_before,
        confidence: request.confidence,
    }
}

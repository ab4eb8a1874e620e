//! Messages become rows.
//!
//! In: segments of both directions. Out: a row when a message is whole, or when it is known that it will not be. There is
//! nothing to pair.

use super::direction::{Direction, Message};
use super::frame::{BINARY, CLOSE, PING, PONG, TEXT};
use super::table::WebsocketEvent;
use crate::coding::whole_characters;
use crate::{Exchange, Flow, Moment, Output, Parser, Segment, Settings, State, Transport};

pub fn parser(settings: &Settings, _: Transport, from_start: bool) -> Box<dyn Parser> {
    let direction = |flow| Direction::new(flow, from_start, settings.body_bytes_max);
    Box::new(Connection { to_server: direction(Flow::ToServer), to_client: direction(Flow::ToClient) })
}

struct Connection {
    to_server: Direction,
    to_client: Direction,
}

impl Connection {
    fn direction(&mut self, flow: Flow) -> &mut Direction {
        match flow {
            Flow::ToServer => &mut self.to_server,
            Flow::ToClient => &mut self.to_client,
        }
    }
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        let Segment { flow, bytes, at, .. } = segment;
        let direction = self.direction(flow);
        direction.begin_segment(bytes);
        let mut stream = std::mem::take(&mut direction.stream);
        stream.feed(bytes, at, |data, first, _| {
            let (used, message) = direction.next(data, first, out);
            if let Some(message) = message {
                write(flow, &message, false, out);
            }
            used
        });
        direction.stream = stream;
    }

    fn unseen(&mut self, flow: Flow, len: u64, _: Moment, out: &mut dyn Output) {
        if len > 0
            && let Some(message) = self.direction(flow).hole(len, out)
        {
            write(flow, &message, false, out);
        }
    }

    fn end(&mut self, flow: Flow, _: Moment, out: &mut dyn Output) {
        if let Some(message) = self.direction(flow).take_incomplete() {
            write(flow, &message, true, out);
        }
    }

    fn close(&mut self, at: Moment, out: &mut dyn Output) {
        self.end(Flow::ToServer, at, out);
        self.end(Flow::ToClient, at, out);
    }

    fn expire(&mut self, _: u64, _: &mut dyn Output) {}

    fn waiting_since(&self) -> Option<u64> {
        None
    }

    fn state(&self) -> State {
        if self.to_server.misfit || self.to_client.misfit { State::NotMine } else { State::Working }
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.to_server.heap_bytes() + self.to_client.heap_bytes()
    }
}

/// Writes a message's row; `broken` when the connection ended before it was whole.
fn write(flow: Flow, message: &Message, broken: bool, out: &mut dyn Output) {
    let text = if message.text_cut { whole_characters(&message.text) } else { &message.text };
    let opcode: Option<&[u8]> = message.opcode.and_then(|opcode| match opcode {
        TEXT => Some(b"text".as_slice()),
        BINARY => Some(b"binary"),
        CLOSE => Some(b"close"),
        PING => Some(b"ping"),
        PONG => Some(b"pong"),
        _ => None,
    });
    let mut row = WebsocketEvent {
        direction: Some(if flow == Flow::ToServer { b"to_server" } else { b"to_client" }),
        opcode,
        payload_bytes: i64::try_from(message.payload_bytes).ok(),
        fragments: Some(message.fragments),
        compressed: Some(message.compressed),
        ..WebsocketEvent::default()
    };
    let mut truncated = false;
    // a text of which nothing was seen is told by its size
    let unseen = message.text_unknown || (message.text_cut && text.is_empty());
    match message.opcode {
        Some(TEXT) if !unseen => {
            row.text = Some(text);
            truncated = message.text_cut;
        }
        Some(CLOSE) => {
            // RFC 6455, section 5.5.1
            if let Some((code, reason)) = text.split_first_chunk::<2>() {
                row.close_code = Some(i32::from(u16::from_be_bytes(*code)));
                row.close_reason = (!reason.is_empty()).then_some(reason);
            }
        }
        _ => {}
    }
    let bytes = Some(message.wire_bytes);
    let exchange = Exchange {
        started: message.started,
        request_bytes: bytes.filter(|_| flow == Flow::ToServer),
        response_bytes: bytes.filter(|_| flow == Flow::ToClient),
        truncated,
        gap_before: message.gap_before,
        broken,
        confidence: message.confidence,
        ..Exchange::default()
    };
    out.row(&row, &exchange);
}

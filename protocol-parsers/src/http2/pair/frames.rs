//! What each frame does.

use super::Connection;
use crate::http2::direction::{Block, Piece, Section};
use crate::http2::frame::{self, CONTINUATION, GOAWAY, Header, PUSH_PROMISE, RST_STREAM};
use crate::http2::message::Message;
use crate::{Flow, Moment, Output, Skipped};

impl Connection {
    /// Takes the next piece of what is not consumed; answers how many bytes that is, 0 when more are needed.
    pub(super) fn piece(&mut self, flow: Flow, data: &[u8], first: Moment, last: Moment, out: &mut dyn Output) -> usize {
        loop {
            let (direction, calls) = match flow {
                Flow::ToServer => (&mut self.requests, &self.calls),
                Flow::ToClient => (&mut self.responses, &self.calls),
            };
            let (used, piece) = direction.next(data, |id| calls.contains(id));
            match piece {
                Piece::NeedMore => return 0,
                Piece::Again => continue,
                Piece::Nothing => {}
                Piece::DataBegins { stream } => self.data(flow, stream, &[], used, last, out),
                Piece::Data { stream, bytes } => self.data(flow, stream, bytes, used, last, out),
                Piece::DataEnds { stream, last: ends } => self.ended(flow, stream, ends, last, out),
                Piece::Frame { header, payload } => self.frame(flow, &header, payload, first, last, out),
                Piece::Skipped(why) => out.skipped(why, 0, used as u64),
                Piece::Lost => {
                    out.skipped(Skipped::Malformed, 0, used as u64);
                    direction.lose(Skipped::Malformed);
                    self.doubt(flow);
                }
            }
            self.data_ended(flow, last, out);
            if used > 0 {
                return used;
            }
        }
    }

    /// A DATA frame may be over without a byte that says so.
    pub(super) fn data_ended(&mut self, flow: Flow, at: Moment, out: &mut dyn Output) {
        let direction = self.direction(flow);
        if direction.has_more()
            && let (_, Piece::DataEnds { stream, last }) = direction.next(&[], |_| false)
        {
            self.ended(flow, stream, last, at, out);
        }
    }

    fn message(&mut self, flow: Flow, stream: u32) -> Option<(&mut Message, usize)> {
        let (call, room) = self.calls.get_with_room(stream)?;
        Some((if flow == Flow::ToServer { &mut call.request } else { &mut call.response }, room))
    }

    /// `wire_bytes` of a DATA frame, of which `bytes` are the body's.
    fn data(&mut self, flow: Flow, stream: u32, bytes: &[u8], wire_bytes: usize, at: Moment, out: &mut dyn Output) {
        let bytes_max = self.body_bytes_max;
        let Some((message, room)) = self.message(flow, stream) else {
            // of a stream whose beginning was not seen, not of one that is a row already
            if self.began_before(stream) {
                out.skipped(Skipped::JoinedMidMessage, 0, wire_bytes as u64);
            }
            return;
        };
        message.begin(at);
        message.bytes += wire_bytes as u64;
        message.last_ns = at.mono_ns;
        let kept = message.add_body(bytes, bytes_max, room);
        self.calls.count_more(stream, kept);
    }

    pub(super) fn data_hole(&mut self, flow: Flow, stream: u32, data: u64, padded: u64, at: Moment) {
        if let Some((message, _)) = self.message(flow, stream) {
            message.begin(at);
            message.bytes += data + padded;
            message.last_ns = at.mono_ns;
            message.add_hole(data);
        }
    }

    /// A frame of a stream is over, and with it the message if it `ends`.
    fn ended(&mut self, flow: Flow, stream: u32, ends: bool, at: Moment, out: &mut dyn Output) {
        if !ends {
            return;
        }
        if let Some((message, _)) = self.message(flow, stream) {
            message.whole = true;
            message.last_ns = at.mono_ns;
            self.settle(stream, at.mono_ns, out);
        }
    }

    fn frame(&mut self, flow: Flow, header: &Header, payload: &[u8], first: Moment, last: Moment, out: &mut dyn Output) {
        match header.kind {
            RST_STREAM => {
                let code = payload.first_chunk().map_or(0, |code| u32::from_be_bytes(*code));
                self.reset(header.stream, code, out);
            }
            GOAWAY => {
                let last_stream = payload.first_chunk().map_or(0, |id| u32::from_be_bytes(*id) & !(1 << 31));
                self.going_away(flow, last_stream, out);
            }
            _ if header.carries_fields() => self.block(flow, header, payload, first, last, out),
            _ => {}
        }
    }

    /// Either end gives a stream up.
    fn reset(&mut self, stream: u32, code: u32, out: &mut dyn Output) {
        let Some(call) = self.calls.get(stream) else { return };
        call.reset = Some(code);
        let whole = call.response.whole;
        self.emit(stream, !whole, out);
    }

    /// An end will not serve streams of the other that are higher (RFC 9113, section 6.8).
    fn going_away(&mut self, flow: Flow, last_stream: u32, out: &mut dyn Output) {
        let opened_by_other = if flow == Flow::ToClient { 1 } else { 0 };
        let refused =
            self.calls.iter().filter(|(id, call)| *id > last_stream && id % 2 == opened_by_other && !call.response.begun);
        let ids: Vec<u32> = refused.map(|call| call.0).collect();
        for id in ids {
            self.emit(id, true, out);
        }
    }

    /// Takes a part of a header block.
    fn block(&mut self, flow: Flow, header: &Header, payload: &[u8], first: Moment, last: Moment, out: &mut dyn Output) {
        let wire_bytes = (frame::HEADER_BYTES + header.len) as u64;
        let part = if payload.len() == header.len { frame::block(header, payload) } else { None };
        let whole = header.has(frame::END_HEADERS);
        let direction = self.direction(flow);
        if header.kind == CONTINUATION {
            let Some(block) = &mut direction.block else { return direction.miss() };
            block.section.wire_bytes += wire_bytes;
            block.add(part.map(|p| p.fragment));
            if whole && let Some(mut block) = direction.block.take() {
                block.section.last_ns = last.mono_ns;
                self.section(flow, &block.section, block.bytes.as_deref(), out);
            }
            return;
        }
        let push = header.kind == PUSH_PROMISE;
        let section = Section {
            stream: if push { part.map_or(0, |p| p.promised) } else { header.stream },
            push,
            ends: push || header.has(frame::END_STREAM),
            started: first,
            last_ns: last.mono_ns,
            wire_bytes,
        };
        let fragment = part.map(|p| p.fragment);
        if whole {
            self.section(flow, &section, fragment, out);
        } else {
            direction.block = Some(Block { stream: header.stream, section, bytes: fragment.map(<[u8]>::to_vec) });
        }
    }
}

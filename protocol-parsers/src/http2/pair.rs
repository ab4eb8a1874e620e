//! Frames become calls, and calls become rows: the stream's number says which response belongs to which request.
//!
//! In: segments of both directions. Out: one row a stream, when its response is whole, or when it is known that it will not be.

mod frames;
mod sections;

use super::calls::Calls;
use super::direction::{Direction, Missed};
use super::fields::Fields;
use super::limits::{LATE_BODY_NS_MAX, LATE_REQUEST_NS_MAX};
use super::row::Rows;
use crate::limits::PENDING_BYTES_MAX;
use crate::{Confidence, Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Transport};

pub fn parser(settings: &Settings, _: Transport, from_start: bool) -> Box<dyn Parser> {
    Box::new(Connection::new(settings.body_bytes_max, from_start))
}

/// A request over HTTP/1.1 that became stream 1 (RFC 7540, section 3.2).
pub(crate) struct Upgraded<'a> {
    pub fields: Fields,
    pub started: Moment,
    pub last_ns: u64,
    pub bytes: u64,
    pub body: &'a [u8],
    pub body_bytes: u64,
    pub body_cut: bool,
    pub whole: bool,
    pub gap_before: bool,
    pub confidence: Confidence,
}

/// The parser of a connection on which this request was answered with an upgrade; its next bytes are the connection's first
/// of HTTP/2.
pub(crate) fn upgraded(body_bytes_max: usize, request: Upgraded<'_>) -> Box<dyn Parser> {
    let mut connection = Connection::new(body_bytes_max, true);
    if let Some(call) = connection.calls.open(1) {
        call.upgraded = true;
        call.confidence = request.confidence;
        let message = &mut call.request;
        message.fields = request.fields;
        message.take_head();
        message.begin(request.started);
        message.last_ns = request.last_ns;
        message.bytes = request.bytes;
        message.add_body(request.body, body_bytes_max, PENDING_BYTES_MAX);
        message.body_bytes = request.body_bytes;
        message.body_cut |= request.body_cut;
        message.whole = request.whole;
        message.gap_before = request.gap_before;
    }
    connection.last_request = 1;
    connection.calls.count(1);
    Box::new(connection)
}

pub(super) struct Connection {
    body_bytes_max: usize,
    /// How sure a row is that has no reason for less.
    confidence: Confidence,
    requests: Direction,
    responses: Direction,
    calls: Calls,
    /// The first and the highest stream that the client was seen to open.
    first_request: u32,
    last_request: u32,
    /// Calls whose response is whole and whose request is not.
    waits: Vec<Waiting>,
    /// Memory for the section that is being read.
    fields: Fields,
    rows: Rows,
}

#[derive(Clone, Copy)]
struct Waiting {
    id: u32,
    until_ns: u64,
    /// The caller has looked once since.
    aged: bool,
}

impl Connection {
    fn new(body_bytes_max: usize, from_start: bool) -> Self {
        Self {
            body_bytes_max,
            confidence: if from_start { Confidence::Certain } else { Confidence::Likely },
            requests: Direction::new(Flow::ToServer, from_start),
            responses: Direction::new(Flow::ToClient, from_start),
            calls: Calls::default(),
            first_request: if from_start { 1 } else { u32::MAX },
            last_request: 0,
            waits: Vec::new(),
            fields: Fields::default(),
            rows: Rows::new(body_bytes_max),
        }
    }

    fn direction(&mut self, flow: Flow) -> &mut Direction {
        match flow {
            Flow::ToServer => &mut self.requests,
            Flow::ToClient => &mut self.responses,
        }
    }

    /// Frames of this direction were missed: what is under way in it may lack some.
    fn doubt(&mut self, flow: Flow) {
        for call in self.calls.iter_mut() {
            let message = if flow == Flow::ToServer { &mut call.request } else { &mut call.response };
            if message.whole {
                continue;
            }
            if message.begun {
                message.doubt();
            }
            call.doubtful = true;
            call.confidence = Confidence::Guessed;
        }
    }

    /// Writes the row of a call whose response is whole, if there is nothing to wait for.
    fn settle(&mut self, id: u32, now_ns: u64, out: &mut dyn Output) {
        let Some(call) = self.calls.get(id) else { return };
        if !call.response.whole {
            return;
        }
        let wait_ns = if call.request.whole {
            0
        } else if call.request.begun {
            LATE_BODY_NS_MAX
        } else if id > self.last_request && self.requests.synchronised() {
            LATE_REQUEST_NS_MAX
        } else {
            0
        };
        if wait_ns == 0 {
            self.emit(id, false, out);
        } else if !self.waits.iter().any(|w| w.id == id) {
            self.waits.push(Waiting { id, until_ns: now_ns.saturating_add(wait_ns), aged: false });
        }
    }

    /// Writes a call's row, and ends it.
    fn emit(&mut self, id: u32, broken: bool, out: &mut dyn Output) {
        let Some(call) = self.calls.take(id) else { return };
        if !call.request.whole || !call.response.whole {
            self.calls.forget(id);
        }
        self.waits.retain(|w| w.id != id);
        self.rows.write(id, &call, broken, out);
        self.calls.put_back(call);
    }

    /// Ends what has waited long enough.
    fn release(&mut self, ready: impl Fn(&Waiting) -> bool, out: &mut dyn Output) {
        while let Some(at) = self.waits.iter().position(&ready) {
            let id = self.waits.swap_remove(at).id;
            self.emit(id, false, out);
        }
    }

    /// Ends all calls: no response will come.
    fn emit_all(&mut self, out: &mut dyn Output) {
        let ids: Vec<(u32, bool)> = self.calls.iter().map(|(id, call)| (id, call.response.whole)).collect();
        for (id, whole) in ids {
            self.emit(id, !whole, out);
        }
    }

    /// Whether a stream began before something was seen of it.
    fn began_before(&self, stream: u32) -> bool {
        !(self.first_request..=self.last_request).contains(&stream) && !self.calls.is_gone(stream)
    }

    /// Whether nothing has come for a call for so long that nothing is expected any more.
    fn unanswered(call: &super::message::Call) -> bool {
        call.doubtful || call.request.whole && !call.response.begun
    }
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        let Segment { flow, bytes, at, .. } = segment;
        if !self.waits.is_empty() {
            self.release(|w| w.until_ns < at.mono_ns, out);
        }
        let mut stream = std::mem::take(&mut self.direction(flow).stream);
        stream.feed(bytes, at, |data, first, last| self.piece(flow, data, first, last, out));
        self.direction(flow).stream = stream;
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        if len == 0 {
            return;
        }
        let hole = self.direction(flow).hole(len);
        if hole.held > 0 && hole.missed != Missed::Nothing {
            out.skipped(Skipped::Gap, 0, hole.held as u64);
        }
        if let Some((stream, data, padded)) = hole.data {
            self.data_hole(flow, stream, data, padded, at);
            self.data_ended(flow, at, out);
        }
        match hole.missed {
            Missed::Nothing => return,
            Missed::Frames => self.direction(flow).miss(),
            Missed::Place => self.direction(flow).lose(Skipped::Gap),
        }
        self.doubt(flow);
    }

    fn end(&mut self, flow: Flow, _: Moment, out: &mut dyn Output) {
        let direction = self.direction(flow);
        let held = direction.stream.len();
        direction.stream.clear();
        if held > 0 {
            out.skipped(Skipped::Malformed, 0, held as u64);
        }
        if flow == Flow::ToClient {
            self.emit_all(out);
        }
    }

    fn close(&mut self, at: Moment, out: &mut dyn Output) {
        self.end(Flow::ToServer, at, out);
        self.end(Flow::ToClient, at, out);
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        // the caller's clock is not known: what was there at its last look has waited long enough
        self.release(|w| w.aged, out);
        for waiting in &mut self.waits {
            waiting.aged = true;
        }
        let old = self.calls.iter().filter(|(_, call)| Self::unanswered(call) && call.started().mono_ns < before_ns);
        let ids: Vec<u32> = old.map(|call| call.0).collect();
        for id in ids {
            self.emit(id, false, out);
        }
    }

    fn waiting_since(&self) -> Option<u64> {
        if !self.waits.is_empty() {
            // their rows are due as soon as the caller looks
            return Some(0);
        }
        let unanswered = self.calls.iter().filter(|(_, call)| Self::unanswered(call));
        unanswered.map(|(_, call)| call.started().mono_ns).min()
    }

    fn state(&self) -> State {
        if self.requests.misfit || self.responses.misfit { State::NotMine } else { State::Working }
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.requests.heap_bytes()
            + self.responses.heap_bytes()
            + self.calls.heap_bytes()
            + self.waits.capacity() * size_of::<Waiting>()
            + self.fields.heap_bytes()
            + self.rows.heap_bytes()
    }
}

//! Which response belongs to which request: the order on the connection says so (RFC 9112, section 9.3).
//!
//! In: segments of both directions. Out: rows. After a loss the order is a guess, until the connection has been quiet
//! between two requests; moments then tell what cannot belong together.

mod requests;
mod responses;
mod upgrade;

use super::frame::{Event, Reader};
use super::message::Message;
use super::queue::{Queue, Spare};
use super::row::Rows;
use crate::{Confidence, Flow, Moment, Output, Parser, Segment, Settings, State, Successor, Transport};

pub fn parser(settings: &Settings, _: Transport, from_start: bool) -> Box<dyn Parser> {
    Box::new(Connection {
        settings: *settings,
        confidence: confidence(from_start),
        requests: Reader::new(Flow::ToServer, from_start),
        responses: Reader::new(Flow::ToClient, from_start),
        queue: Queue::default(),
        answer: None,
        interim: None,
        waits: None,
        upgrade: None,
        pipelined: false,
        handed_over: false,
        successor: None,
        spare: Spare::default(),
        rows: Rows::new(settings),
    })
}

fn confidence(from_start: bool) -> Confidence {
    if from_start { Confidence::Certain } else { Confidence::Likely }
}

struct Connection {
    settings: Settings,
    /// How sure a pairing is that is made now.
    confidence: Confidence,
    requests: Reader,
    responses: Reader,
    /// Requests without a whole response, and placeholders for those that are rows already or never become one.
    queue: Queue,
    /// The response that is being received.
    answer: Option<Answer>,
    /// The 1xx responses before the next response.
    interim: Option<Interim>,
    /// A whole response whose request is not there, or not whole.
    waits: Option<Waits>,
    /// What was sent after a request to upgrade, until that is answered.
    upgrade: Option<Upgrade>,
    /// The client sends requests before it has the responses.
    pipelined: bool,
    handed_over: bool,
    /// Parses what comes after the hand-over, until the caller does.
    successor: Option<Successor>,
    spare: Spare,
    rows: Rows,
}

struct Answer {
    message: Box<Message>,
    /// It is the response to the first of the queue.
    paired: bool,
    /// HTTP ends with this response.
    last: bool,
}

#[derive(Clone, Copy)]
struct Interim {
    started: Moment,
    bytes: u64,
    receiving: bool,
}

struct Waits {
    message: Box<Message>,
    /// For the rest of the first of the queue, and not for a request that is still to come.
    paired: bool,
    /// The caller has looked once since.
    aged: bool,
}

#[derive(Default)]
struct Upgrade {
    bytes: Vec<u8>,
    at: Moment,
    /// Bytes beyond the limit.
    cut_bytes: u64,
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        if self.handed_over {
            if let Some(next) = &mut self.successor {
                next.parser.bytes(segment, out);
            }
            return;
        }
        self.release_late(segment.at.mono_ns, out);
        match segment.flow {
            Flow::ToServer => self.request_bytes(segment.bytes, segment.at, out),
            Flow::ToClient => {
                if let Some(Event::Skipped { why, messages, bytes }) = self.responses.begin_segment(segment.bytes) {
                    out.skipped(why, messages, bytes);
                }
                self.response_bytes(segment.bytes, segment.at, out);
            }
        }
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        if self.handed_over {
            if let Some(next) = &mut self.successor {
                next.parser.unseen(flow, len, at, out);
            }
            return;
        }
        if len == 0 {
            return;
        }
        self.release_late(at.mono_ns, out);
        match flow {
            Flow::ToServer => {
                let body = self.requests.hole(len, at);
                if let Some(request) = self.queue.receiving() {
                    request.add_hole(body);
                }
                self.request_bytes(&[], at, out);
                if body < len {
                    let event = self.requests.gap();
                    self.request_event(event, out);
                    self.confidence = Confidence::Guessed;
                }
            }
            Flow::ToClient => {
                let body = self.responses.hole(len, at);
                if let Some(answer) = &mut self.answer {
                    answer.message.add_hole(body);
                }
                self.response_bytes(&[], at, out);
                if body < len && !self.handed_over {
                    let event = self.responses.gap();
                    self.response_event(event, false, out);
                    self.confidence = Confidence::Guessed;
                    self.queue.doubt();
                    self.resume_requests(out);
                }
            }
        }
    }

    fn end(&mut self, flow: Flow, at: Moment, out: &mut dyn Output) {
        if self.handed_over {
            if let Some(next) = &mut self.successor {
                next.parser.end(flow, at, out);
            }
            return;
        }
        match flow {
            Flow::ToServer => {
                let event = self.requests.end();
                self.request_event(event, out);
            }
            Flow::ToClient => {
                let event = self.responses.end();
                self.response_event(event, true, out);
            }
        }
    }

    fn close(&mut self, at: Moment, out: &mut dyn Output) {
        self.end(Flow::ToServer, at, out);
        self.end(Flow::ToClient, at, out);
        self.release(out);
        while let Some(request) = self.queue.pop() {
            if let Some(request) = request {
                self.rows.write(Some(&request), None, true, out);
                self.spare.put(request);
            }
        }
        if let Some(next) = &mut self.successor {
            next.parser.close(at, out);
        }
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        // the caller's clock is not known: what was there at its last look has waited long enough
        match &mut self.waits {
            Some(waits) if waits.aged => self.release(out),
            Some(waits) => waits.aged = true,
            None => {}
        }
        let answered = usize::from(self.front_is_answered());
        let mut expired = false;
        while let Some(request) = self.queue.expire(answered, before_ns) {
            self.rows.write(Some(&request), None, false, out);
            self.spare.put(request);
            expired = true;
        }
        if expired {
            self.resume_requests(out);
        }
        if let Some(next) = &mut self.successor {
            next.parser.expire(before_ns, out);
        }
    }

    fn waiting_since(&self) -> Option<u64> {
        if self.waits.is_some() {
            // its row is due as soon as the caller looks
            return Some(0);
        }
        let own = self.queue.waiting_since(usize::from(self.front_is_answered()));
        own.or_else(|| self.successor.as_ref()?.parser.waiting_since())
    }

    fn state(&self) -> State {
        if self.handed_over {
            State::HandedOver
        } else if self.requests.misfit || self.responses.misfit {
            State::NotMine
        } else {
            State::Working
        }
    }

    fn passes_over(&self, flow: Flow) -> u64 {
        if self.handed_over {
            return self.successor.as_ref().map_or(0, |next| next.parser.passes_over(flow));
        }
        let (reader, kept) = match flow {
            Flow::ToServer => (&self.requests, self.queue.keeps_body()),
            Flow::ToClient => (&self.responses, self.answer.as_ref().is_some_and(|answer| !answer.message.body_cut)),
        };
        if kept { 0 } else { reader.body_left() }
    }

    fn successor(&mut self) -> Option<Successor> {
        self.successor.take()
    }

    fn heap_bytes(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |a| a.message.heap_bytes());
        let waits = self.waits.as_ref().map_or(0, |w| w.message.heap_bytes());
        let upgrade = self.upgrade.as_ref().map_or(0, |u| u.bytes.capacity());
        let successor = self.successor.as_ref().map_or(0, |next| next.parser.heap_bytes());
        let readers = self.requests.heap_bytes() + self.responses.heap_bytes();
        size_of::<Self>()
            + answer
            + waits
            + upgrade
            + successor
            + readers
            + self.queue.heap_bytes()
            + self.spare.heap_bytes()
            + self.rows.heap_bytes()
    }
}

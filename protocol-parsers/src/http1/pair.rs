//! Which response belongs to which request: the order on the connection says so (RFC 9112, section 9.3).
//!
//! In: segments of both directions. Out: rows. After a loss the order is a guess, until the connection has been quiet
//! between two requests; moments then tell what cannot belong together.

use super::frame::{Event, Framing, Reader};
use super::head::Length;
use super::limits::{LATE_BODY_NS_MAX, LATE_REQUEST_NS_MAX, UPGRADE_BYTES_MAX};
use super::message::Message;
use super::queue::{Kind, Queue, Spare};
use super::row::Rows;
use crate::{Confidence, Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Transport};

pub fn parser(settings: &Settings, _: Transport, from_start: bool) -> Box<dyn Parser> {
    Box::new(Connection {
        body_bytes_max: settings.body_bytes_max,
        confidence: confidence(from_start),
        requests: Reader::new(Flow::ToServer, from_start),
        responses: Reader::new(Flow::ToClient, from_start),
        queue: Queue::default(),
        answer: None,
        interim: None,
        waits: None,
        upgrade: None,
        body_refused: false,
        pipelined: false,
        handed_over: false,
        spare: Spare::default(),
        rows: Rows::new(settings.body_bytes_max),
    })
}

fn confidence(from_start: bool) -> Confidence {
    if from_start { Confidence::Certain } else { Confidence::Likely }
}

struct Connection {
    body_bytes_max: usize,
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
    /// The body that comes next in `requests` was answered before it was sent, and may not be sent at all.
    body_refused: bool,
    /// The client sends requests before it has the responses.
    pipelined: bool,
    handed_over: bool,
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
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        if self.handed_over {
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
        if self.handed_over || len == 0 {
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

    fn end(&mut self, flow: Flow, _: Moment, out: &mut dyn Output) {
        if self.handed_over {
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
    }

    fn waiting_since(&self) -> Option<u64> {
        if self.waits.is_some() {
            // its row is due as soon as the caller looks
            return Some(0);
        }
        self.queue.waiting_since(usize::from(self.front_is_answered()))
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

    fn heap_bytes(&self) -> usize {
        let answer = self.answer.as_ref().map_or(0, |a| a.message.heap_bytes());
        let waits = self.waits.as_ref().map_or(0, |w| w.message.heap_bytes());
        let upgrade = self.upgrade.as_ref().map_or(0, |u| u.bytes.capacity());
        let readers = self.requests.heap_bytes() + self.responses.heap_bytes();
        size_of::<Self>()
            + answer
            + waits
            + upgrade
            + readers
            + self.queue.heap_bytes()
            + self.spare.heap_bytes()
            + self.rows.heap_bytes()
    }
}

/// Requests.
impl Connection {
    fn request_bytes(&mut self, mut rest: &[u8], at: Moment, out: &mut dyn Output) {
        let skipped = self.requests.begin_segment(rest);
        self.request_event(skipped, out);
        loop {
            if self.upgrade.is_some() {
                return self.hold(rest, at, out);
            }
            if self.body_is_not_sent(rest) {
                self.requests.abandon_body();
            }
            let Some(event) = self.requests.next(&mut rest, at) else { return };
            self.request_event(Some(event), out);
        }
    }

    fn request_event(&mut self, event: Option<Event<'_>>, out: &mut dyn Output) {
        match event {
            Some(Event::Head) => self.request_head(out),
            Some(Event::Body(bytes)) => {
                if let Some(request) = self.queue.receiving() {
                    request.add_body(bytes, self.body_bytes_max);
                }
            }
            Some(Event::End) => self.request_ended(true, out),
            Some(Event::Lost) => self.request_ended(false, out),
            Some(Event::Skipped { why, messages, bytes }) => out.skipped(why, messages, bytes),
            None => {}
        }
    }

    fn request_head(&mut self, out: &mut dyn Output) {
        // nothing is under way: the next pair belongs together, whatever was lost before
        if self.queue.is_empty() && self.answer.is_none() && self.waits.is_none() && self.responses.between_messages() {
            if self.confidence == Confidence::Guessed {
                self.confidence = Confidence::Likely;
            }
        } else {
            self.pipelined |= self.queue.waits_surely() && !self.front_is_answered();
        }
        let mut request = self.spare.take();
        self.requests.take_head(&mut request);
        request.confidence = self.confidence;
        if request.head.cut_bytes > 0 {
            out.skipped(Skipped::OverLimit, 0, request.head.cut_bytes);
        }
        let kind = Kind::of(&request.head);
        self.body_refused = false;
        self.requests.begin_body(match (request.head.chunked, request.head.length) {
            (true, _) => Framing::Chunked,
            (false, Length::Bytes(len)) => Framing::Length(len),
            (false, _) => Framing::Length(0),
        });
        if self.queue.is_overfull() {
            self.give_up_pairing(out);
        }
        let started_ns = request.started.mono_ns;
        if let Some(refused) = self.queue.push(kind, request) {
            out.skipped(Skipped::OverLimit, 1, self.requests.bytes);
            self.spare.put(refused);
        }
        self.pair_late(kind, started_ns, out);
    }

    /// Gives the request that has just come the response that was reported before it.
    fn pair_late(&mut self, kind: Kind, started_ns: u64, out: &mut dyn Output) {
        if self.queue.len() != 1 {
            return;
        }
        if let Some(waits) = &mut self.waits {
            waits.paired = true;
            waits.message.confidence = waits.message.confidence.min(self.confidence);
        } else if let Some(answer) = &mut self.answer
            && self.confidence > Confidence::Guessed
            && started_ns.saturating_sub(answer.message.started.mono_ns) <= LATE_REQUEST_NS_MAX
        {
            answer.paired = true;
            if kind == Kind::Head && answer.message.body_bytes == 0 {
                self.responses.abandon_body();
                self.answer_ended(true, false, out);
            }
        }
    }

    fn request_ended(&mut self, whole: bool, out: &mut dyn Output) {
        let (bytes, last) = (self.requests.bytes, self.requests.last);
        let Some(kind) = self.queue.received(bytes, last.mono_ns, whole) else { return };
        if self.waits.as_ref().is_some_and(|w| w.paired) {
            self.release(out);
        } else if kind.may_upgrade() && whole {
            self.upgrade = Some(Upgrade::default());
        }
    }

    /// A client that asked whether to send its body, and has got its final answer, may go on with the next request.
    fn body_is_not_sent(&self, rest: &[u8]) -> bool {
        self.body_refused && self.requests.body_is_untouched() && self.requests.is_start(rest)
    }

    fn hold(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let Some(upgrade) = &mut self.upgrade else { return };
        if upgrade.bytes.is_empty() {
            upgrade.at = at;
        }
        let kept = bytes.len().min(UPGRADE_BYTES_MAX - upgrade.bytes.len());
        upgrade.bytes.extend_from_slice(&bytes[..kept]);
        if kept < bytes.len() {
            out.skipped(Skipped::OverLimit, 0, (bytes.len() - kept) as u64);
        }
    }

    /// HTTP goes on after a request to upgrade.
    fn resume_requests(&mut self, out: &mut dyn Output) {
        let Some(upgrade) = self.upgrade.take() else { return };
        let over_limit = upgrade.bytes.len() == UPGRADE_BYTES_MAX;
        self.request_bytes(&upgrade.bytes, upgrade.at, out);
        if over_limit {
            let event = self.requests.gap();
            self.request_event(event, out);
            self.confidence = Confidence::Guessed;
        }
    }

    /// More requests wait than can be remembered.
    fn give_up_pairing(&mut self, out: &mut dyn Output) {
        while let Some(request) = self.queue.pop() {
            if let Some(request) = request {
                self.rows.write(Some(&request), None, false, out);
                self.spare.put(request);
            }
        }
        if let Some(answer) = &mut self.answer {
            answer.paired = false;
        }
        self.confidence = Confidence::Guessed;
    }
}

/// Responses.
impl Connection {
    fn response_bytes(&mut self, mut rest: &[u8], at: Moment, out: &mut dyn Output) {
        while !self.handed_over
            && let Some(event) = self.responses.next(&mut rest, at)
        {
            self.response_event(Some(event), false, out);
        }
    }

    /// `ends` says that the connection does.
    fn response_event(&mut self, event: Option<Event<'_>>, ends: bool, out: &mut dyn Output) {
        match event {
            Some(Event::Head) => self.response_head(out),
            Some(Event::Body(bytes)) => {
                if let Some(answer) = &mut self.answer {
                    answer.message.add_body(bytes, self.body_bytes_max);
                }
            }
            Some(Event::End) => self.answer_ended(true, false, out),
            Some(Event::Lost) => self.answer_ended(false, ends, out),
            Some(Event::Skipped { why, messages, bytes }) => out.skipped(why, messages, bytes),
            None => {}
        }
    }

    fn response_head(&mut self, out: &mut dyn Output) {
        let mut message = self.spare.take();
        self.responses.take_head(&mut message);
        let status = message.head.status();
        if (100..200).contains(&status) && status != 101 {
            let interim = self.interim.get_or_insert(Interim { started: message.started, bytes: 0, receiving: true });
            interim.receiving = true;
            self.queue.agreed_to_body();
            self.spare.put(message);
            return self.responses.begin_body(Framing::Length(0));
        }
        if let Some(interim) = self.interim {
            message.started = interim.started;
        }
        if message.head.cut_bytes > 0 {
            out.skipped(Skipped::OverLimit, 0, message.head.cut_bytes);
        }
        let paired = self.pair(&message, out);
        let kind = if paired { self.queue.front_kind() } else { Kind::Other };
        message.confidence = self.confidence;
        let last = status == 101 || kind == Kind::Connect && (200..300).contains(&status);
        let bodyless = last || kind == Kind::Head || matches!(status, 204 | 304);
        self.responses.begin_body(match (message.head.chunked, message.head.length) {
            _ if bodyless => Framing::Length(0),
            (true, _) => Framing::Chunked,
            (false, Length::Bytes(len)) => Framing::Length(len),
            (false, _) => Framing::UntilEnd,
        });
        self.answer = Some(Answer { message, paired, last });
    }

    /// Whether the response is that of the queue's first request.
    fn pair(&mut self, response: &Message, out: &mut dyn Output) -> bool {
        // the one before has no more to wait for
        self.release(out);
        if self.confidence < Confidence::Certain {
            let started_ns = response.started.mono_ns;
            while !self.pipelined && self.queue.skips_front(started_ns) {
                if let Some(Some(request)) = self.queue.pop() {
                    self.rows.write(Some(&request), None, false, out);
                    self.spare.put(request);
                }
            }
            if self.queue.front_is_younger(started_ns) {
                return false;
            }
        }
        !self.queue.is_empty()
    }

    /// The response is over: `whole`, or cut off, by the connection's end if `broken`.
    fn answer_ended(&mut self, whole: bool, broken: bool, out: &mut dyn Output) {
        let bytes = self.responses.bytes;
        if let Some(interim) = &mut self.interim
            && interim.receiving
        {
            interim.bytes += bytes;
            interim.receiving = false;
            return;
        }
        let Some(Answer { mut message, paired, last }) = self.answer.take() else { return };
        message.bytes = bytes + self.interim.take().map_or(0, |i| i.bytes);
        message.last_ns = self.responses.last.mono_ns;
        message.whole = whole;
        message.body_cut |= !whole;
        if last {
            self.hand_over(out);
        }
        let waits_for_request =
            if paired { self.queue.front_is_receiving() && !self.queue.refused_body() } else { self.may_be_early() };
        if waits_for_request && whole && !last {
            self.waits = Some(Waits { message, paired, aged: false });
        } else {
            self.answered(message, paired, broken, out);
        }
        if self.upgrade.is_some() && self.queue.is_empty() && !last {
            self.resume_requests(out);
        }
    }

    /// A response without a request may have been reported before it, where no request can be missing.
    fn may_be_early(&self) -> bool {
        self.queue.is_empty() && self.confidence > Confidence::Guessed && self.requests.synchronised()
    }

    fn hand_over(&mut self, out: &mut dyn Output) {
        self.handed_over = true;
        if let Some(upgrade) = self.upgrade.take()
            && !upgrade.bytes.is_empty()
        {
            out.skipped(Skipped::Malformed, 0, upgrade.bytes.len() as u64);
        }
    }

    /// Writes the row of a response, and with it that of its request.
    fn answered(&mut self, response: Box<Message>, paired: bool, broken: bool, out: &mut dyn Output) {
        if !paired {
            self.rows.write(None, Some(&response), broken, out);
        } else {
            if self.queue.front_is_receiving() {
                self.body_refused = self.queue.refused_body();
                self.queue.measure(self.requests.bytes, self.requests.last.mono_ns);
            }
            // a placeholder's response goes with it
            if let Some(Some(request)) = self.queue.pop() {
                self.rows.write(Some(&request), Some(&response), broken, out);
                self.spare.put(request);
            }
        }
        self.spare.put(response);
    }

    fn front_is_answered(&self) -> bool {
        self.answer.as_ref().is_some_and(|a| a.paired) || self.waits.as_ref().is_some_and(|w| w.paired)
    }

    /// Writes what waits, whether or not that for which it waits has come.
    fn release(&mut self, out: &mut dyn Output) {
        if let Some(Waits { message, paired, .. }) = self.waits.take() {
            self.answered(message, paired, false, out);
        }
    }

    fn release_late(&mut self, now_ns: u64, out: &mut dyn Output) {
        let Some(waits) = &self.waits else { return };
        let limit = if waits.paired { LATE_BODY_NS_MAX } else { LATE_REQUEST_NS_MAX };
        if now_ns.saturating_sub(waits.message.last_ns) > limit {
            self.release(out);
        }
    }
}

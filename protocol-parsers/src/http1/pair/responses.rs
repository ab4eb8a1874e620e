//! What the responses' direction does to the pairing.

use super::{Answer, Connection, Interim, Waits};
use crate::http1::frame::{Event, Framing};
use crate::http1::head::Length;
use crate::http1::limits::{LATE_BODY_NS_MAX, LATE_REQUEST_NS_MAX};
use crate::http1::message::Message;
use crate::http1::queue::Kind;
use crate::{Confidence, Flow, Moment, Output, Segment, Skipped};

impl Connection {
    pub(super) fn response_bytes(&mut self, mut rest: &[u8], at: Moment, out: &mut dyn Output) {
        while !self.handed_over
            && let Some(event) = self.responses.next(&mut rest, at)
        {
            self.response_event(Some(event), false, out);
        }
        if let Some(next) = &mut self.successor
            && !rest.is_empty()
        {
            next.parser.bytes(Segment { flow: Flow::ToClient, bytes: rest, at, remote: None }, out);
        }
    }

    /// `ends` says that the connection does.
    pub(super) fn response_event(&mut self, event: Option<Event<'_>>, ends: bool, out: &mut dyn Output) {
        match event {
            Some(Event::Head) => self.response_head(out),
            Some(Event::Body(bytes)) => {
                if let Some(answer) = &mut self.answer {
                    answer.message.add_body(bytes, &self.settings);
                }
            }
            Some(Event::End) => self.answer_ended(true, false, out),
            Some(Event::Lost) => self.answer_ended(false, ends, out),
            Some(Event::Skipped { why, messages, bytes }) => out.skipped(why, messages, bytes),
            None => {}
        }
    }

    pub(super) fn response_head(&mut self, out: &mut dyn Output) {
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
    pub(super) fn pair(&mut self, response: &Message, out: &mut dyn Output) -> bool {
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
    pub(super) fn answer_ended(&mut self, whole: bool, broken: bool, out: &mut dyn Output) {
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
            self.hand_over(message, paired, broken, out);
            return;
        }
        let waits_for_request =
            if paired { self.queue.front_is_receiving() && !self.refuses_body(&message) } else { self.may_be_early() };
        if waits_for_request && whole {
            self.waits = Some(Waits { message, paired, aged: false });
        } else {
            self.answered(message, paired, broken, out);
        }
        if self.upgrade.is_some() && self.queue.is_empty() {
            self.resume_requests(out);
        }
    }

    /// A client that asked whether to send its body, and got an error for an answer, may go on with the next request.
    pub(super) fn refuses_body(&self, response: &Message) -> bool {
        response.head.status() >= 400 && self.queue.awaits_agreement()
    }

    /// A response without a request may have been reported before it, where no request can be missing.
    pub(super) fn may_be_early(&self) -> bool {
        self.queue.is_empty() && self.confidence > Confidence::Guessed && self.requests.synchronised()
    }

    /// Writes the row of a response, and with it that of its request.
    pub(super) fn answered(&mut self, response: Box<Message>, paired: bool, broken: bool, out: &mut dyn Output) {
        if !paired {
            self.rows.write(None, Some(&response), broken, out);
        } else {
            if self.queue.front_is_receiving() {
                let refused = self.refuses_body(&response);
                self.queue.measure(self.requests.bytes, self.requests.last.mono_ns, refused);
                if refused {
                    self.requests.doubt_body();
                }
            }
            // a placeholder's response goes with it
            if let Some(Some(request)) = self.queue.pop() {
                self.rows.write(Some(&request), Some(&response), broken, out);
                self.spare.put(request);
            }
        }
        self.spare.put(response);
    }

    pub(super) fn front_is_answered(&self) -> bool {
        self.answer.as_ref().is_some_and(|a| a.paired) || self.waits.as_ref().is_some_and(|w| w.paired)
    }

    /// Writes what waits, whether or not that for which it waits has come.
    pub(super) fn release(&mut self, out: &mut dyn Output) {
        if let Some(Waits { message, paired, .. }) = self.waits.take() {
            self.answered(message, paired, false, out);
        }
    }

    pub(super) fn release_late(&mut self, now_ns: u64, out: &mut dyn Output) {
        let Some(waits) = &self.waits else { return };
        let limit = if waits.paired { LATE_BODY_NS_MAX } else { LATE_REQUEST_NS_MAX };
        if now_ns.saturating_sub(waits.message.last_ns) > limit {
            self.release(out);
        }
    }
}

//! What the requests' direction does to the pairing.

use super::{Connection, Upgrade};
use crate::http1::frame::{Event, Framing};
use crate::http1::head::Length;
use crate::http1::limits::{LATE_REQUEST_NS_MAX, UPGRADE_BYTES_MAX};
use crate::http1::queue::Kind;
use crate::{Confidence, Moment, Output, Skipped};

impl Connection {
    pub(super) fn request_bytes(&mut self, mut rest: &[u8], at: Moment, out: &mut dyn Output) {
        let skipped = self.requests.begin_segment(rest);
        self.request_event(skipped, out);
        loop {
            if self.upgrade.is_some() {
                return self.hold(rest, at, out);
            }
            let Some(event) = self.requests.next(&mut rest, at) else { return };
            self.request_event(Some(event), out);
        }
    }

    pub(super) fn request_event(&mut self, event: Option<Event<'_>>, out: &mut dyn Output) {
        match event {
            Some(Event::Head) => self.request_head(out),
            Some(Event::Body(bytes)) => {
                if let Some(request) = self.queue.receiving() {
                    request.add_body(bytes, &self.settings);
                }
            }
            Some(Event::End) => self.request_ended(true, out),
            Some(Event::Lost) => self.request_ended(false, out),
            Some(Event::Skipped { why, messages, bytes }) => out.skipped(why, messages, bytes),
            None => {}
        }
    }

    pub(super) fn request_head(&mut self, out: &mut dyn Output) {
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
    pub(super) fn pair_late(&mut self, kind: Kind, started_ns: u64, out: &mut dyn Output) {
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
                // it was over long ago, perhaps so long that it does not wait for the request's body any more
                self.release_late(self.requests.last.mono_ns, out);
            }
        }
    }

    pub(super) fn request_ended(&mut self, whole: bool, out: &mut dyn Output) {
        let (bytes, last) = (self.requests.bytes, self.requests.last);
        let Some(kind) = self.queue.received(bytes, last.mono_ns, whole) else { return };
        if self.waits.as_ref().is_some_and(|w| w.paired) {
            self.release(out);
        } else if kind.may_upgrade() && whole {
            self.upgrade = Some(Upgrade::default());
        }
    }

    pub(super) fn hold(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let Some(upgrade) = &mut self.upgrade else { return };
        if upgrade.bytes.is_empty() {
            upgrade.at = at;
        }
        let kept = bytes.len().min(UPGRADE_BYTES_MAX - upgrade.bytes.len());
        upgrade.bytes.extend_from_slice(&bytes[..kept]);
        if kept < bytes.len() {
            upgrade.cut_bytes += (bytes.len() - kept) as u64;
            out.skipped(Skipped::OverLimit, 0, (bytes.len() - kept) as u64);
        }
    }

    /// HTTP goes on after a request to upgrade.
    pub(super) fn resume_requests(&mut self, out: &mut dyn Output) {
        let Some(upgrade) = self.upgrade.take() else { return };
        self.request_bytes(&upgrade.bytes, upgrade.at, out);
        if upgrade.cut_bytes > 0 {
            let event = self.requests.gap();
            self.request_event(event, out);
            self.confidence = Confidence::Guessed;
        }
    }

    /// More requests wait than can be remembered.
    pub(super) fn give_up_pairing(&mut self, out: &mut dyn Output) {
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

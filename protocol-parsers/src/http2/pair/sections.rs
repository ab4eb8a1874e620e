//! What header and trailer sections do.

use super::Connection;
use crate::http2::direction::Section;
use crate::http2::fields::Fields;
use crate::{Confidence, Flow, Output, Skipped};

impl Connection {
    /// A header block is whole; `None` when its bytes were not kept.
    pub(super) fn section(&mut self, flow: Flow, section: &Section, block: Option<&[u8]>, out: &mut dyn Output) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        let hpack = &mut self.direction(flow).hpack;
        match block.map(|block| hpack.decode(block, &mut fields)) {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                fields.unknown += 1;
                out.skipped(Skipped::Malformed, 0, section.wire_bytes);
            }
            None => {
                fields.unknown += 1;
                hpack.lose();
                out.skipped(Skipped::OverLimit, 0, section.wire_bytes);
            }
        }
        match flow {
            Flow::ToServer => self.request_section(section, &mut fields, out),
            Flow::ToClient if section.push => self.request_section(section, &mut fields, out),
            Flow::ToClient => self.response_section(section, &mut fields, out),
        }
        self.fields = fields;
    }

    fn request_section(&mut self, section: &Section, fields: &mut Fields, out: &mut dyn Output) {
        let id = section.stream;
        let pushed = id.is_multiple_of(2);
        if !self.calls.contains(id) {
            // the trailers of a request that is a row already
            if id == 0 || self.calls.is_gone(id) || !pushed && id <= self.last_request {
                return;
            }
            // the trailers of one that began before
            if self.confidence < Confidence::Certain && section.ends && fields.unknown == 0 && !fields.is_request() {
                self.requests.misfit |= fields.is_response() && self.last_request == 0;
                return;
            }
        }
        if !pushed {
            self.first_request = self.first_request.min(id);
            self.last_request = self.last_request.max(id);
        }
        let confidence = self.confidence;
        let gap = std::mem::take(if pushed { &mut self.responses.gap } else { &mut self.requests.gap });
        let Some(call) = self.calls.open(id) else { return self.refuse(section, out) };
        if call.counted == 0 {
            call.confidence = confidence;
        }
        let request = &mut call.request;
        request.begin(section.started);
        request.bytes += section.wire_bytes;
        request.last_ns = section.last_ns;
        if request.head {
            std::mem::swap(&mut request.trailers, fields);
            request.has_trailers = true;
        } else {
            std::mem::swap(&mut request.fields, fields);
            request.take_head();
        }
        if gap {
            request.gap_before = true;
            call.confidence = Confidence::Guessed;
        }
        request.whole |= section.ends;
        self.calls.count(id);
        if section.ends {
            self.settle(id, section.last_ns, out);
        }
    }

    fn response_section(&mut self, section: &Section, fields: &mut Fields, out: &mut dyn Output) {
        let id = section.stream;
        let new = !self.calls.contains(id);
        if new && (id == 0 || self.calls.is_gone(id)) {
            return;
        }
        if new && fields.is_request() && self.last_request == 0 {
            self.responses.misfit |= self.confidence < Confidence::Certain;
            return;
        }
        let confidence = self.confidence;
        let gap = std::mem::take(&mut self.responses.gap);
        let Some(call) = self.calls.open(id) else { return self.refuse(section, out) };
        if new {
            call.confidence = confidence;
        }
        let response = &mut call.response;
        response.begin(section.started);
        response.bytes += section.wire_bytes;
        response.last_ns = section.last_ns;
        let interim = fields.status().is_some_and(|status| (100..200).contains(&status));
        // only the last section ends a response; one before that had no known status was an interim one
        let trailers = response.head && section.ends || new && section.ends && fields.status().is_none();
        if trailers {
            std::mem::swap(&mut response.trailers, fields);
            response.has_trailers = true;
        } else if !interim {
            std::mem::swap(&mut response.fields, fields);
            response.take_head();
        }
        if gap {
            response.gap_before = true;
            call.confidence = Confidence::Guessed;
        }
        response.whole |= section.ends;
        self.calls.count(id);
        if section.ends {
            self.settle(id, section.last_ns, out);
        }
    }

    fn refuse(&mut self, section: &Section, out: &mut dyn Output) {
        out.skipped(Skipped::OverLimit, 1, section.wire_bytes);
        self.calls.forget(section.stream);
    }
}

//! Commands and responses of which bytes were not seen, and those that end without a response.

use super::{Phase, Session};
use crate::mysql::command::{Code, Reply, reply};
use crate::mysql::frame::Packet;
use crate::mysql::queue::Waiting;
use crate::mysql::row::{Answer, emit};
use crate::{Confidence, Output};

impl Session {
    /// Bytes to the server were not seen. `cut` is the packet in which they begin.
    pub fn up_gap(&mut self, cut: Option<&Packet<'_>>, out: &mut dyn Output) {
        if self.phase != Phase::Commands {
            // perhaps the login was among them
            (self.phase, self.joined) = (Phase::Commands, true);
        } else if let Some(packet) = cut.filter(|p| p.first_seq == 0 && !self.infile && !self.answering) {
            if packet.payload.is_empty() {
                self.unknown_command(0, out);
            } else {
                self.cut_command(packet, out);
            }
        }
        (self.holed, self.unaligned, self.gap_up) = (true, true, true);
        (self.infile, self.answering, self.down_seq) = (false, false, None);
    }

    fn cut_command(&mut self, packet: &Packet<'_>, out: &mut dyn Output) {
        let code = packet.payload[0];
        let mut waiting = Waiting::new(Code::Command(code), reply(code), self.queue.buffer(), packet.started);
        self.read(code, packet, &mut waiting);
        self.wait(waiting, packet, out);
    }

    /// Bytes to the client were not seen, up to an unknown place in its packets.
    pub fn down_gap(&mut self, out: &mut dyn Output) {
        if self.phase == Phase::Greeting {
            self.phase = Phase::Login;
        }
        (self.holed, self.gap_down) = (true, true);
        self.response_lost(out);
    }

    /// The first waiting command gets what there is of its response, and what follows is unknown.
    pub fn response_lost(&mut self, out: &mut dyn Output) {
        (self.unaligned, self.responses_lost, self.down_seq) = (true, true, None);
        self.cut_response(false, out);
    }

    fn cut_response(&mut self, broken: bool, out: &mut dyn Output) {
        let began = !self.response.is_empty();
        if let Some(mut waiting) = self.queue.pop() {
            let stream = waiting.reply == Reply::Stream;
            if self.unaligned && !broken {
                waiting.confidence = Confidence::Guessed;
            }
            waiting.truncated |= waiting.unread;
            let answer =
                Answer { response: &self.response, ended_ns: None, cut: !(stream && broken), gap_before: self.gap_down };
            // a stream of events has no end of its own
            emit(&waiting, (began || !broken).then_some(answer), broken && !(stream && began), &self.names, out);
            self.queue.recycle(waiting.buffer);
        }
        self.response.reset();
    }

    /// The client speaks again after the server has: after lost responses, what still waits waits in vain.
    pub fn client_turns(&mut self, out: &mut dyn Output) {
        if std::mem::take(&mut self.responses_lost) {
            self.give_up(false, out);
        }
        if self.queue.is_empty() {
            self.unaligned = false;
        }
    }

    /// Rows of all waiting commands, without responses.
    fn give_up(&mut self, broken: bool, out: &mut dyn Output) {
        while let Some(mut waiting) = self.queue.pop() {
            if self.unaligned {
                waiting.confidence = Confidence::Guessed;
            }
            emit(&waiting, None, broken, &self.names, out);
            self.queue.recycle(waiting.buffer);
        }
        self.response.reset();
        self.down_seq = None;
    }

    /// The connection is gone; `pending` bytes of an incomplete packet had come from the server.
    pub fn close(&mut self, pending: u64, out: &mut dyn Output) {
        self.response.bytes += pending;
        self.response.begun |= pending > 0;
        if !self.response.is_empty() {
            self.cut_response(true, out);
        }
        self.give_up(true, out);
    }

    pub fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        let names = &self.names;
        self.queue.expire(before_ns, |waiting| emit(waiting, None, false, names, out));
    }
}

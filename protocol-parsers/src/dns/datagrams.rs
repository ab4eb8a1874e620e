//! DNS in datagrams: each is one message.

use super::pair::{Arrival, Pairing};
use crate::{Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Transport};

/// After so many datagrams in a row that are no messages, this is another protocol.
const MALFORMED_MAX: u32 = 8;

#[derive(Debug)]
pub struct Datagrams {
    pairing: Pairing,
    malformed: u32,
}

impl Datagrams {
    pub fn new(settings: &Settings) -> Self {
        Self { pairing: Pairing::new(settings, Transport::Datagram), malformed: 0 }
    }
}

impl Parser for Datagrams {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        let wire_bytes = segment.bytes.len() as u64;
        if wire_bytes == 0 {
            return;
        }
        let arrival = Arrival {
            bytes: segment.bytes,
            wire_bytes,
            began: segment.at,
            ended: segment.at,
            remote: segment.remote,
            cut: false,
        };
        if self.pairing.message(segment.flow, arrival, out) {
            self.malformed = 0;
        } else {
            self.malformed += 1;
            out.skipped(Skipped::Malformed, 0, wire_bytes);
        }
    }

    fn unseen(&mut self, _: Flow, len: u64, _: Moment, out: &mut dyn Output) {
        if len > 0 {
            out.skipped(Skipped::Gap, 0, len);
        }
    }

    fn end(&mut self, _: Flow, _: Moment, _: &mut dyn Output) {}

    fn close(&mut self, _: Moment, out: &mut dyn Output) {
        self.pairing.close(out);
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        self.pairing.expire(before_ns, out);
    }

    fn waiting_since(&self) -> Option<u64> {
        self.pairing.waiting_since()
    }

    fn state(&self) -> State {
        if self.malformed >= MALFORMED_MAX { State::NotMine } else { State::Working }
    }

    fn heap_bytes(&self) -> usize {
        self.pairing.heap_bytes()
    }
}

//! DNS over TCP (RFC 7766): each message after its length in two bytes.
//!
//! Where a message begins is not known after a gap or when the connection was joined: the next well-formed message is looked
//! for byte by byte.

use super::detect;
use super::frame::HEADER_BYTES;
use super::pair::{Arrival, Pairing};
use crate::{Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Step, Stream, Transport};

const PREFIX_BYTES: usize = 2;
/// After so many messages in a row that are none, this is another protocol.
const MALFORMED_MAX: u32 = 4;
/// So many bytes were passed over in search of a message.
const PASSED_BYTES_MAX: u64 = 256 << 10;

#[derive(Debug)]
struct Direction {
    stream: Stream,
    flow: Flow,
    /// Where the next message begins is not known, for this reason.
    lost: Option<Skipped>,
    /// Bytes that are still to come of a message whose beginning was taken.
    rest: u64,
}

#[derive(Debug)]
pub struct Streams {
    pairing: Pairing,
    directions: [Direction; 2],
    malformed: u32,
    passed_bytes: u64,
}

impl Streams {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        let lost = (!from_start).then_some(Skipped::JoinedMidMessage);
        let direction = |flow| Direction { stream: Stream::default(), flow, lost, rest: 0 };
        let mut pairing = Pairing::new(settings, Transport::Stream);
        pairing.doubtful = !from_start;
        Self { pairing, directions: [direction(Flow::ToServer), direction(Flow::ToClient)], malformed: 0, passed_bytes: 0 }
    }
}

impl Direction {
    /// The next message with its length.
    fn step(&mut self, data: &[u8]) -> Step<()> {
        if self.rest > 0 {
            let used = self.rest.min(data.len() as u64);
            self.rest -= used;
            return Step::Skip { used: used as usize, why: Skipped::Gap };
        }
        if let Some(why) = self.lost {
            return self.search(data, why);
        }
        let Some(prefix) = data.get(..PREFIX_BYTES) else { return Step::NeedMore };
        let length = usize::from(u16::from_be_bytes([prefix[0], prefix[1]]));
        if length < HEADER_BYTES {
            self.lost = Some(Skipped::Malformed);
            return Step::Skip { used: 1, why: Skipped::Malformed };
        }
        match data.len() < PREFIX_BYTES + length {
            true => Step::NeedMore,
            false => Step::Done { used: PREFIX_BYTES + length, frame: () },
        }
    }

    fn search(&mut self, data: &[u8], why: Skipped) -> Step<()> {
        for i in 0..data.len() {
            match detect::framed(&data[i..], self.flow) {
                detect::Framed::No => {}
                detect::Framed::Whole if i == 0 => {
                    self.lost = None;
                    return self.step(data);
                }
                detect::Framed::Beginning if i == 0 => return Step::NeedMore,
                _ => return Step::Skip { used: i, why },
            }
        }
        Step::Skip { used: data.len(), why }
    }
}

fn index_of(flow: Flow) -> usize {
    usize::from(flow == Flow::ToClient)
}

impl Parser for Streams {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        let Self { pairing, directions, malformed, passed_bytes } = self;
        let direction = &mut directions[index_of(segment.flow)];
        let mut stream = std::mem::take(&mut direction.stream);
        stream.feed(segment.bytes, segment.at, |data, began, ended| match direction.step(data) {
            Step::NeedMore => 0,
            Step::Skip { used, why } => {
                // the rest of a message that has its row belongs to that row
                if direction.lost.is_some() {
                    *passed_bytes += used as u64;
                    out.skipped(why, 0, used as u64);
                }
                used
            }
            Step::Done { used, .. } => {
                let bytes = &data[PREFIX_BYTES..used];
                let arrival = Arrival { bytes, wire_bytes: used as u64, began, ended, remote: segment.remote, cut: false };
                if pairing.message(segment.flow, arrival, out) {
                    (*malformed, *passed_bytes) = (0, 0);
                } else {
                    *malformed += 1;
                    out.skipped(Skipped::Malformed, 0, used as u64);
                }
                used
            }
        });
        direction.stream = stream;
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        let direction = &mut self.directions[index_of(flow)];
        if direction.rest >= len {
            direction.rest -= len;
            return;
        }
        let have = direction.stream.len() as u64;
        if direction.lost.is_none() && direction.rest == 0 && have >= PREFIX_BYTES as u64 {
            let data = direction.stream.bytes();
            let total = u64::from(u16::from_be_bytes([data[0], data[1]])) + PREFIX_BYTES as u64;
            let began = direction.stream.moment();
            let arrival =
                Arrival { bytes: &data[PREFIX_BYTES..], wire_bytes: total, began, ended: at, remote: None, cut: true };
            if have + len <= total && self.pairing.message(flow, arrival, out) {
                direction.rest = total - have - len;
                direction.stream.clear();
                return;
            }
        }
        out.skipped(Skipped::Gap, 0, len - direction.rest + have);
        direction.rest = 0;
        direction.stream.clear();
        direction.lost = Some(Skipped::Gap);
        self.pairing.doubtful = true;
        self.pairing.gap |= flow == Flow::ToServer;
    }

    fn end(&mut self, _: Flow, _: Moment, _: &mut dyn Output) {}

    fn close(&mut self, _: Moment, out: &mut dyn Output) {
        for direction in &mut self.directions {
            if !direction.stream.is_empty() {
                out.skipped(direction.lost.unwrap_or(Skipped::Malformed), 0, direction.stream.len() as u64);
                direction.stream.clear();
            }
        }
        self.pairing.close(out);
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        self.pairing.expire(before_ns, out);
    }

    fn waiting_since(&self) -> Option<u64> {
        self.pairing.waiting_since()
    }

    fn state(&self) -> State {
        let foreign = self.malformed >= MALFORMED_MAX || self.passed_bytes >= PASSED_BYTES_MAX;
        if foreign { State::NotMine } else { State::Working }
    }

    fn heap_bytes(&self) -> usize {
        self.pairing.heap_bytes() + self.directions.iter().map(|d| d.stream.heap_bytes()).sum::<usize>()
    }
}

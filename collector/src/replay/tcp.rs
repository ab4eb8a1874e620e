//! TCP connections: which there are, and what becomes of them.
//!
//! In: segments (RFC 9293). Out: events. A connection begins with its SYN or SYN-ACK, which also tell who serves, or with the
//! first data that is seen of it; offset 0 is then where that data begins, and what turns out to stand before it is counted and
//! left out. It is closed by a RST, by both ends' FIN, by a SYN of another connection between the same ends, by long silence,
//! and by the end of the capture. Checks no checksum and keeps to no window but a wide one.

use protocol_parsers::Transport;

use crate::connect::event::Role;

use super::ends::{Both, Ends, Side};
use super::half::Half;
use super::limits::{
    LATE_SEGMENTS_MAX, OUT_OF_ORDER_TOTAL_BYTES_MAX, STRAY_SEGMENTS_MAX, TCP_CLOSED_MAX, TCP_CLOSED_NS_MAX, TCP_FLOWS_MAX,
    TCP_IDLE_NS_MAX,
};
use super::packet::Segment;
use super::reasons::{AFTER_CLOSE, BEFORE_START, FLOWS_LIMIT, OUT_OF_WINDOW};
use super::sink::{Opening, Sink, Way};
use super::table::Table;

struct Flow {
    key: u64,
    local: Side,
    from_start: bool,
    /// What each end says.
    halves: Both<Half>,
}

/// A connection that is closed, of which stragglers may still come.
struct Closed {
    next_sequences: Both<Option<u32>>,
    late: u32,
}

pub struct Tcp {
    flows: Table<Ends, Flow>,
    closed: Table<Ends, Closed>,
    /// Bytes that all connections hold after holes.
    held_bytes: usize,
}

/// What a segment makes of its connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Goes,
    Closes,
    /// It is another one whose beginning was not seen.
    IsAnother,
}

impl Tcp {
    pub fn new() -> Self {
        Self { flows: Table::new(), closed: Table::new(), held_bytes: 0 }
    }

    pub fn segment(&mut self, segment: &Segment<'_>, at_ns: u64, sink: &mut Sink<'_>) {
        self.close_idle(at_ns, sink);
        let (ends, side) = Ends::of(segment.from, segment.to);
        let mut known = self.flows.find(&ends);
        if segment.syn
            && let Some(slot) = known
            && self.flows.get_mut(slot).is_some_and(|flow| flow.is_another(side, segment))
        {
            self.close(slot, at_ns, sink);
            known = None;
        }
        let Some(slot) = known.or_else(|| self.open(ends, side, segment, at_ns, sink)) else { return };
        match self.advance(slot, side, segment, at_ns, sink) {
            Fate::Goes => {}
            Fate::Closes => self.close_and_remember(slot, at_ns, sink),
            Fate::IsAnother => {
                self.close(slot, at_ns, sink);
                if let Some(slot) = self.open(ends, side, segment, at_ns, sink) {
                    self.advance(slot, side, segment, at_ns, sink);
                }
            }
        }
    }

    fn advance(&mut self, slot: u32, side: Side, segment: &Segment<'_>, at_ns: u64, sink: &mut Sink<'_>) -> Fate {
        self.flows.touch(slot, at_ns);
        let Some(flow) = self.flows.get_mut(slot) else { return Fate::Goes };
        self.held_bytes -= flow.heap_bytes();
        let fate = flow.segment(side, segment, at_ns, sink);
        if self.held_bytes + flow.heap_bytes() > OUT_OF_ORDER_TOTAL_BYTES_MAX {
            flow.release(at_ns, sink);
        }
        self.held_bytes += flow.heap_bytes();
        fate
    }

    /// Begins to follow a connection if this segment tells of one.
    fn open(&mut self, ends: Ends, side: Side, segment: &Segment<'_>, at_ns: u64, sink: &mut Sink<'_>) -> Option<u32> {
        if segment.rst {
            return None;
        }
        let (local, role) = match (segment.syn, segment.acknowledged) {
            (true, None) => (side.other(), Some(Role::Server)),
            (true, Some(_)) => (side, Some(Role::Server)),
            (false, _) if segment.data.len == 0 || is_probe(segment) => return None,
            (false, _) => (side.other(), None),
        };
        if self.is_straggler(&ends, side, segment, at_ns, sink) {
            return None;
        }
        if self.flows.len() >= TCP_FLOWS_MAX
            && let Some((_, oldest, used_ns)) = self.flows.pop_oldest()
        {
            sink.lost(FLOWS_LIMIT, 0);
            self.finish(oldest, used_ns, sink);
        }
        let from_start = role.is_some();
        let key = sink.opened(&Opening {
            transport: Transport::Stream,
            local: ends.at(local),
            remote: ends.at(local.other()),
            role,
            from_start,
            at_ns,
        });
        Some(self.flows.insert(ends, Flow { key, local, from_start, halves: Both::default() }, at_ns))
    }

    /// Whether a segment belongs to a connection that was closed a short while ago. Its data is lost, unless it had been seen
    /// before. When more and more comes, the connection lives: it is then one joined in its midst.
    fn is_straggler(&mut self, ends: &Ends, side: Side, segment: &Segment<'_>, at_ns: u64, sink: &mut Sink<'_>) -> bool {
        while self.closed.pop_idle(at_ns, TCP_CLOSED_NS_MAX).is_some() {}
        let Some(slot) = self.closed.find(ends) else { return false };
        let Some(closed) = self.closed.get_mut(slot) else { return false };
        let end = segment.sequence.wrapping_add(segment.data.len as u32);
        let seen = closed.next_sequences.at(side).is_some_and(|next| end.wrapping_sub(next).cast_signed() <= 0);
        if !segment.syn && seen {
            return true;
        }
        if segment.syn || closed.late >= LATE_SEGMENTS_MAX {
            self.closed.remove(slot);
            return false;
        }
        closed.late += 1;
        sink.lost(AFTER_CLOSE, segment.data.len as u64);
        true
    }

    fn close_idle(&mut self, now_ns: u64, sink: &mut Sink<'_>) {
        while let Some((_, idle, used_ns)) = self.flows.pop_idle(now_ns, TCP_IDLE_NS_MAX) {
            self.finish(idle, used_ns, sink);
        }
    }

    fn close(&mut self, slot: u32, at_ns: u64, sink: &mut Sink<'_>) {
        if let Some((_, flow, _)) = self.flows.remove(slot) {
            self.finish(flow, at_ns, sink);
        }
    }

    fn close_and_remember(&mut self, slot: u32, at_ns: u64, sink: &mut Sink<'_>) {
        let Some((ends, flow, _)) = self.flows.remove(slot) else { return };
        let next_sequences = self.finish(flow, at_ns, sink);
        if self.closed.len() >= TCP_CLOSED_MAX {
            self.closed.pop_oldest();
        }
        self.closed.insert(ends, Closed { next_sequences, late: 0 }, at_ns);
    }

    /// Tells what is left of a connection that is no longer followed, and gives the sequence numbers after its last bytes.
    fn finish(&mut self, mut flow: Flow, at_ns: u64, sink: &mut Sink<'_>) -> Both<Option<u32>> {
        self.held_bytes -= flow.heap_bytes();
        flow.release(at_ns, sink);
        sink.closed(flow.key, at_ns);
        Both { lower: flow.halves.lower.next_sequence(), upper: flow.halves.upper.next_sequence() }
    }

    /// No segment follows.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        while let Some((_, flow, used_ns)) = self.flows.pop_oldest() {
            self.finish(flow, used_ns, sink);
        }
    }
}

/// A keep-alive probe may carry one byte that the other end has already (RFC 9293 section 3.8.4). Where nothing was seen before,
/// it can be told from data only so.
fn is_probe(segment: &Segment<'_>) -> bool {
    segment.data.len == 1 && !segment.psh && !segment.fin && segment.data.bytes.first().is_none_or(|&byte| byte == 0)
}

impl Flow {
    /// Whether a SYN or SYN-ACK belongs to another connection between the same ends.
    fn is_another(&self, side: Side, segment: &Segment<'_>) -> bool {
        match self.halves.at(side).start() {
            Some(start) => start != segment.sequence.wrapping_add(1),
            None => !self.from_start,
        }
    }

    fn way(&self, side: Side) -> Way {
        Way { key: self.key, direction: side.direction(self.local) }
    }

    fn segment(&mut self, side: Side, segment: &Segment<'_>, at_ns: u64, sink: &mut Sink<'_>) -> Fate {
        if segment.rst {
            return if self.believes_reset(side, segment) { Fate::Closes } else { Fate::Goes };
        }
        if let Some(acknowledged) = segment.acknowledged {
            self.acknowledge(side.other(), acknowledged, segment, at_ns, sink);
        }
        let way = self.way(side);
        let half = self.halves.at_mut(side);
        let first = segment.sequence.wrapping_add(u32::from(segment.syn));
        if half.start().is_none() {
            let tells = segment.syn || segment.fin || (segment.data.len > 0 && !is_probe(segment));
            if !tells {
                return Fate::Goes;
            }
            half.begin(first);
        }
        let len = segment.data.len;
        let Some(offset) = half.place(first) else {
            half.strays += u32::from(len > 0);
            if half.strays > STRAY_SEGMENTS_MAX {
                return Fate::IsAnother;
            }
            if len > 0 {
                sink.lost(OUT_OF_WINDOW, len as u64);
            }
            return Fate::Goes;
        };
        if len > 0 {
            if offset < 0 && !self.from_start {
                sink.lost(BEFORE_START, offset.unsigned_abs().min(len as u64));
            }
            half.strays = 0;
            half.data(offset, segment.data, at_ns, way, sink);
        }
        if segment.fin {
            half.fin(offset + len as i64, at_ns, way, sink);
        }
        if self.halves.lower.ended() && self.halves.upper.ended() { Fate::Closes } else { Fate::Goes }
    }

    fn acknowledge(&mut self, other: Side, acknowledged: u32, segment: &Segment<'_>, at_ns: u64, sink: &mut Sink<'_>) {
        let way = self.way(other);
        let from_start = self.from_start;
        let half = self.halves.at_mut(other);
        // The handshake acknowledges the SYN, seen or not.
        if half.start().is_none() && from_start {
            half.begin(acknowledged);
        }
        half.acknowledge(acknowledged);
        half.answered(segment.data.len > 0 || segment.fin, at_ns, way, sink);
    }

    /// A RST far out of the window is ignored, as the other end would; many stacks send 0 in an answer to what they do not know.
    fn believes_reset(&self, side: Side, segment: &Segment<'_>) -> bool {
        let half = self.halves.at(side);
        half.start().is_none() || segment.sequence == 0 || half.place(segment.sequence).is_some()
    }

    fn release(&mut self, at_ns: u64, sink: &mut Sink<'_>) {
        for side in [Side::Lower, Side::Upper] {
            let way = self.way(side);
            self.halves.at_mut(side).release(at_ns, way, sink);
        }
    }

    fn heap_bytes(&self) -> usize {
        self.halves.lower.heap_bytes() + self.halves.upper.heap_bytes()
    }
}

//! What one end of a TCP connection says, in order.
//!
//! In: segments of one direction, in any order, more than once, overlapping, and what the other end acknowledges. Out: data by its
//! offset, and the end. Bytes that came twice are told once, the first ones. A hole is waited for as long as it may still be
//! filled; when it is given up, the offset of what follows tells of it.

use super::cut::Cut;
use super::limits::{
    HOLE_ACKNOWLEDGED_BYTES_MAX, HOLE_ACKNOWLEDGED_NS_MAX, OUT_OF_ORDER_BYTES_MAX, SEQUENCE_AHEAD_BYTES_MAX,
    SEQUENCE_BEHIND_BYTES_MAX,
};
use super::pieces::Pieces;
use super::sink::{Sink, Way};

#[derive(Default)]
pub struct Half {
    /// Sequence number of the byte at offset 0, once known.
    start: Option<u32>,
    /// Offset of the next byte to tell.
    next: u64,
    /// What the other end has acknowledged, as an offset.
    acknowledged: u64,
    /// Where the end is, once it was said.
    fin: Option<u64>,
    ended: bool,
    /// What came after a hole at `next`.
    pieces: Pieces,
    /// Since when there is a hole.
    hole_since_ns: u64,
    /// When the byte last told was seen.
    told_ns: u64,
    /// Data segments in a row whose place is out of the window.
    pub strays: u32,
}

impl Half {
    pub fn start(&self) -> Option<u32> {
        self.start
    }

    pub fn begin(&mut self, sequence: u32) {
        self.start = Some(sequence);
    }

    pub fn ended(&self) -> bool {
        self.ended
    }

    pub fn heap_bytes(&self) -> usize {
        self.pieces.heap_bytes()
    }

    /// The sequence number after the last byte told.
    pub fn next_sequence(&self) -> Option<u32> {
        self.start.map(|start| start.wrapping_add(self.next as u32))
    }

    /// The offset of a sequence number, negative before the start; `None` when it is too far from what is expected. Works out
    /// how often the numbers have wrapped.
    pub fn place(&self, sequence: u32) -> Option<i64> {
        let ahead = i64::from(sequence.wrapping_sub(self.next_sequence()?).cast_signed());
        (-SEQUENCE_BEHIND_BYTES_MAX..=SEQUENCE_AHEAD_BYTES_MAX).contains(&ahead).then(|| self.next.cast_signed() + ahead)
    }

    /// The other end has everything before this sequence number.
    pub fn acknowledge(&mut self, sequence: u32) {
        if let Some(Ok(offset)) = self.place(sequence).map(u64::try_from) {
            self.acknowledged = self.acknowledged.max(offset);
        }
    }

    pub fn data(&mut self, offset: i64, data: Cut<'_>, at_ns: u64, way: Way, sink: &mut Sink<'_>) {
        let told = self.next.cast_signed() - offset;
        let rest = data.after(usize::try_from(told).unwrap_or(0));
        let start = self.next.max(u64::try_from(offset).unwrap_or(0));
        let rest = match self.fin {
            Some(fin) => rest.first(fin.saturating_sub(start) as usize),
            None => rest,
        };
        if rest.len == 0 {
            return;
        }
        if start > self.next {
            self.hold(start, rest, at_ns);
        } else if self.pieces.is_empty() {
            self.tell(rest, at_ns, way, sink);
        } else {
            self.pieces.insert(start, rest, at_ns);
            self.tell_pieces(Some(at_ns), way, sink);
            self.hole_since_ns = at_ns;
        }
        while self.pieces.heap_bytes() > OUT_OF_ORDER_BYTES_MAX {
            self.give_up(way, sink);
        }
        self.tell_end(at_ns, way, sink);
    }

    /// No byte stands at or after this offset.
    pub fn fin(&mut self, offset: i64, at_ns: u64, way: Way, sink: &mut Sink<'_>) {
        let Ok(offset) = u64::try_from(offset) else { return };
        if self.fin.is_none() && offset >= self.next.max(self.pieces.end()) {
            self.hole_opens(at_ns);
            self.fin = Some(offset);
        }
        self.tell_end(at_ns, way, sink);
    }

    /// Gives up the holes of which the other end's acknowledgements show that they will not be filled: the missing bytes were
    /// received, only not captured. An acknowledgement that comes with data is an answer to them, and must be told after what
    /// it answers. One that comes without may stand before its bytes in a capture with packets of several queues: then some
    /// time or data more is waited for.
    pub fn answered(&mut self, with_data: bool, at_ns: u64, way: Way, sink: &mut Sink<'_>) {
        while let Some(hole_end) = self.hole_end() {
            let late = self.acknowledged >= hole_end + HOLE_ACKNOWLEDGED_BYTES_MAX
                || at_ns.saturating_sub(self.hole_since_ns) > HOLE_ACKNOWLEDGED_NS_MAX;
            if self.acknowledged < hole_end || !(with_data || late) {
                return;
            }
            self.give_up(way, sink);
            self.tell_end(at_ns, way, sink);
        }
    }

    /// Nothing comes any more: tells all that is held.
    pub fn release(&mut self, at_ns: u64, way: Way, sink: &mut Sink<'_>) {
        while self.hole_end().is_some() {
            self.give_up(way, sink);
        }
        self.tell_end(at_ns, way, sink);
    }

    /// The first known byte, or the end, after a hole.
    fn hole_end(&self) -> Option<u64> {
        self.pieces.first_start().or(self.fin.filter(|&fin| fin > self.next))
    }

    fn hole_opens(&mut self, at_ns: u64) {
        if self.hole_end().is_none() {
            self.hole_since_ns = at_ns;
        }
    }

    fn hold(&mut self, start: u64, data: Cut<'_>, at_ns: u64) {
        self.hole_opens(at_ns);
        self.pieces.insert(start, data, at_ns);
    }

    /// Goes on after the hole. Before an end, the missing bytes are told as unseen: no offset after them would.
    fn give_up(&mut self, way: Way, sink: &mut Sink<'_>) {
        match (self.pieces.first_start(), self.fin) {
            (Some(start), _) => {
                self.next = start;
                self.tell_pieces(None, way, sink);
            }
            (None, Some(fin)) if fin > self.next => {
                let unseen = Cut { bytes: &[], len: (fin - self.next) as usize };
                self.tell(unseen, self.told_ns.max(self.hole_since_ns), way, sink);
            }
            _ => {}
        }
    }

    /// Tells the pieces that follow without a hole. When a hole was filled the receiver could read them only then; when it was
    /// given up, since they were seen.
    fn tell_pieces(&mut self, filled_ns: Option<u64>, way: Way, sink: &mut Sink<'_>) {
        while let Some(piece) = self.pieces.take_at(self.next) {
            let at_ns = filled_ns.unwrap_or(piece.at_ns).max(self.told_ns);
            self.tell(Cut { bytes: &piece.bytes, len: piece.len as usize }, at_ns, way, sink);
        }
    }

    fn tell(&mut self, data: Cut<'_>, at_ns: u64, way: Way, sink: &mut Sink<'_>) {
        sink.data(way, self.next, data, at_ns);
        self.next += data.len as u64;
        self.told_ns = at_ns;
    }

    fn tell_end(&mut self, at_ns: u64, way: Way, sink: &mut Sink<'_>) {
        if self.fin == Some(self.next) && !self.ended {
            self.ended = true;
            sink.end(way, at_ns);
        }
    }
}

//! IP datagrams from their fragments (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! In: fragments. Out: datagrams that are whole. Where fragments overlap, the first one's bytes are kept. A fragment that the
//! snap length cut counts as there: the datagram is then cut where its first unseen byte is.

use super::cut::Cut;
use super::ip::{self, Addr, Fragment, Ip};
use super::limits::{DATAGRAM_BYTES_MAX, FRAGMENTED_BYTES_MAX, FRAGMENTED_DATAGRAMS_MAX, FRAGMENTED_NS_MAX};
use super::pieces::Pieces;
use super::reasons::{FRAGMENTS_LIMIT, FRAGMENTS_MISSING, MALFORMED, Reason};
use super::sink::Sink;
use super::table::Table;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    from: Addr,
    to: Addr,
    id: u32,
    protocol: u8,
}

#[derive(Default)]
struct Waiting {
    pieces: Pieces,
    /// Length of the datagram, once its last fragment is there.
    total: Option<u64>,
}

pub struct Fragments {
    waiting: Table<Key, Waiting>,
    heap_bytes: usize,
    /// The datagram last put together.
    whole: Vec<u8>,
}

impl Fragments {
    pub fn new() -> Self {
        Self { waiting: Table::new(), heap_bytes: 0, whole: Vec::new() }
    }

    /// Takes a fragment and gives the datagram that it completes.
    pub fn add<'a>(
        &'a mut self,
        part: &Ip<'_>,
        fragment: Fragment,
        at_ns: u64,
        sink: &mut Sink<'_>,
    ) -> Result<Option<Ip<'a>>, Reason> {
        self.forget_late(at_ns, sink);
        let (start, end) = (u64::from(fragment.offset), u64::from(fragment.offset) + part.payload.len as u64);
        if end > DATAGRAM_BYTES_MAX || part.payload.len == 0 || (fragment.more && !part.payload.len.is_multiple_of(8)) {
            return Err(MALFORMED);
        }
        let key = Key { from: part.from, to: part.to, id: fragment.id, protocol: part.protocol };
        let slot = match self.waiting.find(&key) {
            Some(slot) => slot,
            None => self.waiting.insert(key, Waiting::default(), at_ns),
        };
        let Some(waiting) = self.waiting.get_mut(slot) else { return Ok(None) };
        let last = waiting.total.or((!fragment.more).then_some(end));
        if last.is_some_and(|total| total < end.max(waiting.pieces.end())) {
            return Err(MALFORMED);
        }
        waiting.total = last;
        self.heap_bytes -= waiting.pieces.heap_bytes();
        waiting.pieces.insert(start, part.payload, at_ns);
        self.heap_bytes += waiting.pieces.heap_bytes();
        if last != Some(waiting.pieces.covered_bytes()) {
            self.make_room(sink);
            return Ok(None);
        }
        self.finish(slot, key)
    }

    fn finish(&mut self, slot: u32, key: Key) -> Result<Option<Ip<'_>>, Reason> {
        let Some((_, done, _)) = self.waiting.remove(slot) else { return Ok(None) };
        self.heap_bytes -= done.pieces.heap_bytes();
        self.whole.clear();
        done.pieces.write_prefix(&mut self.whole);
        let datagram = Cut { bytes: &self.whole, len: done.pieces.covered_bytes() as usize };
        let upper = ip::upper(key.protocol, datagram)?;
        if upper.fragment.is_some() {
            return Err(MALFORMED);
        }
        Ok(Some(Ip { from: key.from, to: key.to, protocol: upper.protocol, payload: upper.payload, fragment: None }))
    }

    fn forget_late(&mut self, now_ns: u64, sink: &mut Sink<'_>) {
        while let Some((_, late, _)) = self.waiting.pop_idle(now_ns, FRAGMENTED_NS_MAX) {
            self.forget(&late, FRAGMENTS_MISSING, sink);
        }
    }

    fn make_room(&mut self, sink: &mut Sink<'_>) {
        while self.waiting.len() > FRAGMENTED_DATAGRAMS_MAX || self.heap_bytes > FRAGMENTED_BYTES_MAX {
            let Some((_, oldest, _)) = self.waiting.pop_oldest() else { return };
            self.forget(&oldest, FRAGMENTS_LIMIT, sink);
        }
    }

    fn forget(&mut self, datagram: &Waiting, why: Reason, sink: &mut Sink<'_>) {
        self.heap_bytes -= datagram.pieces.heap_bytes();
        sink.lost(why, datagram.pieces.covered_bytes());
    }

    /// No fragment follows.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        while let Some((_, oldest, _)) = self.waiting.pop_oldest() {
            self.forget(&oldest, FRAGMENTS_MISSING, sink);
        }
    }
}

//! UDP: who speaks with whom.
//!
//! In: datagrams. Out: events; each pair of ends is a connection, each datagram one piece of data. The local end is the receiver
//! of the first datagram, and what it is to the connection stays open: the content has to tell.

use protocol_parsers::Transport;

use super::ends::{Both, Ends, Side};
use super::limits::{UDP_FLOWS_MAX, UDP_IDLE_NS_MAX};
use super::packet::Datagram;
use super::reasons::FLOWS_LIMIT;
use super::sink::{Opening, Sink, Way};
use super::table::Table;

struct Flow {
    key: u64,
    local: Side,
    sent_bytes: Both<u64>,
}

pub struct Udp {
    flows: Table<Ends, Flow>,
}

impl Udp {
    pub fn new() -> Self {
        Self { flows: Table::new() }
    }

    pub fn datagram(&mut self, datagram: &Datagram<'_>, at_ns: u64, sink: &mut Sink<'_>) {
        while let Some((_, idle, used_ns)) = self.flows.pop_idle(at_ns, UDP_IDLE_NS_MAX) {
            sink.closed(idle.key, used_ns);
        }
        let (ends, side) = Ends::of(datagram.from, datagram.to);
        let slot = match self.flows.find(&ends) {
            Some(slot) => slot,
            None => self.open(ends, side.other(), at_ns, sink),
        };
        self.flows.touch(slot, at_ns);
        let Some(flow) = self.flows.get_mut(slot) else { return };
        let sent_bytes = flow.sent_bytes.at_mut(side);
        let way = Way { key: flow.key, direction: side.direction(flow.local) };
        sink.data(way, *sent_bytes, datagram.data, at_ns);
        *sent_bytes += datagram.data.len as u64;
    }

    fn open(&mut self, ends: Ends, local: Side, at_ns: u64, sink: &mut Sink<'_>) -> u32 {
        if self.flows.len() >= UDP_FLOWS_MAX
            && let Some((_, oldest, used_ns)) = self.flows.pop_oldest()
        {
            sink.lost(FLOWS_LIMIT, 0);
            sink.closed(oldest.key, used_ns);
        }
        let key = sink.opened(&Opening {
            transport: Transport::Datagram,
            local: ends.at(local),
            remote: ends.at(local.other()),
            role: None,
            from_start: false,
            at_ns,
        });
        self.flows.insert(ends, Flow { key, local, sent_bytes: Both::default() }, at_ns)
    }

    /// No datagram follows.
    pub fn end(&mut self, sink: &mut Sink<'_>) {
        while let Some((_, flow, used_ns)) = self.flows.pop_oldest() {
            sink.closed(flow.key, used_ns);
        }
    }
}

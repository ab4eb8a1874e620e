//! The way to the consumer of events, with what is the same for all of them.
//!
//! In: what the trackers of TCP and UDP found. Out: events and losses. Gives each connection its key.

use crate::connect::event::{Closed, Consumer, Data, Direction, End, Endpoint, Event, Opened, Role};
use protocol_parsers::{Moment, Transport};

use super::cut::Cut;
use super::packet::Socket;
use super::reasons::{Reason, STAGE};

pub struct Sink<'a> {
    consumer: &'a mut dyn Consumer,
    keys: u64,
}

impl<'a> Sink<'a> {
    pub fn new(consumer: &'a mut dyn Consumer) -> Self {
        Self { consumer, keys: 0 }
    }

    /// One packet, or what was known of one datagram.
    pub fn lost(&mut self, why: Reason, bytes: u64) {
        self.consumer.lost(STAGE, why, 1, bytes);
    }

    /// Announces a connection and gives its key.
    pub fn opened(&mut self, opening: &Opening) -> u64 {
        self.keys += 1;
        self.consumer.event(Event::Opened(Opened {
            key: self.keys,
            transport: opening.transport,
            local: Endpoint::Inet(opening.local.to_addr()),
            remote: Endpoint::Inet(opening.remote.to_addr()),
            role: opening.role,
            from_start: opening.from_start,
            at_ns: opening.at_ns,
            host: None,
        }));
        self.keys
    }

    pub fn data(&mut self, way: Way, offset: u64, data: Cut<'_>, at_ns: u64) {
        self.consumer.event(Event::Data(Data {
            key: way.key,
            direction: way.direction,
            offset,
            len: data.len as u64,
            bytes: data.bytes,
            at: moment(at_ns),
            pid: 0,
            remote: None,
        }));
    }

    pub fn end(&mut self, way: Way, at_ns: u64) {
        self.consumer.event(Event::End(End { key: way.key, direction: way.direction, at: moment(at_ns) }));
    }

    /// A capture tells nothing of what the kernel counted.
    pub fn closed(&mut self, key: u64, at_ns: u64) {
        self.consumer.event(Event::Closed(Closed { key, at_ns, totals: None }));
    }
}

/// What is known of a connection when it is first heard of.
pub struct Opening {
    pub transport: Transport,
    pub local: Socket,
    pub remote: Socket,
    pub role: Option<Role>,
    pub from_start: bool,
    pub at_ns: u64,
}

/// One direction of one connection.
#[derive(Clone, Copy)]
pub struct Way {
    pub key: u64,
    pub direction: Direction,
}

/// A capture has one clock, and no threads.
fn moment(at_ns: u64) -> Moment {
    Moment { mono_ns: at_ns, thread_id: 0 }
}

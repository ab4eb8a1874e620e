//! DNS over UDP and TCP (RFC 1035, RFC 7766), one row a query.
//!
//! In: datagrams or streams between a resolver and a name server. Out: `dns_events`.
//!
//! Does not look into encrypted DNS, and resolves nothing.

mod datagrams;
mod detect;
mod dnssec;
mod frame;
mod name;
mod names;
mod pair;
mod record;
mod streams;
mod table;
#[cfg(test)]
mod tests;

pub use table::DnsEvent;

use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "dns",
    table: DnsEvent::TABLE,
    transports: &[Transport::Datagram, Transport::Stream],
    detect: detect::detect,
    parser: |settings, transport, from_start| match transport {
        Transport::Datagram => Box::new(datagrams::Datagrams::new(settings)),
        Transport::Stream => Box::new(streams::Streams::new(settings, from_start)),
    },
};

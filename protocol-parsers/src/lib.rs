//! Bytes in, records out.
//!
//! In: the bytes of one connection, direction by direction and in order, with the moment at which each was seen and with the
//! holes made explicit. Out: rows of the protocols' tables, and what was skipped with its reason.
//!
//! Does no I/O, reads no clock, starts no thread, builds no Arrow array (INV-2). Decoding never fails and never panics, and
//! nothing grows without a limit that has a name (INV-3).

#![forbid(unsafe_code)]

mod coding;
#[cfg(test)]
mod conversation;
pub mod dns;
pub mod http1;
pub mod http2;
pub mod json;
pub mod limits;
pub mod mysql;
pub mod postgres;
mod protocol;
pub mod redis;
mod registry;
mod step;
mod stream;
pub mod tls;
pub mod trace;
pub mod websocket;

pub use protocol::{
    Confidence, Evidence, Exchange, Flow, Moment, Output, Parser, Protocol, Segment, Settings, Skipped, State, Successor,
    Transport, Verdict, Wanted,
};
pub use registry::{Found, Looks, PROTOCOLS, begins, detect, tables};
pub use step::Step;
pub use stream::Stream;

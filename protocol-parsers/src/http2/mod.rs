//! HTTP/2 (RFC 9113) in clear, and gRPC over it.
//!
//! In: both directions of a connection, from its preface, from an upgrade of HTTP/1.1, or joined in the middle. Out: one row of
//! `http_events` a stream, with the final response.
//!
//! | file | room |
//! |---|---|
//! | `detect` | is it HTTP/2 at all |
//! | `frame` | frames: their headers, and where they begin when that is not known |
//! | `hpack` | header blocks, with what is unknown of a table that was not seen from its start |
//! | `fields` | the fields of a section, and their JSON |
//! | `direction` | one direction: which bytes belong to which frame |
//! | `message` | a request or a response as far as it was received |
//! | `calls` | the streams that are open, under limits |
//! | `pair` | frames become rows; implements `Parser` |
//! | `grpc` `protobuf` | gRPC's messages, and their text without a schema |
//! | `row` | a stream becomes a row |
//!
//! The table is that of HTTP/1. Deliberately does not follow priorities and flow control, and does not parse what a CONNECT
//! stream carries.

mod calls;
mod detect;
mod direction;
mod fields;
mod frame;
mod grpc;
mod hpack;
mod message;
mod pair;
mod protobuf;
mod row;
#[cfg(test)]
mod tests;

pub(crate) use fields::Fields;
pub(crate) use pair::{Upgraded, upgraded};

use crate::http1::HttpEvent;
use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "http2",
    table: HttpEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: pair::parser,
};

/// The limits of this protocol, beside those of [`crate::limits`].
mod limits {
    /// A header block, and a frame that carries part of one; a longer one is passed over and its fields are unknown.
    pub const HEADER_BLOCK_BYTES_MAX: usize = 256 << 10;
    /// Names and values of one section that are kept; a small block can stand for many.
    pub const FIELD_BYTES_MAX: usize = 128 << 10;
    /// Fields of one section that are kept.
    pub const FIELDS_MAX: usize = 512;
    /// Streams that ended early, of which late frames are to be ignored.
    pub const GONE_STREAMS_MAX: usize = 1024;
    /// Calls whose memory is kept for the next ones, and how much memory each part.
    pub const SPARE_CALLS_MAX: usize = 16;
    pub const SPARE_BYTES_MAX: usize = 2 << 10;
    /// How long a whole response waits for its request to be seen: the two may be reported by two threads.
    pub const LATE_REQUEST_NS_MAX: u64 = 50_000_000;
    /// How long a whole response waits for the rest of its request.
    pub const LATE_BODY_NS_MAX: u64 = 500_000_000;
    /// Bytes that are no frames, after which the connection is classified anew.
    pub const MALFORMED_BYTES_MAX: u64 = 128 << 10;
    /// Frames that are looked at in a row to tell whether they are frames.
    pub const CHAIN_FRAMES_MAX: usize = 8;
    /// How much is held while the beginning of a frame is sought.
    pub const SEARCH_BYTES_MAX: usize = 40 << 10;
    /// How long frames are that are believed without being in step.
    pub const PLAUSIBLE_DATA_BYTES_MAX: usize = 1 << 20;
    pub const PLAUSIBLE_FRAME_BYTES_MAX: usize = 16 << 10;
    /// Messages of one body that its text shows.
    pub const MESSAGES_SHOWN_MAX: usize = 100;
    /// How much longer the text of a message may be than the configured size of a body.
    pub const MESSAGE_TEXT_RATIO_MAX: usize = 2;
    /// Messages inside messages.
    pub const PROTOBUF_DEPTH_MAX: usize = 8;
    /// Fields of one message.
    pub const PROTOBUF_FIELDS_MAX: usize = 256;
}

//! HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112).
//!
//! In: both directions of a connection. Out: one row of `http_events` a request, with the final response.
//!
//! | file | room |
//! |---|---|
//! | `detect` | is it HTTP/1 at all |
//! | `line` | start lines |
//! | `head` | headers: where they are, how long the body is, their JSON |
//! | `frame` | one direction: heads, bodies, chunks, and finding the way back after a loss |
//! | `chunk` | place in a chunked body |
//! | `message` | one message as far as it was received |
//! | `pair` | which response belongs to which request |
//! | `queue` | the requests that wait |
//! | `row` | a request and a response become a row |
//! | `table` | the table |
//!
//! Deliberately does not parse what follows an upgrade or CONNECT (it knows who does), and does not merge trailers into the
//! headers.

mod chunk;
mod detect;
mod frame;
mod head;
mod line;
mod message;
mod pair;
mod queue;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub use table::{HttpEvent, body_columns, header_columns};

use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    table: HttpEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: pair::parser,
};

/// The limits of this protocol, beside those of [`crate::limits`].
mod limits {
    /// A start line and its headers; what is beyond is passed over and the row is `truncated`.
    pub const HEAD_BYTES_MAX: usize = 256 << 10;
    /// A start line; a longer one is skipped.
    pub const START_LINE_BYTES_MAX: usize = 64 << 10;
    /// A method's name.
    pub const METHOD_BYTES_MAX: usize = 32;
    /// Headers of one message that a row keeps.
    pub const HEADERS_MAX: usize = 512;
    /// Headers that are kept in order to know them again in the next message.
    pub const REPEATED_BYTES_MAX: usize = 2 << 10;
    /// A chunk's size with its extensions.
    pub const CHUNK_LINE_BYTES_MAX: usize = 8 << 10;
    /// The trailers of a chunked body.
    pub const TRAILER_BYTES_MAX: usize = 256 << 10;
    /// Requests and their placeholders that may wait; at more, the pairing is given up.
    pub const PLACEHOLDERS_MAX: usize = 16 * crate::limits::PENDING_REQUESTS_MAX;
    /// Bytes that follow a request to upgrade before it is answered.
    pub const UPGRADE_BYTES_MAX: usize = 16 << 10;
    /// Bytes that are no HTTP, after which the connection is classified anew.
    pub const MALFORMED_BYTES_MAX: u64 = 64 << 10;
    /// Of a body that ends with its connection, how much is passed over before it is looked at again.
    pub const UNTIL_END_STEP_BYTES: u64 = 16 << 20;
    /// How much of a connection joined in the middle is looked through for a start line.
    pub const DETECT_BYTES_MAX: usize = 512;
    /// How long a response waits for its request to be seen: the two may be reported by two threads, late by a moment.
    pub const LATE_REQUEST_NS_MAX: u64 = 50_000_000;
    /// How long a whole response waits for the rest of its request.
    pub const LATE_BODY_NS_MAX: u64 = 500_000_000;
    /// Messages whose memory is kept for the next ones, and how much memory each.
    pub const SPARE_MESSAGES_MAX: usize = 2;
    pub const SPARE_BYTES_MAX: usize = 4 << 10;
}

//! WebSocket (RFC 6455), after an upgrade of HTTP/1.1 or joined in the middle.
//!
//! In: both directions of a connection. Out: one row of `websocket_events` a message, pings, pongs and closes among them.
//!
//! | file | room |
//! |---|---|
//! | `detect` | is it WebSocket, where the upgrade was not seen |
//! | `frame` | frames' headers, and masks |
//! | `direction` | one direction: frames become messages |
//! | `inflate` | the text of compressed messages (RFC 7692) |
//! | `pair` | messages become rows; implements `Parser` |
//! | `table` | the table |
//!
//! Deliberately pairs nothing: a message is no answer to another.

mod detect;
mod direction;
mod frame;
mod inflate;
mod pair;
mod table;
#[cfg(test)]
mod tests;

pub use table::WebsocketEvent;

use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "websocket",
    table: WebsocketEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: pair::parser,
};

/// The limits of this protocol, beside those of [`crate::limits`].
mod limits {
    /// Decoded bytes of one compressed message; at more the texts of this direction are given up.
    pub const INFLATED_BYTES_MAX: usize = 1 << 20;
    /// Bytes that are no frames, after which the connection is classified anew.
    pub const MALFORMED_BYTES_MAX: u64 = 64 << 10;
    /// How long a frame is that is believed where its place is not known.
    pub const PLAUSIBLE_FRAME_BYTES_MAX: u64 = 16 << 20;
}

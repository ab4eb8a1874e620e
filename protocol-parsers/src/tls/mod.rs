//! TLS 1.0 to 1.3 and SSL 3.0 as they are on the wire (RFC 8446, RFC 5246, RFC 6101): what of a handshake is in clear.
//!
//! In: both directions of an encrypted connection, from its start, after a plain beginning, or joined in the middle. Out: one row
//! of `tls_events` a handshake.
//!
//! | file | room |
//! |---|---|
//! | `detect` | is it TLS |
//! | `frame` | records of one direction |
//! | `message` | handshake messages, fragmented over records or several in one |
//! | `hello` `certificate` `alert` `cipher` `read` | what messages say, and the names of what they say |
//! | `handshake` | one handshake: what was selected, and how it ends |
//! | `pair` | both directions of a connection; implements `Parser` |
//! | `table` | the table |
//!
//! Decrypts nothing and verifies nothing. After a handshake the connection is counted only: [`crate::Parser::wanted`] says so.

mod alert;
mod certificate;
mod cipher;
mod detect;
mod frame;
mod handshake;
mod hello;
mod message;
mod pair;
mod read;
mod table;
#[cfg(test)]
mod tests;

pub use table::TlsEvent;

use crate::{Protocol, Settings, Successor, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "tls",
    table: TlsEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: pair::parser,
};

/// For a protocol whose ends agreed to go on encrypted: what follows begins with a client's hello.
pub fn begun() -> Successor {
    Successor { protocol: &PROTOCOL, parser: (PROTOCOL.parser)(&Settings::default(), Transport::Stream, true) }
}

/// The limits of this protocol, beside those of [`crate::limits`].
mod limits {
    /// How much of a hello is kept until it is whole; with keys of every new kind it has a few thousand bytes.
    pub const HELLO_BYTES_MAX: usize = 16 << 10;
    /// How much of a list of certificates is kept: the first of them.
    pub const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
    /// Longest handshake message that is believed to be one.
    pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
    /// How much of a server's name is kept; DNS allows 255.
    pub const NAME_BYTES_MAX: usize = 1024;
    /// Records of encrypted data after which a connection that was joined in the middle is believed to be TLS.
    pub const SURE_RECORDS: u32 = 4;
    /// Bytes that are no records, after which the connection is classified anew.
    pub const MALFORMED_BYTES_MAX: u64 = 64 << 10;
}

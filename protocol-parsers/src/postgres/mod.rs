//! PostgreSQL, protocol version 3 (<https://www.postgresql.org/docs/current/protocol.html>): simple and extended protocol,
//! COPY, function calls, logins, cancellations, replication streams.
//!
//! In: both directions of a connection to a PostgreSQL server. Out: `postgres_events`.
//!
//! Does not look into results or COPY data, which are counted, keeps no password or other secret of a login, makes no rows of
//! notices and notifications, and leaves the connection when it turns to TLS, or to GSSAPI encryption, which nobody reads.

mod array;
mod bind;
mod calendar;
mod client;
mod detect;
mod frame;
mod message;
mod opening;
mod outcome;
mod pair;
mod parser;
mod seek;
mod server;
mod session;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use table::PostgresEvent;

use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "postgres",
    table: PostgresEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: |settings, _, from_start| Box::new(parser::Connection::new(settings, from_start)),
};

//! Redis: RESP2 and RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>), one row a command.
//!
//! In: both directions of a connection to a Redis server. Out: `redis_events`.
//!
//! Does not follow replication (after PSYNC both directions are passed over), and makes no rows of what the server sends on
//! its own: published messages, invalidations, the lines of MONITOR.

mod command;
mod detect;
mod frame;
mod inline;
mod key;
mod pair;
mod parser;
mod render;
mod reply;
mod replying;
mod subscribe;
mod table;
#[cfg(test)]
mod tests;

pub use table::RedisEvent;

use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "redis",
    table: RedisEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: |settings, _, from_start| Box::new(parser::Connection::new(settings, from_start)),
};

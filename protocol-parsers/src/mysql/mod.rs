//! MySQL and MariaDB: the client/server protocol (<https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>,
//! <https://mariadb.com/kb/en/clientserver-protocol/>), one row a command.
//!
//! In: both directions of a connection to a server. Out: `mysql_events`.
//!
//! | file | room |
//! |---|---|
//! | `frame.rs` | packets of one direction, of any size, in any pieces |
//! | `compress.rs` `meter.rs` | the compressed protocol around packets, and what packets take of it |
//! | `read.rs` | numbers and texts inside a packet |
//! | `login.rs` | greeting, handshake response, capability flags |
//! | `command.rs` | names of commands, and what answers each |
//! | `execute.rs` `value.rs` | parameters of prepared statements as JSON |
//! | `statements.rs` | which text a statement number stands for |
//! | `response.rs` | where a response ends and what it says |
//! | `text.rs` | what a statement's text tells: keyword, database |
//! | `queue.rs` `row.rs` | commands that wait for their responses, and their rows |
//! | `session.rs` | what packets mean: login, commands, responses |
//! | `pair.rs` | one connection: keeps both directions aligned |
//!
//! Keeps no passwords, scrambles or tokens: of the authentication only names and the outcome are looked at. Does not read
//! values of result sets, nor events of a binlog stream: it counts them. What follows an SSLRequest is TLS, which takes over.

mod command;
mod compress;
mod detect;
mod execute;
mod frame;
mod limits;
mod login;
mod meter;
mod pair;
mod queue;
mod read;
mod response;
mod row;
mod session;
mod statements;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use table::MysqlEvent;

use crate::{Protocol, Transport};

pub static PROTOCOL: Protocol = Protocol {
    name: "mysql",
    table: MysqlEvent::TABLE,
    transports: &[Transport::Stream],
    detect: detect::detect,
    parser: |settings, _, from_start| Box::new(pair::Connection::new(settings, from_start)),
};

//! Servers with a client that loads them: one file each.
//!
//! A load knows its server and its client, and which rows earshot should have. Knows nothing of rounds.

mod grpc;
mod http;
mod http_paced;
mod mysql;
mod paced_client;
pub mod postgres;
mod redis;

use std::net::TcpStream;

use ::tests::Process;
use clap::ValueEnum;

use super::placement::Placement;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// redis-benchmark GET
    Redis,
    /// wrk to nginx, a page of 1 KiB
    Http,
    /// pgbench select, simple queries
    Postgres,
    /// mysqlslap select
    Mysql,
    /// The same page at 8,000 requests a second
    HttpPaced,
    /// The same page over TLS
    Https,
    /// An echo of grpc-go over TLS
    Grpc,
}

/// What a client did.
pub struct Done {
    pub requests: u64,
    /// How long it asked.
    pub seconds: f64,
    /// 99 of 100 requests took no longer; where the client tells.
    pub p99_ms: Option<f64>,
}

pub trait Load {
    /// As the report names it.
    fn name(&self) -> &'static str;
    /// The server's main process.
    fn server(&self) -> u32;
    /// Asks the server for about so long.
    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done>;
    /// Where earshot puts the requests, and which rows of it they are.
    fn rows(&self) -> (&'static str, String);
}

/// Starts the server and makes it ready for its client.
pub fn start(kind: Kind, placement: &Placement) -> anyhow::Result<Box<dyn Load + '_>> {
    Ok(match kind {
        Kind::Redis => Box::new(redis::Redis::start(placement)?),
        Kind::Http => Box::new(http::Http::start(placement)?),
        Kind::Postgres => Box::new(postgres::Postgres::start(placement)?),
        Kind::Mysql => Box::new(mysql::Mysql::start(placement)?),
        Kind::HttpPaced => Box::new(http_paced::HttpPaced::start(placement)?),
        Kind::Https => Box::new(http::Http::start_tls(placement)?),
        Kind::Grpc => Box::new(grpc::Grpc::start(placement)?),
    })
}

/// Connections of each client.
const CONNECTIONS: u32 = 16;
/// For a server to listen.
const READY_SECONDS: u64 = 30;

fn wait_for_port(process: &mut Process, port: u16) -> anyhow::Result<()> {
    process.wait_until(READY_SECONDS, "its port", |_| TcpStream::connect(("127.0.0.1", port)).ok().map(|_| ()))
}

/// How long a client that should ask for `seconds` may take on a busy machine.
fn seconds_max(seconds: u64) -> u64 {
    seconds * 5 + 60
}

//! What can be fuzzed: one file a protocol, and a line here.

mod dns;
mod http1;
mod http2;
mod mysql;
mod postgres;
mod redis;
mod tls;
mod websocket;

use protocol_parsers::{Protocol, Transport};

use crate::script::Step;

pub struct Target {
    pub name: &'static str,
    pub protocol: &'static Protocol,
    pub transport: Transport,
    /// Well-formed conversations of every kind; each can follow any other.
    pub corpus: fn() -> Vec<Vec<Step>>,
    /// What one connection may hold.
    pub heap_bytes_max: usize,
}

pub static TARGETS: &[Target] = &[
    http1::TARGET,
    http2::TARGET,
    websocket::TARGET,
    redis::TARGET,
    dns::STREAM,
    dns::DATAGRAM,
    postgres::TARGET,
    mysql::TARGET,
    tls::TARGET,
];

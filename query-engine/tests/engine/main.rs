//! The crate from outside: SQL over a small store, the HTTP API and the PostgreSQL port as their clients see them.

mod api;
mod fixture;
mod flamegraph;
mod functions;
mod heap;
mod joins;
mod pyroscope;
mod reads;
mod sql;

//! Connections: what a source says of them becomes ordered bytes for a parser, and the parser's rows get their prefix.
//!
//! In: [`Event`]s. Out: rows through a [`crate::batch::Writer`]. Knows no protocol and no kernel.

#[cfg(test)]
mod budget_tests;
mod classify;
#[cfg(test)]
mod closing_tests;
mod connection;
mod connections;
mod context;
pub mod event;
#[cfg(test)]
mod kept;
mod known;
mod late;
#[cfg(test)]
mod late_tests;
mod names;
mod order;
mod pairs;
mod phase;
mod plaintext;
#[cfg(test)]
mod plaintext_tests;
#[cfg(test)]
mod policies;
mod redact;
mod report;
mod rows;
#[cfg(test)]
mod tests;
mod tracker;
mod unbound;

pub use context::{Context, Decision, PolicyControl};
pub use event::{
    Closed, Consumer, Data, Direction, End, Endpoint, Event, Evidence, HostSocket, Opened, Owner, Plain, Role, Totals,
};
pub use names::Names;
pub use tracker::Tracker;
pub use unbound::Unbound;

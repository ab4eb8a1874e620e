//! Conversations and the rows that they give.

mod copy;
mod detection;
mod extended;
mod gaps;
mod harness;
mod limits;
mod opening;
mod parameters;
mod recorded;
mod simple;
mod wire;

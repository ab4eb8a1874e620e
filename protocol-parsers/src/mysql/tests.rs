//! Conversations in, rows out; each is also fed in one-byte pieces and must give the same.

mod compressed;
mod detection;
mod gaps;
mod harness;
mod limits;
mod results;
mod sessions;
mod statements;
mod wire;

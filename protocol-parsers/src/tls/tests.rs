//! Handshakes and the rows that they give.

mod detection;
mod endings;
mod gaps;
mod harness;
mod hellos;
mod limits;
mod versions;
mod wire;

//! What a connection says, and the rows that it gives.

mod bodies;
mod detection;
mod harness;
mod heads;
mod losses;
mod messages;
mod robustness;

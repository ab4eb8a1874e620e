//! What a connection says, and the rows that it gives.

mod compression;
mod detection;
mod grpc;
mod harness;
mod losses;
mod sections;
mod streams;
#[cfg(feature = "peers")]
mod traffic;
mod upgrade;

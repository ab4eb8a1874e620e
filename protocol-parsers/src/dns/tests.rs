//! Messages in, rows out; streams are also fed in one-byte pieces and must give the same.

mod detection;
mod harness;
mod limits;
mod records;
mod tcp;
mod udp;

//! Capture, reassembly, identity, batches: from the kernel's records or a capture file to rows in a [`batch::Sink`].
//!
//! `kernel` loads the programs and is the only folder with `unsafe`; `discover` knows processes, `binary` their files;
//! `connect` orders bytes and feeds the parsers; `unwind` finds the callers on a stack, `symbols` names them, `profile` makes
//! rows of both, `heap` has one process's allocations sampled; `batch` writes; `live` runs it all on this host; `replay` reads capture files through the same path. Knows no
//! SQL.

pub mod batch;
pub mod binary;
pub mod connect;
pub mod discover;
pub mod heap;
pub mod kernel;
pub mod libraries;
pub mod live;
mod profile;
pub mod replay;
pub mod symbols;
pub mod unwind;

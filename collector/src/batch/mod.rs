//! Rows into batches, batches into a sink.

mod losses;
mod writer;

pub use losses::Losses;
pub use writer::Writer;

use arrow_array::RecordBatch;
use schema::Table;

/// Where batches go: the store on this host, or whatever a test wants. Called from capture threads: it must not block.
pub trait Sink: Send + Sync {
    fn rows(&self, table: &'static Table, batch: RecordBatch);
}

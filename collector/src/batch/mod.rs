//! Rows into batches, batches into a sink.

mod losses;
mod writer;

pub use losses::Losses;
pub use writer::Writer;

use arrow_array::RecordBatch;
use schema::{Column, Table};

/// Where batches go: the store on this host, or whatever a test wants. Called from capture threads: it must not block.
pub trait Sink: Send + Sync {
    fn rows(&self, table: &'static Table, batch: RecordBatch);

    /// Whether rows of this table are of use. Asked once, before the first.
    fn wants(&self, _table: &Table) -> bool {
        true
    }

    /// Whether a column of such a table is. One that is not is null in every row.
    fn wants_column(&self, _table: &Table, _column: &Column) -> bool {
        true
    }
}

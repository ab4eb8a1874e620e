//! Many small batches into one, and many states of a thing into its newest.
//!
//! In: batches of one schema, oldest first. Out: batches whose memory is as large as their rows need.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashSet;
use schema::Table;

use super::batch::{Sealed, shrunk};

pub(super) fn join(schema: &SchemaRef, run: &[Arc<Sealed>]) -> Option<Sealed> {
    let batches: Vec<_> = run.iter().map(|s| s.batch.clone()).collect();
    join_batches(schema, &batches)
}

/// One batch with the rows of all; `None` when they have none, or more text than one Arrow column can hold.
pub(super) fn join_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Option<Sealed> {
    let joined = concat_batches(schema, batches).ok()?;
    Sealed::new(shrunk(joined, schema))
}

/// The newest row of each key, in the order in which they arrived.
pub(super) fn newest(table: &Table, schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<RecordBatch> {
    let keys: Option<Vec<usize>> = table.newest_by.iter().map(|name| schema.index_of(name).ok()).collect();
    let Some(keys) = keys else { return batches.to_vec() };
    let fields = keys.iter().map(|i| SortField::new(schema.field(*i).data_type().clone())).collect();
    let Ok(converter) = RowConverter::new(fields) else { return batches.to_vec() };
    let mut seen: HashSet<Box<[u8]>> = HashSet::new();
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches.iter().rev() {
        let columns: Vec<ArrayRef> = keys.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        let Ok(rows) = converter.convert_columns(&columns) else { return batches.to_vec() };
        let mut keep = vec![false; batch.num_rows()];
        for (i, row) in rows.iter().enumerate().rev() {
            // a row without its key is nobody's newer state
            let keyless = columns.iter().all(|c| c.is_null(i));
            keep[i] = keyless || seen.insert(row.data().into());
        }
        match filter_record_batch(batch, &BooleanArray::from(keep)) {
            Ok(batch) if batch.num_rows() > 0 => kept.push(batch),
            _ => {}
        }
    }
    kept.reverse();
    kept
}

pub(super) struct Kept {
    pub batches: Vec<RecordBatch>,
    pub dropped: usize,
}

/// The last `rows_max` rows.
pub(super) fn last_rows(batches: Vec<RecordBatch>, rows_max: usize) -> Kept {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut excess = rows.saturating_sub(rows_max);
    let dropped = excess;
    let mut kept = Vec::with_capacity(batches.len());
    for batch in batches {
        let cut = excess.min(batch.num_rows());
        excess -= cut;
        if cut < batch.num_rows() {
            kept.push(batch.slice(cut, batch.num_rows() - cut));
        }
    }
    Kept { batches: kept, dropped }
}

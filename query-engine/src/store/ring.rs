//! The batches of one table, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use schema::Table;

use super::batch::{Sealed, TimeRange};
use super::{BATCH_BYTES_ENOUGH, BATCH_BYTES_TARGET, BATCH_ROWS_ENOUGH, BATCH_ROWS_TARGET, SMALL_BATCHES_MAX, TableStats};

#[derive(Debug)]
pub(super) struct Ring {
    batches: VecDeque<Arc<Sealed>>,
    rows: usize,
    bytes: usize,
    /// Whether only the newest row of each key counts.
    pub newest_only: bool,
}

impl Ring {
    pub fn new(table: &Table) -> Self {
        Self { batches: VecDeque::new(), rows: 0, bytes: 0, newest_only: !table.newest_by.is_empty() }
    }

    pub fn stats(&self) -> TableStats {
        TableStats { batches: self.batches.len(), rows: self.rows, bytes: self.bytes }
    }

    pub fn push(&mut self, batch: Sealed) {
        self.rows += batch.batch.num_rows();
        self.bytes += batch.bytes;
        self.batches.push_back(Arc::new(batch));
    }

    pub fn pop(&mut self) -> Option<Arc<Sealed>> {
        let batch = self.batches.pop_front()?;
        self.rows -= batch.batch.num_rows();
        self.bytes -= batch.bytes;
        Some(batch)
    }

    /// Sequence number of the oldest batch.
    pub fn oldest(&self) -> Option<u64> {
        self.batches.front().map(|b| b.sequence)
    }

    pub fn snapshot(&self, range: TimeRange) -> Vec<RecordBatch> {
        self.batches.iter().filter(|b| b.time.overlaps(range)).map(|b| b.batch.clone()).collect()
    }

    /// Neighbouring small batches that are worth joining: together large enough, closed by a large one, or too many.
    pub fn small_run(&self) -> Option<Vec<Arc<Sealed>>> {
        let (mut run, mut rows, mut bytes): (Vec<&Arc<Sealed>>, usize, usize) = (Vec::new(), 0, 0);
        let taken = |run: &[&Arc<Sealed>]| Some(run.iter().map(|b| Arc::clone(b)).collect());
        for batch in &self.batches {
            // what recurs takes little memory here, but much in a query's answer
            let batch_bytes = || batch.bytes.max(batch.written_out_bytes());
            let large = batch.batch.num_rows() >= BATCH_ROWS_ENOUGH || batch_bytes() >= BATCH_BYTES_ENOUGH;
            if !large {
                run.push(batch);
                rows += batch.batch.num_rows();
                bytes += batch_bytes();
            }
            if large || rows >= BATCH_ROWS_TARGET || bytes >= BATCH_BYTES_TARGET {
                if run.len() > 1 {
                    return taken(&run);
                }
                run.clear();
                (rows, bytes) = (0, 0);
            }
        }
        if run.len() >= SMALL_BATCHES_MAX { taken(&run) } else { None }
    }

    /// All batches of a table of states, when so many have arrived that most rows may be superseded.
    pub fn superseded_run(&self) -> Option<Vec<Arc<Sealed>>> {
        (self.batches.len() >= SMALL_BATCHES_MAX).then(|| self.batches.iter().cloned().collect())
    }

    /// Puts `with` in the place of `run`; does nothing and returns false when part of `run` was evicted meanwhile.
    pub fn replace(&mut self, run: &[Arc<Sealed>], with: Vec<Sealed>) -> bool {
        let Some(first) = run.first() else { return false };
        let Ok(at) = self.batches.binary_search_by_key(&first.sequence, |b| b.sequence) else { return false };
        let Some(last) = self.batches.get(at + run.len() - 1) else { return false };
        if !run.last().is_some_and(|r| Arc::ptr_eq(r, last)) {
            return false;
        }
        let mut after = self.batches.split_off(at);
        for old in after.drain(..run.len()) {
            self.rows -= old.batch.num_rows();
            self.bytes -= old.bytes;
        }
        for mut batch in with {
            batch.sequence = first.sequence;
            self.push(batch);
        }
        self.batches.append(&mut after);
        true
    }
}

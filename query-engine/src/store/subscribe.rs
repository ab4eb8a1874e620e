//! New batches of a table, for those who follow it.
//!
//! Capture never waits for a follower: a full queue loses the batch, and both sides can count it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::record_batch::RecordBatch;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::locked;

/// Batches that wait for one follower; shards flush five times a second, so this is some seconds.
const QUEUE_BATCHES_MAX: usize = 64;

/// The new batches of one table since it was asked for.
#[derive(Debug)]
pub struct Subscription {
    batches: Receiver<RecordBatch>,
    lost_rows: Arc<AtomicU64>,
}

impl Subscription {
    /// `None` when the store is gone.
    pub async fn next(&mut self) -> Option<RecordBatch> {
        self.batches.recv().await
    }

    /// Rows that this follower was too slow for.
    pub fn lost_rows(&self) -> u64 {
        self.lost_rows.load(Ordering::Relaxed)
    }
}

struct Follower {
    queue: Sender<RecordBatch>,
    lost_rows: Arc<AtomicU64>,
    table: &'static str,
}

#[derive(Default)]
pub(super) struct Subscribers(Mutex<Vec<Follower>>);

impl Subscribers {
    pub fn add(&self, table: &'static str) -> Subscription {
        let (queue, batches) = channel(QUEUE_BATCHES_MAX);
        let lost_rows = Arc::new(AtomicU64::new(0));
        locked(&self.0).push(Follower { queue, lost_rows: Arc::clone(&lost_rows), table });
        Subscription { batches, lost_rows }
    }

    pub fn send(&self, batch: &RecordBatch) {
        locked(&self.0).retain(|follower| match follower.queue.try_send(batch.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(batch)) => {
                let rows = batch.num_rows() as u64;
                follower.lost_rows.fetch_add(rows, Ordering::Relaxed);
                metrics::counter!("earshot_stream_lost_rows_total", "table" => follower.table).increment(rows);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        });
    }
}

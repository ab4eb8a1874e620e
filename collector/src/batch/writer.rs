//! One thread's batches: a builder a table, handed to the sink when full or when old.

use std::sync::Arc;

use schema::batch::BatchBuilder;
use schema::tables::LostEvent;
use schema::{Columns, HostPrefix, Table};

use super::{Losses, Sink};

/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;
/// Text of a batch.
const BATCH_TEXT_BYTES_MAX: usize = 4 << 20;

pub struct Writer {
    builders: Vec<BatchBuilder>,
    sink: Arc<dyn Sink>,
    host: Arc<[u8]>,
    pub losses: Losses,
}

impl Writer {
    pub fn new(sink: Arc<dyn Sink>, host: Arc<[u8]>) -> Self {
        Self { builders: vec![], sink, host, losses: Losses::default() }
    }

    pub fn row(&mut self, table: &'static Table, parts: &[&dyn Columns]) {
        let at = match self.builders.iter().position(|b| std::ptr::eq(b.table, table)) {
            Some(at) => at,
            None => {
                self.builders.push(BatchBuilder::new(table));
                self.builders.len() - 1
            }
        };
        let builder = &mut self.builders[at];
        builder.row(parts);
        if builder.rows() >= BATCH_ROWS_MAX || builder.text_bytes() >= BATCH_TEXT_BYTES_MAX {
            self.sink.rows(table, builder.finish());
        }
    }

    /// Hands over everything; `unix_ns` is the time of the losses since the last call.
    pub fn flush(&mut self, unix_ns: i64) {
        let losses: Vec<LostEvent<'static>> = self.losses.drain().collect();
        let host = self.host.clone();
        for loss in &losses {
            let prefix = HostPrefix { time: Some(unix_ns), host: Some(&host), ..Default::default() };
            self.row(LostEvent::TABLE, &[&prefix, loss]);
        }
        for builder in &mut self.builders {
            if builder.rows() > 0 {
                let batch = builder.finish();
                self.sink.rows(builder.table, batch);
            }
        }
    }
}

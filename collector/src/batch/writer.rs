//! One thread's batches: a builder a table, handed to the sink when full or when old.

use std::sync::Arc;

use schema::batch::BatchBuilder;
use schema::tables::LostEvent;
use schema::{Column, Columns, HostPrefix, Table};

use super::{Losses, Sink};

/// Rows of a batch.
const BATCH_ROWS_MAX: usize = 8192;
/// Stored text of a batch: to pack much more of it would keep the thread from reading for milliseconds.
const BATCH_STORED_TEXT_BYTES_MAX: usize = 1 << 20;
/// Text of a batch when what recurs is written out each time, as a query's answer has it.
const BATCH_TEXT_BYTES_MAX: usize = 4 << 20;

pub struct Writer {
    builders: Vec<Builder>,
    sink: Arc<dyn Sink>,
    host: Arc<[u8]>,
    pub losses: Losses,
}

struct Builder {
    table: &'static Table,
    /// `None` when nobody wants the rows.
    batch: Option<BatchBuilder>,
}

impl Writer {
    pub fn new(sink: Arc<dyn Sink>, host: Arc<[u8]>) -> Self {
        Self { builders: vec![], sink, host, losses: Losses::default() }
    }

    pub fn row(&mut self, table: &'static Table, parts: &[&dyn Columns]) {
        let at = match self.builders.iter().position(|b| std::ptr::eq(b.table, table)) {
            Some(at) => at,
            None => self.begin(table),
        };
        let Some(batch) = &mut self.builders[at].batch else { return };
        batch.row(parts);
        if batch.rows() >= BATCH_ROWS_MAX
            || batch.stored_text_bytes() >= BATCH_STORED_TEXT_BYTES_MAX
            || batch.text_bytes() >= BATCH_TEXT_BYTES_MAX
        {
            self.sink.rows(table, batch.finish());
        }
    }

    fn begin(&mut self, table: &'static Table) -> usize {
        let wanted = |column: &Column| self.sink.wants_column(table, column);
        let batch = self.sink.wants(table).then(|| BatchBuilder::of_columns(table, wanted));
        self.builders.push(Builder { table, batch });
        self.builders.len() - 1
    }

    /// Hands over everything; `unix_ns` is the time of the losses since the last call.
    pub fn flush(&mut self, unix_ns: i64) {
        let losses: Vec<LostEvent<'static>> = self.losses.drain().collect();
        let host = self.host.clone();
        for loss in &losses {
            let prefix = HostPrefix { time: Some(unix_ns), host: Some(&host), ..Default::default() };
            self.row(LostEvent::TABLE, &[&prefix, loss]);
        }
        for Builder { table, batch } in &mut self.builders {
            if let Some(batch) = batch
                && batch.rows() > 0
            {
                self.sink.rows(table, batch.finish());
            }
        }
    }
}

//! For tests: keeps the rows that a tracker writes, and reads their columns.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{RecordBatch, StringArray};
use protocol_parsers::Settings;
use schema::Table;

use super::{Context, PolicyControl, Tracker};
use crate::batch::Sink;
use crate::kernel::Clock;

#[derive(Default)]
pub struct Kept(Mutex<Vec<(&'static str, RecordBatch)>>);

impl Sink for Kept {
    fn rows(&self, table: &'static Table, batch: RecordBatch) {
        self.0.lock().expect("no writer panicked").push((table.name, batch));
    }
}

impl Kept {
    /// A tracker that knows no processes, and where its rows go.
    pub fn tracker(policies: Option<Box<dyn PolicyControl>>) -> (Tracker, Arc<Self>) {
        let kept = Arc::new(Self::default());
        let context = Context {
            host: Arc::from(&b""[..]),
            clock: Clock::UNIX,
            settings: Settings::default(),
            redact: false,
            sink: kept.clone(),
            processes: None,
            names: Arc::default(),
            unbound: Default::default(),
            ids: Arc::new(AtomicU64::new(1)),
        };
        (Tracker::new(context, policies), kept)
    }

    /// The tables that got rows, and how many, batch by batch.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        let batches = self.0.lock().expect("no writer panicked");
        batches.iter().map(|(name, batch)| (*name, batch.num_rows())).collect()
    }

    /// The values of a name column, in the order of the rows.
    pub fn names(&self, table: &str, column: &str) -> Vec<Option<String>> {
        let read = |batch: &RecordBatch| {
            let column = batch.column_by_name(column).expect(column).as_dictionary::<Int32Type>();
            let values = column.downcast_dict::<StringArray>().expect("names");
            values.into_iter().map(|name| name.map(str::to_owned)).collect()
        };
        self.read(table, read)
    }

    /// Those that are not null.
    pub fn known_names(&self, table: &str, column: &str) -> Vec<String> {
        self.names(table, column).into_iter().flatten().collect()
    }

    /// The values of a number column that are not null.
    pub fn numbers(&self, table: &str, column: &str) -> Vec<i64> {
        let read = |batch: &RecordBatch| {
            let column = batch.column_by_name(column).expect(column).as_primitive::<Int64Type>();
            column.iter().flatten().collect()
        };
        self.read(table, read)
    }

    /// The values of a column of truth values that are not null.
    pub fn flags(&self, table: &str, column: &str) -> Vec<bool> {
        self.read(table, |batch| batch.column_by_name(column).expect(column).as_boolean().iter().flatten().collect())
    }

    fn read<T>(&self, table: &str, column: impl Fn(&RecordBatch) -> Vec<T>) -> Vec<T> {
        let batches = self.0.lock().expect("no writer panicked");
        batches.iter().filter(|(name, _)| *name == table).flat_map(|(_, batch)| column(batch)).collect()
    }
}

//! One sealed batch: its rows, what they cost, and the time that they span.

use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, DictionaryArray};
use arrow::compute::{max, min};
use arrow::datatypes::{Int32Type, SchemaRef, TimestampNanosecondType};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use hashbrown::HashSet;

/// A closed range of time, nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub min: i64,
    pub max: i64,
}

impl TimeRange {
    pub const ALL: Self = Self { min: i64::MIN, max: i64::MAX };

    pub fn overlaps(self, other: Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }

    pub fn intersect(self, other: Self) -> Self {
        Self { min: self.min.max(other.min), max: self.max.min(other.max) }
    }
}

#[derive(Debug)]
pub(super) struct Sealed {
    pub batch: RecordBatch,
    pub time: TimeRange,
    pub bytes: usize,
    /// Order of arrival over all tables.
    pub sequence: u64,
    written_out: OnceLock<usize>,
}

impl Sealed {
    /// `None` when the batch has no column `time` of nanoseconds, or no rows.
    pub fn new(batch: RecordBatch) -> Option<Self> {
        let time = batch.column_by_name("time")?.as_primitive_opt::<TimestampNanosecondType>()?;
        let time = TimeRange { min: min(time)?, max: max(time)? };
        let bytes = batch_bytes(&batch);
        Some(Self { batch, time, bytes, sequence: 0, written_out: OnceLock::new() })
    }

    /// Text bytes of columns with a dictionary as a query's answer has them: each row's own.
    pub fn written_out_bytes(&self) -> usize {
        *self.written_out.get_or_init(|| {
            let dictionaries = self.batch.columns().iter().filter_map(|c| c.as_dictionary_opt::<Int32Type>());
            dictionaries.map(written_out_bytes).sum()
        })
    }
}

fn written_out_bytes(column: &DictionaryArray<Int32Type>) -> usize {
    let Some(texts) = column.values().as_string_opt::<i32>() else { return 0 };
    let lengths = texts.offsets();
    let length = |key: usize| lengths.get(key..key + 2).map_or(0, |ends| (ends[1] - ends[0]) as usize);
    column.keys().iter().flatten().map(|key| length(key as usize)).sum()
}

/// Memory that a batch keeps allocated: each allocation once, however many columns share it.
pub fn batch_bytes(batch: &RecordBatch) -> usize {
    let mut seen = HashSet::with_capacity(batch.num_columns() * 3);
    batch.columns().iter().map(|c| size_of::<ArrayData>() + data_bytes(&c.to_data(), &mut seen)).sum()
}

fn data_bytes(data: &ArrayData, seen: &mut HashSet<usize>) -> usize {
    let mut once = |buffer: &arrow::buffer::Buffer| {
        if seen.insert(buffer.data_ptr().as_ptr() as usize) { buffer.capacity() } else { 0 }
    };
    let own: usize = data.buffers().iter().map(&mut once).sum();
    let nulls = data.nulls().map_or(0, |n| once(n.inner().inner()));
    own + nulls + data.child_data().iter().map(|c| data_bytes(c, seen)).sum::<usize>()
}

/// The same rows without the spare room that builders leave, under the given schema object.
pub(super) fn shrunk(batch: RecordBatch, schema: &SchemaRef) -> RecordBatch {
    let (_, columns, rows) = batch.into_parts();
    let columns: Vec<ArrayRef> = columns
        .into_iter()
        .map(|mut column| {
            column.shrink_to_fit();
            column
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).expect("the caller compared the schemas")
}

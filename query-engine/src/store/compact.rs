//! Many small batches into one, and many states of a thing into its newest.
//!
//! In: batches of one schema, oldest first. Out: batches whose memory is as large as their rows need.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, BooleanArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use arrow::row::{RowConverter, SortField};
use bytes::Bytes;
use hashbrown::HashSet;
use schema::Table;

use super::batch::{Sealed, batch_bytes, shrunk};

pub(super) fn join(table: &Table, schema: &SchemaRef, run: &[Arc<Sealed>]) -> Option<Sealed> {
    let batches: Vec<_> = run.iter().map(|s| s.batch.clone()).collect();
    join_batches(table, schema, &batches)
}

/// One batch with the rows of all; `None` when they have none, or more text than one Arrow column can hold.
pub(super) fn join_batches(table: &Table, schema: &SchemaRef, batches: &[RecordBatch]) -> Option<Sealed> {
    let empty = |place: usize| batches.iter().all(|b| b.column(place).null_count() == b.num_rows());
    let (empty, known): (Vec<usize>, Vec<usize>) = (0..schema.fields().len()).partition(|place| empty(*place));
    let known_schema = Arc::new(schema.project(&known).ok()?);
    let batches: Vec<_> = batches.iter().map(|batch| batch.project(&known)).collect::<Result<_, _>>().ok()?;
    let joined = shrunk(concat_batches(&known_schema, &batches).ok()?, &known_schema);
    let (joined, framing) = packed(&joined, &known_schema).unwrap_or((joined, 0));
    // columns without a value share zeros, as in the batches: written out, they would take the memory of values
    let types = table.columns().map(|column| column.ty).enumerate().filter(|(place, _)| empty.contains(place));
    let nulls = schema::batch::nulls(types.map(|(_, ty)| ty), joined.num_rows());
    let mut columns: Vec<_> =
        known.into_iter().zip(joined.columns().iter().cloned()).chain(empty.into_iter().zip(nulls)).collect();
    columns.sort_unstable_by_key(|(place, _)| *place);
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let mut sealed = Sealed::new(RecordBatch::try_new(Arc::clone(schema), columns).ok()?)?;
    sealed.bytes += framing;
    Some(sealed)
}

/// Bytes from which a batch is worth an allocation of its own.
const PACKED_BYTES_MIN: usize = 256 << 10;

/// The same rows with all columns in one allocation, and how many bytes of it no column has; `None` when they are too few, or cannot
/// be.
///
/// A hundred small buffers a batch, freed at other times than their neighbours, leave holes that the allocator keeps: a
/// full store would occupy half as much again. Arrow's IPC encoding is one piece and is read in place.
fn packed(batch: &RecordBatch, schema: &SchemaRef) -> Option<(RecordBatch, usize)> {
    let bytes = batch_bytes(batch);
    if bytes < PACKED_BYTES_MIN {
        return None;
    }
    let mut encoded = Vec::with_capacity(bytes + bytes / 16);
    let mut writer = StreamWriter::try_new(&mut encoded, schema).ok()?;
    writer.write(batch).ok()?;
    drop(writer);
    encoded.shrink_to_fit();
    let allocated = encoded.len();
    let mut decoder = StreamDecoder::new();
    let mut left = Buffer::from_vec(encoded);
    while !left.is_empty() {
        if let Some(batch) = decoder.decode(&mut left).ok()? {
            let columns = batch.columns().iter().map(|column| Some(make_array(apart(&column.to_data())?)));
            let batch = RecordBatch::try_new(Arc::clone(schema), columns.collect::<Option<_>>()?).ok()?;
            let framing = allocated.saturating_sub(batch_bytes(&batch));
            return Some((batch, framing));
        }
    }
    None
}

/// The same values, with each buffer counted as if it were an allocation of its own, and not as the whole that it lies in.
///
/// DataFusion limits memory by what columns keep, and by that chooses the side of a join that it holds. Two columns out of a
/// batch of fifty would be counted as the batch, twice.
fn apart(data: &ArrayData) -> Option<ArrayData> {
    // what is empty has no place of its own, and columns of numbers ask for one that is a multiple of eight
    let own =
        |buffer: &Buffer| if buffer.is_empty() { Buffer::default() } else { Bytes::from_owner(Part(buffer.clone())).into() };
    let nulls = data.nulls().map(|n| NullBuffer::new(BooleanBuffer::new(own(n.buffer()), n.offset(), n.len())));
    let builder = ArrayData::builder(data.data_type().clone()).len(data.len()).offset(data.offset()).nulls(nulls);
    let builder = builder.buffers(data.buffers().iter().map(own).collect());
    builder.child_data(data.child_data().iter().map(apart).collect::<Option<_>>()?).build().ok()
}

/// Keeps the whole allocation.
struct Part(Buffer);

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
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

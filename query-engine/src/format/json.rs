//! JSON objects, one a row, nulls included.

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited};
use arrow::record_batch::RecordBatch;

use super::TIME_FORMAT;
use super::columns::{flat, plain};

fn encoded<F: JsonFormat>(batch: &RecordBatch, capacity: usize) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::with_capacity(capacity);
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(TIME_FORMAT.to_owned())
        .with_timestamp_tz_format(TIME_FORMAT.to_owned())
        .build::<_, F>(&mut bytes);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// Bytes that a row takes at least, to start with.
const ROW_BYTES_GUESS: usize = 256;

fn encode<F: JsonFormat>(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let capacity = batch.num_rows() * ROW_BYTES_GUESS;
    let listed = batch.columns().iter().any(|c| has_odd_part(c.data_type()));
    // intervals, durations and unions have no JSON of their own: as text
    let batch = if listed { flat(batch)? } else { plain(batch)? };
    encoded::<F>(&batch, capacity)
}

fn has_odd_part(ty: &DataType) -> bool {
    match ty {
        DataType::Interval(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => true,
        DataType::Struct(fields) => fields.iter().any(|f| has_odd_part(f.data_type())),
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) | DataType::Map(f, _) => {
            has_odd_part(f.data_type())
        }
        _ => false,
    }
}

/// One object a line.
pub(super) fn lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    if batch.num_rows() == 0 { Ok(Vec::new()) } else { encode::<LineDelimited>(batch) }
}

/// Objects between commas, as inside a list.
pub(super) fn list_items(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = encode::<JsonArray>(batch)?;
    if bytes.last() == Some(&b']') {
        bytes.pop();
    }
    if bytes.first() == Some(&b'[') {
        bytes.remove(0);
    }
    Ok(bytes)
}

/// One JSON object a row, each as text without a line end.
pub fn objects(batch: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let bytes = lines(batch)?;
    Ok(bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| String::from_utf8_lossy(l).into_owned()).collect())
}

//! CSV by RFC 4180: a header line, null as nothing, quotes where needed.

use arrow::csv::WriterBuilder;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::TIME_FORMAT;
use super::columns::flat;

pub(super) fn csv(batch: &RecordBatch, header: bool) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new()
        .with_header(header)
        .with_timestamp_format(TIME_FORMAT.to_owned())
        .with_timestamp_tz_format(TIME_FORMAT.to_owned())
        .build(&mut bytes);
    writer.write(&flat(batch)?)?;
    drop(writer);
    Ok(bytes)
}

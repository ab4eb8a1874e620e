//! Columns in the shape that a format can write.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions};

use super::TIME_FORMAT;

/// How values are shown as text.
pub(super) fn display() -> FormatOptions<'static> {
    FormatOptions::new()
        .with_timestamp_format(Some(TIME_FORMAT))
        .with_timestamp_tz_format(Some(TIME_FORMAT))
        .with_duration_format(DurationFormat::ISO8601)
}

/// The type that is sent for a type: dictionaries and views written out, times in UTC.
pub(super) fn plain_type(ty: &DataType) -> DataType {
    match ty {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
        other => other.clone(),
    }
}

pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> =
        schema.fields().iter().map(|f| Field::new(f.name(), plain_type(f.data_type()), f.is_nullable())).collect();
    Arc::new(Schema::new(fields))
}

/// The batch with every column in its plain type.
pub(crate) fn plain(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = plain_schema(batch.schema_ref());
    let columns: Result<Vec<ArrayRef>, ArrowError> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(
            |(column, field)| {
                if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
            },
        )
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns?, &options)
}

/// The batch with every column that has parts (lists, structs, intervals …) as text.
pub(super) fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let batch = plain(batch)?;
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(batch.schema_ref().fields()) {
        let simple = column.data_type().is_primitive()
            && !matches!(column.data_type(), DataType::Interval(_) | DataType::Duration(_))
            || matches!(column.data_type(), DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Null);
        let column = if simple { Arc::clone(column) } else { text(column)? };
        fields.push(Field::new(field.name(), column.data_type().clone(), field.is_nullable()));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = display();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let mut builder = StringBuilder::with_capacity(column.len(), column.len() * 16);
    for i in 0..column.len() {
        if column.is_null(i) {
            builder.append_null();
        } else {
            builder.append_value(formatter.value(i).try_to_string()?);
        }
    }
    Ok(Arc::new(builder.finish()))
}

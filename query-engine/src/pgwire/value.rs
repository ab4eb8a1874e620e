//! Values as PostgreSQL's text format shows them, and the types that they are announced as.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::format::plain;

const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f";
const UTC_TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.6f+00";

/// A type's number in `pg_type`, and its size in bytes (-1: any).
pub(super) fn type_of(ty: &DataType) -> (i32, i16) {
    match ty {
        DataType::Dictionary(_, values) => type_of(values),
        DataType::Boolean => (16, 1),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => (21, 2),
        DataType::Int32 | DataType::UInt16 => (23, 4),
        DataType::Int64 | DataType::UInt32 => (20, 8),
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => (1700, -1),
        DataType::Float16 | DataType::Float32 => (700, 4),
        DataType::Float64 => (701, 8),
        DataType::Date32 => (1082, 4),
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, zone) => {
            (if zone.is_some() { 1184 } else { 1114 }, 8)
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => (17, -1),
        _ => (25, -1),
    }
}

/// The rows of one batch as text.
pub(super) struct Values {
    columns: Vec<ArrayRef>,
}

impl Values {
    pub fn new(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let columns = plain(batch)?.columns().to_vec();
        // a type that cannot be shown is found here, before the row's message has begun
        for column in &columns {
            ArrayFormatter::try_new(column.as_ref(), &options())?;
        }
        Ok(Self { columns })
    }

    /// The body of a `DataRow` message.
    pub fn write(&self, row: usize, to: &mut Vec<u8>) {
        to.extend((self.columns.len() as i16).to_be_bytes());
        for column in &self.columns {
            if column.is_null(row) || *column.data_type() == DataType::Null {
                to.extend((-1_i32).to_be_bytes());
                continue;
            }
            let at = to.len();
            to.extend([0; 4]);
            text(column, row, to);
            let length = (to.len() - at - 4) as i32;
            to[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn options() -> FormatOptions<'static> {
    FormatOptions::new().with_timestamp_format(Some(TIME_FORMAT)).with_timestamp_tz_format(Some(UTC_TIME_FORMAT))
}

fn text(column: &ArrayRef, row: usize, to: &mut Vec<u8>) {
    match column.data_type() {
        DataType::Utf8 => to.extend(column.as_string::<i32>().value(row).as_bytes()),
        DataType::Boolean => to.push(if column.as_boolean().value(row) { b't' } else { b'f' }),
        ty => {
            if matches!(ty, DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_)) {
                to.extend(b"\\x");
            }
            let options = options();
            if let Ok(formatter) = ArrayFormatter::try_new(column.as_ref(), &options) {
                // writing to memory cannot fail, and a value that cannot be shown stays empty
                let _ = write!(to, "{}", formatter.value(row));
            }
        }
    }
}

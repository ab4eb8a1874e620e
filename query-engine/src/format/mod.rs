//! Rows as text or bytes: what the API sends and what commands print.
//!
//! In: a schema and batches. Out: bytes, batch by batch, so that an answer streams ([`Encoder`]); or the whole answer to a
//! writer ([`write()`]). Times are RFC 3339 in UTC with nine digits; what is null stays null.

mod arrow_stream;
mod columns;
mod delimited;
mod json;
mod table;

use std::io::Write;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use crate::sql::{QueryStream, SqlError};

/// A time with nine digits; `Z` because every time is brought to UTC first.
const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.9fZ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for a terminal; held back until the last row, since widths depend on all.
    Table,
    /// One JSON object a line.
    Json,
    /// One JSON list of objects.
    JsonList,
    /// RFC 4180 with a header line; null is empty.
    Csv,
    /// Arrow IPC stream, dictionaries written out.
    Arrow,
}

impl Format {
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Table => "text/plain; charset=utf-8",
            Self::Json => "application/x-ndjson",
            Self::JsonList => "application/json",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("cannot write the rows: {0}")]
    Encode(#[from] ArrowError),
    #[error("cannot write the rows: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Sql(#[from] SqlError),
}

enum Kind {
    Table(table::TableText),
    Json,
    JsonList { any: bool },
    Csv { begun: bool },
    Arrow(Box<arrow_stream::ArrowStream>),
}

/// Turns the batches of one answer into bytes.
pub struct Encoder {
    schema: SchemaRef,
    kind: Kind,
}

impl Encoder {
    pub fn new(format: Format, schema: &SchemaRef) -> Result<Self, FormatError> {
        let kind = match format {
            Format::Table => Kind::Table(table::TableText::new(schema)),
            Format::Json => Kind::Json,
            Format::JsonList => Kind::JsonList { any: false },
            Format::Csv => Kind::Csv { begun: false },
            Format::Arrow => Kind::Arrow(Box::new(arrow_stream::ArrowStream::new(schema)?)),
        };
        Ok(Self { schema: schema.clone(), kind })
    }

    /// The bytes of some rows; may be empty.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, FormatError> {
        Ok(match &mut self.kind {
            Kind::Table(table) => {
                table.add(batch)?;
                Vec::new()
            }
            Kind::Json => json::lines(batch)?,
            Kind::JsonList { any } => {
                let mut bytes = Vec::new();
                if batch.num_rows() > 0 {
                    bytes.push(if *any { b',' } else { b'[' });
                    *any = true;
                    bytes.extend(json::list_items(batch)?);
                }
                bytes
            }
            Kind::Csv { begun } => delimited::csv(batch, !std::mem::replace(begun, true))?,
            Kind::Arrow(stream) => stream.batch(batch)?,
        })
    }

    /// The bytes after the last row.
    pub fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        Ok(match &mut self.kind {
            Kind::Table(table) => table.finish(),
            Kind::Json => Vec::new(),
            Kind::JsonList { any: true } => b"]\n".to_vec(),
            Kind::JsonList { any: false } => b"[]\n".to_vec(),
            Kind::Csv { begun: true } => Vec::new(),
            Kind::Csv { begun } => {
                *begun = true;
                delimited::csv(&RecordBatch::new_empty(self.schema.clone()), true)?
            }
            Kind::Arrow(stream) => stream.finish()?,
        })
    }
}

/// Writes a whole answer; returns the number of rows. Rows that precede an error are written.
pub async fn write(mut answer: QueryStream, format: Format, to: &mut impl Write) -> Result<u64, FormatError> {
    let mut encoder = Encoder::new(format, answer.schema())?;
    let mut rows = 0;
    while let Some(batch) = answer.next().await {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                if format == Format::Table && rows > 0 {
                    to.write_all(&encoder.finish()?)?;
                }
                return Err(error.into());
            }
        };
        rows += batch.num_rows() as u64;
        to.write_all(&encoder.batch(&batch)?)?;
    }
    to.write_all(&encoder.finish()?)?;
    to.flush()?;
    Ok(rows)
}

pub(crate) use columns::plain;
pub use json::objects;

#[cfg(test)]
mod tests;

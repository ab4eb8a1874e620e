//! Rows into Arrow record batches.
//!
//! In: values by [`ColumnWriter`], one row after the other. Out: a `RecordBatch` of the table's schema. Text that is not
//! UTF-8 is escaped here, once for every table.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int32Builder, Int64Builder, StringBuilder, TimestampNanosecondBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use hashbrown::HashMap;

use crate::{ColumnWriter, Columns, Table, Type};

/// The Arrow type of a column.
pub fn data_type(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int32 => DataType::Int32,
        Type::Int64 => DataType::Int64,
        Type::Text => DataType::Utf8,
        Type::Name => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Type::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
    }
}

/// The Arrow schema of a table. Every column is nullable except `time`.
pub fn schema(table: &Table) -> SchemaRef {
    let fields: Vec<Field> = table.columns().map(|c| Field::new(c.name, data_type(c.ty), c.name != "time")).collect();
    Arc::new(Schema::new(fields))
}

/// Few different values, one after the other: the text is stored once a batch.
#[derive(Debug, Default)]
struct NameBuilder {
    keys: Vec<Option<i32>>,
    values: Vec<Box<[u8]>>,
    known: HashMap<Box<[u8]>, i32>,
}

impl NameBuilder {
    fn append(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else { return self.keys.push(None) };
        // rows of one connection follow each other, so the last value is the likeliest
        if let Some(Some(last)) = self.keys.last()
            && &*self.values[*last as usize] == value
        {
            let last = *last;
            return self.keys.push(Some(last));
        }
        let key = match self.known.get(value) {
            Some(key) => *key,
            None => {
                let key = self.values.len() as i32;
                self.values.push(value.into());
                self.known.insert(value.into(), key);
                key
            }
        };
        self.keys.push(Some(key));
    }

    fn finish(&mut self, escaped: &mut String) -> ArrayRef {
        let keys = Int32Array::from(std::mem::take(&mut self.keys));
        self.known.clear();
        let values: StringArray = self.values.drain(..).map(|v| Some(utf8(&v, escaped).to_owned())).collect();
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(values)))
    }
}

/// `bytes` as text: borrowed when it is UTF-8, else with each byte that is not escaped as `\xNN` in `scratch`.
fn utf8<'a>(bytes: &'a [u8], scratch: &'a mut String) -> &'a str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            use std::fmt::Write;
            scratch.clear();
            for chunk in bytes.utf8_chunks() {
                scratch.push_str(chunk.valid());
                for byte in chunk.invalid() {
                    let _ = write!(scratch, "\\x{byte:02x}");
                }
            }
            scratch
        }
    }
}

#[derive(Debug)]
enum Builder {
    Bool(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Text(StringBuilder),
    Name(NameBuilder),
    Time(TimestampNanosecondBuilder),
}

/// Collects rows of one table.
#[derive(Debug)]
pub struct BatchBuilder {
    pub table: &'static Table,
    schema: SchemaRef,
    builders: Vec<Builder>,
    column: usize,
    rows: usize,
    text_bytes: usize,
    escaped: String,
}

impl BatchBuilder {
    pub fn new(table: &'static Table) -> Self {
        let builders = table
            .columns()
            .map(|c| match c.ty {
                Type::Bool => Builder::Bool(BooleanBuilder::new()),
                Type::Int32 => Builder::Int32(Int32Builder::new()),
                Type::Int64 => Builder::Int64(Int64Builder::new()),
                Type::Text => Builder::Text(StringBuilder::new()),
                Type::Name => Builder::Name(NameBuilder::default()),
                Type::Time => Builder::Time(TimestampNanosecondBuilder::new().with_timezone("UTC")),
            })
            .collect();
        Self { table, schema: schema(table), builders, column: 0, rows: 0, text_bytes: 0, escaped: String::new() }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Text bytes of the rows so far: what grows without bound, unlike the fixed-width columns.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// One row: its prefix, its own columns, its suffix.
    pub fn row(&mut self, parts: &[&dyn Columns]) {
        self.column = 0;
        for part in parts {
            part.write(self);
        }
        assert_eq!(self.column, self.builders.len(), "a row of {} has another number of columns", self.table.name);
        self.rows += 1;
    }

    /// The rows so far as a batch; the builder starts anew.
    pub fn finish(&mut self) -> RecordBatch {
        let escaped = &mut self.escaped;
        let arrays = self
            .builders
            .iter_mut()
            .map(|b| -> ArrayRef {
                match b {
                    Builder::Bool(b) => Arc::new(b.finish()),
                    Builder::Int32(b) => Arc::new(b.finish()),
                    Builder::Int64(b) => Arc::new(b.finish()),
                    Builder::Text(b) => Arc::new(b.finish()),
                    Builder::Name(b) => b.finish(escaped),
                    Builder::Time(b) => Arc::new(b.finish()),
                }
            })
            .collect();
        self.rows = 0;
        self.text_bytes = 0;
        RecordBatch::try_new(self.schema.clone(), arrays).expect("columns of the declared types and one length")
    }

    fn next(&mut self) -> &mut Builder {
        self.column += 1;
        &mut self.builders[self.column - 1]
    }
}

impl ColumnWriter for BatchBuilder {
    fn bool(&mut self, value: Option<bool>) {
        match self.next() {
            Builder::Bool(b) => b.append_option(value),
            other => unreachable!("bool written to {other:?}"),
        }
    }

    fn int32(&mut self, value: Option<i32>) {
        match self.next() {
            Builder::Int32(b) => b.append_option(value),
            other => unreachable!("int32 written to {other:?}"),
        }
    }

    fn int64(&mut self, value: Option<i64>) {
        match self.next() {
            Builder::Int64(b) => b.append_option(value),
            Builder::Time(b) => b.append_option(value),
            other => unreachable!("int64 written to {other:?}"),
        }
    }

    fn text(&mut self, value: Option<&[u8]>) {
        self.text_bytes += value.map_or(0, <[u8]>::len);
        self.column += 1;
        match &mut self.builders[self.column - 1] {
            Builder::Text(b) => b.append_option(value.map(|v| utf8(v, &mut self.escaped))),
            other => unreachable!("text written to {other:?}"),
        }
    }

    fn name(&mut self, value: Option<&[u8]>) {
        match self.next() {
            Builder::Name(b) => b.append(value),
            other => unreachable!("name written to {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::tables::LostEvent;
    use crate::{HostPrefix, Row};

    #[test]
    fn rows_come_back_as_written_and_odd_bytes_are_escaped() {
        let mut builder = BatchBuilder::new(LostEvent::TABLE);
        for (i, stage) in [b"ring".as_slice(), b"ring", b"caf\xe9"].into_iter().enumerate() {
            let row = LostEvent { stage: Some(stage), events: Some(i as i64), ..Default::default() };
            assert_eq!(row.table().name, "lost_events");
            builder.row(&[&HostPrefix { time: Some(1), host: Some(b"h"), ..Default::default() }, &row]);
        }
        let batch = builder.finish();
        assert_eq!(batch.num_rows(), 3);
        let stage = batch.column_by_name("stage").unwrap().as_dictionary::<Int32Type>();
        let stage: Vec<_> = stage.downcast_dict::<StringArray>().unwrap().into_iter().map(|s| s.unwrap().to_owned()).collect();
        assert_eq!(stage, ["ring", "ring", "caf\\xe9"]);
        assert!(batch.column_by_name("bytes").unwrap().is_null(0));
        assert_eq!(builder.finish().num_rows(), 0);
    }
}

//! Rows into Arrow record batches.
//!
//! In: values by [`ColumnWriter`], one row after the other. Out: a `RecordBatch` of the table's schema. Text that is not
//! UTF-8 is escaped here, once for every table.

mod block;
mod present;
mod values;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use block::{Block, room};
use values::{Bools, Lists, Numbers, Shared, Texts};

use crate::{Column, ColumnWriter, Columns, Table, Type, Value};

/// The Arrow type of a column.
pub fn data_type(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int32 => DataType::Int32,
        Type::Int64 => DataType::Int64,
        Type::Text => DataType::Utf8,
        Type::Recurring | Type::Name => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Type::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        Type::List => DataType::List(values::list_item()),
    }
}

/// The Arrow schema of a table. Every column is nullable except `time`.
pub fn schema(table: &Table) -> SchemaRef {
    let fields: Vec<Field> = table.columns().map(|c| Field::new(c.name, data_type(c.ty), c.name != "time")).collect();
    Arc::new(Schema::new(fields))
}

#[derive(Debug)]
enum Values {
    Bool(Bools),
    Int32(Numbers<i32>),
    Int64(Numbers<i64>),
    Text(Texts),
    Shared(Shared),
    Time(Numbers<i64>),
    List(Lists),
}

impl Values {
    fn new(ty: Type) -> Self {
        match ty {
            Type::Bool => Values::Bool(Bools::default()),
            Type::Int32 => Values::Int32(Numbers::default()),
            Type::Int64 => Values::Int64(Numbers::default()),
            Type::Text => Values::Text(Texts::default()),
            Type::Recurring => Values::Shared(Shared::recurring()),
            Type::Name => Values::Shared(Shared::names()),
            Type::Time => Values::Time(Numbers::default()),
            Type::List => Values::List(Lists::default()),
        }
    }

    /// There are so many rows.
    fn end(&mut self, rows: usize) {
        match self {
            Values::Bool(v) => v.end(rows),
            Values::Int32(v) => v.end(rows),
            Values::Int64(v) | Values::Time(v) => v.end(rows),
            Values::Text(v) => v.end(rows),
            Values::Shared(v) => v.end(rows),
            Values::List(v) => v.end(rows),
        }
    }

    /// The memory that they take in a block, at most.
    fn room(&self) -> usize {
        match self {
            Values::Bool(v) => v.room(),
            Values::Int32(v) => v.room(),
            Values::Int64(v) | Values::Time(v) => v.room(),
            Values::Text(v) => v.room(),
            Values::Shared(v) => v.room(),
            Values::List(v) => v.room(),
        }
    }

    fn store(&mut self, block: &mut Block) {
        match self {
            Values::Bool(v) => v.store(block),
            Values::Int32(v) => v.store(block),
            Values::Int64(v) | Values::Time(v) => v.store(block),
            Values::Text(v) => v.store(block),
            Values::Shared(v) => v.store(block),
            Values::List(v) => v.store(block),
        }
    }

    /// What was stored as an array; there are no values any more.
    fn array(&mut self, bytes: &Buffer) -> ArrayRef {
        match self {
            Values::Bool(v) => v.array(bytes),
            Values::Int32(v) => v.array(bytes),
            Values::Int64(v) => v.array(bytes),
            Values::Text(v) => v.array(bytes),
            Values::Shared(v) => v.array(bytes),
            Values::Time(v) => v.times(bytes),
            Values::List(v) => v.array(bytes),
        }
    }

    /// Values that are not one a row, but many.
    fn items(&self) -> usize {
        if let Values::List(v) = self { v.items() } else { 0 }
    }
}

#[derive(Debug)]
struct BatchColumn {
    values: Values,
    wanted: bool,
}

/// Collects rows of one table.
#[derive(Debug)]
pub struct BatchBuilder {
    pub table: &'static Table,
    schema: SchemaRef,
    columns: Vec<BatchColumn>,
    column: usize,
    rows: usize,
    stored_text_bytes: usize,
    text_bytes: usize,
}

impl BatchBuilder {
    pub fn new(table: &'static Table) -> Self {
        Self::of_columns(table, |_| true)
    }

    /// Collects the values of wanted columns; the others are null, but for `time`, which cannot be.
    pub fn of_columns(table: &'static Table, wanted: impl Fn(&Column) -> bool) -> Self {
        let column = |c: &Column| BatchColumn { values: Values::new(c.ty), wanted: c.name == "time" || wanted(c) };
        let columns = table.columns().map(column).collect();
        Self { table, schema: schema(table), columns, column: 0, rows: 0, stored_text_bytes: 0, text_bytes: 0 }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Text bytes that the rows so far have stored: what grows without bound, unlike the fixed-width columns.
    pub fn stored_text_bytes(&self) -> usize {
        self.stored_text_bytes
    }

    /// The same for whoever writes out what recurs, each time.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// One row: its prefix, its own columns, its suffix.
    pub fn row(&mut self, parts: &[&dyn Columns]) {
        self.column = 0;
        for part in parts {
            part.write(self);
        }
        assert_eq!(self.column, self.columns.len(), "a row of {} has another number of columns", self.table.name);
        self.rows += 1;
    }

    /// The rows so far as a batch; the builder starts anew.
    pub fn finish(&mut self) -> RecordBatch {
        let arrays = arrays(&mut self.columns, self.rows);
        self.rows = 0;
        (self.stored_text_bytes, self.text_bytes) = (0, 0);
        RecordBatch::try_new(self.schema.clone(), arrays).expect("columns of the declared types and one length")
    }
}

/// The columns as arrays in one allocation; they have no values any more.
fn arrays(columns: &mut [BatchColumn], rows: usize) -> Vec<ArrayRef> {
    for column in &mut *columns {
        column.values.end(rows);
    }
    let values = columns.iter().map(|column| &column.values);
    let bytes = values.clone().map(Values::room).sum();
    // whatever has no value, or one value only, shares them: at most a number a row, or an offset a row and one more
    let places = values.map(Values::items).fold(rows, usize::max) + 1;
    let mut block = Block::new(bytes, room(places * size_of::<i64>()));
    for column in &mut *columns {
        column.values.store(&mut block);
    }
    let bytes = block.finish();
    columns.iter_mut().map(|column| column.values.array(&bytes)).collect()
}

/// A column of each type in which no row has a value.
pub fn nulls(types: impl Iterator<Item = Type>, rows: usize) -> Vec<ArrayRef> {
    let mut columns: Vec<_> = types.map(|ty| BatchColumn { values: Values::new(ty), wanted: false }).collect();
    arrays(&mut columns, rows)
}

impl ColumnWriter for BatchBuilder {
    fn values(&mut self, values: &[Value<'_>]) {
        let row = self.rows;
        for (column, value) in self.columns[self.column..].iter_mut().zip(values) {
            // most columns of most rows have none
            if matches!(value, Value::Null) || !column.wanted {
                continue;
            }
            match (&mut column.values, *value) {
                (Values::Bool(column), Value::Bool(value)) => column.push(row, value),
                (Values::Int32(column), Value::Int32(value)) => column.push(row, value),
                (Values::Int64(column) | Values::Time(column), Value::Int64(value)) => column.push(row, value),
                (Values::Text(column), Value::Text(value)) => {
                    self.text_bytes += value.len();
                    self.stored_text_bytes += value.len();
                    column.push(row, value);
                }
                (Values::Shared(column), Value::Text(value)) => {
                    self.text_bytes += value.len();
                    self.stored_text_bytes += column.push(row, value);
                }
                (Values::List(column), Value::List(value)) => {
                    let bytes = value.iter().map(|text| text.len()).sum::<usize>();
                    self.text_bytes += bytes;
                    self.stored_text_bytes += bytes;
                    column.push(row, value);
                }
                (column, value) => unreachable!("{value:?} written to {column:?}"),
            }
        }
        self.column += values.len();
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
    use arrow_array::{Array, StringArray};

    use super::*;
    use crate::tables::{Connection, LostEvent, ProbeStatus, Stack};
    use crate::{HostPrefix, ProcessPrefix, Row};

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

    /// Rows of `lost_events`: stage (few texts), trace-like text is not there, so numbers and names.
    fn batch(builder: &mut BatchBuilder, stages: &[Option<&[u8]>]) -> RecordBatch {
        for (i, stage) in stages.iter().enumerate() {
            let row = LostEvent { stage: *stage, events: (i % 3 > 0).then_some(i as i64), ..Default::default() };
            builder.row(&[&HostPrefix { time: Some(i as i64), ..Default::default() }, &row]);
        }
        builder.finish()
    }

    fn stages(batch: &RecordBatch) -> Vec<Option<String>> {
        let column = batch.column_by_name("stage").unwrap().as_dictionary::<Int32Type>();
        column.downcast_dict::<StringArray>().unwrap().into_iter().map(|s| s.map(str::to_owned)).collect()
    }

    #[test]
    fn a_builder_is_used_again_and_nothing_of_the_last_batch_is_left() {
        let mut builder = BatchBuilder::new(LostEvent::TABLE);
        let text = |s: &'static str| Some(s.as_bytes());
        let rounds: [Vec<Option<&[u8]>>; 5] = [
            vec![text("a"); 20],
            vec![None; 9],
            vec![None, text("b"), text("c"), None, text("b"), text("b")],
            (0..300).map(|i| text(if i % 7 == 0 { "x" } else { "y" })).collect(),
            vec![text("c")],
        ];
        for written in &rounds {
            let batch = batch(&mut builder, written);
            let wanted: Vec<_> = written.iter().map(|s| s.map(|s| String::from_utf8_lossy(s).into_owned())).collect();
            assert_eq!(stages(&batch), wanted);
            let events = batch.column_by_name("events").unwrap().as_primitive::<Int64Type>();
            let time = batch.column_by_name("time").unwrap().as_primitive::<TimestampNanosecondType>();
            for i in 0..written.len() {
                assert_eq!(events.is_valid(i).then(|| events.value(i)), (i % 3 > 0).then_some(i as i64));
                assert_eq!(time.value(i), i as i64);
            }
            assert!(batch.column_by_name("host").unwrap().logical_nulls().is_some_and(|n| n.null_count() == written.len()));
        }
    }

    #[test]
    fn every_pattern_of_rows_without_a_value_comes_back() {
        let mut builder = BatchBuilder::new(Connection::TABLE);
        for pattern in 0..1u32 << 10 {
            let has = |row: usize| pattern >> row & 1 == 1;
            for row in 0..10 {
                let text = format!("t{}", row % 3);
                let prefix = ProcessPrefix {
                    time: Some(row as i64),
                    pid: has(row).then_some(row as i32),
                    process_name: has(row).then_some(text.as_bytes()),
                    ..Default::default()
                };
                builder.row(&[&prefix, &Connection::default()]);
            }
            let batch = builder.finish();
            let pid = batch.column_by_name("pid").unwrap().as_primitive::<Int32Type>();
            let name = batch.column_by_name("process_name").unwrap().as_dictionary::<Int32Type>();
            let name = name.downcast_dict::<StringArray>().unwrap();
            for (row, (pid, name)) in pid.iter().zip(name).enumerate() {
                assert_eq!(pid, has(row).then_some(row as i32), "{pattern:b}");
                assert_eq!(name, has(row).then_some(["t0", "t1", "t2"][row % 3]), "{pattern:b}");
            }
        }
    }

    #[test]
    fn booleans_and_texts_come_back_as_written() {
        let mut builder = BatchBuilder::new(ProbeStatus::TABLE);
        let attached = |row: usize| [None, Some(true), Some(false), Some(true), Some(false)][row % 5];
        let reason = |row: usize| [None, Some("why"), Some(""), None, Some("a reason")][row % 5];
        for rows in [1, 7, 8, 9, 64, 200] {
            for row in 0..rows {
                let probe =
                    ProbeStatus { attached: attached(row), reason: reason(row).map(str::as_bytes), ..Default::default() };
                builder.row(&[&HostPrefix { time: Some(1), ..Default::default() }, &probe]);
            }
            let batch = builder.finish();
            let booleans = batch.column_by_name("attached").unwrap().as_boolean();
            let texts = batch.column_by_name("reason").unwrap().as_string::<i32>();
            assert_eq!(booleans.iter().collect::<Vec<_>>(), (0..rows).map(attached).collect::<Vec<_>>());
            assert_eq!(texts.iter().collect::<Vec<_>>(), (0..rows).map(reason).collect::<Vec<_>>());
        }
    }

    type Said = Option<Vec<u8>>;

    /// Texts as they come back, how many the dictionary has, and how many bytes were stored.
    fn recurring(builder: &mut BatchBuilder, texts: &[Said]) -> (Vec<Option<String>>, usize, usize) {
        for text in texts {
            builder.row(&[
                &HostPrefix { time: Some(1), ..Default::default() },
                &Talk { said: text.as_deref(), ..Default::default() },
            ]);
        }
        let (stored, all) = (builder.stored_text_bytes(), builder.text_bytes());
        assert_eq!(all, texts.iter().flatten().map(Vec::len).sum::<usize>());
        let batch = builder.finish();
        let column = batch.column_by_name("said").unwrap().as_dictionary::<Int32Type>();
        let said = column.downcast_dict::<StringArray>().unwrap().into_iter().map(|s| s.map(str::to_owned)).collect();
        (said, column.values().len(), stored)
    }

    crate::table! {
        /// What was said.
        struct Talk in "talk", host;
        {
            /// The words.
            said: Recurring,
        }
    }

    #[test]
    fn texts_that_recur_are_stored_once() {
        let mut builder = BatchBuilder::new(Talk::TABLE);
        let long = |n: usize| Some(format!("{}{n}{}", "a".repeat(500), "b".repeat(500)).into_bytes());
        let rounds: [(Vec<Said>, usize, usize); 5] = [
            (vec![long(1); 100], 1, 1001),
            ((0..100).map(|n| if n % 5 == 0 { None } else { long(n % 3) }).collect(), 3, 3003),
            (vec![None; 9], 0, 0),
            (vec![None, Some(vec![]), Some(b"x".to_vec()), Some(vec![]), Some(b"x".to_vec()), None, Some(vec![])], 2, 1),
            (vec![Some(b"caf\xe9".to_vec()), long(7), Some(b"caf\xe9".to_vec())], 2, 1005),
        ];
        for (texts, different, bytes) in rounds {
            let wanted: Vec<_> =
                texts.iter().map(|t| t.as_ref().map(|t| String::from_utf8_lossy(t).replace('\u{fffd}', "\\xe9"))).collect();
            assert_eq!(recurring(&mut builder, &texts), (wanted, different, bytes));
        }
    }

    #[test]
    fn texts_that_differ_come_back_however_alike_they_are() {
        let mut builder = BatchBuilder::new(Talk::TABLE);
        // of each length and place one that differs from the others there only, and all of them again
        let alike = |len: usize, at: usize| {
            let mut text = vec![b'a'; len];
            text[at] = b'z';
            Some(text)
        };
        let once = || (1..40).flat_map(|len| (0..len).map(move |at| (len, at)));
        let texts: Vec<_> = once().chain(once()).map(|(len, at)| alike(len, at)).collect();
        let wanted: Vec<_> = texts.iter().map(|t| t.as_ref().map(|t| String::from_utf8_lossy(t).into_owned())).collect();
        let (said, different, _) = recurring(&mut builder, &texts);
        assert_eq!(said, wanted);
        assert!((texts.len() / 2..=texts.len()).contains(&different), "{different}");
    }

    #[test]
    fn columns_that_nobody_wants_are_null() {
        let mut builder = BatchBuilder::of_columns(LostEvent::TABLE, |column| column.name == "events");
        let written = batch(&mut builder, &[Some(b"a"), None, Some(b"b")]);
        assert_eq!(stages(&written), [None, None, None]);
        let events = written.column_by_name("events").unwrap().as_primitive::<Int64Type>();
        assert_eq!(events.iter().collect::<Vec<_>>(), [None, Some(1), Some(2)]);
        assert_eq!(written.column_by_name("time").unwrap().null_count(), 0);
    }

    #[test]
    fn lists_come_back_as_written() {
        let mut builder = BatchBuilder::new(Stack::TABLE);
        let odd: &[&[u8]] = &[b"main", b"", b"caf\xe9"];
        for rounds in
            [vec![Some(odd), None, Some(&[]), Some(&[b"x"])], vec![None; 3], vec![Some([b"".as_slice(); 40].as_slice())]]
        {
            for frames in &rounds {
                let row = Stack { frames: *frames, folded: Some(b"f"), ..Default::default() };
                builder.row(&[&HostPrefix { time: Some(1), ..Default::default() }, &row]);
            }
            let batch = builder.finish();
            let column = batch.column_by_name("frames").unwrap().as_list::<i32>();
            let read = column.iter().map(|list| {
                list.map(|texts| texts.as_string::<i32>().iter().map(|t| t.unwrap().to_owned()).collect::<Vec<_>>())
            });
            let text = |t: &[u8]| if t == b"caf\xe9" { "caf\\xe9".to_owned() } else { String::from_utf8_lossy(t).into_owned() };
            let wanted = rounds.iter().map(|list| list.map(|texts| texts.iter().map(|t| text(t)).collect::<Vec<_>>()));
            assert_eq!(read.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_batch_is_one_allocation() {
        let batch = batch(&mut BatchBuilder::new(LostEvent::TABLE), &[Some(b"a"), None, Some(b"b")]);
        let data: Vec<_> = batch.columns().iter().map(|c| c.to_data()).collect();
        let all = data.iter().flat_map(|d| d.buffers().iter().chain(d.child_data().iter().flat_map(|c| c.buffers())));
        let mut places: Vec<_> = all.map(|b| b.data_ptr()).collect();
        places.dedup();
        assert_eq!(places.len(), 1);
    }

    #[test]
    fn a_character_split_over_two_texts_is_no_character() {
        let batch = batch(&mut BatchBuilder::new(LostEvent::TABLE), &[Some(b"caf\xc3"), Some(b"\xa9"), Some(b"\xc3\xa9")]);
        let wanted = ["caf\\xc3", "\\xa9", "\u{e9}"].map(|s| Some(s.to_owned()));
        assert_eq!(stages(&batch), wanted);
    }
}

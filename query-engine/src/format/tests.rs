use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
use arrow::datatypes::Int32Type;

use super::*;

fn rows() -> RecordBatch {
    let name: DictionaryArray<Int32Type> = [Some("a"), None, Some("c\u{1b}[31m")].into_iter().collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("name", Arc::new(name)),
        ("count", Arc::new(Int64Array::from(vec![Some(1), Some(22), None]))),
        ("text", Arc::new(StringArray::from(vec![Some("x,\"y\""), Some(""), Some("line\nbreak")]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn encoded(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let mut encoder = Encoder::new(format, &rows().schema()).unwrap();
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend(encoder.batch(batch).unwrap());
    }
    bytes.extend(encoder.finish().unwrap());
    bytes
}

fn text(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(encoded(format, batches)).unwrap()
}

#[test]
fn nulls_are_explicit_in_json_and_nothing_in_csv() {
    let lines = text(Format::Json, &[rows()]);
    assert_eq!(lines.lines().nth(1), Some(r#"{"name":null,"count":22,"text":""}"#));
    assert_eq!(text(Format::Csv, &[rows().slice(0, 2)]), "name,count,text\na,1,\"x,\"\"y\"\"\"\n,22,\n");
}

#[test]
fn batches_join_into_one_list() {
    let list: serde_json::Value = serde_json::from_str(&text(Format::JsonList, &[rows(), rows().slice(0, 0), rows()])).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 6);
    assert_eq!(text(Format::JsonList, &[]), "[]\n");
    assert_eq!(text(Format::JsonList, &[rows().slice(0, 0)]), "[]\n");
    assert_eq!(text(Format::Csv, &[rows().slice(0, 1), rows().slice(1, 1)]).lines().count(), 3);
}

#[test]
fn arrow_streams_open_with_different_dictionaries() {
    let other: DictionaryArray<Int32Type> = [Some("z")].into_iter().collect();
    let other = RecordBatch::try_new(
        rows().schema(),
        vec![Arc::new(other), Arc::new(Int64Array::from(vec![5])), Arc::new(StringArray::from(vec!["t"]))],
    );
    let bytes = encoded(Format::Arrow, &[rows(), other.unwrap()]);
    let reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(0).data_type(), &arrow::datatypes::DataType::Utf8);
    assert_eq!(reader.map(|b| b.unwrap().num_rows()).sum::<usize>(), 4);
    assert_eq!(arrow::ipc::reader::StreamReader::try_new(encoded(Format::Arrow, &[]).as_slice(), None).unwrap().count(), 0);
}

#[test]
fn tables_are_aligned_and_send_nothing_to_the_terminal() {
    let table = text(Format::Table, &[rows()]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0], "name         count  text");
    assert_eq!(lines[2], "a                1  x,\"y\"");
    assert_eq!(lines[4], "c\\u{1b}[31m         line\\nbreak");
    assert!(!table.contains('\u{1b}'));
}

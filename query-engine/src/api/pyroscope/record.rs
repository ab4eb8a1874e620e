//! Answers in either encoding of Connect: each field has its number and its name.

use serde_json::{Map, Value};

use crate::protobuf::Message;

#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    Text(String),
    Integer(i64),
    Truth(bool),
    Double(f64),
    Texts(Vec<String>),
    Integers(Vec<i64>),
    One(Record),
    Many(Vec<Record>),
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(pub Vec<(u64, &'static str, Field)>);

impl Record {
    /// As protocol buffers are in JSON: 64-bit integers are texts.
    pub fn json(&self) -> Value {
        let integer = |value: &i64| Value::String(value.to_string());
        let value = |field: &Field| match field {
            Field::Text(text) => Value::String(text.clone()),
            Field::Integer(value) => integer(value),
            Field::Truth(value) => Value::Bool(*value),
            Field::Double(value) => Value::from(*value),
            Field::Texts(texts) => Value::from(texts.clone()),
            Field::Integers(values) => Value::Array(values.iter().map(integer).collect()),
            Field::One(record) => record.json(),
            Field::Many(records) => Value::Array(records.iter().map(Record::json).collect()),
        };
        Value::Object(self.0.iter().map(|(_, name, field)| ((*name).to_owned(), value(field))).collect::<Map<_, _>>())
    }

    pub fn protobuf(&self) -> Vec<u8> {
        let mut message = Message::default();
        for (number, _, field) in &self.0 {
            let number = *number;
            match field {
                Field::Text(text) if text.is_empty() => {}
                Field::Text(text) => {
                    message.bytes(number, text.as_bytes());
                }
                Field::Integer(value) => {
                    message.number(number, *value as u64);
                }
                Field::Truth(value) => {
                    message.number(number, u64::from(*value));
                }
                Field::Double(value) => {
                    message.double(number, *value);
                }
                Field::Texts(texts) => {
                    for text in texts {
                        message.bytes(number, text.as_bytes());
                    }
                }
                Field::Integers(values) => {
                    message.numbers(number, values.iter().map(|value| *value as u64));
                }
                Field::One(record) => {
                    message.bytes(number, &record.protobuf());
                }
                Field::Many(records) => {
                    for record in records {
                        message.bytes(number, &record.protobuf());
                    }
                }
            }
        }
        message.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protobuf::{Held, fields};

    #[test]
    fn both_encodings_say_the_same() {
        let point = Record(vec![(1, "value", Field::Double(0.5)), (2, "timestamp", Field::Integer(7))]);
        let record = Record(vec![
            (1, "names", Field::Texts(vec!["a".into(), "b".into()])),
            (2, "points", Field::Many(vec![point.clone()])),
            (3, "levels", Field::Integers(vec![1, -1])),
            (4, "empty", Field::Text(String::new())),
        ]);
        let json = r#"{"empty":"","levels":["1","-1"],"names":["a","b"],"points":[{"timestamp":"7","value":0.5}]}"#;
        assert_eq!(serde_json::from_str::<Value>(json).ok(), Some(record.json()));
        let bytes = record.protobuf();
        let read = fields(&bytes).unwrap_or_default();
        assert_eq!(read[..2], [(1, Held::Bytes(b"a")), (1, Held::Bytes(b"b"))]);
        assert_eq!(read[2], (2, Held::Bytes(&point.protobuf())));
        assert_eq!(read.len(), 4);
    }
}

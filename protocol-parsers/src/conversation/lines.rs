//! A row as a line of text, as the tests of a protocol want to read it.

use schema::{ColumnWriter, Row, Value};

use crate::Exchange;

pub type Line = fn(&dyn Row, &Exchange<'_>) -> String;

/// Every column in its place, then what is remarkable about the exchange: `GET | k | - [broken] certain`.
pub fn in_order(row: &dyn Row, exchange: &Exchange<'_>) -> String {
    let columns: Vec<String> = values(row, readable).into_iter().map(|value| value.unwrap_or("-".into())).collect();
    let remote = exchange.remote.map_or(String::new(), |remote| format!(" {remote}"));
    format!("{}{}{remote} {}", columns.join(" | "), flags(exchange), exchange.confidence.as_str())
}

/// The columns that are known, by name: `sni=a.example | handshake=done certain`.
pub fn by_name(row: &dyn Row, exchange: &Exchange<'_>) -> String {
    let columns: Vec<String> = known(row, readable).map(|(name, value)| format!("{name}={value}")).collect();
    let line = format!("{}{} {}", columns.join(" | "), flags(exchange), exchange.confidence.as_str());
    line.trim_start().to_owned()
}

/// Names and values of the columns that are not null.
pub fn known(row: &dyn Row, text: fn(&[u8]) -> String) -> impl Iterator<Item = (&'static str, String)> {
    let names = row.table().own.iter().map(|column| column.name);
    names.zip(values(row, text)).filter_map(|(name, value)| Some((name, value?)))
}

/// What is remarkable about an exchange, in brackets.
pub fn flags(exchange: &Exchange<'_>) -> String {
    let flags = [
        (exchange.truncated, " [truncated]"),
        (exchange.gap_before, " [gap]"),
        (exchange.broken, " [broken]"),
        (exchange.ended_ns.is_none(), " [unended]"),
    ];
    flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect()
}

/// Text as it is, unless it is none.
pub fn readable(value: &[u8]) -> String {
    std::str::from_utf8(value).map_or_else(|_| value.escape_ascii().to_string(), str::to_owned)
}

/// The values of all columns.
pub fn values(row: &dyn Row, text: fn(&[u8]) -> String) -> Vec<Option<String>> {
    let mut values = Values { columns: vec![], text };
    row.write(&mut values);
    values.columns
}

struct Values {
    columns: Vec<Option<String>>,
    text: fn(&[u8]) -> String,
}

impl ColumnWriter for Values {
    fn values(&mut self, values: &[Value<'_>]) {
        self.columns.extend(values.iter().map(|value| match value {
            Value::Null => None,
            Value::Bool(v) => Some(v.to_string()),
            Value::Int32(v) => Some(v.to_string()),
            Value::Int64(v) => Some(v.to_string()),
            Value::Text(v) => Some((self.text)(v)),
            Value::List(v) => Some((self.text)(&v.join(&b';'))),
        }));
    }
}

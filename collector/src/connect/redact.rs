//! Rows without values: what a table declares as redacted is replaced on the way to the batch.
//!
//! In: a parser's row. Out: the same row with `?` in place of literals, parameters and what may quote them; which columns these
//! are, and how, the table's declaration says. Knows no protocol. Where it cannot tell values from the rest, it shows less.

use protocol_parsers::json;
use schema::{Column, ColumnWriter, Columns, Redaction, Row, Value};
use statements::Dialect;

const HIDDEN: &[u8] = b"?";

/// A row as it is shown when values are not to be kept.
pub struct Redacted<'a>(pub &'a dyn Row);

impl Columns for Redacted<'_> {
    fn write(&self, to: &mut dyn ColumnWriter) {
        self.0.write(&mut Redactor { to, columns: self.0.table().own.iter(), key: vec![] });
    }
}

/// Passes a row's values on, with its columns' declarations at hand.
struct Redactor<'a> {
    to: &'a mut dyn ColumnWriter,
    columns: std::slice::Iter<'static, Column>,
    /// The row's key, as a list of values has it; empty when it has none.
    key: Vec<u8>,
}

impl Redactor<'_> {
    /// What is shown of a value; `None` when that is all of it.
    fn shown(&mut self, value: &Value<'_>) -> Option<Shown> {
        let redaction = self.columns.next()?.redaction?;
        let text = match value {
            Value::Text(text) => text,
            // a list with values has one `?`
            Value::List(_) => return Some(Shown::List),
            _ => return None,
        };
        Some(Shown::Text(match redaction {
            Redaction::PostgresSql => statement(text, Dialect::PostgreSql),
            Redaction::MysqlSql => statement(text, Dialect::MySql),
            Redaction::Values => values(text, &self.key),
            Redaction::Key => {
                json::value(&mut self.key, text);
                return None;
            }
            Redaction::Code => code(text),
            Redaction::Whole => HIDDEN.to_vec(),
        }))
    }
}

enum Shown {
    Text(Vec<u8>),
    List,
}

impl ColumnWriter for Redactor<'_> {
    fn values(&mut self, values: &[Value<'_>]) {
        let shown: Vec<Option<Shown>> = values.iter().map(|value| self.shown(value)).collect();
        let written = values.iter().zip(&shown).map(|(value, shown)| match shown {
            Some(Shown::Text(text)) => Value::Text(text),
            Some(Shown::List) => Value::List(&[HIDDEN]),
            None => *value,
        });
        let written: Vec<Value<'_>> = written.collect();
        self.to.values(&written);
    }
}

/// A statement without its literals. What follows the first byte that is not UTF-8 is hidden too: in other encodings a byte of
/// a character may look like a quotation mark's escape.
fn statement(text: &[u8], dialect: Dialect) -> Vec<u8> {
    let known = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let mut shown = statements::redact(known, dialect).into_bytes();
    if known.len() < text.len() && !shown.ends_with(HIDDEN) {
        shown.extend_from_slice(HIDDEN);
    }
    shown
}

/// A JSON list whose values are placeholders, lists in it too. The first value that is `key` stays.
fn values(list: &[u8], key: &[u8]) -> Vec<u8> {
    let (mut shown, mut key) = (Vec::with_capacity(list.len()), Some(key));
    let mut at = 0;
    while let Some(&byte) = list.get(at) {
        if matches!(byte, b'[' | b']' | b'{' | b'}' | b',' | b':' | b' ') {
            shown.push(byte);
            at += 1;
            continue;
        }
        let end = value_end(list, at);
        let value = &list[at..end];
        if key == Some(value) {
            shown.extend_from_slice(value);
            key = None;
        } else {
            shown.extend_from_slice(b"\"?\"");
        }
        at = end;
    }
    shown
}

/// Where the JSON text or number that begins at `at` ends.
fn value_end(list: &[u8], at: usize) -> usize {
    if list[at] != b'"' {
        let ends = |b: &u8| matches!(b, b'[' | b']' | b'{' | b'}' | b',' | b':' | b' ');
        return list[at..].iter().position(ends).map_or(list.len(), |n| at + n);
    }
    let mut escaped = false;
    for (n, &byte) in list[at + 1..].iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1 + n + 1,
            _ => {}
        }
    }
    list.len()
}

/// `CODE text` as `CODE ?`; a first word that is not in capitals is no code.
fn code(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    let code = text[..end].iter().all(|b| b.is_ascii_uppercase() || *b == b'_') && end > 0 && end < text.len();
    if code { [&text[..=end], HIDDEN].concat() } else { HIDDEN.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    schema::table! {
        /// Every kind of column.
        struct Everything in "everything", host;
        {
            /// A number.
            number: Int64,
            /// A statement.
            postgres: Text redacted PostgresSql,
            /// Another.
            mysql: Text redacted MysqlSql,
            /// The key.
            key: Text redacted Key,
            /// A list.
            list: Text [Json] redacted Values,
            /// An error.
            error: Text redacted Code,
            /// A text.
            all: Name redacted Whole,
            /// Stays.
            plain: Text,
            /// A flag.
            flag: Bool,
            /// A small number.
            small: Int32,
        }
    }

    /// What arrives, in order.
    #[derive(Default)]
    struct Arrived(Vec<String>);

    impl ColumnWriter for Arrived {
        fn values(&mut self, values: &[Value<'_>]) {
            self.0.extend(values.iter().map(|value| match value {
                Value::Null => "null".to_owned(),
                Value::Bool(v) => v.to_string(),
                Value::Int32(v) => v.to_string(),
                Value::Int64(v) => v.to_string(),
                Value::Text(v) => String::from_utf8_lossy(v).into_owned(),
                Value::List(v) => String::from_utf8_lossy(&v.join(&b';')).into_owned(),
            }));
        }
    }

    fn shown(row: &Everything<'_>) -> Vec<String> {
        let mut arrived = Arrived::default();
        Redacted(row).write(&mut arrived);
        arrived.0
    }

    #[test]
    fn each_column_is_shown_as_it_is_declared() {
        let row = Everything {
            number: Some(1),
            postgres: Some(b"SELECT \"name\" FROM t WHERE a = 'secret' AND b = $1 -- secret"),
            mysql: Some(br#"INSERT INTO t VALUES ("secret", -5, NULL, 'it''s \' secret')"#),
            key: Some(b"k"),
            list: Some(br#"["k","secret","k",5,null,[true,"a\"]b"]]"#),
            error: Some(b"WRONGTYPE secret"),
            all: Some(b"secret"),
            plain: Some(b"stays"),
            flag: Some(true),
            small: Some(7),
            ..Everything::default()
        };
        assert_eq!(
            shown(&row),
            [
                "1",
                "SELECT \"name\" FROM t WHERE a = ? AND b = $1 -- ?",
                "INSERT INTO t VALUES (?, ?, NULL, ?)",
                "k",
                r#"["k","?","?","?","?",["?","?"]]"#,
                "WRONGTYPE ?",
                "?",
                "stays",
                "true",
                "7"
            ]
        );
    }

    #[test]
    fn what_is_unknown_stays_so() {
        assert_eq!(shown(&Everything::default()), ["null"; 10]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_hidden() {
        let hidden = |text: &[u8]| String::from_utf8(statement(text, Dialect::MySql)).expect("text");
        assert_eq!(hidden(b"SELECT 'sec"), "SELECT ?");
        assert_eq!(hidden(b"SELECT a, _binary '\xff secret', 'secret'"), "SELECT a, _binary ?");
        assert_eq!(hidden(b"SELECT \xfe secret"), "SELECT ?");
        assert_eq!(hidden(b""), "");
        for error in [b"secret text".as_slice(), b"SECRET", b"Secret text", b" text", b""] {
            assert_eq!(code(error), HIDDEN, "{}", error.escape_ascii());
        }
    }

    #[test]
    fn lists_stay_lists_whatever_they_hold() {
        let list = |text: &str, key: &str| String::from_utf8(values(text.as_bytes(), key.as_bytes())).expect("text");
        assert_eq!(list("[]", ""), "[]");
        assert_eq!(list(r#"["a\\","b"]"#, ""), r#"["?","?"]"#);
        assert_eq!(list(r#"[-1.5e3,{"a": [1]}]"#, ""), r#"["?",{"?": ["?"]}]"#);
        assert_eq!(list(r#"["key","key"]"#, r#""key""#), r#"["key","?"]"#);
        // cut off
        assert_eq!(list(r#"["a"#, ""), r#"["?""#);
    }
}

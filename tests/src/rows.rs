//! Rows compared as multisets, and a difference that can be read.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// How many rows of each kind of difference are shown.
const SHOWN: usize = 5;

/// What two multisets of rows do not share.
#[derive(Debug, PartialEq, Eq)]
pub struct RowsDiffer {
    pub missing: Vec<String>,
    pub extra: Vec<String>,
}

impl fmt::Display for RowsDiffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows missing, {} extra", self.missing.len(), self.extra.len())?;
        for (word, rows) in [("missing", &self.missing), ("extra", &self.extra)] {
            for row in rows.iter().take(SHOWN) {
                write!(f, "\n  {word} {row}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for RowsDiffer {}

/// Whether the rows are those expected, in any order.
pub fn compare(expected: &[Value], rows: &[Value]) -> Result<(), RowsDiffer> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in expected {
        *counts.entry(text(row)).or_default() += 1;
    }
    for row in rows {
        *counts.entry(text(row)).or_default() -= 1;
    }
    let times = |sign: i64| counts.iter().flat_map(move |(row, n)| (0..(n * sign).max(0)).map(move |_| row.clone())).collect();
    let differ = RowsDiffer { missing: times(1), extra: times(-1) };
    if differ.missing.is_empty() && differ.extra.is_empty() { Ok(()) } else { Err(differ) }
}

/// The same text for the same row, whatever the order of its keys.
fn text(row: &Value) -> String {
    match row.as_object() {
        Some(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            sorted.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        }
        None => row.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_does_not_count_and_number_does() {
        let (a, b) = (json!({"x": 1, "y": "a"}), json!({"x": 2, "y": null}));
        assert_eq!(compare(&[a.clone(), b.clone()], &[b.clone(), a.clone()]), Ok(()));
        let differ = compare(&[a.clone(), a.clone()], &[a.clone(), b]).unwrap_err();
        assert_eq!(differ.missing, [r#"x=1 y="a""#]);
        assert_eq!(differ.extra, ["x=2 y=null"]);
    }
}

//! Aligned columns for a terminal.
//!
//! Text that was captured is not trusted: control characters are shown, not sent to the terminal.

use std::fmt::Write;

use arrow::array::Array;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::ArrayFormatter;

use super::columns::{display, plain};

/// Characters of one value; the rest is cut, since one body would make every line as wide.
const CELL_CHARS_MAX: usize = 120;
/// Rows that are laid out together: widths of what follows do not change what is printed.
const ROWS_MAX: usize = 100_000;

pub(super) struct TableText {
    header: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
    left_out: usize,
}

impl TableText {
    pub fn new(schema: &Schema) -> Self {
        Self {
            header: schema.fields().iter().map(|f| shown(f.name())).collect(),
            right: schema.fields().iter().map(|f| f.data_type().is_numeric()).collect(),
            rows: Vec::new(),
            left_out: 0,
        }
    }

    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let batch = plain(batch)?;
        let options = display();
        let formatters: Result<Vec<_>, _> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options)).collect();
        let formatters = formatters?;
        for i in 0..batch.num_rows() {
            if self.rows.len() == ROWS_MAX {
                self.left_out += batch.num_rows() - i;
                return Ok(());
            }
            let mut row = Vec::with_capacity(formatters.len());
            for (formatter, column) in formatters.iter().zip(batch.columns()) {
                let null = column.is_null(i);
                row.push(if null { String::new() } else { shown(&formatter.value(i).try_to_string()?) });
            }
            self.rows.push(row);
        }
        Ok(())
    }

    pub fn finish(&mut self) -> Vec<u8> {
        let rows = std::mem::take(&mut self.rows);
        let width = |column: usize| {
            let cells = rows.iter().map(|r| &r[column]).chain([&self.header[column]]);
            cells.map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut text = String::new();
        self.line(&mut text, &self.header, &widths);
        self.line(&mut text, &widths.iter().map(|w| "─".repeat(*w)).collect::<Vec<_>>(), &widths);
        for row in &rows {
            self.line(&mut text, row, &widths);
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "… {} more rows: print them with --format csv or json", self.left_out);
        }
        text.into_bytes()
    }

    fn line(&self, text: &mut String, cells: &[String], widths: &[usize]) {
        let start = text.len();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let gap = if i == 0 { "" } else { "  " };
            let _ = if self.right[i] { write!(text, "{gap}{cell:>width$}") } else { write!(text, "{gap}{cell:<width$}") };
        }
        let end = start + text[start..].trim_end().len();
        text.truncate(end);
        text.push('\n');
    }
}

fn shown(value: &str) -> String {
    let mut shown = String::with_capacity(value.len().min(CELL_CHARS_MAX * 4));
    for (i, c) in value.chars().enumerate() {
        if i == CELL_CHARS_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

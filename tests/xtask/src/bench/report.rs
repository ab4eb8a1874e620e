//! What the benchmarks say: Markdown as soon as it is known, and all of it as JSON.

use std::io::Write;

use anyhow::Context;
use serde_json::{Map, Value, json};

/// Shown where there is no figure.
pub const NONE: &str = "–";

/// One benchmark's figures.
pub struct Section {
    pub title: &'static str,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// What a reader must know to read the table.
    pub notes: Vec<String>,
    /// The same figures and those behind them.
    pub figures: Value,
}

impl Section {
    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_owned()).collect();
        let rule: Vec<String> =
            self.head.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned()).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        let notes: String = self.notes.iter().map(|note| format!("* {note}\n")).collect();
        let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
        format!("### {}\n\n{}{}{rows}{notes}\n", self.title, line(&head), line(&rule))
    }
}

pub struct Report {
    machine: String,
    command: String,
    figures: Map<String, Value>,
}

impl Report {
    pub fn begin(machine: &str, command: &str) -> Self {
        Self { machine: machine.to_owned(), command: command.to_owned(), figures: Map::new() }
    }

    /// Prints a section; before the first one, how all of it was measured.
    pub fn add(&mut self, name: &str, section: Section) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.figures.is_empty() {
            write!(out, "Measured by `{}` on: {}.\n\n", self.command, self.machine).context("cannot print")?;
        }
        out.write_all(section.markdown().as_bytes()).and_then(|()| out.flush()).context("cannot print")?;
        self.figures.insert(name.to_owned(), section.figures);
        Ok(())
    }

    pub fn json(&self) -> String {
        let all = json!({ "machine": self.machine, "command": self.command, "benchmarks": self.figures });
        format!("{all:#}\n")
    }
}

/// 1234567 as '1,234,567'.
pub fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0.0, 999.4, 1000.0, 1_234_567.0].map(whole), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_section_is_a_table_with_notes() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()]];
        let mut section = Section { title: "T", head: vec!["x", "y"], rows, notes: vec![], figures: Value::Null };
        assert_eq!(section.markdown(), "### T\n\n| x | y |\n| --- | ---: |\n| a | 1 |\n\n");
        section.notes.push("n".to_owned());
        assert!(section.markdown().ends_with("| a | 1 |\n\n* n\n\n"));
    }
}

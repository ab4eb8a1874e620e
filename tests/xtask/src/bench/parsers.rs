//! The parsers' own benches, each in a process of its own: rows/s and MB/s of one core.
//!
//! In: what `protocol-parsers/benches` print, a line a conversation. Knows no protocol: a new bench is found by its file.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::report::{Section, whole};
use crate::place::Place;
use crate::program::{cargo, output};

const FOLDER: &str = "protocol-parsers/benches";

pub fn measure(place: &Place) -> anyhow::Result<Section> {
    let mut lines = vec![];
    for bench in benches(&place.root.join(FOLDER))? {
        eprintln!("parser of {bench}");
        let said = output(cargo(place).args(["bench", "--locked", "--quiet", "-p", "protocol-parsers", "--bench", &bench]))?;
        let read: Vec<Line> = said.lines().filter_map(|line| Line::read(&bench, line)).collect();
        anyhow::ensure!(!read.is_empty(), "bench '{bench}' printed no figure: {said}");
        lines.extend(read);
    }
    Ok(Section {
        title: "Parsers, one core",
        head: vec!["protocol", "conversation", "rows/s", "MB/s"],
        rows: lines.iter().map(Line::row).collect(),
        notes: vec![
            "Time on the processor, best of five rounds; every value of every row is read.".to_owned(),
            "Aims: 1,000,000 HTTP/1 and 2,000,000 Redis messages/s.".to_owned(),
        ],
        figures: lines.iter().map(Line::figures).collect(),
    })
}

/// One file a bench; folders hold what they share.
fn benches(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = vec![];
    for entry in entries {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|ending| ending == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// `name    1234 rows/s    56 MB/s`.
struct Line {
    protocol: String,
    conversation: String,
    rows_per_second: f64,
    mb_per_second: f64,
}

impl Line {
    fn read(protocol: &str, line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, [rows, "rows/s", megabytes, "MB/s"]) = words.split_at_checked(words.len().checked_sub(4)?)? else {
            return None;
        };
        Some(Self {
            protocol: protocol.to_owned(),
            conversation: name.join(" "),
            rows_per_second: rows.parse().ok()?,
            mb_per_second: megabytes.parse().ok()?,
        })
    }

    fn row(&self) -> Vec<String> {
        vec![self.protocol.clone(), self.conversation.clone(), whole(self.rows_per_second), whole(self.mb_per_second)]
    }

    fn figures(&self) -> Value {
        json!({
            "protocol": self.protocol,
            "conversation": self.conversation,
            "rows_per_second": self.rows_per_second,
            "mb_per_second": self.mb_per_second,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_figures_are_read() {
        let line =
            Line::read("redis", "GET, pipelined by 16              5443211 rows/s       299 MB/s").map(|line| line.row());
        assert_eq!(line, Some(["redis", "GET, pipelined by 16", "5,443,211", "299"].map(str::to_owned).to_vec()));
        assert!(Line::read("redis", "running 0 tests").is_none());
        assert!(Line::read("redis", "").is_none());
    }
}

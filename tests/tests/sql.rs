//! SQL logic tests: `tests/sql/*.slt`, each over captures that an earshot serves.
//!
//! A file begins with `captures FILE…` (in `tests/captures`). Then come records, with a blank line between them:
//!
//! ```text
//! query                      error TEXT
//! SELECT …                   SELECT …
//! ----
//! one line of CSV a row
//! ```
//!
//! The rows come in the order of the query; the line of column names is left out. TEXT must be in the error's detail.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tests::{Connection, Process, command, free_port, root};

const SEPARATOR: &str = "----";

/// What a query must give.
enum Expected {
    Rows(Vec<String>),
    Error(String),
}

struct Record {
    /// Line in the file, from 1.
    line: usize,
    query: String,
    expected: Expected,
}

/// An earshot that serves captures.
struct Served {
    _process: Process,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start(captures: &[&str]) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut replay = command(&["replay", "--serve", "--listen", &format!("127.0.0.1:{port}")])?;
        replay.args(captures.iter().map(|name| root().join("tests/captures").join(name)));
        let mut process = Process::start(&replay, folder.path())?;
        process.wait_until(30, "the ready line", |p| p.out().starts_with("earshot ready: ").then_some(()))?;
        Ok(Self { _process: process, port, _folder: folder })
    }

    /// The answer's status, and its text as CSV or as a problem.
    fn ask(&self, query: &str) -> anyhow::Result<(u16, String)> {
        let body = json!({ "query": query }).to_string();
        let headers = [("Content-Type", "application/json"), ("Accept", "text/csv")];
        let answer = Connection::open(("127.0.0.1", self.port))?.ask("POST", "/api/v1/sql", &headers, body.as_bytes())?;
        Ok((answer.status, answer.text()))
    }
}

fn records(text: &str) -> anyhow::Result<Vec<Record>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut records = vec![];
    let mut at = 0;
    while at < lines.len() {
        let head = lines[at];
        if head.is_empty() || head.starts_with('#') || head.starts_with("captures ") {
            at += 1;
            continue;
        }
        let end = lines[at..].iter().position(|line| line.is_empty()).map_or(lines.len(), |n| at + n);
        let (query, rows) = match lines[at + 1..end].iter().position(|line| *line == SEPARATOR) {
            Some(n) => (&lines[at + 1..at + 1 + n], &lines[at + 2 + n..end]),
            None => (&lines[at + 1..end], &[][..]),
        };
        let expected = match head.split_once(' ') {
            None if head == "query" => Expected::Rows(rows.iter().map(|row| (*row).to_owned()).collect()),
            Some(("error", says)) => Expected::Error(says.to_owned()),
            _ => bail!("line {}: no record begins with {head}", at + 1),
        };
        ensure!(!query.is_empty(), "line {}: no query", at + 1);
        records.push(Record { line: at + 1, query: query.join("\n"), expected });
        at = end;
    }
    Ok(records)
}

fn check(record: &Record, served: &Served) -> anyhow::Result<()> {
    let (status, text) = served.ask(&record.query)?;
    match &record.expected {
        Expected::Rows(rows) => {
            ensure!(status == 200, "{status}: {text}");
            let got: Vec<&str> = text.lines().skip(1).collect();
            ensure!(got == *rows, "expected\n{}\ngot\n{}", rows.join("\n"), got.join("\n"));
        }
        Expected::Error(says) => {
            let problem: Value = serde_json::from_str(&text).with_context(|| format!("{status} without a problem: {text}"))?;
            let detail = problem["detail"].as_str().unwrap_or_default();
            ensure!((400..500).contains(&status) && detail.contains(says), "{status}: {detail}");
        }
    }
    Ok(())
}

fn run(file: &Path) -> anyhow::Result<usize> {
    let text = std::fs::read_to_string(file)?;
    let captures = text.lines().find_map(|line| line.strip_prefix("captures ")).context("no line 'captures'")?;
    let served = Served::start(&captures.split_whitespace().collect::<Vec<_>>())?;
    let records = records(&text)?;
    for record in &records {
        check(record, &served).with_context(|| format!("line {}: {}", record.line, record.query))?;
    }
    Ok(records.len())
}

#[test]
fn every_file() -> anyhow::Result<()> {
    let (mut count, mut wrong) = (0, vec![]);
    for entry in std::fs::read_dir(root().join("tests/sql"))? {
        let file = entry?.path();
        match run(&file) {
            Ok(n) => count += n,
            Err(error) => wrong.push(format!("{}: {error:#}", file.display())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count > 0, "no records");
    Ok(())
}

#[test]
fn a_file_is_split_into_records() -> anyhow::Result<()> {
    let records = records("captures a\n\n# note\nquery\nSELECT 1,\n  2\n----\n1,2\n\nerror no such\nSELECT x\n")?;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].query, "SELECT 1,\n  2");
    assert!(matches!(&records[0].expected, Expected::Rows(rows) if *rows == ["1,2"]));
    assert!(matches!(&records[1].expected, Expected::Error(says) if says == "no such"));
    assert_eq!(records[1].line, 10);
    Ok(())
}

#[test]
fn a_record_without_a_head_is_refused() {
    assert!(
        records(
            "SELECT 1
"
        )
        .is_err()
    );
    assert!(
        records(
            "query
----
1
"
        )
        .is_err()
    );
}

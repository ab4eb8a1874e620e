//! The earshot that is measured: started afresh with ports and a data folder of its own, asked, ended.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ::tests::{Connection, Process};
use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

const READY_SECONDS: u64 = 60;
/// A count that stood still for so long is complete: a row is there one second after its response.
const STILL: Duration = Duration::from_millis(1500);
const LOOK: Duration = Duration::from_millis(250);

pub struct Agent {
    process: Process,
    port: u16,
    /// Removed after the process has ended, which writes into it.
    _folder: TempDir,
}

impl Agent {
    /// `earshot run`, when it says that it is ready.
    pub fn start(binary: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, &[])
    }

    pub fn start_with(binary: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a data folder")?;
        let port = ::tests::free_port()?;
        let mut run = Command::new(binary);
        run.args(["run", "--listen", &format!("127.0.0.1:{port}"), "--pg-listen", "127.0.0.1:0", "--data-dir"]);
        run.arg(folder.path().join("data")).args(more);
        let mut process = Process::start(&run, folder.path())?;
        process.wait_until(READY_SECONDS, "the ready line", |p| p.out().contains("earshot ready").then_some(()))?;
        Ok(Self { process, port, _folder: folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends it; when this returns, its kernel programs are gone.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let (status, _) = self.process.end("TERM")?;
        anyhow::ensure!(status.success(), "earshot ended with {status}: {}", self.process.err());
        Ok(())
    }

    pub fn has_table(&self, name: &str) -> anyhow::Result<bool> {
        let answer = Connection::open(("127.0.0.1", self.port))?.get(&format!("/api/v1/tables/{name}"))?;
        Ok(answer.status == 200)
    }

    pub fn rows(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let body = json!({ "query": query }).to_string();
        let headers = [("Content-Type", "application/json"), ("Accept", "application/x-ndjson")];
        let answer = Connection::open(("127.0.0.1", self.port))?.ask("POST", "/api/v1/sql", &headers, body.as_bytes())?;
        anyhow::ensure!(answer.status == 200, "{query}: {} {}", answer.status, answer.text());
        answer.text().lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON row: {line}"))).collect()
    }

    /// The time as SQL writes it.
    pub fn now(&self) -> anyhow::Result<String> {
        let rows = self.rows("SELECT now() AS now")?;
        rows.first().and_then(|row| Some(row["now"].as_str()?.to_owned())).with_context(|| format!("no time: {rows:?}"))
    }

    /// The column `n` of the first row.
    fn number(&self, query: &str) -> anyhow::Result<u64> {
        let rows = self.rows(query)?;
        rows.first().and_then(|row| row["n"].as_u64()).with_context(|| format!("{query} gives {rows:?}, not a number"))
    }

    /// A count, once it does not grow any more.
    pub fn settled(&self, query: &str) -> anyhow::Result<u64> {
        let mut last = (self.number(query)?, Instant::now());
        while last.1.elapsed() < STILL {
            std::thread::sleep(LOOK);
            let count = self.number(query)?;
            if count != last.0 {
                last = (count, Instant::now());
            }
        }
        Ok(last.0)
    }

    /// Rows in memory, of all tables.
    pub fn stored_rows(&self) -> anyhow::Result<u64> {
        let answer = Connection::open(("127.0.0.1", self.port))?.get("/metrics")?;
        anyhow::ensure!(answer.status == 200, "/metrics: {}", answer.status);
        let text = answer.text();
        let values =
            text.lines().filter(|line| line.starts_with("earshot_store_rows{")).filter_map(|line| line.rsplit(' ').next());
        Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64)
    }

    /// What was lost, by stage and reason.
    pub fn losses(&self) -> anyhow::Result<Vec<String>> {
        let query = "SELECT stage, reason, unit, sum(events) AS events FROM lost_events GROUP BY stage, reason, unit ORDER BY events DESC";
        let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("?").to_owned();
        let told =
            |row: &Value| format!("{} {} ({} {}s)", text(row, "stage"), text(row, "reason"), row["events"], text(row, "unit"));
        Ok(self.rows(query)?.iter().map(told).collect())
    }
}

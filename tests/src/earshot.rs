//! The earshot under test: the built binary with ports and a data folder of its own.

use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Answer, Connection};
use crate::processes::{Process, free_port, is_root, wait_until};
use crate::rows::compare;

const READY_SECONDS: u64 = 30;
/// A row must be visible one second after its response; on a busy machine the test's own look comes late.
const ROWS_SECONDS: u64 = 5;
/// Time for a row too many to show up.
const SURPLUS: Duration = Duration::from_millis(400);

/// The binary that the build left beside the tests, or the one that EARSHOT_BINARY names.
pub fn binary() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os("EARSHOT_BINARY") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()?.ancestors().nth(2).context("the test has no folder")?.join("earshot"),
    };
    anyhow::ensure!(path.is_file(), "no {}: 'cargo build --release --workspace --bins --tests' makes it", path.display());
    Ok(path)
}

/// `earshot ARGS`, to be run.
pub fn command(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(args).env_remove("EARSHOT_URL").env_remove("EARSHOT_TOKEN").stdin(Stdio::null());
    Ok(command)
}

/// A running `earshot run`.
#[derive(Debug)]
pub struct Earshot {
    process: Process,
    pub port: u16,
    folder: TempDir,
}

impl Earshot {
    /// With probes; needs root.
    pub fn start() -> anyhow::Result<Self> {
        anyhow::ensure!(is_root(), "live tests need root: they load programs into the kernel");
        Self::start_in(tempfile::tempdir()?, &[])
    }

    pub fn start_in(folder: TempDir, more: &[&str]) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut run = command(&["run", "--listen", &format!("127.0.0.1:{port}"), "--pg-listen", "127.0.0.1:0", "--data-dir"])?;
        run.arg(folder.path().join("data")).args(more);
        let mut process = Process::start(&run, folder.path())?;
        let ready = format!("earshot ready: http://127.0.0.1:{port}\n");
        process.wait_until(READY_SECONDS, "the ready line", |p| (p.out() == ready).then_some(()))?;
        Ok(Self { process, port, folder })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// One call of the API.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
        Connection::open(("127.0.0.1", self.port))?.ask(method, path, headers, body)
    }

    /// `POST /sql`.
    pub fn post_sql(&self, body: &Value, accept: &str) -> anyhow::Result<Answer> {
        let headers = [("Content-Type", "application/json"), ("Accept", accept)];
        self.call("POST", "/api/v1/sql", &headers, body.to_string().as_bytes())
    }

    /// The rows of a query.
    pub fn rows(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.post_sql(&json!({ "query": query }), "application/x-ndjson")?;
        anyhow::ensure!(answer.status == 200, "{query}: {} {}", answer.status, answer.text());
        answer.text().lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON row: {line}"))).collect()
    }

    /// The only value of the only row.
    pub fn value(&self, query: &str) -> anyhow::Result<Value> {
        let rows = self.rows(query)?;
        let row = rows.first().and_then(Value::as_object).filter(|row| rows.len() == 1 && row.len() == 1);
        row.and_then(|row| row.values().next()).cloned().with_context(|| format!("{query} gives {rows:?}, not one value"))
    }

    pub fn number(&self, query: &str) -> anyhow::Result<i64> {
        let value = self.value(query)?;
        value.as_i64().with_context(|| format!("{query} gives {value}, not a number"))
    }

    /// The rows of a query once there are `count`, and those that came too many.
    pub fn rows_when(&self, query: &str, count: usize) -> anyhow::Result<Vec<Value>> {
        // what is not complete in time is compared as it is: the comparison says what is missing
        let _ = wait_until(ROWS_SECONDS, "rows", || self.rows(query).is_ok_and(|rows| rows.len() >= count).then_some(()));
        std::thread::sleep(SURPLUS);
        self.rows(query)
    }

    /// The rows of a query become exactly these, in any order.
    pub fn expect(&self, query: &str, expected: &[Value]) -> anyhow::Result<()> {
        let rows = self.rows_when(query, expected.len())?;
        compare(expected, &rows).with_context(|| query.to_owned())
    }

    /// Ends it as the system does; the folder can be used again.
    pub fn stop(mut self) -> anyhow::Result<(ExitStatus, Duration, TempDir)> {
        let (status, took) = self.process.end("TERM")?;
        anyhow::ensure!(self.process.err().is_empty(), "earshot complained: {}", self.process.err());
        Ok((status, took, self.folder))
    }

    /// Memory that is resident, in bytes.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().context("VmRSS is no number")?;
        Ok(kib * 1024)
    }
}

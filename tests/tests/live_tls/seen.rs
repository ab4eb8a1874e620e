//! What the tests of this folder share: rows that HTTPS exchanges should have, and what `probe_status` says.

use serde_json::{Value, json};
use tests::{Earshot, Exchange, wait_until};

/// Columns that [`row`] gives.
pub const COLUMNS: &str =
    "req_method, req_path, resp_status, req_body, resp_body, http_version, encrypted, truncated, gap_before,
    role, process_name, pid, peer_process_name";

/// Who a row belongs to, and who is at the other end.
pub struct Ends<'a> {
    pub role: &'static str,
    pub process: &'a str,
    pub pid: Option<u32>,
    pub peer: &'a str,
}

pub fn row(exchange: &Exchange, version: &str, ends: &Ends<'_>) -> Value {
    json!({ "req_method": exchange.method, "req_path": exchange.path, "resp_status": exchange.status, "req_body": exchange.sent,
        "resp_body": exchange.received, "http_version": version, "encrypted": true, "truncated": false, "gap_before": false,
        "role": ends.role, "process_name": ends.process, "pid": ends.pid, "peer_process_name": ends.peer })
}

/// The exchanges are the rows of this port, whichever end they belong to.
pub fn expect(earshot: &Earshot, port: u16, exchanges: &[Exchange], version: &str, ends: &Ends<'_>) -> anyhow::Result<()> {
    assert!(!exchanges.is_empty(), "the client asked nothing");
    let expected: Vec<Value> = exchanges.iter().map(|exchange| row(exchange, version, ends)).collect();
    let pid = if ends.pid.is_some() { "pid" } else { "NULL AS pid" };
    let columns = COLUMNS.replace("pid, peer", &format!("{pid}, peer"));
    let query = format!("SELECT {columns} FROM http_events WHERE local_port = {port} OR remote_port = {port}");
    earshot.expect(&query, &expected).map_err(|e| e.context(unseen(earshot).unwrap_or_default()))
}

/// What may explain that rows are missing.
fn unseen(earshot: &Earshot) -> anyhow::Result<String> {
    let lost = tests::losses(earshot)?;
    let refused = earshot.rows("SELECT target, reason FROM probe_status WHERE NOT attached")?;
    let hits = earshot.rows("SELECT target, hits FROM probe_status WHERE hook = 'uprobe' AND hits > 0")?;
    Ok(format!("lost: {lost:?}\nnot probed: {refused:?}\nhits: {hits:?}"))
}

/// A program's first run, in which it reaches nobody: the first to map a library is probed as it starts, and may say things
/// before ([`super::clients`] has a test of that). From the next run on all must be seen.
pub fn introduce<T>(earshot: &Earshot, probed: &str, run: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<()> {
    anyhow::ensure!(run().is_err(), "there is a server where none should be");
    told(earshot, true, probed, "")
}

/// `probe_status` has a place that is probed, or one that is not, whose target and reason contain these words.
pub fn told(earshot: &Earshot, attached: bool, target: &str, reason: &str) -> anyhow::Result<()> {
    let query = format!(
        "SELECT count(*) AS n FROM probe_status WHERE attached = {attached} AND target LIKE '%{target}%' AND reason LIKE '%{reason}%'"
    );
    wait_until(10, &format!("a row of probe_status: {target}, {reason}"), || {
        earshot.number(&query).is_ok_and(|n| n > 0).then_some(())
    })
}

/// Each of these servers had one connection, whose handshake has one row in `tls_events` and ended well.
pub fn handshakes(earshot: &Earshot, ports: &[u16]) -> anyhow::Result<()> {
    let row = |port: &u16| json!({ "local_port": port, "handshake": "done", "version": "TLSv1.3", "encrypted": true, "sni": "localhost" });
    let expected: Vec<Value> = ports.iter().map(row).collect();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let query = format!(
        "SELECT local_port, handshake, version, encrypted, sni FROM tls_events WHERE local_port IN ({})",
        ports.join(", ")
    );
    earshot.expect(&query, &expected)
}

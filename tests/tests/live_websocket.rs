//! A WebSocket server and client of Python's `websockets`: every message of either direction is one row.

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Connection, Earshot, Process, free_port, python, run_to_end};

struct Echo {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl Echo {
    fn start() -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = python("websocket/echo.py")?;
        let mut process = Process::start(command.args(["serve", &port.to_string()]), folder.path())?;
        process.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
        Ok(Self { _process: process, port, _folder: folder })
    }

    fn called(&self, compression: &str, texts: &[&str]) -> anyhow::Result<()> {
        let mut command = python("websocket/echo.py")?;
        let ended = run_to_end(command.args(["call", &self.port.to_string(), compression]).args(texts), 30)?;
        anyhow::ensure!(ended.status.success(), "the client: {}{}", ended.out, ended.err);
        Ok(())
    }
}

/// A text longer than a frame's length in two bytes can say.
fn long() -> String {
    "again and again, ".repeat(5000)
}

const UP: &str = "to_server";
const DOWN: &str = "to_client";

/// The rows of one client: what it sends and what comes back. `compressed` of data; sizes are known where nothing is compressed.
fn rows(texts: &[&str], compressed: bool) -> Vec<Value> {
    let row = |direction: &str, opcode: &str, bytes: usize, text: Option<&str>, fragments: usize| {
        let data = ["text", "binary"].contains(&opcode);
        json!({ "direction": direction, "opcode": opcode, "text": text, "fragments": fragments, "compressed": data && compressed,
            "bytes": (!data || !compressed).then_some(bytes), "close_code": null, "close_reason": null })
    };
    let mut rows = vec![];
    for text in texts {
        rows.extend([UP, DOWN].map(|direction| row(direction, "text", text.len(), Some(text), 1)));
    }
    rows.extend([UP, DOWN].map(|direction| row(direction, "binary", 4, None, 1)));
    // the library ends a text in pieces with an empty frame, and echoes the whole of it in one
    let pieces = "in two pieces";
    rows.extend([(UP, 3), (DOWN, 1)].map(|(direction, n)| row(direction, "text", pieces.len(), Some(pieces), n)));
    rows.extend([(UP, "ping"), (DOWN, "pong")].map(|(direction, opcode)| row(direction, opcode, 4, None, 1)));
    rows.extend([UP, DOWN].map(|direction| {
        let mut close = row(direction, "close", 2 + "that was all".len(), None, 1);
        close["close_code"] = json!(4001);
        close["close_reason"] = json!("that was all");
        close
    }));
    rows
}

fn messages_are_seen(compression: &str) -> anyhow::Result<()> {
    let (server, earshot) = (Echo::start()?, Earshot::start()?);
    let texts = ["hello", "grüße, \"quoted\"", "hello", ""];
    server.called(compression, &texts)?;
    let compressed = compression == "deflate";
    let query = format!(
        "SELECT direction, opcode, text, fragments, compressed, CASE WHEN compressed THEN NULL ELSE payload_bytes END AS bytes, close_code, close_reason
         FROM websocket_events WHERE local_port = {} AND process_name = 'python3' AND role = 'server'",
        server.port
    );
    earshot.expect(&query, &rows(&texts, compressed))?;
    let upgrade =
        format!("SELECT req_method, req_path, resp_status, http_version FROM http_events WHERE local_port = {}", server.port);
    earshot.expect(
        &upgrade,
        &[json!({ "req_method": "GET", "req_path": "/chat?room=1", "resp_status": 101, "http_version": "1.1" })],
    )
}

#[test]
fn plain_messages() -> anyhow::Result<()> {
    messages_are_seen("plain")
}

#[test]
fn compressed_messages() -> anyhow::Result<()> {
    messages_are_seen("deflate")
}

#[test]
fn a_long_text_keeps_its_beginning_and_its_size() -> anyhow::Result<()> {
    let (server, earshot, long) = (Echo::start()?, Earshot::start()?, long());
    server.called("plain", &[&long])?;
    let query = format!("SELECT * FROM websocket_events WHERE local_port = {} AND payload_bytes > 1000", server.port);
    let rows = earshot.rows_when(&query, 2)?;
    assert_eq!(rows.len(), 2, "{rows:?}");
    for row in &rows {
        let kept = row["text"].as_str().unwrap_or_default();
        assert_eq!((&row["payload_bytes"], &row["opcode"]), (&json!(long.len()), &json!("text")));
        assert!(!kept.is_empty() && long.starts_with(kept), "what is kept is not the beginning: {kept}");
        assert!(kept.len() == long.len() || row["truncated"] == true, "cut and not said so: {} bytes kept", kept.len());
    }
    Ok(())
}

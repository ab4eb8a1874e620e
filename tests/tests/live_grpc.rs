//! gRPC in clear: the services of three implementations, each called by the clients of all three; a call is one row that says what the
//! client says.

use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Connection, Earshot, Process, built, cargo, compare, free_port, go, python, run_to_end};

/// An implementation, with the same service and the same client as the others.
#[derive(Clone, Copy, Debug)]
enum Implementation {
    Go,
    Python,
    Tonic,
}

const ALL: [Implementation; 3] = [Implementation::Go, Implementation::Python, Implementation::Tonic];

impl Implementation {
    fn process_name(self) -> &'static str {
        match self {
            Implementation::Go => "grpc-go",
            Implementation::Python => "python3",
            Implementation::Tonic => "tonic-echo",
        }
    }

    /// Its program, built where it has to be.
    fn program(self) -> anyhow::Result<Command> {
        let name = self.process_name();
        match self {
            Implementation::Go => go("grpc-go", &built()?.join(name)),
            Implementation::Python => python("grpc-python/echo.py"),
            Implementation::Tonic => Ok(Command::new(cargo(("tonic", name))?)),
        }
    }
}

/// A service that runs.
struct Service {
    kind: Implementation,
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl Service {
    fn start(kind: Implementation) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = kind.program()?;
        command.args(["serve", &format!("127.0.0.1:{port}")]);
        let mut process = Process::start(&command, folder.path())?;
        process.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
        Ok(Self { kind, _process: process, port, _folder: folder })
    }

    /// Runs a client to its end; what it says of each call.
    fn called_by(&self, client: Implementation) -> anyhow::Result<Vec<Call>> {
        let mut command = client.program()?;
        let ended = run_to_end(command.args(["call", &format!("127.0.0.1:{}", self.port)]), 30)?;
        anyhow::ensure!(ended.status.success(), "the client of {client:?}: {}{}", ended.out, ended.err);
        ended.out.lines().map(|line| Call::of(line).with_context(|| format!("the client says {line}"))).collect()
    }
}

/// What a client says of one call.
#[derive(Debug)]
struct Call {
    method: String,
    status: i64,
    message: String,
    sent: Vec<String>,
    received: Vec<String>,
}

/// Calls that the client gives up: by cancelling, and by a deadline.
const GIVEN_UP: [&str; 2] = ["Forever", "Slow"];
/// How they end: cancelled, deadline exceeded; tonic says the first for both.
const GIVEN_UP_STATUSES: [i64; 2] = [1, 4];

impl Call {
    /// From what a client prints.
    fn of(line: &str) -> Option<Self> {
        let said: Value = serde_json::from_str(line).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |value: &Value| -> Option<Vec<String>> { value.as_array()?.iter().map(text).collect() };
        let (method, message, status) = (text(&said["method"])?, text(&said["message"])?, said["status"].as_i64()?);
        Some(Self { method, status, message, sent: texts(&said["sent"])?, received: texts(&said["received"])? })
    }

    fn given_up(&self) -> bool {
        GIVEN_UP.contains(&self.method.as_str())
    }

    /// The columns of the row that it should have. A status that the client made up itself was never said on the wire.
    fn row(&self, server: Implementation, client: Implementation) -> Value {
        let (told, packed) = (!self.given_up(), self.method == "Packed");
        // a method that is not there is refused perhaps before the client has sent its message
        let sent = Some(&self.sent).filter(|_| self.method != "Missing");
        json!({ "grpc_service": "earshot.test.Echo", "grpc_method": self.method, "req_method": "POST", "http_version": "2",
            "req_path": format!("/earshot.test.Echo/{}", self.method), "process_name": server.process_name(),
            "peer_process_name": client.process_name(), "status": told.then_some(self.status),
            "message": if told { self.message.as_str() } else { "" }, "requests": sent.map(Vec::len), "responses": self.received.len(),
            "req_body": sent.and_then(|sent| messages(sent)), "resp_body": messages(&self.received), "answered": told,
            "req_body_bytes": sent.filter(|_| !packed).map(|sent| bytes(sent)), "small": packed.then_some(true),
            "resp_body_bytes": Some(bytes(&self.received)).filter(|_| !packed) })
    }
}

/// As the columns of bodies show messages whose field 1 is a text.
fn messages(texts: &[String]) -> Option<String> {
    let lines: Vec<String> = texts.iter().map(|text| json!({ "1": text }).to_string()).collect();
    Some(lines.join("\n")).filter(|_| !lines.is_empty())
}

/// Size of short messages as they are sent: a prefix, then a tag and a length before each text.
fn bytes(texts: &[String]) -> usize {
    texts.iter().map(|text| 5 + 2 + text.len()).sum()
}

/// `small`: what is sent in 2,300 bytes of text came compressed, both ways.
const COLUMNS: &str = "grpc_service, grpc_method, req_method, http_version, req_path, process_name, peer_process_name,
    CASE WHEN given_up THEN NULL ELSE grpc_status END AS status, CASE WHEN given_up THEN '' ELSE COALESCE(grpc_message, '') END AS message,
    CASE WHEN NOT missing THEN grpc_request_messages END AS requests, COALESCE(grpc_response_messages, 0) AS responses,
    CASE WHEN NOT missing THEN req_body END AS req_body, resp_body,
    NOT given_up AND latency_ns > 0 AND NOT broken AND (missing OR NOT truncated) AS answered,
    CASE WHEN NOT missing AND NOT packed THEN req_body_bytes END AS req_body_bytes,
    CASE WHEN NOT packed THEN COALESCE(resp_body_bytes, 0) END AS resp_body_bytes,
    CASE WHEN packed THEN req_body_bytes < 300 AND resp_body_bytes < 300 END AS small";

fn calls_are_seen(kind: Implementation) -> anyhow::Result<()> {
    let service = Service::start(kind)?;
    let earshot = Earshot::start()?;
    let (mut expected, mut outcomes) = (vec![], vec![]);
    for client in ALL {
        let calls = service.called_by(client)?;
        assert_eq!(calls.len(), 9, "{client:?}: {calls:?}");
        for (method, statuses) in
            [("Unary", &[0][..]), ("Fail", &[9]), ("Slow", &GIVEN_UP_STATUSES), ("Forever", &[1]), ("Missing", &[12])]
        {
            let call = calls.iter().find(|call| call.method == method).context("a call is missing")?;
            assert!(statuses.contains(&call.status), "{client:?}: {call:?}");
        }
        expected.extend(calls.iter().map(|call| call.row(service.kind, client)));
        let outcome =
            |call: &Call| json!({ "operation": call.method, "status": call.status.to_string(), "failed": call.status == 12 });
        outcomes.extend(calls.iter().filter(|call| !call.given_up()).map(outcome));
    }
    let rows = format!(
        "SELECT {COLUMNS} FROM (SELECT *, grpc_method IN ('Slow', 'Forever') AS given_up, grpc_method = 'Missing' AS missing, grpc_method = 'Packed' AS packed FROM http_events WHERE local_port = {})",
        service.port
    );
    earshot.expect(&rows, &expected)?;
    let seen = format!(
        "SELECT operation, status, failed FROM requests WHERE protocol = 'grpc' AND local_port = {} AND operation NOT IN ('Slow', 'Forever')",
        service.port
    );
    earshot.expect(&seen, &outcomes)?;
    // a client that gives up says so by resetting the stream; the server may have told its status just before
    let query = format!("SELECT * FROM http_events WHERE local_port = {} AND grpc_method IN ('Slow', 'Forever')", service.port);
    for row in earshot.rows(&query)? {
        match row["grpc_status"].as_i64() {
            None => {
                let outcome = (&row["stream_error"], &row["broken"], &row["latency_ns"]);
                assert_eq!(outcome, (&json!("CANCEL"), &json!(true), &Value::Null), "{row}");
            }
            Some(status) => assert!(GIVEN_UP_STATUSES.contains(&status), "{row}"),
        }
    }
    Ok(())
}

#[test]
fn a_service_of_grpc_go() -> anyhow::Result<()> {
    calls_are_seen(Implementation::Go)
}

#[test]
fn a_service_of_python_grpcio() -> anyhow::Result<()> {
    calls_are_seen(Implementation::Python)
}

#[test]
fn a_service_of_tonic() -> anyhow::Result<()> {
    calls_are_seen(Implementation::Tonic)
}

#[test]
fn a_channel_joined_in_the_middle_has_no_wrong_fields() -> anyhow::Result<()> {
    let service = Service::start(Implementation::Go)?;
    let folder = tempfile::tempdir()?;
    let mut repeat = Implementation::Go.program()?;
    repeat.args(["repeat", &format!("127.0.0.1:{}", service.port), "500"]);
    let mut repeat = Process::start(&repeat, folder.path())?;
    let told = |p: &Process| p.out().lines().count();
    repeat.wait_until(10, "its first calls", |p| (told(p) > 20).then_some(()))?;
    let earshot = Earshot::start()?;
    let before = told(&repeat);
    repeat.wait_until(20, "its last call", |p| (told(p) == 500).then_some(()))?;
    assert!(before < 300, "earshot came too late: {before} calls were over");
    let rows = earshot.rows_when(
        &format!("SELECT * FROM http_events WHERE local_port = {} ORDER BY stream_id", service.port),
        499 - before,
    )?;
    assert!((499 - before..500).contains(&rows.len()), "{} rows, {before} calls before earshot was ready", rows.len());
    let first = rows[0]["stream_id"].as_u64().context("no stream")?;
    let streams: Vec<Value> = rows.iter().map(|row| json!({ "stream_id": row["stream_id"] })).collect();
    let all: Vec<Value> = (0..rows.len()).map(|i| json!({ "stream_id": first + 2 * i as u64 })).collect();
    compare(&all, &streams)?;
    for row in &rows {
        for (column, known) in [
            ("http_version", json!("2")),
            ("req_method", json!("POST")),
            ("req_path", json!("/earshot.test.Echo/Unary")),
            ("content_type", json!("application/grpc")),
            ("resp_status", json!(200)),
            ("grpc_service", json!("earshot.test.Echo")),
            ("grpc_method", json!("Unary")),
            ("grpc_status", json!(0)),
            ("grpc_request_messages", json!(1)),
            ("grpc_response_messages", json!(1)),
        ] {
            assert!(row[column].is_null() || row[column] == known, "{column} is wrong: {row}");
        }
        assert_eq!(row["process_name"], "grpc-go", "{row}");
    }
    // each call's own timeout fills the table and drives the path out of it; where it is said again it is known
    let last = rows.last().context("no rows")?;
    assert_eq!((&last["grpc_method"], &last["req_body"]), (&json!("Unary"), &json!(r#"{"1":"499"}"#)), "{last}");
    Ok(())
}

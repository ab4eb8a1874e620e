//! HTTP/2 in clear between real servers and clients: every stream is one row, with what nghttp says of it; h2load's count is earshot's.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::Context;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tests::{Connection, Earshot, Process, compare, free_port, program, run, wait_until};

/// What `/hello.txt` holds.
const HELLO: &str = "hello";
/// Size of `/big.txt` in bytes: many frames and more than a window.
const BIG_BYTES: usize = 300_000;

/// Streams of a connection that is joined in the middle.
const AT_A_TIME: usize = 3;
/// Requests on two such connections: for far longer than earshot takes to start.
const REQUESTS: usize = 1500;

/// nghttpd over a folder with `hello.txt`, `big.txt` and `page.html`; it echoes what is sent to it by POST and PUT.
struct Nghttpd {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Nghttpd {
    fn start(more: &[&str]) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let www = folder.path().join("www");
        std::fs::create_dir(&www)?;
        std::fs::write(www.join("hello.txt"), HELLO)?;
        std::fs::write(www.join("page.html"), "<p>page</p>")?;
        std::fs::write(www.join("big.txt"), &"sixteen bytes..\n".repeat(BIG_BYTES / 16 + 1)[..BIG_BYTES])?;
        let mut command = Command::new(program("nghttpd")?);
        command.args(["--no-tls", "--address", "127.0.0.1", "--echo-upload", "--htdocs"]).arg(www);
        command.args(more).arg(port.to_string());
        let process = started(&command, &folder, port)?;
        Ok(Self { process, port, _folder: folder })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// nghttpx, which takes HTTP/1 with an upgrade, in front of nghttpd.
struct Nghttpx {
    _process: Process,
    port: u16,
    _folder: TempDir,
}

impl Nghttpx {
    fn start(behind: &Nghttpd) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = Command::new(program("nghttpx")?);
        command
            .args(["--conf=/dev/null", "--single-process", "--workers=1"])
            .args([format!("--frontend=127.0.0.1,{port};no-tls"), format!("--backend=127.0.0.1,{};;proto=h2", behind.port)]);
        let process = started(&command, &folder, port)?;
        Ok(Self { _process: process, port, _folder: folder })
    }
}

fn started(command: &Command, folder: &TempDir, port: u16) -> anyhow::Result<Process> {
    let mut process = Process::start(command, folder.path())?;
    process.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
    Ok(process)
}

/// Name and value of each field, as the client said them.
type Fields = Vec<(String, String)>;

/// A stream as nghttp saw it.
#[derive(Debug, Default)]
struct Stream {
    request: Fields,
    response: Fields,
    trailers: Option<Fields>,
}

/// What nghttp tells with `--verbose`: its streams by number.
fn streams(log: &str) -> BTreeMap<i64, Stream> {
    let (mut streams, mut received, mut sending): (BTreeMap<i64, Stream>, Fields, _) = (BTreeMap::new(), vec![], None);
    let field = |text: &str| text.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    for line in log.lines() {
        let said = line.split_once("] ").filter(|_| line.starts_with('[')).map(|(_, said)| said);
        if let Some(said) = said {
            let id = number_after(said, "stream_id=").unwrap_or_default();
            // what follows a stream's first headers are trailers, for which there is no column
            sending = Some(id).filter(|id| said.starts_with("send HEADERS") && !streams.contains_key(id));
            if said.starts_with("recv (") {
                received.extend(said.split_once(") ").and_then(|(_, text)| field(text)));
            } else if said.starts_with("recv HEADERS") {
                let stream = streams.entry(id).or_default();
                let fields = std::mem::take(&mut received);
                if stream.response.is_empty() { stream.response = fields } else { stream.trailers = Some(fields) }
            }
            continue;
        }
        let text = line.trim();
        if let Some(promised) = number_after(text, "promised_stream_id=") {
            streams.entry(promised).or_default().request = std::mem::take(&mut received);
        } else if let Some(id) = sending.filter(|_| !text.starts_with([';', '('])) {
            streams.entry(id).or_default().request.extend(field(text));
        }
    }
    streams
}

fn number_after(text: &str, mark: &str) -> Option<i64> {
    let (_, after) = text.split_once(mark)?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// As the columns of headers have them: what has a column of its own is left out.
fn object(fields: &Fields) -> Value {
    let own = [":method", ":path", ":authority", ":status"];
    let others = fields.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    Value::Object(others.map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>())
}

const STREAM_COLUMNS: &str =
    "http_version, stream_id, req_method, req_path, req_authority, req_headers, resp_status, resp_headers,
    resp_trailers, content_type, process_name, peer_process_name, truncated, gap_before, broken";

/// The row that a stream of nghttp's with nghttpd should have.
fn row(id: i64, stream: &Stream) -> anyhow::Result<Value> {
    let path = value(&stream.request, ":path").unwrap_or_default();
    let status = value(&stream.response, ":status").with_context(|| format!("stream {id} has no status: {stream:?}"))?;
    Ok(json!({ "http_version": "2", "stream_id": id, "req_method": value(&stream.request, ":method"),
        "req_path": path, "req_authority": value(&stream.request, ":authority"),
        "req_headers": object(&stream.request), "resp_status": status.parse::<i64>()?, "resp_headers": object(&stream.response),
        "resp_trailers": stream.trailers.as_ref().map(object), "content_type": value(&stream.response, "content-type"),
        "process_name": "nghttpd", "peer_process_name": "nghttp", "truncated": path.starts_with("/big"), "gap_before": false, "broken": false }))
}

/// Headers are compared as what they say, not as text.
fn parsed(mut rows: Vec<Value>) -> anyhow::Result<Vec<Value>> {
    for row in &mut rows {
        for column in ["req_headers", "resp_headers", "resp_trailers"] {
            if let Some(text) = row[column].as_str() {
                row[column] = serde_json::from_str(text).with_context(|| format!("{column} is no JSON"))?;
            }
        }
    }
    Ok(rows)
}

/// nghttp with these arguments, once its streams and earshot's rows were found equal.
fn nghttp_is_seen(earshot: &Earshot, server: &Nghttpd, args: &[&str]) -> anyhow::Result<BTreeMap<i64, Stream>> {
    let streams = streams(&run("nghttp", ["--null-out", "--verbose"].iter().chain(args))?);
    let expected = streams.iter().map(|(id, stream)| row(*id, stream)).collect::<Result<Vec<_>, _>>()?;
    let query = format!("SELECT {STREAM_COLUMNS} FROM http_events WHERE local_port = {}", server.port);
    compare(&expected, &parsed(earshot.rows_when(&query, expected.len())?)?)?;
    Ok(streams)
}

#[test]
fn interleaved_streams_with_trailers_and_padding() -> anyhow::Result<()> {
    let server = Nghttpd::start(&["--trailer", "x-checksum: abc", "--padding", "30"])?;
    let earshot = Earshot::start()?;
    let paths: Vec<String> = (0..30).map(|i| format!("/{}?n={i}", ["hello.txt", "big.txt", "none"][i % 3])).collect();
    let urls: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
    let mut args = vec!["--padding", "20", "--header", "x-sent: by the test"];
    args.extend(urls.iter().map(String::as_str));
    let streams = nghttp_is_seen(&earshot, &server, &args)?;
    assert_eq!(streams.len(), paths.len());
    assert!(streams.values().all(|s| s.trailers.is_some()), "nghttpd sends trailers");
    let query = format!(
        "SELECT req_path, resp_body_bytes, resp_body = '{HELLO}' AS hello FROM http_events WHERE local_port = {} AND resp_status = 200",
        server.port
    );
    let answered = paths.iter().filter(|path| !path.starts_with("/none"));
    let expected = answered.map(|path| {
        let hello = path.starts_with("/hello");
        json!({ "req_path": path, "resp_body_bytes": if hello { HELLO.len() } else { BIG_BYTES }, "hello": hello })
    });
    earshot.expect(&query, &expected.collect::<Vec<_>>())
}

#[test]
fn uploads_with_trailers_and_another_table_size() -> anyhow::Result<()> {
    let server = Nghttpd::start(&["--trailer", "x-checksum: abc"])?;
    let earshot = Earshot::start()?;
    let folder = tempfile::tempdir()?;
    let upload = folder.path().join("upload");
    std::fs::write(&upload, "what is sent up")?;
    let path = upload.to_string_lossy();
    let url = server.url("/up");
    let args =
        ["--data", &path, "--trailer", "x-sum: 7", "--header-table-size=0", "--header-table-size=1024", "--multiply=5", &url];
    assert_eq!(nghttp_is_seen(&earshot, &server, &args)?.len(), 5);
    let query = format!(
        "SELECT req_method, req_body, req_body_bytes, resp_body, resp_body_bytes FROM http_events WHERE local_port = {}",
        server.port
    );
    let row = json!({ "req_method": "POST", "req_body": "what is sent up", "req_body_bytes": 15, "resp_body": "what is sent up", "resp_body_bytes": 15 });
    earshot.expect(&query, &vec![row; 5])
}

#[test]
fn what_the_server_pushes_is_a_row_too() -> anyhow::Result<()> {
    let server = Nghttpd::start(&["--push", "/page.html=/hello.txt,/big.txt"])?;
    let earshot = Earshot::start()?;
    let streams = nghttp_is_seen(&earshot, &server, &[&server.url("/page.html")])?;
    assert_eq!(streams.keys().filter(|id| *id % 2 == 0).count(), 2, "nghttpd pushes: {streams:?}");
    Ok(())
}

#[test]
fn an_upgrade_and_the_connection_behind_the_proxy() -> anyhow::Result<()> {
    let server = Nghttpd::start(&[])?;
    let proxy = Nghttpx::start(&server)?;
    let earshot = Earshot::start()?;
    let urls = ["/hello.txt", "/none", "/big.txt"].map(|path| format!("http://127.0.0.1:{}{path}", proxy.port));
    run("nghttp", ["--null-out", "--upgrade"].into_iter().chain(urls.iter().map(String::as_str)))?;
    let row = |process: &str, peer: &str, path: &str, status: u16, first: bool| {
        json!({ "http_version": "2", "process_name": process,
        "peer_process_name": peer, "req_method": "GET", "req_path": path, "resp_status": status, "first": first })
    };
    let mut expected = vec![];
    for (path, status) in [("/hello.txt", 200), ("/none", 404), ("/big.txt", 200)] {
        // the upgrade makes its own request stream 1; the connection behind is opened with prior knowledge and numbers its own
        expected.push(row("nghttpx", "nghttp", path, status, path == "/hello.txt"));
        expected.push(row("nghttpd", "nghttpx", path, status, false));
    }
    let query = format!(
        "SELECT http_version, process_name, peer_process_name, req_method, req_path, resp_status, stream_id = 1 AND local_port = {0} AS first
         FROM http_events WHERE local_port IN ({0}, {1})",
        proxy.port, server.port
    );
    earshot.expect(&query, &expected)
}

#[test]
fn curl_with_each_method() -> anyhow::Result<()> {
    let (server, earshot) = (Nghttpd::start(&[])?, Earshot::start()?);
    let mut expected = vec![];
    for (args, method, body, answer) in [
        (&[][..], "GET", None, Some(HELLO)),
        (&["--head"], "HEAD", None, None),
        (&["-X", "PUT", "-d", "put"], "PUT", Some("put"), Some("put")),
        (&["-d", "posted"], "POST", Some("posted"), Some("posted")),
        (&["-X", "PURGE"], "PURGE", None, Some(HELLO)),
    ] {
        let url = server.url("/hello.txt");
        run("curl", [&["-sS", "--max-time", "30", "--http2-prior-knowledge", "-o", "/dev/null", &url], args].concat())?;
        expected.push(json!({ "http_version": "2", "stream_id": 1, "req_method": method, "req_path": "/hello.txt", "resp_status": 200,
            "req_body": body, "resp_body": answer, "resp_body_bytes": answer.map_or(0, str::len), "peer_process_name": "curl" }));
    }
    let columns =
        "http_version, stream_id, req_method, req_path, resp_status, req_body, resp_body, resp_body_bytes, peer_process_name";
    earshot.expect(&format!("SELECT {columns} FROM http_events WHERE local_port = {}", server.port), &expected)
}

#[test]
fn rows_are_as_many_as_the_requests_that_h2load_counts() -> anyhow::Result<()> {
    let (server, earshot) = (Nghttpd::start(&[])?, Earshot::start()?);
    let report = run("h2load", ["-n", "4000", "-c", "4", "-m", "20", &server.url("/hello.txt"), &server.url("/none")])?;
    let succeeded = report.lines().find(|line| line.starts_with("requests:")).unwrap_or_default();
    assert!(succeeded.contains("4000 done, 2000 succeeded, 2000 failed, 0 errored"), "{report}");
    let query = format!(
        "SELECT req_method, req_path, resp_status, resp_body_bytes = 5 AS hello, truncated, broken, count(*) AS n FROM http_events
         WHERE local_port = {} AND latency_ns > 0 GROUP BY ALL",
        server.port
    );
    let all = format!("SELECT count(*) AS n FROM http_events WHERE local_port = {}", server.port);
    wait_until(10, "4000 rows", || earshot.number(&all).is_ok_and(|n| n >= 4000).then_some(()))?;
    let row = |path: &str, status: u16, hello: bool| {
        json!({ "req_method": "GET", "req_path": path, "resp_status": status, "hello": hello,
        "truncated": false, "broken": false, "n": 2000 })
    };
    earshot.expect(&query, &[row("/hello.txt", 200, true), row("/none", 404, false)])?;
    // each connection numbers its own streams
    let query = format!(
        "SELECT count(*) AS n, count(DISTINCT stream_id) AS distinct_n, min(stream_id) AS first, max(stream_id) AS last
         FROM http_events WHERE local_port = {} GROUP BY connection_id",
        server.port
    );
    earshot.expect(&query, &vec![json!({ "n": 1000, "distinct_n": 1000, "first": 1, "last": 1999 }); 4])
}

#[test]
fn a_connection_joined_in_the_middle_has_no_wrong_fields() -> anyhow::Result<()> {
    let server = Nghttpd::start(&["--verbose"])?;
    let folder = tempfile::tempdir()?;
    let mut load = Command::new(program("h2load")?);
    load.args([
        "-n",
        &REQUESTS.to_string(),
        "-c",
        "2",
        "-m",
        &AT_A_TIME.to_string(),
        "--rps",
        "125",
        &server.url("/hello.txt"),
    ]);
    let mut load = Process::start(&load, folder.path())?;
    load.wait_until(10, "the first requests", |_| server.process.out().contains("stream_id=41").then_some(()))?;
    let earshot = Earshot::start()?;
    let seen_from = server.process.out().matches(":path: /hello.txt").count();
    load.wait_until(20, "the end of its requests", |p| p.out().contains("finished in").then_some(()))?;
    assert!(load.out().contains(&format!("{REQUESTS} done, {REQUESTS} succeeded")), "{}", load.out());
    let query = format!("SELECT * FROM http_events WHERE local_port = {}", server.port);
    let rows = earshot.rows_when(&query, REQUESTS - seen_from)?;
    assert!(seen_from < 1200, "earshot came too late: {seen_from}");
    assert!(
        (REQUESTS - seen_from..REQUESTS).contains(&rows.len()),
        "{} rows; {seen_from} requests before earshot was ready",
        rows.len()
    );
    // of each connection its streams, and whether the request was seen
    let mut connections: BTreeMap<i64, BTreeMap<i64, bool>> = BTreeMap::new();
    for row in &rows {
        let half = row["request_bytes"].is_null();
        for (column, value) in [
            ("http_version", json!("2")),
            ("process_name", json!("nghttpd")),
            ("peer_process_name", json!("h2load")),
            ("role", json!("server")),
            ("resp_status", json!(200)),
            ("resp_body", json!(HELLO)),
            ("req_method", if half { Value::Null } else { json!("GET") }),
            // h2load sends the path each time, and the authority by its place in a table that was not seen
            ("req_path", if half { Value::Null } else { json!("/hello.txt") }),
            ("req_authority", Value::Null),
        ] {
            assert_eq!(row[column], value, "{column} of {row}");
        }
        assert_eq!(row["latency_ns"].is_null(), half, "the time of an answer alone is not known: {row}");
        let id = |column: &str| row[column].as_i64().unwrap_or_default();
        connections.entry(id("connection_id")).or_default().insert(id("stream_id"), !half);
    }
    assert_eq!(connections.len(), 2);
    let whole = connections.values().flat_map(BTreeMap::values).filter(|whole| **whole).count();
    assert!(whole + 2 * AT_A_TIME >= REQUESTS - seen_from, "{whole} whole rows; {seen_from} requests before earshot was ready");
    for streams in connections.into_values() {
        let last: Vec<i64> = (0..REQUESTS as i64 / 2).map(|i| 2 * i + 1).skip(REQUESTS / 2 - streams.len()).collect();
        assert_eq!(streams.keys().copied().collect::<Vec<_>>(), last, "from the first stream that is seen on, none is missing");
        // what sends is watched a moment before what receives
        let halves = streams.values().skip_while(|whole| !**whole).filter(|whole| !**whole).count();
        assert!(halves <= AT_A_TIME, "{halves} answers without their request after the first whole row");
    }
    Ok(())
}

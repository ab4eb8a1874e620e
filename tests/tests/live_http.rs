//! Real HTTP servers and clients under a running earshot: every request is one row, with what the client knows of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{AnswerServer, Calls, Connection, Earshot, Nginx, PythonHttp, STATUSES, Serving, request, run};

fn curl(args: &[&str]) -> anyhow::Result<String> {
    run("curl", ["-sS", "--max-time", "30", "-o", "/dev/null"].iter().chain(args))
}

#[test]
fn nginx_and_curl_each_method_and_status() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let mut expected = vec![];
    let mut row = |method: &str, path: &str, status: u16| {
        expected.push(json!({ "req_method": method, "req_path": path, "resp_status": status, "http_version": "1.1", "role": "server",
            "process_name": "nginx", "peer_process_name": "curl", "local_addr": "127.0.0.1", "remote_addr": "127.0.0.1", "encrypted": false }));
    };
    for status in STATUSES {
        let path = format!("/status/{status}/x?a=1&b=%20");
        curl(&[&nginx.url(&path)])?;
        row("GET", &path, status);
    }
    for (args, method, path, status) in [
        (&["--head"][..], "HEAD", "/text.html", 200),
        (&["-d", "name=value"], "POST", "/status/200/post", 200),
        (&["-X", "PATCH", "-d", "x"], "PATCH", "/status/200/patch", 200),
        (&["-X", "OPTIONS"], "OPTIONS", "/status/204/options", 204),
        (&["-X", "PUT", "-d", "kept"], "PUT", "/put/file", 201),
        (&["-X", "DELETE"], "DELETE", "/put/file", 204),
    ] {
        curl(&[args, &[&nginx.url(path)]].concat())?;
        row(method, path, status);
    }
    earshot.expect(
        &format!(
            "SELECT req_method, req_path, resp_status, http_version, role, process_name, peer_process_name, local_addr, remote_addr, encrypted
             FROM http_events WHERE local_port = {0} OR remote_port = {0}",
            nginx.port
        ),
        &expected,
    )
}

#[test]
fn one_connection_many_requests() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    curl(&[&nginx.url("/status/200/[1-300]")])?;
    let expected: Vec<Value> =
        (1..=300).map(|i| json!({ "req_path": format!("/status/200/{i}"), "resp_status": 200 })).collect();
    earshot.expect(&format!("SELECT req_path, resp_status FROM http_events WHERE local_port = {}", nginx.port), &expected)?;
    let connections = earshot
        .number(&format!("SELECT count(DISTINCT connection_id) AS n FROM http_events WHERE local_port = {}", nginx.port))?;
    assert_eq!(connections, 1);
    Ok(())
}

#[test]
fn a_pipeline_and_requests_in_pieces() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let mut connection = Connection::open(("127.0.0.1", nginx.port))?;
    let mut expected = vec![];
    let mut pipeline = vec![];
    for i in 0..20 {
        let status = STATUSES[i % STATUSES.len()];
        let path = format!("/status/{status}/{i}");
        pipeline.extend(request("GET", &path, &[], b""));
        expected.push(json!({ "req_path": path, "resp_status": status }));
    }
    connection.send(&pipeline)?;
    for row in &expected {
        assert_eq!(row["resp_status"], connection.answer(false)?.status);
    }
    for byte in request("GET", "/status/404/slowly", &[("X-Pieces", "of one byte")], b"") {
        connection.send(&[byte])?;
    }
    assert_eq!(connection.answer(false)?.status, 404);
    expected.push(json!({ "req_path": "/status/404/slowly", "resp_status": 404 }));
    earshot.expect(&format!("SELECT req_path, resp_status FROM http_events WHERE local_port = {}", nginx.port), &expected)
}

#[test]
fn headers_and_bodies_as_sent() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    let body = "{\"text\": \"grüße, \\\"quoted\\\"\"}";
    let mut connection = server.connect()?;
    let answer =
        connection.ask("POST", "/chunks/?q=%2F", &[("X-Twice", "a"), ("X-Twice", "b"), ("X-Empty", "")], body.as_bytes())?;
    assert_eq!(answer.text(), body, "the server echoes");
    let rows = earshot.rows_when(&format!("SELECT * FROM http_events WHERE local_port = {}", server.port), 1)?;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    for (column, value) in [
        ("req_method", json!("POST")),
        ("req_path", json!("/chunks/?q=%2F")),
        ("req_authority", json!("earshot.test")),
        ("req_body", json!(body)),
        ("resp_body", json!(body)),
        ("req_body_bytes", json!(body.len())),
        ("resp_body_bytes", json!(body.len())),
        ("content_type", json!("text/plain")),
        ("pid", json!(server.pid())),
        ("peer_pid", json!(std::process::id())),
        ("remote_port", json!(connection.local_port()?)),
        ("truncated", json!(false)),
        ("gap_before", json!(false)),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    let headers: Value = serde_json::from_str(row["req_headers"].as_str().unwrap_or_default())?;
    assert_eq!(
        headers,
        json!({ "host": "earshot.test", "x-twice": ["a", "b"], "x-empty": "", "content-length": body.len().to_string() })
    );
    let headers: Value = serde_json::from_str(row["resp_headers"].as_str().unwrap_or_default())?;
    assert_eq!(headers["served-by"], json!(server.pid().to_string()));
    Ok(())
}

#[test]
fn every_call_that_reads_or_writes() -> anyhow::Result<()> {
    let earshot = Earshot::start()?;
    let body = "what goes through vectors of many parts ".repeat(50);
    for (read, write) in [("recv", "send"), ("read", "write"), ("readv", "writev"), ("recvmsg", "sendmsg"), ("peek", "send")] {
        let server = AnswerServer::start(Calls { read, write }, Serving::Here)?;
        let answer = server.connect()?.ask("POST", "/", &[], body.as_bytes())?;
        assert_eq!(answer.text(), body, "the server echoes");
        let columns = "req_method, resp_status, req_body, resp_body, req_body_bytes, resp_body_bytes, truncated";
        let expected = json!({ "req_method": "POST", "resp_status": 200, "req_body": body, "resp_body": body,
            "req_body_bytes": body.len(), "resp_body_bytes": body.len(), "truncated": false });
        earshot
            .expect(&format!("SELECT {columns} FROM http_events WHERE local_port = {}", server.port), &[expected])
            .map_err(|e| e.context(format!("{read} and {write}")))?;
    }
    Ok(())
}

#[test]
fn bytes_that_never_pass_through_the_program_are_counted() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls { read: "recv", write: "sendfile" }, Serving::Here)?;
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let mut connection = server.connect()?;
    assert_eq!(connection.get("/bytes/300000/")?.body.len(), 300_000);
    assert_eq!(connection.get("/bytes/5/")?.body.len(), 5);
    curl(&[&nginx.url("/big.bin"), "-o", "/dev/null", &nginx.url("/text.html")])?;
    earshot.expect(
        &format!(
            "SELECT req_path, resp_status, resp_body_bytes FROM http_events WHERE local_port IN ({}, {})",
            server.port, nginx.port
        ),
        &[
            json!({ "req_path": "/bytes/300000/", "resp_status": 200, "resp_body_bytes": 300_000 }),
            json!({ "req_path": "/bytes/5/", "resp_status": 200, "resp_body_bytes": 5 }),
            json!({ "req_path": "/big.bin", "resp_status": 200, "resp_body_bytes": 1 << 20 }),
            json!({ "req_path": "/text.html", "resp_status": 200, "resp_body_bytes": 1024 }),
        ],
    )
}

#[test]
fn ipv6_and_unix_sockets() -> anyhow::Result<()> {
    let six = AnswerServer::start_on("::1", Calls::default(), Serving::Here)?;
    let unix = AnswerServer::start_on_path(Calls::default())?;
    let earshot = Earshot::start()?;
    six.connect()?.get("/six")?;
    let mut connection = unix.connect_by_path()?;
    for _ in 0..3 {
        connection.get("/unix")?;
    }
    let row = |path: &str, local: &str, port: Value, pid: u32| json!({ "req_path": path, "resp_status": 200, "local_addr": local, "local_port": port, "pid": pid, "peer_pid": std::process::id() });
    let at = format!("unix:{}", unix.path().display());
    let mut expected = vec![row("/six", "::1", json!(six.port), six.pid())];
    expected.extend(vec![row("/unix", &at, Value::Null, unix.pid()); 3]);
    earshot.expect(
        "SELECT req_path, resp_status, local_addr, local_port, pid, peer_pid FROM http_events WHERE req_path IN ('/six', '/unix')",
        &expected,
    )
}

#[test]
fn a_mebibyte_up_and_down() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    let body = "sixteen bytes..\n".repeat(1 << 16);
    assert_eq!(server.connect()?.ask("POST", "/", &[], body.as_bytes())?.body.len(), 1 << 20);
    let rows = earshot.rows_when(&format!("SELECT * FROM http_events WHERE local_port = {}", server.port), 1)?;
    assert_eq!(rows.len(), 1);
    for side in ["req", "resp"] {
        assert_eq!(rows[0][format!("{side}_body_bytes")], 1 << 20, "{side}");
        let kept = rows[0][format!("{side}_body")].as_str().unwrap_or_default();
        assert!(!kept.is_empty() && body.starts_with(kept), "{side}: what is kept is not the beginning of what was sent");
        assert!(kept.len() == body.len() || rows[0]["truncated"] == true, "{side}: cut and not said so");
    }
    Ok(())
}

#[test]
fn packed_bodies_are_unpacked() -> anyhow::Result<()> {
    let (nginx, earshot) = (Nginx::start()?, Earshot::start()?);
    let received = run(
        "curl",
        ["-sS", "-H", "Accept-Encoding: gzip", "-o", "/dev/null", "-w", "%{size_download}", &nginx.url("/packed/text.html")],
    )?;
    let packed: i64 = received.parse()?;
    assert!(packed < 200, "nginx did not pack");
    let expected = json!({ "resp_body": Nginx::text(), "resp_status": 200 });
    earshot.expect(&format!("SELECT resp_body, resp_status FROM http_events WHERE local_port = {}", nginx.port), &[expected])
}

#[test]
fn python_speaks_http_1_0() -> anyhow::Result<()> {
    let (server, earshot) = (PythonHttp::start()?, Earshot::start()?);
    curl(&["--http1.0", &server.url("/hello.txt"), "-o", "/dev/null", &server.url("/none")])?;
    let row = |path: &str, status: u16| json!({ "http_version": "1.0", "req_path": path, "resp_status": status, "pid": server.pid() });
    earshot.expect(
        &format!("SELECT http_version, req_path, resp_status, pid FROM http_events WHERE local_port = {}", server.port),
        &[row("/hello.txt", 200), row("/none", 404)],
    )
}

#[test]
fn what_is_unknown_is_null_and_time_is_measured() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    server.connect()?.get("/wait/200/")?;
    server.connect()?.send(&request("GET", "/silent/", &[], b""))?;
    assert_eq!(server.connect()?.get("/to-the-end/5000/")?.body.len(), 5000);
    let rows = earshot.rows_when(
        &format!("SELECT req_path, resp_status, resp_body_bytes, latency_ns FROM http_events WHERE local_port = {} ORDER BY req_path", server.port),
        3,
    )?;
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!(rows[0], json!({ "req_path": "/silent/", "resp_status": null, "resp_body_bytes": null, "latency_ns": null }));
    assert_eq!((&rows[1]["req_path"], &rows[1]["resp_body_bytes"]), (&json!("/to-the-end/5000/"), &json!(5000)));
    let waited = rows[2]["latency_ns"].as_i64().unwrap_or_default();
    assert!((200_000_000..400_000_000).contains(&waited), "latency_ns is {waited}");
    Ok(())
}

#[test]
fn a_row_is_there_within_a_second() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    let mut connection = server.connect()?;
    for i in 0..5 {
        connection.get(&format!("/{i}"))?;
        let answered = Instant::now();
        let query = format!("SELECT count(*) AS n FROM http_events WHERE local_port = {} AND req_path = '/{i}'", server.port);
        while earshot.number(&query)? == 0 {
            assert!(answered.elapsed() < Duration::from_millis(1100), "request {i} has no row after {:?}", answered.elapsed());
        }
    }
    Ok(())
}

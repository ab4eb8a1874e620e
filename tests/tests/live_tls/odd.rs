//! What programs seldom do with OpenSSL: `tests/servers/tls/odd.c` says of each request who read it and from which connection, and
//! so do the rows, with symbols and without.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};
use tests::{Certificates, Earshot, c_static, stripped, succeed};

use super::seen;

const CASES: [&str; 14] = [
    "plain",
    // the bytes come again with the read
    "peek",
    // one in each read
    "bytes",
    // SSL_read_ex and SSL_write_ex
    "ex",
    // written in parts, and again after SSL_ERROR_WANT_WRITE
    "partial",
    // a cipher that makes several records at once
    "together",
    "key-update",
    "renegotiation",
    // SSL_write_early_data and SSL_read_early_data
    "early",
    // the object is one thread's that reads, and another's that writes
    "threads",
    // after the handshake, so that two processes have the object
    "fork",
    // the client closes its direction before the answer
    "shutdown",
    // another object at the same address, and the same object, while the old connection is open
    "reuse",
    "clear",
];

/// `PATH STATUS BODY_BYTES CLIENT_PORT PID THREAD`
fn row(line: &str) -> anyhow::Result<Value> {
    let words: Vec<&str> = line.split('\t').collect();
    let [path, status, bytes, port, pid, thread] = words[..] else { anyhow::bail!("the program says {line}") };
    let [status, bytes, port, pid, thread] = [status, bytes, port, pid, thread].map(|word| word.parse::<u64>());
    Ok(json!({ "req_path": path, "resp_status": status?, "resp_body_bytes": bytes?, "remote_port": port?, "pid": pid?,
        "thread_id": thread?, "gap_before": false }))
}

fn watch(file: &Path) -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let earshot = Earshot::start()?;
    let name = file.file_name().and_then(|name| name.to_str()).context("a name")?;
    seen::introduce(&earshot, &format!("/{name}:"), || succeed(&mut Command::new(file)))?;
    let said = succeed(Command::new(file).args([certificates.certificate(), certificates.key()]).args(CASES))?;
    let expected: Vec<Value> = said.lines().map(row).collect::<Result<_, _>>()?;
    let columns = "req_path, resp_status, resp_body_bytes, remote_port, pid, thread_id, gap_before";
    earshot.expect(&format!("SELECT {columns} FROM http_events WHERE process_name = '{name}'"), &expected)?;
    assert_eq!(earshot.rows("SELECT * FROM lost_events WHERE stage IN ('kernel', 'tls')")?, [] as [Value; 0]);
    // each place that plaintext passes was seen to; the last one takes a processor with instructions for AES
    let aes = std::fs::read_to_string("/proc/cpuinfo")?.contains(" aes ");
    for place in ["ssl3_read_bytes", "do_ssl3_write", "ssl3_write_bytes"].into_iter().take(if aes { 3 } else { 2 }) {
        let hits = format!("SELECT coalesce(sum(hits), 0) AS n FROM probe_status WHERE target LIKE '%/{name}:{place}%'");
        assert!(earshot.number(&hits)? > 0, "{place} was never passed");
    }
    Ok(())
}

#[test]
fn with_symbols() -> anyhow::Result<()> {
    watch(&c_static("tls/odd.c", "odd-openssl", &["-lssl", "-lcrypto"])?)
}

#[test]
fn without_symbols() -> anyhow::Result<()> {
    let file = c_static("tls/odd.c", "odd-openssl", &["-lssl", "-lcrypto"])?;
    watch(Path::new(stripped(&file, "odd-stripped")?.get_program()))
}

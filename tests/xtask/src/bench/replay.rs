//! A large capture of HTTP, read by `earshot replay` into a count, against tshark that lists the same requests.
//!
//! Both must find every request that the capture was made with.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::capture_file::{self, Written};
use super::needs::path;
use super::report::{Section, whole};
use super::statistics::median;
use super::timed::{self, Timed};

const EARSHOT_ROUNDS: usize = 3;
const SECONDS_MAX: u64 = 1800;
const QUERY: &str = "SELECT count(*) AS n FROM http_events";

pub fn measure(earshot: &Path, capture_mb: u64) -> anyhow::Result<Section> {
    let folder = tempfile::tempdir().context("cannot create a folder for the capture")?;
    let file = folder.path().join("large.pcap");
    let written = capture_file::write(&file, capture_mb * 1_000_000)?;
    eprintln!("capture: {} MB, {} requests, {} connections", written.bytes / 1_000_000, written.requests, written.connections);

    let mut replay = Command::new(earshot);
    replay.arg("replay").arg(&file).args(["--sql", QUERY, "--format", "json"]);
    let (mut seconds, mut rows) = (vec![], 0);
    for _ in 0..EARSHOT_ROUNDS {
        let Timed { out, took } = timed::run(&replay, SECONDS_MAX)?;
        rows = counted(&out)?;
        seconds.push(took.as_secs_f64());
        eprintln!("earshot: {:.2} s, {rows} rows", took.as_secs_f64());
    }
    let earshot_seconds = median(&seconds).context("no round of earshot")?;

    // names are not looked up: it would wait for the network
    let mut tshark = Command::new(path("tshark")?);
    tshark.args(["-n", "-r"]).arg(&file).args(["-Y", "http.request"]);
    let Timed { out, took } = timed::run(&tshark, SECONDS_MAX)?;
    let (tshark_seconds, listed) = (took.as_secs_f64(), out.lines().count() as u64);
    eprintln!("tshark: {tshark_seconds:.2} s, {listed} requests");
    Ok(section(&written, (earshot_seconds, rows), (tshark_seconds, listed)))
}

fn section(written: &Written, earshot: (f64, u64), tshark: (f64, u64)) -> Section {
    let row = |name: &str, (seconds, found): (f64, u64)| {
        let speed = written.bytes as f64 / 1e6 / seconds;
        let found = format!("{} of {}", whole(found as f64), whole(written.requests as f64));
        vec![name.to_owned(), format!("{seconds:.2}"), whole(speed), found, format!("{:.1}", tshark.0 / seconds)]
    };
    let figures = |(seconds, found): (f64, u64)| -> Value { json!({ "seconds": seconds, "requests": found }) };
    Section {
        title: "Replay of a capture file",
        head: vec!["program", "seconds", "MB/s", "requests found", "times as fast"],
        rows: vec![
            row("`earshot replay FILE --sql 'SELECT count(*) …'`", earshot),
            row("`tshark -n -r FILE -Y http.request`", tshark),
        ],
        notes: vec![
            format!(
                "{} MB of HTTP/1.1 on {} connections, in the page cache; median of {EARSHOT_ROUNDS} for earshot, start and query included, \
                 one run of tshark.",
                written.bytes / 1_000_000,
                whole(written.connections as f64)
            ),
            "Aim: 50 times as fast.".to_owned(),
        ],
        figures: json!({
            "bytes": written.bytes,
            "requests": written.requests,
            "connections": written.connections,
            "earshot": figures(earshot),
            "tshark": figures(tshark),
        }),
    }
}

/// The only value of `{"n":1234}`.
fn counted(out: &str) -> anyhow::Result<u64> {
    let row: Value = serde_json::from_str(out.trim()).with_context(|| format!("earshot printed no row: {out}"))?;
    row["n"].as_u64().with_context(|| format!("earshot printed no count: {out}"))
}

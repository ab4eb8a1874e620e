//! Captures of real traffic through reassembly and parsers: exactly the expected rows, and no panic whatever is damaged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use arrow_array::types::Int32Type;
use arrow_array::{Array, BooleanArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use collector::batch::Sink;
use collector::connect::Context;
use collector::kernel::Clock;
use collector::replay::{ReplayError, rows};
use serde_json::{Map, Value, json};
use tests::{Random, captures, compare, root};

/// A protocol's folder of captures, its table, and how the expected rows call its columns.
struct Protocol {
    folder: &'static str,
    table: &'static str,
    columns: &'static [(&'static str, &'static str)],
    /// How many of them the request alone tells.
    asked: usize,
    /// A row as the expected rows have it; `None` for one that they leave out.
    told: fn(Value) -> Option<Value>,
}

/// What was expected of MySQL says the query where the packet has it, and leaves logins out.
fn told_of_mysql(mut row: Value) -> Option<Value> {
    match row["command"].as_str() {
        Some("LOGIN") => return None,
        Some("COM_QUERY" | "COM_STMT_PREPARE") => {}
        _ => row["query"] = Value::Null,
    }
    row["error_code"] =
        row["error_code"].as_str().and_then(|code| code.parse::<i64>().ok()).map_or(row["error_code"].take(), Value::from);
    Some(row)
}

const PROTOCOLS: &[Protocol] = &[
    Protocol {
        folder: "http",
        table: "http_events",
        columns: &[("method", "req_method"), ("target", "req_path"), ("status", "resp_status")],
        asked: 2,
        told: Some,
    },
    Protocol {
        folder: "http2",
        table: "http_events",
        columns: &[
            ("method", "req_method"),
            ("path", "req_path"),
            ("status", "resp_status"),
            ("stream_id", "stream_id"),
            ("grpc_status", "grpc_status"),
        ],
        asked: 2,
        told: Some,
    },
    Protocol {
        folder: "dns",
        table: "dns_events",
        columns: &[("name", "query_name"), ("type", "query_type"), ("rcode", "rcode")],
        asked: 2,
        told: Some,
    },
    Protocol {
        folder: "redis",
        table: "redis_events",
        columns: &[("command", "command"), ("args_count", "args_count"), ("error", "error")],
        asked: 2,
        told: Some,
    },
    Protocol {
        folder: "mysql",
        table: "mysql_events",
        columns: &[("command", "command"), ("query", "query"), ("error_code", "error_code")],
        asked: 2,
        told: told_of_mysql,
    },
    Protocol {
        folder: "postgres",
        table: "postgres_events",
        columns: &[("command", "command"), ("query", "query"), ("error_code", "error_code")],
        asked: 2,
        told: |row| (row["command"] != "Startup").then_some(row),
    },
    Protocol {
        folder: "tls",
        table: "tls_events",
        columns: &[
            ("sni", "sni"),
            ("version", "version"),
            ("alpn", "alpn"),
            ("cipher", "cipher"),
            ("handshake", "handshake"),
            ("alert", "alert"),
            ("resumed", "resumed"),
            ("cert_subject", "cert_subject"),
        ],
        asked: 1,
        told: Some,
    },
    // no captures of it, so no other may give rows in its table
    Protocol { folder: "websocket", table: "websocket_events", columns: &[("opcode", "opcode")], asked: 1, told: Some },
];

/// Damaged copies of each capture.
const COPIES: u64 = 150;

/// Keeps the rows of every table.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<&'static str, Vec<RecordBatch>>>);

impl Sink for Kept {
    fn rows(&self, table: &'static schema::Table, batch: RecordBatch) {
        self.0.lock().expect("no writer panicked").entry(table.name).or_default().push(batch);
    }
}

fn replayed(path: &Path) -> (Result<(), ReplayError>, BTreeMap<&'static str, Vec<RecordBatch>>) {
    replayed_as(path, false)
}

fn replayed_as(path: &Path, redact: bool) -> (Result<(), ReplayError>, BTreeMap<&'static str, Vec<RecordBatch>>) {
    let kept = Arc::new(Kept::default());
    let context = Context {
        host: Arc::from(&b""[..]),
        clock: Clock::UNIX,
        settings: protocol_parsers::Settings::default(),
        redact,
        sink: kept.clone(),
        processes: None,
        names: Arc::default(),
        unbound: Default::default(),
        ids: Arc::new(AtomicU64::new(1)),
    };
    let done = rows(path, context).map(|_| ());
    let tables = std::mem::take(&mut *kept.0.lock().expect("no writer panicked"));
    (done, tables)
}

fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    let any = column.as_any();
    if let Some(names) = any.downcast_ref::<DictionaryArray<Int32Type>>() {
        let key = names.key(row).unwrap_or_default();
        return value(names.values(), key);
    }
    if let Some(text) = any.downcast_ref::<StringArray>() {
        return text.value(row).into();
    }
    if let Some(number) = any.downcast_ref::<Int32Array>() {
        return number.value(row).into();
    }
    if let Some(number) = any.downcast_ref::<Int64Array>() {
        return number.value(row).into();
    }
    any.downcast_ref::<BooleanArray>().map_or(Value::Null, |flag| flag.value(row).into())
}

/// The rows of one table, with its columns called as in the expected rows.
fn called(batches: &[RecordBatch], columns: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
    let mut out = vec![];
    for batch in batches {
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for (called, name) in columns {
                let column = batch.column_by_name(name).with_context(|| format!("no column {name}"))?;
                object.insert((*called).to_owned(), value(column, row));
            }
            out.push(object.into());
        }
    }
    Ok(out)
}

fn expected(capture: &Path, columns: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
    let path = capture.with_extension("expected.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let row = |line: &str| -> anyhow::Result<Value> {
        let all: Map<String, Value> = serde_json::from_str(line)?;
        Ok(all.into_iter().filter(|(key, _)| columns.iter().any(|(called, _)| called == key)).collect::<Map<_, _>>().into())
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(row).collect()
}

/// The protocol whose folder a capture lies in, when earshot speaks it.
fn protocol_of(capture: &Path) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|p| capture.parent().is_some_and(|folder| folder.ends_with(p.folder)))
}

#[test]
fn every_expected_row_and_no_other() -> anyhow::Result<()> {
    let mut compared = 0;
    for capture in captures()? {
        let (done, tables) = replayed(&capture);
        done.with_context(|| format!("{}", capture.display()))?;
        for protocol in PROTOCOLS {
            let folder = protocol_of(&capture).filter(|p| p.table == protocol.table);
            let own = folder.is_some();
            if folder.is_some_and(|p| p.folder != protocol.folder) {
                // one table, looked at once
                continue;
            }
            let expected = if own { expected(&capture, protocol.columns)? } else { vec![] };
            let rows = called(tables.get(protocol.table).map_or(&[], Vec::as_slice), protocol.columns)?;
            let rows: Vec<Value> = rows.into_iter().filter_map(protocol.told).collect();
            compare(&expected, &rows).with_context(|| format!("{} in {}", protocol.table, capture.display()))?;
            compared += expected.len();
        }
    }
    assert!(compared > 0, "nothing was compared");
    Ok(())
}

#[test]
fn every_traffic_table_is_looked_at() {
    for table in protocol_parsers::tables() {
        assert!(PROTOCOLS.iter().any(|p| p.table == table.name), "no captures for {}", table.name);
    }
}

#[test]
fn damage_ends_in_a_message_or_in_rows() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("damaged.pcap");
    for capture in captures()? {
        let whole = std::fs::read(&capture)?;
        for seed in 1..=COPIES {
            let mut random = Random::new(seed);
            let mut bytes = whole.clone();
            if seed % 3 == 0 {
                bytes.truncate(random.below(whole.len()));
            }
            for _ in 0..random.below(8) {
                let at = random.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            std::fs::write(&file, &bytes)?;
            match replayed(&file).0 {
                Ok(()) | Err(ReplayError::Damaged { .. }) => {}
                Err(other) => return Err(other).with_context(|| format!("{} with seed {seed}", capture.display())),
            }
        }
    }
    Ok(())
}

#[test]
fn a_capture_cut_anywhere_gives_no_row_that_the_whole_one_has_not() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cut.pcap");
    for capture in captures()? {
        let Some(protocol) = protocol_of(&capture) else { continue };
        let whole = std::fs::read(&capture)?;
        let requests = &protocol.columns[..protocol.asked];
        let all = called(&replayed(&capture).1[protocol.table], requests)?;
        for length in (0..whole.len()).step_by(97) {
            std::fs::write(&file, &whole[..length])?;
            let rows = called(replayed(&file).1.get(protocol.table).map_or(&[], Vec::as_slice), requests)?;
            // a request that was cut is not a different request
            let strange = rows.iter().find(|row| !all.contains(row));
            anyhow::ensure!(strange.is_none(), "{} cut at {length}: {strange:?}", capture.display());
        }
    }
    Ok(())
}

/// Rows of a committed capture, replayed without values.
fn redacted(capture: &str, table: &str, columns: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
    let (done, tables) = replayed_as(&root().join("tests/captures").join(capture), true);
    done.with_context(|| capture.to_owned())?;
    let rows = called(tables.get(table).map_or(&[], Vec::as_slice), columns)?;
    anyhow::ensure!(!rows.is_empty(), "no rows in {capture}");
    Ok(rows)
}

#[test]
fn statements_are_kept_without_their_values() -> anyhow::Result<()> {
    let columns = [("sql", "query"), ("with", "parameters"), ("error", "error_message")];
    let postgres = redacted("postgres/recorded-psycopg.pcap", "postgres_events", &columns)?;
    let shown = |rows: &[Value], text: &str| rows.iter().filter(|row| row.to_string().contains(text)).count();
    for row in [
        json!({ "sql": "copy (select * from rec where a < ?) to stdout", "with": null, "error": null }),
        json!({ "sql": "select $1::int", "with": "[\"?\"]", "error": "?" }),
        json!({
            "sql": "select $1::numeric, $2::uuid, $3::timestamptz, $4::jsonb, $5::int[], $6::bool, $7::timestamp",
            "with": "[\"?\",\"?\",\"?\",\"?\",[\"?\",\"?\",\"?\"],\"?\",\"?\"]",
            "error": null,
        }),
    ] {
        assert!(postgres.contains(&row), "no {row} in {postgres:#?}");
    }
    for secret in ["text ü", "12345", "abc", "2024", "deadbeef", "< 3"] {
        assert_eq!(shown(&postgres, secret), 0, "{secret}");
    }
    let mysql = redacted("mysql/recorded-prepared.pcap", "mysql_events", &columns)?;
    let row = json!({ "sql": "select ?, ?, ?", "with": "[\"?\",\"?\"]", "error": null });
    assert!(mysql.contains(&row), "no {row} in {mysql:#?}");
    for secret in ["text ü", "7000000000", "'x'", "vvv", "12.50"] {
        assert_eq!(shown(&mysql, secret), 0, "{secret}");
    }
    Ok(())
}

#[test]
fn commands_are_kept_without_their_arguments() -> anyhow::Result<()> {
    let columns = [("command", "command"), ("args", "args"), ("reply", "response"), ("error", "error")];
    let failed = redacted("redis/redis-error.pcap", "redis_events", &columns)?;
    assert_eq!(failed, [json!({ "command": "GET", "args": "[\"abcd\"]", "reply": null, "error": "NOAUTH ?" })]);
    let listed = redacted("redis/redis-debug.pcap", "redis_events", &columns)?;
    assert_eq!(listed, [json!({ "command": "LRANGE", "args": "[\"mylist\",\"?\",\"?\"]", "reply": "?", "error": null })]);
    Ok(())
}

#[test]
fn other_tables_are_the_same_with_and_without_values() -> anyhow::Result<()> {
    let columns = [("path", "req_path"), ("body", "req_body"), ("answer", "resp_body"), ("headers", "req_headers")];
    let path = root().join("tests/captures/http/httpv1.pcap");
    let rows = |redact| called(&replayed_as(&path, redact).1["http_events"], &columns);
    assert_eq!(rows(false)?, rows(true)?);
    Ok(())
}

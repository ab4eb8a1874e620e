//! Flame graphs of made-up samples: every format has the same stacks and sums as SQL.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use crate::fixture::{Echo, START_NS, echo};
use query_engine::flamegraph::{Answer, Parameters, answer};
use query_engine::sql::{Limits, Query, SqlEngine, SqlError, SqlErrorKind};
use query_engine::store::{Store, StoreConfig};
use schema::batch::BatchBuilder;
use schema::tables::{Stack, StackSample};
use schema::{HostPrefix, ProcessPrefix, TrafficPrefix, TrafficSuffix};
use serde_json::Value;

const SECOND_NS: i64 = 1_000_000_000;

/// Stack id, frames.
const STACKS: [(i64, &[&str]); 4] = [
    (1, &["_start", "main", "alpha", "spin<&\"T\">"]),
    (2, &["_start", "main", "beta", "spin<&\"T\">"]),
    (3, &["clone3", "worker", "nap", "schedule"]),
    (4, &[]),
];

struct Sample {
    second: i64,
    process_id: i64,
    thread_id: i32,
    kind: &'static str,
    stack_id: i64,
    value: i64,
}

const fn sample(second: i64, process_id: i64, thread_id: i32, kind: &'static str, stack_id: i64, value: i64) -> Sample {
    Sample { second, process_id, thread_id, kind, stack_id, value }
}

/// In the first ten seconds alpha and beta are 7:3, in the next ten 3:7; stack 9 is not kept.
const SAMPLES: [Sample; 10] = [
    sample(1, 1, 11, "on_cpu", 1, 500),
    sample(2, 1, 12, "on_cpu", 1, 200),
    sample(3, 1, 11, "on_cpu", 2, 300),
    sample(4, 2, 21, "on_cpu", 2, 40),
    sample(5, 2, 21, "on_cpu", 9, 7),
    sample(6, 2, 21, "on_cpu", 4, 3),
    sample(7, 2, 22, "off_cpu", 3, 9000),
    sample(11, 1, 11, "on_cpu", 1, 300),
    sample(12, 1, 11, "on_cpu", 2, 700),
    sample(13, 1, 11, "on_cpu", 3, 1),
];

pub fn engine() -> SqlEngine {
    let store = Store::new(
        [Echo::TABLE, StackSample::TABLE, Stack::TABLE],
        StoreConfig { clock: || START_NS + 10 * SECOND_NS, ..StoreConfig::default() },
    );
    let mut samples = BatchBuilder::new(StackSample::TABLE);
    for s in &SAMPLES {
        let name = if s.process_id == 1 { "first" } else { "sec;ond" };
        let prefix = ProcessPrefix {
            time: Some(START_NS + s.second * SECOND_NS),
            process_id: Some(s.process_id),
            process_name: Some(name.as_bytes()),
            ..Default::default()
        };
        let row = StackSample {
            kind: Some(s.kind.as_bytes()),
            thread_id: Some(s.thread_id),
            thread_name: Some(b"thread"),
            stack_id: Some(s.stack_id),
            value: Some(s.value),
            value_unit: Some(b"ns"),
            ..Default::default()
        };
        samples.row(&[&prefix, &row]);
    }
    store.append(StackSample::TABLE, samples.finish());
    let mut stacks = BatchBuilder::new(Stack::TABLE);
    // told twice: one row a stack all the same
    for (id, frames) in STACKS.iter().chain(&STACKS) {
        let bytes: Vec<&[u8]> = frames.iter().map(|f| f.as_bytes()).collect();
        let folded = frames.join(";");
        let row = Stack { stack_id: Some(*id), frames: Some(&bytes), folded: Some(folded.as_bytes()), ..Default::default() };
        stacks.row(&[&HostPrefix { time: Some(START_NS), ..Default::default() }, &row]);
    }
    store.append(Stack::TABLE, stacks.finish());
    store.append(Echo::TABLE, echo(0, 3));
    SqlEngine::new(Arc::clone(&store), Limits::default()).expect("an engine")
}

/// The first ten seconds, and more parameters.
async fn ask(engine: &SqlEngine, pairs: &[(&str, &str)]) -> Result<Answer, SqlError> {
    let mut object: serde_json::Map<String, Value> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    for (name, default) in [("from", "2026-01-02T03:04:05Z"), ("until", "2026-01-02T03:04:15Z")] {
        object.entry(name).or_insert_with(|| default.into());
    }
    for name in ["normalize", "frames"] {
        if let Some(text) = object.get(name).and_then(|v| v.as_str()) {
            let value = serde_json::from_str(text).unwrap();
            object.insert(name.to_owned(), value);
        }
    }
    let parameters: Parameters = serde_json::from_value(Value::Object(object)).unwrap();
    answer(engine, &parameters.read(engine.store().now_ns()).unwrap()).await
}

async fn text(engine: &SqlEngine, pairs: &[(&str, &str)]) -> String {
    let answer = ask(engine, pairs).await.unwrap_or_else(|e| panic!("{pairs:?}: {e}"));
    String::from_utf8(answer.bytes).unwrap()
}

const ALPHA: &str = "_start;main;alpha;spin<&\"T\">";
const BETA: &str = "_start;main;beta;spin<&\"T\">";

#[tokio::test(flavor = "multi_thread")]
async fn folded_stacks_are_those_of_sql_and_nothing_is_dropped() {
    let engine = engine();
    assert_eq!(text(&engine, &[]).await, format!("[no frames] 3\n[stack not kept] 7\n{ALPHA} 700\n{BETA} 340\n"));
    assert_eq!(text(&engine, &[("where", "process_id = 1 -- only")]).await, format!("{ALPHA} 700\n{BETA} 300\n"));
    assert_eq!(text(&engine, &[("kind", "off_cpu")]).await, "clone3;worker;nap;schedule 9000\n");
    assert_eq!(text(&engine, &[("kind", "it's none")]).await, "");
    let by_process = text(&engine, &[("root", "process"), ("where", "stack_id IN (1, 2)")]).await;
    assert_eq!(by_process, format!("first;{ALPHA} 700\nfirst;{BETA} 300\nsec:ond;{BETA} 40\n"));
    let by_thread = text(&engine, &[("root", "thread"), ("where", "thread_id = 12")]).await;
    assert_eq!(by_thread, format!("first;thread;{ALPHA} 200\n"));
    assert_eq!(text(&engine, &[("root", "service"), ("where", "thread_id = 12")]).await, format!("[unknown];{ALPHA} 200\n"));
    // a window's end is not in it, and relative times count from the store's clock
    assert_eq!(text(&engine, &[("from", "-9s"), ("until", "2026-01-02T03:04:08Z")]).await, format!("{ALPHA} 700\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_has_both_values() {
    let engine = engine();
    let both = [
        ("from", "2026-01-02T03:04:15Z"),
        ("until", "2026-01-02T03:04:25Z"),
        ("diff_from", "2026-01-02T03:04:05Z"),
        ("diff_until", "2026-01-02T03:04:15Z"),
        ("where", "process_id = 1"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&both[..], more].concat();
    let folded = text(&engine, &both).await;
    assert_eq!(folded, format!("{ALPHA} 700 300\n{BETA} 300 700\nclone3;worker;nap;schedule 0 1\n"));
    let normalized = text(&engine, &with(&[("normalize", "true")])).await;
    let sums = normalized.lines().map(|l| l.rsplit(' ').nth(1).unwrap().parse::<i64>().unwrap()).sum::<i64>();
    assert_eq!(sums, 1001, "{normalized}");
    let tree: Value = serde_json::from_str(&text(&engine, &with(&[("format", "json")])).await).unwrap();
    assert_eq!((&tree["value"], &tree["before"]), (&1001.into(), &1000.into()));
    let scope: Value = serde_json::from_str(&text(&engine, &with(&[("format", "speedscope")])).await).unwrap();
    assert_eq!((&scope["profiles"][0]["endValue"], &scope["profiles"][1]["endValue"]), (&1000.into(), &1001.into()));
    let svg = text(&engine, &with(&[("format", "svg")])).await;
    assert!(svg.contains("before 0.00 ms (70.00 %), after 0.00 ms (29.97 %)"), "{svg}");
    let pprof = profile(&ask(&engine, &with(&[("format", "pprof")])).await.unwrap().bytes);
    assert_eq!((pprof[ALPHA], pprof[BETA]), (-400, 400));
}

/// {stack: value} of a tree.
fn leaves(node: &Value, path: &str, out: &mut BTreeMap<String, i64>) {
    let mut own = node["value"].as_i64().unwrap();
    for child in node["children"].as_array().unwrap() {
        let name = child["name"].as_str().unwrap();
        leaves(child, &if path.is_empty() { name.to_owned() } else { format!("{path};{name}") }, out);
        own -= child["value"].as_i64().unwrap();
    }
    if own != 0 {
        out.insert(path.to_owned(), own);
    }
}

fn speedscope(text: &str) -> BTreeMap<String, i64> {
    let file: Value = serde_json::from_str(text).unwrap();
    let profile = &file["profiles"][0];
    let (samples, weights) = (profile["samples"].as_array().unwrap(), profile["weights"].as_array().unwrap());
    assert_eq!((samples.len(), &profile["unit"], &profile["type"]), (weights.len(), &"nanoseconds".into(), &"sampled".into()));
    assert_eq!(profile["endValue"].as_i64().unwrap(), weights.iter().map(|w| w.as_i64().unwrap()).sum::<i64>());
    let name = |i: &Value| file["shared"]["frames"][i.as_u64().unwrap() as usize]["name"].as_str().unwrap().to_owned();
    let stack = |s: &Value| s.as_array().unwrap().iter().map(name).collect::<Vec<_>>().join(";");
    samples.iter().map(stack).zip(weights.iter().map(|w| w.as_i64().unwrap())).collect()
}

/// Fields of a protocol buffer: number, value or bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().expect("a whole number");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            shift += 7;
            if first & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = varint(&mut bytes);
        let part;
        (part, bytes) = bytes.split_at(if key & 7 == 2 { value as usize } else { 0 });
        found.push((key >> 3, value, part));
    }
    found
}

fn numbers(packed: &[u8]) -> Vec<u64> {
    let mut found = vec![];
    let (mut value, mut shift) = (0, 0);
    for byte in packed {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            found.push(value);
            (value, shift) = (0, 0);
        }
    }
    found
}

fn profile(bytes: &[u8]) -> BTreeMap<String, i64> {
    let mut raw = vec![];
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut raw).unwrap();
    let all = fields(&raw);
    let of = |number: u64| all.iter().filter(move |f| f.0 == number).map(|f| f.2);
    let texts: Vec<&str> = of(6).map(|t| std::str::from_utf8(t).unwrap()).collect();
    assert_eq!(texts[0], "");
    let number = |message: &[u8], field: u64| fields(message).iter().find(|f| f.0 == field).map_or(0, |f| f.1);
    let functions: BTreeMap<u64, &str> = of(5).map(|f| (number(f, 1), texts[number(f, 2) as usize])).collect();
    let locations: BTreeMap<u64, &str> = of(4)
        .map(|l| {
            let line = fields(l).iter().find(|f| f.0 == 4).expect("a line").2;
            (number(l, 1), functions[&number(line, 1)])
        })
        .collect();
    of(2)
        .map(|sample| {
            let parts = fields(sample);
            let part = |field: u64| numbers(parts.iter().find(|f| f.0 == field).expect("a part").2);
            let stack: Vec<&str> = part(1).iter().rev().map(|l| locations[l]).collect();
            (stack.join(";"), part(2)[0] as i64)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_has_the_same_sums() {
    let engine = engine();
    let folded = text(&engine, &[]).await;
    let wanted: BTreeMap<String, i64> =
        folded.lines().map(|l| l.rsplit_once(' ').unwrap()).map(|(s, v)| (s.to_owned(), v.parse().unwrap())).collect();
    assert_eq!(wanted.values().sum::<i64>(), 1050);
    let mut tree = BTreeMap::new();
    leaves(&serde_json::from_str(&text(&engine, &[("format", "json")]).await).unwrap(), "", &mut tree);
    assert_eq!(tree, wanted);
    assert_eq!(speedscope(&text(&engine, &[("format", "speedscope")]).await), wanted);
    assert_eq!(profile(&ask(&engine, &[("format", "pprof")]).await.unwrap().bytes), wanted);
    let svg = text(&engine, &[("format", "svg"), ("where", "'<&' = '<&'")]).await;
    for part in [
        "<title>spin&lt;&amp;&quot;T&quot;&gt;\n0.00 ms (66.67 %)</title>",
        "where &#39;&lt;&amp;&#39;",
        "[stack not kept]",
        "data-whole=\"1050\"",
    ] {
        assert!(svg.contains(part), "{part} is not in {svg}");
    }
    assert!(!svg.contains("href") && !svg.contains("src="));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_frames_are_summed_up() {
    let engine = engine();
    let folded = text(&engine, &[("frames", "3")]).await;
    assert_eq!(folded, "[other] 10\n_start;main;[other] 340\n_start;main;alpha;[other] 700\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_of_requests_are_those_of_their_process_thread_and_time() {
    let engine = engine();
    let mut requests = BatchBuilder::new(Echo::TABLE);
    // two requests at once on one thread do not count its samples twice
    for (second, thread_id, message, latency) in [
        (1, 11, "slow", Some(2)),
        (1, 11, "slow", Some(3)),
        (1, 12, "fast", Some(0)),
        (4, 11, "slow", Some(1)),
        (2, 12, "slow", None),
    ] {
        let prefix = TrafficPrefix {
            time: Some(START_NS + second * SECOND_NS),
            process_id: Some(1),
            thread_id: Some(thread_id),
            ..Default::default()
        };
        let row = Echo { message: Some(message.as_bytes()), ..Default::default() };
        let suffix = TrafficSuffix { latency_ns: latency.map(|s| s * SECOND_NS), ..Default::default() };
        requests.row(&[&prefix, &row, &suffix]);
    }
    engine.store().append(Echo::TABLE, requests.finish());
    assert_eq!(text(&engine, &[("requests", "target = 'slow'")]).await, format!("{ALPHA} 500\n{BETA} 300\n"));
    let narrow =
        [("requests", "target = 'slow' AND latency_ns < 3000000000"), ("where", "time < TIMESTAMP '2026-01-02T03:04:07Z'")];
    assert_eq!(text(&engine, &narrow).await, format!("{ALPHA} 500\n"));
    let slower = "latency_ns > (SELECT approx_percentile_cont(latency_ns, 0.99) FROM requests WHERE target = 'fast')";
    assert_eq!(text(&engine, &[("requests", slower)]).await, format!("{ALPHA} 500\n{BETA} 300\n"));
    assert_eq!(text(&engine, &[("requests", "target = 'nothing'")]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_window_is_a_valid_empty_file() {
    let engine = engine();
    let old = |format: &'static str| [("from", "2000-01-01T00:00:00Z"), ("until", "2000-01-01T00:01:00Z"), ("format", format)];
    assert_eq!(text(&engine, &old("folded")).await, "");
    assert_eq!(text(&engine, &old("json")).await, "{\"name\":\"all\",\"value\":0,\"children\":[]}\n");
    assert!(speedscope(&text(&engine, &old("speedscope")).await).is_empty());
    assert!(profile(&ask(&engine, &old("pprof")).await.unwrap().bytes).is_empty());
    assert!(text(&engine, &old("svg")).await.ends_with("</svg>\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_condition_is_told_with_its_place() {
    let engine = engine();
    for (name, condition, position) in [
        ("where", "no_such_column = 1", Some(1)),
        ("where", "pid = ", Some(6)),
        ("where", "TRUE); DROP TABLE stacks; --", Some(5)),
        ("where", "TRUE) OR (TRUE", Some(5)),
        ("where", "TRUE OR\n nothing = 1", Some(10)),
        ("where", "pid", None),
        ("requests", "target = nobody", Some(10)),
        ("requests", "(SELECT", None),
    ] {
        let error = ask(&engine, &[(name, condition)]).await.expect_err(condition);
        assert_eq!(error.kind, SqlErrorKind::Wrong, "{condition}: {error:?}");
        if position.is_some() {
            assert_eq!(error.place.map(|p| p.position), position, "{condition}: {error:?}");
        }
    }
    let rows = engine.query(Query::new("SELECT count(*) FROM stacks")).await.unwrap().collect().await.unwrap();
    assert_eq!(rows.len(), 1, "the table is still there");
}

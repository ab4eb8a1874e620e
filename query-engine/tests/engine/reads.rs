//! What a query reads: the answer over a store that has only that must be the same.

use std::sync::Arc;

use query_engine::sql::{Limits, Query, Reads, SqlEngine};
use query_engine::store::{Store, StoreConfig};
use schema::Table;
use schema::batch::BatchBuilder;
use schema::tables::{LostEvent, Process};
use schema::{ProcessPrefix, TrafficPrefix, TrafficSuffix};

use crate::fixture::{Echo, Ping, START_NS};

const TABLES: [&Table; 4] = [Echo::TABLE, Ping::TABLE, Process::TABLE, LostEvent::TABLE];

/// A store with the same rows each time, of which only what is read is kept.
fn engine(reads: Option<&Reads>) -> SqlEngine {
    let store = Store::new(TABLES, StoreConfig::default());
    let builder = |table: &'static Table| match reads {
        None => Some(BatchBuilder::new(table)),
        Some(reads) => reads.table(table).then(|| BatchBuilder::of_columns(table, |column| reads.column(table, column))),
    };
    if let Some(mut echoes) = builder(Echo::TABLE) {
        for i in 0..40 {
            let prefix = TrafficPrefix { time: Some(START_NS + i), process_name: Some(b"echod"), ..Default::default() };
            let message = format!("m{}", i % 7);
            let row = Echo { message: Some(message.as_bytes()), code: Some(200 + i as i32), ..Default::default() };
            echoes.row(&[&prefix, &row, &TrafficSuffix { latency_ns: Some(i % 5), ..Default::default() }]);
        }
        store.append(Echo::TABLE, echoes.finish());
    }
    if let Some(mut pings) = builder(Ping::TABLE) {
        let row = Ping { number: Some(9), ..Default::default() };
        pings.row(&[&TrafficPrefix { time: Some(START_NS), ..Default::default() }, &row, &TrafficSuffix::default()]);
        store.append(Ping::TABLE, pings.finish());
    }
    if let Some(mut processes) = builder(Process::TABLE) {
        for (id, name) in [(1, b"old"), (2, b"two"), (1, b"new")] {
            let prefix =
                ProcessPrefix { time: Some(START_NS), process_id: Some(id), process_name: Some(name), ..Default::default() };
            processes.row(&[&prefix, &Process::default()]);
        }
        store.append(Process::TABLE, processes.finish());
    }
    SqlEngine::new(Arc::clone(&store), Limits::default()).expect("an engine")
}

async fn answer(engine: &SqlEngine, query: &str) -> String {
    let stream = engine.query(Query::new(query)).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    let batches = stream.collect().await.unwrap_or_else(|e| panic!("{query}: {e}"));
    arrow::util::pretty::pretty_format_batches(&batches).expect("a table").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_reads_is_all_that_it_needs() {
    let whole = engine(None);
    for query in [
        "SELECT count(*) FROM echo_events",
        "SELECT * FROM echo_events ORDER BY time",
        "SELECT message FROM echo_events WHERE code > 220 AND latency_ns = 3 ORDER BY time",
        "SELECT code FROM echo_events ORDER BY message, time LIMIT 5",
        "SELECT message, count(*), max(latency_ns) FROM echo_events GROUP BY message HAVING min(code) < 203 ORDER BY 1",
        "SELECT code FROM echo_events e WHERE message IN (SELECT 'm' || (number - 5) FROM ping_events) ORDER BY code",
        "SELECT (SELECT max(code) FROM echo_events) AS most, number FROM ping_events",
        "SELECT number FROM ping_events p WHERE EXISTS (SELECT 1 FROM echo_events e WHERE e.latency_ns = p.number - 5)",
        "WITH e AS (SELECT * FROM echo_events) SELECT a.code FROM e a JOIN e b ON a.latency_ns = b.code - 200 ORDER BY 1 LIMIT 3",
        "SELECT protocol, target, status, failed FROM requests ORDER BY protocol, time",
        "SELECT count(*) FROM requests WHERE process_name = 'echod'",
        "SELECT code, row_number() OVER (PARTITION BY message ORDER BY latency_ns, time) FROM echo_events ORDER BY 1",
        "SELECT process_name FROM processes ORDER BY 1",
        "SELECT count(*) FROM lost_events",
        "SELECT 1",
    ] {
        let reads = whole.reads(query).await.unwrap_or_else(|e| panic!("{query}: {e}"));
        assert_eq!(answer(&engine(Some(&reads)), query).await, answer(&whole, query).await, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_does_not_read_is_known() {
    let engine = engine(None);
    let reads = |query: &'static str| {
        let engine = engine.clone();
        async move {
            let reads = engine.reads(query).await.expect("a plan");
            let columns = |table: &'static Table| {
                let columns = table.columns().filter(|column| reads.column(table, column));
                reads.table(table).then(|| columns.map(|column| column.name).collect::<Vec<_>>())
            };
            TABLES.map(columns)
        }
    };
    assert_eq!(reads("SELECT count(*) FROM echo_events").await, [Some(vec![]), None, None, None]);
    assert_eq!(
        reads("SELECT message FROM echo_events WHERE code = 200").await,
        [Some(vec!["message", "code"]), None, None, None]
    );
    // which row is the newest depends on the key
    assert_eq!(reads("SELECT exit_code FROM processes").await, [None, None, Some(vec!["process_id", "exit_code"]), None]);
    assert_eq!(reads("SELECT 1").await, [None, None, None, None]);
    assert!(engine.reads("SELECT nothing FROM echo_events").await.is_err());
}

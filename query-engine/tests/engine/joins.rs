//! Joins of narrow rows to wide ones, as of samples to their stacks, take little memory.

use arrow::record_batch::RecordBatch;
use query_engine::sql::{Limits, Query, SqlEngine};
use query_engine::store::{Store, StoreConfig};
use schema::batch::BatchBuilder;
use schema::tables::{Stack, StackSample};
use schema::{HostPrefix, ProcessPrefix};

const STACKS: i64 = 6000;
const SAMPLES: i64 = 60_000;
const FRAMES: usize = 40;
/// A quarter of what the frames alone take.
const MEMORY_BYTES_MAX: usize = 4 << 20;

fn frames(stack: i64) -> Vec<String> {
    (0..FRAMES).map(|depth| format!("a_function_with_a_long_name_{stack}_at_depth_{depth}_of_a_stack")).collect()
}

fn stacks(from: i64, rows: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(Stack::TABLE);
    for stack in from..from + rows {
        let names = frames(stack);
        let folded = names.join(";");
        let list: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let prefix = HostPrefix { time: Some(stack), host: Some(b"here"), ..Default::default() };
        let row = Stack { stack_id: Some(stack), frames: Some(&list), folded: Some(folded.as_bytes()), ..Default::default() };
        builder.row(&[&prefix, &row]);
    }
    builder.finish()
}

fn samples(from: i64, rows: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(StackSample::TABLE);
    for sample in from..from + rows {
        let prefix =
            ProcessPrefix { time: Some(sample), host: Some(b"here"), process_name: Some(b"rustc"), ..Default::default() };
        let kind: &[u8] = if sample % 3 == 0 { b"on_cpu" } else { b"off_cpu" };
        let row = StackSample {
            kind: Some(kind),
            thread_name: Some(b"rustc"),
            stack_id: Some(sample % STACKS),
            value: Some(1),
            ..Default::default()
        };
        builder.row(&[&prefix, &row]);
    }
    builder.finish()
}

fn engine() -> SqlEngine {
    let store = Store::without_maintenance([StackSample::TABLE, Stack::TABLE], StoreConfig::default());
    for from in (0..SAMPLES).step_by(1000) {
        store.append(StackSample::TABLE, samples(from, 1000));
    }
    for from in (0..STACKS).step_by(100) {
        store.append(Stack::TABLE, stacks(from, 100));
    }
    store.maintain();
    SqlEngine::new(store.into(), Limits { memory_bytes_max: MEMORY_BYTES_MAX, ..Limits::default() }).expect("an engine")
}

async fn rows(engine: &SqlEngine, query: &str) -> usize {
    let answer = engine.query(Query::new(query)).await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
    let batches = answer.collect().await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
    batches.iter().map(RecordBatch::num_rows).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn stacks_are_joined_to_samples_in_little_memory() {
    let e = engine();
    let summed = "SELECT t.frames, s.n FROM (SELECT stack_id, count(*) AS n FROM stack_samples WHERE kind = 'on_cpu' AND \
                  thread_name = 'rustc' GROUP BY stack_id) s LEFT JOIN stacks t ON s.stack_id = t.stack_id";
    assert_eq!(rows(&e, summed).await, 2000);
    // whichever side is named first, and with all rows of either
    for join in ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"] {
        let counted = |from: &str| format!("SELECT count(*) AS n, max(length(t.folded)) AS longest FROM {from}");
        let on = "ON s.stack_id = t.stack_id";
        assert_eq!(rows(&e, &counted(&format!("stack_samples s {join} stacks t {on}"))).await, 1, "{join}");
        assert_eq!(rows(&e, &counted(&format!("stacks t {join} stack_samples s {on}"))).await, 1, "{join}");
    }
}

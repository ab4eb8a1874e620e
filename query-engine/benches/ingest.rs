//! How fast rows are appended, and what a full store costs: `cargo bench -p query-engine --bench ingest`.

use std::hint::black_box;
use std::time::Instant;

use schema::batch::BatchBuilder;
use schema::tables::Connection;
use schema::{ProcessPrefix, Table};

use query_engine::store::{DataDir, Store, StoreConfig};

const BATCH_ROWS: usize = 200;
/// Twice what the budget holds.
const BATCHES: usize = 40_000;
/// Batches that arrive between two rounds of maintenance.
const MAINTENANCE_BATCHES: usize = 50;
const MEMORY_BYTES_MAX: usize = 512 << 20;

fn batch(table: &'static Table, from: i64) -> arrow::record_batch::RecordBatch {
    let mut builder = BatchBuilder::new(table);
    for i in 0..BATCH_ROWS as i64 {
        let prefix = ProcessPrefix {
            time: Some(from + i),
            host: Some(b"bench"),
            process_id: Some(1 + i % 7),
            pid: Some(100),
            process_name: Some(b"nginx"),
            ..Default::default()
        };
        let address = format!("10.0.0.{}", i % 50);
        let row = Connection {
            connection_id: Some(from + i),
            local_addr: Some(b"127.0.0.1"),
            local_port: Some(80),
            remote_addr: Some(address.as_bytes()),
            remote_port: Some(i as i32),
            sent_bytes: Some(i * 100),
            state: Some(b"open"),
            ..Default::default()
        };
        builder.row(&[&prefix, &row]);
    }
    builder.finish()
}

fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

fn main() {
    let table = Connection::TABLE;
    let config = StoreConfig { memory_bytes_max: MEMORY_BYTES_MAX, ..StoreConfig::default() };
    // maintenance in step with the rows, as when they come at the pace of real traffic
    let store = Store::without_maintenance([table], config);
    let rows = (BATCH_ROWS * BATCHES) as f64;

    let (mut building, mut appending, mut joining) = (0.0, 0.0, 0.0);
    for i in 0..BATCHES {
        let started = Instant::now();
        let batch = black_box(batch(table, (i * BATCH_ROWS) as i64));
        let built = Instant::now();
        store.append(table, batch);
        building += (built - started).as_secs_f64();
        appending += built.elapsed().as_secs_f64();
        if i % MAINTENANCE_BATCHES == 0 {
            let started = Instant::now();
            store.maintain();
            joining += started.elapsed().as_secs_f64();
        }
    }
    println!("build   {:>12.0} rows/s", rows / building);
    println!(
        "append  {:>12.0} rows/s, {:.1} µs a batch of {BATCH_ROWS} rows",
        rows / appending,
        appending / BATCHES as f64 * 1e6
    );

    println!("join    {:>12.0} rows/s", rows / joining);
    let stats = store.stats(table.name).unwrap_or_default();
    println!(
        "full    {:>12} rows in {} batches, {} MiB accounted, {:?} MiB resident",
        stats.rows,
        stats.batches,
        store.bytes() >> 20,
        resident_mib()
    );

    let folder = tempfile::tempdir().expect("a folder");
    let dir = DataDir::open(folder.path()).expect("a data folder");
    let started = Instant::now();
    store.save(&dir).expect("saved");
    println!("save    {:>12.2} s", started.elapsed().as_secs_f64());
    drop(store);
    let again = Store::new([table], StoreConfig { memory_bytes_max: MEMORY_BYTES_MAX, ..StoreConfig::default() });
    let started = Instant::now();
    let rows = again.load(&dir).expect("loaded");
    println!(
        "load    {:>12.2} s, {rows} rows, {} MiB accounted, {:?} MiB resident",
        started.elapsed().as_secs_f64(),
        again.bytes() >> 20,
        resident_mib()
    );
}

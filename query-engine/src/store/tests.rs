use arrow::array::Array;
use schema::ProcessPrefix;
use schema::batch::BatchBuilder;
use schema::tables::{Connection, Process};

use super::*;

fn store(memory_bytes_max: usize) -> Store {
    let config = StoreConfig { memory_bytes_max, host: "here".into(), clock: || 77 };
    Store::without_maintenance([Connection::TABLE, Process::TABLE, LostEvent::TABLE], config)
}

/// Connections with ids and times `from..from + rows`.
fn connections(from: i64, rows: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(Connection::TABLE);
    for i in from..from + rows {
        let prefix = ProcessPrefix { time: Some(i), host: Some(b"here"), ..Default::default() };
        let row = Connection {
            connection_id: Some(i),
            local_addr: Some(b"127.0.0.1"),
            opened_at: Some(i),
            sent_bytes: Some(i * 10),
            received_bytes: Some(i * 100),
            ..Default::default()
        };
        builder.row(&[&prefix, &row]);
    }
    builder.finish()
}

fn process(id: i64, executable: &str, time: i64) -> RecordBatch {
    let mut builder = BatchBuilder::new(Process::TABLE);
    let prefix = ProcessPrefix { time: Some(time), process_id: Some(id), ..Default::default() };
    builder.row(&[&prefix, &Process { executable: Some(executable.as_bytes()), ..Default::default() }]);
    builder.finish()
}

fn ids(batches: &[RecordBatch], column: &str) -> Vec<i64> {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    let values = |b: &RecordBatch| b.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(values).collect()
}

fn executables(batches: &[RecordBatch]) -> Vec<String> {
    use arrow::array::AsArray;
    let values = |b: &RecordBatch| {
        let column = b.column_by_name("executable").unwrap().as_string::<i32>().clone();
        column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    batches.iter().flat_map(values).collect()
}

#[test]
fn rows_come_back_in_order_and_time_prunes_batches() {
    let store = store(1 << 30);
    store.append(Connection::TABLE, connections(0, 10));
    store.append(Connection::TABLE, connections(10, 10));
    store.append(Connection::TABLE, connections(20, 10));
    assert_eq!(ids(&store.snapshot("connections", TimeRange::ALL), "connection_id"), (0..30).collect::<Vec<_>>());
    let some = store.snapshot("connections", TimeRange { min: 12, max: 13 });
    assert_eq!(ids(&some, "connection_id"), (10..20).collect::<Vec<_>>());
    assert!(store.snapshot("connections", TimeRange { min: 30, max: i64::MAX }).is_empty());
    assert!(store.snapshot("no_such_table", TimeRange::ALL).is_empty());
}

/// Where the values of a column lie in memory.
fn places(data: &arrow::array::ArrayData) -> Vec<std::ops::Range<usize>> {
    let place = |buffer: &arrow::buffer::Buffer| buffer.as_ptr() as usize..buffer.as_ptr() as usize + buffer.len();
    let own = data.buffers().iter().filter(|buffer| !buffer.is_empty()).map(place);
    own.chain(data.child_data().iter().flat_map(places)).collect()
}

#[test]
fn small_batches_become_one_with_the_same_rows() {
    let store = store(1 << 30);
    for i in 0..100 {
        store.append(Connection::TABLE, connections(i * 100, 100));
    }
    let before = store.bytes();
    store.maintain();
    let stats = store.stats("connections").unwrap();
    assert!(stats.batches <= SMALL_BATCHES_MAX, "{stats:?}");
    assert_eq!(stats.rows, 10_000);
    assert!(store.bytes() < before, "joined rows take less memory: {} of {before}", store.bytes());
    let rows = store.snapshot("connections", TimeRange::ALL);
    assert_eq!(ids(&rows, "connection_id"), (0..10_000).collect::<Vec<_>>());
    let large = &rows[0];
    assert_eq!(large.slice(0, 100), connections(0, 100), "texts and nulls too");
    // all columns of a large batch that have values are in one allocation, and each is counted by what it keeps
    let known = || large.columns().iter().filter(|column| column.null_count() < large.num_rows()).map(|c| ("c", c.clone()));
    let (all, two) = (RecordBatch::try_from_iter(known()).unwrap(), RecordBatch::try_from_iter(known().take(2)).unwrap());
    let places: Vec<_> = all.columns().iter().flat_map(|column| places(&column.to_data())).collect();
    let (first, end) = (places.iter().map(|p| p.start).min().unwrap(), places.iter().map(|p| p.end).max().unwrap());
    assert!(end - first < batch_bytes(&all) * 11 / 10, "{} bytes over {}", batch_bytes(&all), end - first);
    assert!(batch_bytes(&two) < batch_bytes(&all) / 2);
    // the others share zeros: one number a row
    assert!(batch_bytes(large) < batch_bytes(&all) + 9 * large.num_rows() + 200 * large.num_columns());
}

#[test]
fn the_oldest_rows_are_evicted_and_told() {
    let one = Sealed::new(batch::shrunk(connections(0, 100), &schema::batch::schema(Connection::TABLE))).unwrap().bytes;
    let store = store(one * 10);
    for i in 0..50 {
        store.append(Connection::TABLE, connections(i * 100, 100));
        assert!(store.bytes() <= one * 10);
    }
    let kept = ids(&store.snapshot("connections", TimeRange::ALL), "connection_id");
    assert_eq!(kept.last(), Some(&4999));
    let evicted = store.evicted();
    // INV-7: seen = stored + lost
    assert_eq!(evicted.rows as usize + kept.len(), 5000);
    assert_eq!(kept.first(), Some(&(evicted.rows as i64)));
    for _ in 0..LOSS_ROUNDS {
        store.maintain();
    }
    let lost = store.snapshot("lost_events", TimeRange::ALL);
    assert_eq!(ids(&lost, "events"), [evicted.rows as i64]);
    assert_eq!(ids(&lost, "bytes"), [evicted.bytes as i64]);
}

#[test]
fn eviction_goes_by_age_over_all_tables_and_spares_states() {
    let store = store(200_000);
    store.append(Process::TABLE, process(1, "/old", 0));
    store.append(LostEvent::TABLE, {
        let mut builder = BatchBuilder::new(LostEvent::TABLE);
        builder.row(&[&HostPrefix { time: Some(1), ..Default::default() }, &LostEvent::default()]);
        builder.finish()
    });
    for i in 0..100 {
        store.append(Connection::TABLE, connections(i * 100, 100));
    }
    assert_eq!(store.stats("processes").unwrap().rows, 1);
    assert_eq!(store.stats("lost_events").unwrap().rows, 0);
    assert!(store.stats("connections").unwrap().rows > 0);
}

#[test]
fn a_table_of_states_has_one_row_a_key() {
    let store = store(1 << 30);
    for round in 0..40 {
        for id in 1..=3 {
            store.append(Process::TABLE, process(id, &format!("/{id}/{round}"), round));
        }
    }
    let newest = |store: &Store| {
        let mut all = executables(&store.snapshot("processes", TimeRange { min: 1000, max: 2000 }));
        all.sort();
        all
    };
    assert_eq!(newest(&store), ["/1/39", "/2/39", "/3/39"]);
    store.maintain();
    assert_eq!(store.stats("processes").unwrap(), TableStats { rows: 3, batches: 1, ..store.stats("processes").unwrap() });
    assert_eq!(newest(&store), ["/1/39", "/2/39", "/3/39"]);
    assert_eq!(store.evicted(), Loss::default(), "a superseded row is not lost");
}

#[test]
fn live_rows_follow_stored_ones_and_win() {
    struct Now;
    impl LiveTable for Now {
        fn rows(&self) -> RecordBatch {
            process(2, "/live", 9)
        }
    }
    let store = store(1 << 30);
    store.append(Process::TABLE, process(1, "/one", 1));
    store.append(Process::TABLE, process(2, "/two", 1));
    store.set_live(Process::TABLE, Arc::new(Now));
    assert_eq!(executables(&store.snapshot("processes", TimeRange::ALL)), ["/one", "/live"]);
}

#[tokio::test]
async fn a_slow_follower_loses_batches_and_knows_how_many() {
    let store = store(1 << 30);
    let mut follower = store.subscribe("connections").unwrap();
    assert!(store.subscribe("no_such_table").is_none());
    for i in 0..100 {
        store.append(Connection::TABLE, connections(i, 1));
    }
    let mut seen = Vec::new();
    for _ in 0..64 {
        seen.extend(ids(&[follower.next().await.unwrap()], "connection_id"));
    }
    assert_eq!(seen, (0..64).collect::<Vec<_>>());
    assert_eq!(follower.lost_rows(), 36);
    drop(store);
    assert!(follower.next().await.is_none());
}

#[test]
fn batches_of_another_shape_are_refused() {
    let store = store(1 << 30);
    store.append(Process::TABLE, connections(0, 1));
    store.append(schema::tables::ProbeStatus::TABLE, connections(0, 1));
    assert_eq!(store.bytes(), 0);
}

#[test]
fn memory_that_columns_share_counts_once() {
    let batch = connections(0, 1000);
    let whole = batch_bytes(&batch);
    assert!(batch_bytes(&batch.slice(0, 1)) >= whole - 1000, "a slice keeps all of it");
    let name = batch.schema().index_of("local_addr").unwrap();
    let twice = RecordBatch::try_from_iter([("a", batch.column(name).clone()), ("b", batch.column(name).clone())]).unwrap();
    let once = RecordBatch::try_from_iter([("a", batch.column(name).clone())]).unwrap();
    assert!(batch_bytes(&twice) < batch_bytes(&once) + 1000);
}

#[test]
fn rows_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path().join("a/b")).unwrap();
    let before = store(1 << 30);
    for i in 0..20 {
        before.append(Connection::TABLE, connections(i * 10, 10));
    }
    before.append(Process::TABLE, process(1, "/one", 1));
    before.append(Process::TABLE, process(1, "/newer", 2));
    assert_eq!(before.save(&dir).unwrap(), 201);
    let after = store(1 << 30);
    assert_eq!(after.load(&dir).unwrap(), 201);
    assert_eq!(after.snapshot("connections", TimeRange::ALL), before.snapshot("connections", TimeRange::ALL));
    assert_eq!(executables(&after.snapshot("processes", TimeRange::ALL)), ["/newer"]);
    // saved again over the old files
    assert_eq!(after.save(&dir).unwrap(), 201);
    assert_eq!(store(1 << 30).load(&dir).unwrap(), 201);
}

#[test]
fn a_smaller_budget_keeps_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path()).unwrap();
    let before = store(1 << 30);
    for i in 0..100 {
        before.append(Connection::TABLE, connections(i * 100, 100));
    }
    before.save(&dir).unwrap();
    let after = store(before.bytes() / 4);
    after.load(&dir).unwrap();
    let kept = ids(&after.snapshot("connections", TimeRange::ALL), "connection_id");
    assert!(!kept.is_empty() && kept.len() < 10_000);
    assert_eq!(kept, (10_000 - kept.len() as i64..10_000).collect::<Vec<_>>());
    assert!(after.bytes() <= before.bytes() / 4);
}

#[test]
fn damaged_files_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path()).unwrap();
    let before = store(1 << 30);
    before.append(Connection::TABLE, connections(0, 1000));
    before.append(Process::TABLE, process(1, "/one", 1));
    before.save(&dir).unwrap();
    let path = folder.path().join("connections.arrows");
    let whole = std::fs::read(&path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut damaged =
        vec![Vec::new(), b"PAR1".to_vec(), vec![0xff; 5000], whole[..whole.len() - 1].to_vec(), whole[1..].to_vec()];
    damaged.extend([0, 4, 100, whole.len() / 2, whole.len() - 30, whole.len() - 20, whole.len() - 1].map(flipped));
    for (i, bytes) in damaged.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let after = store(1 << 30);
        assert_eq!(after.load(&dir).unwrap(), 1, "case {i}");
        assert_eq!(after.stats("connections").unwrap().rows, 0);
        assert!(!path.exists() && folder.path().join("connections.arrows.damaged").exists());
    }
}

#[test]
fn columns_that_a_file_lacks_are_null() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::open(folder.path()).unwrap();
    let before = store(1 << 30);
    before.append(Process::TABLE, process(5, "/five", 1));
    before.save(&dir).unwrap();
    // a file of the table `processes` under the name of another: it shares only the prefix
    std::fs::rename(folder.path().join("processes.arrows"), folder.path().join("connections.arrows")).unwrap();
    let after = store(1 << 30);
    assert_eq!(after.load(&dir).unwrap(), 1);
    let rows = after.snapshot("connections", TimeRange::ALL);
    assert_eq!(ids(&rows, "process_id"), [5]);
    assert_eq!(rows[0].column_by_name("connection_id").unwrap().null_count(), 1);
}

schema::table! {
    /// What was said.
    struct Said in "said", host;
    {
        /// The words.
        words: Recurring,
    }
}

schema::table! {
    /// The same as an earlier version may have had it.
    struct Plain in "plain", host;
    {
        /// The words.
        words: Text,
    }
}

/// Rows with these words, of whichever table has them.
fn said(table: &'static Table, words: &[Option<&str>]) -> RecordBatch {
    let mut builder = BatchBuilder::new(table);
    for words in words {
        let words = words.map(str::as_bytes);
        let row: &dyn schema::Columns =
            if table.name == "said" { &Said { words, ..Default::default() } } else { &Plain { words, ..Default::default() } };
        builder.row(&[&HostPrefix { time: Some(1), ..Default::default() }, row]);
    }
    builder.finish()
}

#[test]
fn text_that_a_file_has_in_another_form_is_read() {
    let words = [Some("a"), None, Some("b"), Some("a"), Some("")];
    let new = |table| Store::without_maintenance([table], StoreConfig::default());
    for (from, to) in [(Plain::TABLE, Said::TABLE), (Said::TABLE, Plain::TABLE)] {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::open(folder.path()).unwrap();
        let before = new(from);
        before.append(from, said(from, &words));
        before.append(from, said(from, &words[1..3]));
        before.save(&dir).unwrap();
        let file = |table: &Table| folder.path().join(format!("{}.arrows", table.name));
        std::fs::rename(file(from), file(to)).unwrap();
        let after = new(to);
        assert_eq!(after.load(&dir).unwrap(), 7);
        let read = after.snapshot(to.name, TimeRange::ALL);
        assert_eq!(read.len(), 2);
        for (read, words) in read.iter().zip([&words[..], &words[1..3]]) {
            let texts = arrow::compute::cast(read.column_by_name("words").unwrap(), &arrow::datatypes::DataType::Utf8).unwrap();
            assert_eq!(arrow::array::AsArray::as_string::<i32>(&texts), &arrow::array::StringArray::from(words.to_vec()));
        }
    }
}

#[test]
fn batches_that_are_large_when_written_out_are_not_joined() {
    let store = Store::without_maintenance([Said::TABLE], StoreConfig::default());
    let long = "x".repeat(BATCH_BYTES_ENOUGH / 100);
    let (once, often) = ([Some(&*long); 1], [Some(&*long); 101]);
    for _ in 0..2 * SMALL_BATCHES_MAX {
        store.append(Said::TABLE, said(Said::TABLE, &once));
    }
    store.maintain();
    let stats = store.stats("said").unwrap();
    assert_eq!((stats.batches, stats.rows), (1, 2 * SMALL_BATCHES_MAX));
    for _ in 0..2 * SMALL_BATCHES_MAX {
        store.append(Said::TABLE, said(Said::TABLE, &often));
    }
    store.maintain();
    let stats = store.stats("said").unwrap();
    assert_eq!((stats.batches, stats.rows), (1 + 2 * SMALL_BATCHES_MAX, 2 * SMALL_BATCHES_MAX * 102));
    assert!(store.bytes() < 2 * SMALL_BATCHES_MAX * BATCH_BYTES_ENOUGH / 10, "{}", store.bytes());
}

#[test]
fn a_folder_has_one_earshot() {
    let folder = tempfile::tempdir().unwrap();
    let first = DataDir::open(folder.path()).unwrap();
    let second = DataDir::open(folder.path()).unwrap_err();
    assert!(second.to_string().contains("in use by another earshot"), "{second}");
    drop(first);
    DataDir::open(folder.path()).unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = DataDir::open(file.join("data")).unwrap_err().to_string();
    assert!(error.contains("cannot create the data folder") && error.contains("file/data"), "{error}");
}

#[test]
fn columns_of_a_joined_batch_are_counted_by_what_they_keep() {
    let store = store(1 << 30);
    for i in 0..100 {
        store.append(Connection::TABLE, connections(i * 100, 100));
    }
    store.maintain();
    let batches = store.snapshot("connections", TimeRange::ALL);
    let largest = batches.iter().max_by_key(|batch| batch.num_rows()).expect("a batch");
    assert!(largest.num_rows() > 5000 && batch_bytes(largest) > 256 << 10, "{} rows", largest.num_rows());
    let column = |name: &str| largest.column_by_name(name).unwrap().get_array_memory_size();
    for name in ["sent_bytes", "received_bytes", "connection_id"] {
        assert!((8 * largest.num_rows()..9 * largest.num_rows()).contains(&column(name)), "{name}: {} bytes", column(name));
    }
    assert!(store.stats("connections").unwrap().bytes >= batches.iter().map(batch_bytes).sum());
}

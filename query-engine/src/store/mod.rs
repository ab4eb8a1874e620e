//! Hot store: the newest rows of every table, in memory, under one budget.
//!
//! In: record batches from capture threads ([`Store::append`], never waits for a query or a disk). Out: snapshots for SQL
//! ([`Store::snapshot`]), new batches for followers ([`Store::subscribe`]), files at shutdown ([`Store::save`]).
//!
//! Deliberately not here: SQL, formats, sorting. Rows of a batch are in the order in which they arrived.

mod batch;
mod compact;
mod data_dir;
mod file;
mod ring;
mod subscribe;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::thread::Thread;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use hashbrown::HashMap;
use schema::tables::LostEvent;
use schema::{HostPrefix, Table};

pub use batch::{TimeRange, batch_bytes};
pub use data_dir::{DataDir, DataDirError};
pub use subscribe::Subscription;

use batch::Sealed;
use ring::Ring;
use subscribe::Subscribers;

/// Rows that a scan's batch should have: enough that per-batch costs vanish, few enough that time ranges prune.
pub const BATCH_ROWS_TARGET: usize = 8192;
/// Bytes at which a batch is large enough, whatever its rows: eviction takes whole batches.
pub const BATCH_BYTES_TARGET: usize = 4 << 20;
/// Rows and bytes of a batch that is left as it is: joining it would copy more than its per-batch costs are worth.
pub const BATCH_ROWS_ENOUGH: usize = BATCH_ROWS_TARGET / 4;
pub const BATCH_BYTES_ENOUGH: usize = BATCH_BYTES_TARGET / 4;
/// Small batches in a row that are joined even when together they are still small.
pub const SMALL_BATCHES_MAX: usize = 32;
/// Rows kept of a table that has one row a key.
pub const NEWEST_ROWS_MAX: usize = 100_000;
/// How often small batches are joined and losses written down.
const MAINTENANCE_INTERVAL: Duration = Duration::from_millis(250);
/// Rows that arrive before maintenance comes early: what is not joined yet costs more memory than it is counted with.
const UNJOINED_ROWS_MAX: usize = 64 << 10;
/// How often evictions become a row of `lost_events`, in maintenance rounds.
const LOSS_ROUNDS: u32 = 4;

/// What a store needs to know.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Arrow memory of all tables together, in bytes; the oldest rows are evicted beyond it.
    pub memory_bytes_max: usize,
    /// Name of this host, for the store's own rows in `lost_events`.
    pub host: String,
    /// The clock of the store's own rows: nanoseconds since 1970 UTC.
    pub clock: fn() -> i64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { memory_bytes_max: 512 << 20, host: String::new(), clock: system_time_ns }
    }
}

fn system_time_ns() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

/// Rows that are made when they are asked for, such as the present state of something.
///
/// They follow the table's stored rows; where the table keeps the newest row a key, they win.
pub trait LiveTable: Send + Sync {
    /// A batch of the table's schema.
    fn rows(&self) -> RecordBatch;
}

/// Rows that left without having been saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    pub rows: u64,
    pub bytes: u64,
}

/// What the store holds of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    pub batches: usize,
    pub rows: usize,
    pub bytes: usize,
}

struct State {
    rings: Vec<Ring>,
    bytes: usize,
    sequence: u64,
    evicted: Loss,
    /// The part of `evicted` that `lost_events` does not tell yet.
    untold: Loss,
    /// Rows that arrived since the last maintenance round.
    unjoined: usize,
}

/// See the module's head.
pub struct Store {
    tables: Vec<&'static Table>,
    places: HashMap<&'static str, usize>,
    schemas: Vec<SchemaRef>,
    subscribers: Vec<Subscribers>,
    live: Mutex<HashMap<&'static str, Arc<dyn LiveTable>>>,
    config: StoreConfig,
    state: Mutex<State>,
    /// One maintenance round at a time: a round works on copies outside the state's lock.
    maintenance: Mutex<u32>,
    /// The thread that maintains, to be woken early; unset without one.
    maintainer: OnceLock<Thread>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // every change under these locks is complete before anything can panic
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// An empty store with its maintenance thread, which ends with the store.
    pub fn new(tables: impl IntoIterator<Item = &'static Table>, config: StoreConfig) -> Arc<Self> {
        let store = Arc::new(Self::without_maintenance(tables, config));
        let weak = Arc::downgrade(&store);
        let started = std::thread::Builder::new().name("store".into()).spawn(move || maintain(&weak));
        match started {
            Ok(thread) => drop(store.maintainer.set(thread.thread().clone())),
            Err(error) => tracing::error!(%error, "cannot start the store's maintenance thread: small batches stay small"),
        }
        store
    }

    /// A store whose [`Store::maintain`] somebody else calls.
    pub fn without_maintenance(tables: impl IntoIterator<Item = &'static Table>, config: StoreConfig) -> Self {
        let tables: Vec<_> = tables.into_iter().collect();
        let rings = tables.iter().map(|t| Ring::new(t)).collect();
        Self {
            places: tables.iter().enumerate().map(|(i, t)| (t.name, i)).collect(),
            schemas: tables.iter().map(|t| schema::batch::schema(t)).collect(),
            subscribers: tables.iter().map(|_| Subscribers::default()).collect(),
            live: Mutex::default(),
            config,
            state: Mutex::new(State {
                rings,
                bytes: 0,
                sequence: 0,
                evicted: Loss::default(),
                untold: Loss::default(),
                unjoined: 0,
            }),
            maintenance: Mutex::new(0),
            maintainer: OnceLock::new(),
            tables,
        }
    }

    /// The tables, in the order in which they were given.
    pub fn tables(&self) -> &[&'static Table] {
        &self.tables
    }

    /// The store's clock: nanoseconds since 1970 UTC.
    pub fn now_ns(&self) -> i64 {
        (self.config.clock)()
    }

    pub fn table(&self, name: &str) -> Option<&'static Table> {
        self.places.get(name).map(|i| self.tables[*i])
    }

    /// Adds rows. A batch of an unknown table or of another schema is refused, counted and logged.
    pub fn append(&self, table: &'static Table, batch: RecordBatch) {
        let rows = batch.num_rows();
        if rows == 0 {
            return;
        }
        let Some(&place) = self.places.get(table.name) else { return refused(table.name, rows, "unknown_table") };
        if batch.schema_ref() != &self.schemas[place] {
            return refused(table.name, rows, "other_schema");
        }
        // the shared schema object replaces the batch's own copy of it
        let batch = batch::shrunk(batch, &self.schemas[place]);
        let Some(mut sealed) = Sealed::new(batch) else { return refused(table.name, rows, "no_time") };
        self.subscribers[place].send(&sealed.batch);
        metrics::counter!("earshot_stored_rows_total", "table" => table.name).increment(rows as u64);
        let (evicted, many) = {
            let mut state = locked(&self.state);
            state.unjoined += rows;
            let many = state.unjoined >= UNJOINED_ROWS_MAX;
            sealed.sequence = state.sequence;
            state.sequence += 1;
            state.bytes += sealed.bytes;
            state.rings[place].push(sealed);
            (state.evict(self.config.memory_bytes_max), many)
        };
        if many && let Some(maintainer) = self.maintainer.get() {
            maintainer.unpark();
        }
        // freeing can take as long as copying: not under the lock
        drop(evicted);
    }

    /// The batches of a table that may have rows in `range`, oldest first, then its live rows.
    pub fn snapshot(&self, name: &str, range: TimeRange) -> Vec<RecordBatch> {
        let Some(&place) = self.places.get(name) else { return Vec::new() };
        let table = self.tables[place];
        let newest_only = !table.newest_by.is_empty();
        // a row may be hidden by a newer one outside the range, so there is nothing to prune by
        let range = if newest_only { TimeRange::ALL } else { range };
        let mut batches = locked(&self.state).rings[place].snapshot(range);
        let live = locked(&self.live).get(name).cloned();
        if let Some(live) = live {
            let rows = live.rows();
            if rows.schema_ref() == &self.schemas[place] {
                batches.push(rows);
            } else {
                refused(table.name, rows.num_rows(), "other_schema");
            }
        }
        if newest_only { compact::newest(table, &self.schemas[place], &batches) } else { batches }
    }

    /// The Arrow schema of a table.
    pub fn schema(&self, name: &str) -> Option<SchemaRef> {
        self.places.get(name).map(|i| self.schemas[*i].clone())
    }

    /// Makes `rows` of `live` part of a table.
    pub fn set_live(&self, table: &'static Table, live: Arc<dyn LiveTable>) {
        locked(&self.live).insert(table.name, live);
    }

    /// New batches of a table from now on; `None` for an unknown table.
    pub fn subscribe(&self, name: &str) -> Option<Subscription> {
        self.places.get(name).map(|i| self.subscribers[*i].add(self.tables[*i].name))
    }

    pub fn stats(&self, name: &str) -> Option<TableStats> {
        self.places.get(name).map(|i| locked(&self.state).rings[*i].stats())
    }

    /// Arrow memory of all tables, in bytes.
    pub fn bytes(&self) -> usize {
        locked(&self.state).bytes
    }

    /// All rows evicted so far.
    pub fn evicted(&self) -> Loss {
        locked(&self.state).evicted
    }

    /// One maintenance round: joins small batches, drops superseded rows, tells losses and sizes.
    pub fn maintain(&self) {
        let mut round = locked(&self.maintenance);
        locked(&self.state).unjoined = 0;
        for place in 0..self.tables.len() {
            self.compact(place);
        }
        *round = round.wrapping_add(1);
        if round.is_multiple_of(LOSS_ROUNDS) {
            self.tell_losses();
        }
        self.tell_sizes();
    }

    fn compact(&self, place: usize) {
        let table = self.tables[place];
        if table.newest_by.is_empty() {
            loop {
                let Some(run) = locked(&self.state).rings[place].small_run() else { return };
                let Some(joined) = compact::join(table, &self.schemas[place], &run) else { return };
                self.replace(place, &run, vec![joined], Loss::default());
            }
        }
        let Some(run) = locked(&self.state).rings[place].superseded_run() else { return };
        let batches: Vec<_> = run.iter().map(|s| s.batch.clone()).collect();
        let newest = compact::newest(table, &self.schemas[place], &batches);
        let kept = compact::last_rows(newest, NEWEST_ROWS_MAX);
        let Some(joined) = compact::join_batches(table, &self.schemas[place], &kept.batches) else { return };
        self.replace(place, &run, vec![joined], Loss { rows: kept.dropped as u64, bytes: 0 });
    }

    fn replace(&self, place: usize, run: &[Arc<Sealed>], with: Vec<Sealed>, dropped: Loss) {
        let mut state = locked(&self.state);
        let before = state.rings[place].stats().bytes;
        let replaced = state.rings[place].replace(run, with);
        if replaced {
            state.bytes = state.bytes - before + state.rings[place].stats().bytes;
            state.lose(dropped);
        }
    }

    fn tell_losses(&self) {
        let untold = std::mem::take(&mut locked(&self.state).untold);
        if untold.rows == 0 {
            return;
        }
        metrics::counter!("earshot_evicted_rows_total").increment(untold.rows);
        metrics::counter!("earshot_evicted_bytes_total").increment(untold.bytes);
        let Some(table) = self.table(LostEvent::TABLE.name) else { return };
        let mut builder = schema::batch::BatchBuilder::new(table);
        let prefix =
            HostPrefix { time: Some((self.config.clock)()), host: Some(self.config.host.as_bytes()), ..Default::default() };
        let row = LostEvent {
            stage: Some(b"store"),
            reason: Some(b"evicted"),
            unit: Some(b"row"),
            events: Some(untold.rows as i64),
            bytes: Some(untold.bytes as i64),
            ..Default::default()
        };
        builder.row(&[&prefix, &row]);
        self.append(table, builder.finish());
    }

    fn tell_sizes(&self) {
        let stats: Vec<_> = locked(&self.state).rings.iter().map(Ring::stats).collect();
        for (table, stats) in self.tables.iter().zip(stats) {
            metrics::gauge!("earshot_store_rows", "table" => table.name).set(stats.rows as f64);
            metrics::gauge!("earshot_store_bytes", "table" => table.name).set(stats.bytes as f64);
        }
    }

    /// Puts rows back in the order in which they first arrived; used when reading files.
    fn restore(&self, place: usize, batch: RecordBatch) {
        let Some(mut sealed) = Sealed::new(batch) else { return };
        let mut state = locked(&self.state);
        sealed.sequence = state.sequence;
        state.sequence += 1;
        state.bytes += sealed.bytes;
        state.rings[place].push(sealed);
        drop(state.evict(self.config.memory_bytes_max));
    }

    /// Writes every table to `dir`; see `file` for the format.
    pub fn save(&self, dir: &DataDir) -> Result<u64, DataDirError> {
        self.tell_losses();
        file::save(self, dir)
    }

    /// Reads back what [`Store::save`] wrote; returns the number of rows. A damaged file is moved aside, logged and counted.
    pub fn load(&self, dir: &DataDir) -> Result<u64, DataDirError> {
        file::load(self, dir)
    }
}

impl State {
    fn lose(&mut self, loss: Loss) {
        for sum in [&mut self.evicted, &mut self.untold] {
            sum.rows += loss.rows;
            sum.bytes += loss.bytes;
        }
    }

    /// Takes the oldest batches out until the budget holds. Tables of states go last: they are small, and a process that
    /// started long ago still runs.
    fn evict(&mut self, bytes_max: usize) -> Vec<Arc<Sealed>> {
        let mut evicted = Vec::new();
        while self.bytes > bytes_max {
            let oldest = self.rings.iter_mut().filter(|r| r.oldest().is_some()).min_by_key(|r| (r.newest_only, r.oldest()));
            let Some(batch) = oldest.and_then(Ring::pop) else { break };
            self.bytes -= batch.bytes;
            self.lose(Loss { rows: batch.batch.num_rows() as u64, bytes: batch.bytes as u64 });
            evicted.push(batch);
        }
        evicted
    }
}

fn refused(table: &'static str, rows: usize, reason: &'static str) {
    metrics::counter!("earshot_refused_rows_total", "table" => table, "reason" => reason).increment(rows as u64);
    tracing::error!(table, rows, reason, "rows refused by the store");
}

fn maintain(store: &Weak<Store>) {
    loop {
        std::thread::park_timeout(MAINTENANCE_INTERVAL);
        let Some(store) = store.upgrade() else { return };
        store.maintain();
    }
}

#[cfg(test)]
mod tests;

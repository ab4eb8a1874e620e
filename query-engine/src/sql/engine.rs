//! Runs queries: takes turns, keeps the time, ends with the stream.
//!
//! A query is a task on threads that belong to the engine. Its batches come through a short queue, so that a slow reader
//! slows the query down instead of filling memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::prelude::SessionContext;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::error::{SqlError, SqlErrorKind};
use super::limits::{Limits, QUERY_STACK_BYTES};
use super::provider::StoreTable;
use super::{plan, session};
use crate::store::Store;

/// Batches between a query and its reader.
const QUEUE_BATCHES: usize = 2;
/// Rows of one batch of an answer: what is encoded, and held, at once.
const ANSWER_BATCH_ROWS_MAX: usize = 8192;

/// What to ask.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub text: String,
    /// Time that it may take; the engine's default when `None`, capped at the engine's maximum.
    pub timeout: Option<Duration>,
    /// Cuts the answer after this many rows.
    pub rows_max: Option<usize>,
}

impl Query {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// Answers queries over one store. Clones share everything.
#[derive(Clone)]
pub struct SqlEngine {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub store: Arc<Store>,
    pub limits: Limits,
    pub pool: Arc<dyn MemoryPool>,
    pub followers: Arc<Semaphore>,
    context: SessionContext,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    threads: Threads,
}

/// The threads of queries; queries in flight end with them.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        // the last owner may be an async task, which must not block
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl SqlEngine {
    pub fn new(store: Arc<Store>, limits: Limits) -> Result<Self, SqlError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_name("query")
            .thread_stack_size(QUERY_STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|e| SqlError::new(SqlErrorKind::Internal, format!("cannot start the query threads: {e}")))?;
        let pool = session::memory_pool(limits.memory_bytes_max);
        let table = |table: &'static schema::Table| {
            let schema = store.schema(table.name)?;
            Some(Arc::new(StoreTable { store: Arc::clone(&store), name: table.name, schema }) as _)
        };
        let context = session::build(store.tables(), table, cores, &pool)?;
        let inner = Inner {
            running: Arc::new(Semaphore::new(limits.running_max)),
            waiting: Semaphore::new(limits.waiting_max),
            followers: Arc::new(Semaphore::new(limits.followers_max)),
            threads: Threads(Some(runtime)),
            store,
            limits,
            pool,
            context,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(super) fn context(&self) -> &SessionContext {
        &self.inner.context
    }

    pub(super) fn threads(&self) -> Result<&Handle, SqlError> {
        self.inner.threads.0.as_ref().map(Runtime::handle).ok_or_else(SqlError::crashed)
    }

    /// Plans and starts a query. Returns when its columns are known; needs a tokio runtime with time.
    pub fn query(&self, query: Query) -> BoxFuture<'_, Result<QueryStream, SqlError>> {
        async move {
            let timeout = query.timeout.unwrap_or(self.inner.limits.timeout).min(self.inner.limits.timeout_max);
            let started = Instant::now();
            let deadline = tokio::time::Instant::from_std(started + timeout);
            let result = match tokio::time::timeout_at(deadline, self.start(query)).await {
                Ok(Ok((schema, parts, task))) => {
                    Ok(QueryStream { schema, parts, deadline, timeout, ended: false, _task: task })
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(SqlError::timeout(timeout)),
            };
            metrics::counter!("earshot_queries_total", "outcome" => outcome(result.as_ref().err())).increment(1);
            result
        }
        .boxed()
    }

    async fn start(&self, query: Query) -> Result<(SchemaRef, Receiver<Part>, AbortOnDrop), SqlError> {
        let turn = self.turn().await?;
        let (to, mut parts) = channel(QUEUE_BATCHES);
        let engine = self.clone();
        let task = self.threads()?.spawn(async move {
            let last = match engine.run(&query, &to).await {
                Ok(()) => Part::Done,
                Err(error) => Part::Failed(error),
            };
            // the engine goes before the turn, so that a waiting query finds memory free
            drop((engine, turn));
            let _ = to.send(last).await;
        });
        let task = AbortOnDrop(task.abort_handle());
        match parts.recv().await {
            Some(Part::Columns(schema)) => Ok((schema, parts, task)),
            Some(Part::Failed(error)) => Err(error),
            _ => Err(SqlError::crashed()),
        }
    }

    /// Waits for a turn, if not too many wait already.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, SqlError> {
        let busy = || {
            SqlError::new(SqlErrorKind::Busy, format!("{} queries are running", self.inner.limits.running_max))
                .hint("try again when some of them have ended")
        };
        let running = Arc::clone(&self.inner.running);
        if let Ok(turn) = Arc::clone(&running).try_acquire_owned() {
            return Ok(turn);
        }
        let _place = self.inner.waiting.try_acquire().map_err(|_| busy())?;
        match tokio::time::timeout(self.inner.limits.wait_max, running.acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(busy()),
        }
    }

    async fn run(&self, query: &Query, to: &Sender<Part>) -> Result<(), SqlError> {
        let text = &query.text;
        let planned = plan::logical(&self.inner.context, text).await?.limited(query.rows_max, text)?;
        let physical = planned.physical(text).await?;
        let schema = plan::distinct_names(&physical.schema());
        let mut batches = planned.execute(physical, text)?;
        if to.send(Part::Columns(Arc::clone(&schema))).await.is_err() {
            return Ok(());
        }
        let mut rows = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(|e| SqlError::from_datafusion(&e, text))?;
            rows += batch.num_rows();
            if rows > self.inner.limits.rows_max {
                let message = format!("the answer has more than {} rows", self.inner.limits.rows_max);
                return Err(SqlError::new(SqlErrorKind::Exhausted, message).hint("ask for fewer with limit"));
            }
            let batch = plan::renamed(batch, &schema)?;
            for start in (0..batch.num_rows()).step_by(ANSWER_BATCH_ROWS_MAX) {
                let part = batch.slice(start, ANSWER_BATCH_ROWS_MAX.min(batch.num_rows() - start));
                if to.send(Part::Batch(part)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn outcome(error: Option<&SqlError>) -> &'static str {
    match error.map(|e| e.kind) {
        None => "started",
        Some(SqlErrorKind::Wrong | SqlErrorKind::TextTooLong) => "wrong",
        Some(SqlErrorKind::Forbidden) => "forbidden",
        Some(SqlErrorKind::Exhausted) => "exhausted",
        Some(SqlErrorKind::Busy) => "busy",
        Some(SqlErrorKind::Timeout) => "timeout",
        Some(SqlErrorKind::Internal) => "internal",
    }
}

enum Part {
    Columns(SchemaRef),
    Batch(RecordBatch),
    Failed(SqlError),
    Done,
}

/// Ends a task with its owner.
pub(super) struct AbortOnDrop(pub AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The answer to a query. Dropping it ends the query.
pub struct QueryStream {
    schema: SchemaRef,
    parts: Receiver<Part>,
    deadline: tokio::time::Instant,
    timeout: Duration,
    ended: bool,
    _task: AbortOnDrop,
}

impl QueryStream {
    /// The answer's columns; every name occurs once.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` after the last, and after an error.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        if self.ended {
            return None;
        }
        let error = match tokio::time::timeout_at(self.deadline, self.parts.recv()).await {
            Ok(Some(Part::Batch(batch))) => return Some(Ok(batch)),
            Ok(Some(Part::Done)) => None,
            Ok(Some(Part::Failed(error))) => Some(error),
            Ok(Some(Part::Columns(_)) | None) => Some(SqlError::crashed()),
            Err(_) => {
                self._task.0.abort();
                Some(SqlError::timeout(self.timeout))
            }
        };
        self.ended = true;
        error.map(Err)
    }

    /// All rows that are left.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>, SqlError> {
        let mut batches = Vec::new();
        while let Some(batch) = self.next().await {
            batches.push(batch?);
        }
        Ok(batches)
    }
}

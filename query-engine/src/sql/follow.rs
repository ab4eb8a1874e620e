//! A query over new rows only, as they arrive.
//!
//! The query is planned once, over tables that hold one new batch at a time; every batch that arrives runs through the plan.
//! So only what looks at each row by itself can be followed: columns, expressions, WHERE.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use hashbrown::HashMap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::engine::{AbortOnDrop, SqlEngine};
use super::error::{SqlError, SqlErrorKind};
use super::plan::{self, Planned};
use super::session;
use crate::store::{Store, Subscription};

/// Batches between a follower's query and its reader.
const QUEUE_BATCHES: usize = 16;

/// The new batch of one table, while it runs through the plan.
#[derive(Debug)]
struct Slot {
    schema: SchemaRef,
    batch: Mutex<Option<RecordBatch>>,
}

impl Slot {
    fn set(&self, batch: Option<RecordBatch>) {
        *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = batch;
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let rows = futures::stream::iter(batch.map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

#[derive(Debug)]
struct SlotTable(Arc<Slot>);

#[async_trait]
impl TableProvider for SlotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let slot = Arc::clone(&self.0) as Arc<dyn PartitionStream>;
        Ok(Arc::new(StreamingTableExec::try_new(self.schema(), vec![slot], projection, [], false, limit)?))
    }
}

type Slots = HashMap<&'static str, Arc<Slot>>;

/// New rows of a query. Dropping it ends the query.
pub struct FollowStream {
    schema: SchemaRef,
    batches: Receiver<Result<RecordBatch, SqlError>>,
    lost_rows: Arc<AtomicU64>,
    _task: AbortOnDrop,
}

impl FollowStream {
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next new rows; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, SqlError>> {
        self.batches.recv().await
    }

    /// New rows of the query's tables that this reader was too slow for.
    pub fn lost_rows(&self) -> u64 {
        self.lost_rows.load(Ordering::Relaxed)
    }
}

impl SqlEngine {
    /// Follows a query: rows that arrive from now on.
    pub fn follow(&self, text: String) -> BoxFuture<'_, Result<FollowStream, SqlError>> {
        async move {
            let limit = self.limits().followers_max;
            let busy = |_| SqlError::new(SqlErrorKind::Busy, format!("{limit} queries are being followed"));
            let place = Arc::clone(&self.inner.followers).try_acquire_owned().map_err(busy)?;
            let engine = self.clone();
            let prepared = self.threads()?.spawn(async move { Follower::prepare(&engine, text).await });
            let follower = prepared.await.map_err(|_| SqlError::crashed())??;
            let (to, batches) = channel(QUEUE_BATCHES);
            let (schema, lost_rows) = (Arc::clone(&follower.schema), Arc::clone(&follower.lost_rows));
            let task = self.threads()?.spawn(follower.run(to, place));
            Ok(FollowStream { schema, batches, lost_rows, _task: AbortOnDrop(task.abort_handle()) })
        }
        .boxed()
    }
}

struct Follower {
    text: String,
    planned: Planned,
    physical: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    slots: Slots,
    subscriptions: Vec<(&'static str, Subscription)>,
    lost_rows: Arc<AtomicU64>,
}

impl Follower {
    async fn prepare(engine: &SqlEngine, text: String) -> Result<Self, SqlError> {
        let store = engine.store();
        let slots = slots(store);
        let provider = |table: &'static schema::Table| Some(Arc::new(SlotTable(Arc::clone(slots.get(table.name)?))) as _);
        let context = session::build(store.tables(), provider, 1, &engine.inner.pool)?;
        let planned = plan::logical(&context, &text).await?;
        let names = followed(&planned.logical)?;
        // before planning goes on, so that no row is missed once the reader has its answer
        let subscriptions = names.iter().filter_map(|name| {
            let table = store.table(name)?;
            Some((table.name, store.subscribe(name)?))
        });
        let subscriptions = subscriptions.collect();
        let physical = planned.physical(&text).await?;
        let schema = plan::distinct_names(&physical.schema());
        Ok(Self { text, planned, physical, schema, slots, subscriptions, lost_rows: Arc::default() })
    }

    async fn run(self, to: Sender<Result<RecordBatch, SqlError>>, _place: OwnedSemaphorePermit) {
        let Self { text, planned, physical, schema, slots, subscriptions, lost_rows } = self;
        let arriving =
            subscriptions.into_iter().map(|(name, subscription)| arrivals(name, subscription, Arc::clone(&lost_rows)));
        let mut arriving = futures::stream::select_all(arriving);
        while let Some((name, batch)) = arriving.next().await {
            let Some(slot) = slots.get(name) else { continue };
            slot.set(Some(batch));
            let rows = through(&planned, &physical, &schema, &text).await;
            slot.set(None);
            let (rows, failed) = match rows {
                Ok(rows) => (rows, None),
                Err(error) => (Vec::new(), Some(error)),
            };
            for rows in rows {
                if to.send(Ok(rows)).await.is_err() {
                    return;
                }
            }
            if let Some(error) = failed {
                let _ = to.send(Err(error)).await;
                return;
            }
        }
    }
}

fn slots(store: &Store) -> Slots {
    let slot = |name: &'static str| Some((name, Arc::new(Slot { schema: store.schema(name)?, batch: Mutex::new(None) })));
    store.tables().iter().filter_map(|t| slot(t.name)).collect()
}

fn arrivals(
    name: &'static str,
    subscription: Subscription,
    lost_rows: Arc<AtomicU64>,
) -> BoxStream<'static, (&'static str, RecordBatch)> {
    let state = (subscription, lost_rows, 0);
    Box::pin(futures::stream::unfold(state, move |(mut subscription, lost_rows, told)| async move {
        let batch = subscription.next().await?;
        let lost = subscription.lost_rows();
        lost_rows.fetch_add(lost - told, Ordering::Relaxed);
        Some(((name, batch), (subscription, lost_rows, lost)))
    }))
}

/// What the plan makes of the slots' present content.
async fn through(
    planned: &Planned,
    physical: &Arc<dyn ExecutionPlan>,
    schema: &SchemaRef,
    text: &str,
) -> Result<Vec<RecordBatch>, SqlError> {
    let failed = |e| SqlError::from_datafusion(&e, text);
    let mut rows = Vec::new();
    for partition in 0..physical.output_partitioning().partition_count() {
        let mut stream = physical.execute(partition, planned.state.task_ctx()).map_err(failed)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            if batch.num_rows() > 0 {
                rows.push(plan::renamed(batch, schema)?);
            }
        }
    }
    Ok(rows)
}

/// The tables of a plan that looks at each row by itself.
fn followed(plan: &LogicalPlan) -> Result<Vec<String>, SqlError> {
    let mut tables = Vec::new();
    let mut left = vec![plan];
    while let Some(node) = left.pop() {
        let what = match node {
            LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) => None,
            LogicalPlan::TableScan(scan) => {
                let name = scan.table_name.table().to_owned();
                if !tables.contains(&name) {
                    tables.push(name);
                }
                None
            }
            LogicalPlan::Join(_) => Some("a join"),
            LogicalPlan::Aggregate(_) => Some("an aggregate"),
            LogicalPlan::Distinct(_) => Some("DISTINCT"),
            LogicalPlan::Sort(_) => Some("ORDER BY"),
            LogicalPlan::Limit(_) => Some("LIMIT"),
            LogicalPlan::Window(_) => Some("a window function"),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Some("EXPLAIN"),
            _ => Some("this kind of query"),
        };
        if let Some(what) = what {
            return Err(unsupported(what));
        }
        if node.expressions().iter().any(has_subquery) {
            return Err(unsupported("a subquery in an expression"));
        }
        left.extend(node.inputs());
    }
    if tables.is_empty() { Err(unsupported("a query without a table")) } else { Ok(tables) }
}

fn has_subquery(expr: &Expr) -> bool {
    let is =
        |e: &Expr| Ok(matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)));
    expr.exists(is).unwrap_or(true)
}

fn unsupported(what: &str) -> SqlError {
    SqlError::wrong(format!("{what} cannot be followed"))
        .hint("follow one table or requests, with columns, expressions and WHERE")
}

//! A table of the store as DataFusion sees it.
//!
//! A scan is a snapshot: batches are shared with the store, not copied, and rows that arrive later are not in it.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::time_range;
use crate::store::Store;

pub(super) struct StoreTable {
    pub store: Arc<Store>,
    pub name: &'static str,
    pub schema: SchemaRef,
}

impl std::fmt::Debug for StoreTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StoreTable").field(&self.name).finish()
    }
}

#[async_trait]
impl TableProvider for StoreTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match time_range::understood(filter) {
            // whole batches are left out; their rows are still compared one by one
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batches = self.store.snapshot(self.name, time_range::allowed_by_all(filters));
        let partitions = split(batches, session.config().target_partitions());
        let source = MemorySourceConfig::try_new(&partitions, self.schema(), projection.cloned())?.with_limit(limit);
        Ok(DataSourceExec::from_data_source(source))
    }
}

/// Neighbouring batches, in about equal parts by rows, so that every core has one.
fn split(batches: Vec<RecordBatch>, parts: usize) -> Vec<Vec<RecordBatch>> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let share = rows.div_ceil(parts.max(1)).max(1);
    let mut split = vec![Vec::new()];
    let mut filled = 0;
    for batch in batches {
        if filled >= share {
            split.push(Vec::new());
            filled = 0;
        }
        filled += batch.num_rows();
        if let Some(part) = split.last_mut() {
            part.push(batch);
        }
    }
    split
}

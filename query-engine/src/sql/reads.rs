//! What a query reads of the tables, known before it runs.
//!
//! In: a query's text. Out: the columns of each table that its answer depends on. Whoever fills a store for this query alone
//! may leave out everything else: rows still count when none of their columns do.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use futures::FutureExt;
use futures::future::BoxFuture;
use hashbrown::{HashMap, HashSet};
use schema::{Column, Table};

use super::engine::SqlEngine;
use super::error::SqlError;
use super::plan;

/// Columns by table; a table that is not named is not read.
#[derive(Clone, Debug, Default)]
pub struct Reads(HashMap<String, HashSet<String>>);

impl Reads {
    pub fn table(&self, table: &Table) -> bool {
        self.0.contains_key(table.name)
    }

    pub fn column(&self, table: &Table, column: &Column) -> bool {
        // which row is the newest of its key is for the store to find out
        table.newest_by.contains(&column.name) || self.0.get(table.name).is_some_and(|columns| columns.contains(column.name))
    }

    fn add(&mut self, scan: &TableScan) {
        let columns = self.0.entry(scan.table_name.table().to_owned()).or_default();
        let schema = scan.source.schema();
        match &scan.projection {
            Some(places) => columns.extend(places.iter().map(|place| schema.field(*place).name().clone())),
            None => columns.extend(schema.fields().iter().map(|field| field.name().clone())),
        }
    }
}

impl SqlEngine {
    /// What the query reads. It is planned and not run.
    pub fn reads<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Reads, SqlError>> {
        async move {
            let (engine, text) = (self.clone(), text.to_owned());
            // a deep plan needs the deep stack of the engine's threads
            let planning = self.threads()?.spawn(async move { engine.read_by(&text).await });
            planning.await.map_err(|_| SqlError::crashed())?
        }
        .boxed()
    }

    async fn read_by(&self, text: &str) -> Result<Reads, SqlError> {
        let failed = |e| SqlError::from_datafusion(&e, text);
        let planned = plan::logical(self.context(), text).await?;
        let plan = planned.state.optimize(&planned.logical).map_err(failed)?;
        let mut reads = Reads::default();
        let visited = plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                reads.add(scan);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        visited.map_err(failed)?;
        Ok(reads)
    }
}

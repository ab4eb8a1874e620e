//! The DataFusion session: which tables there are, and what a query may use.
//!
//! No files, no URLs, no spilling, no settings that a statement could change.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use schema::Table;

use super::error::SqlError;
use super::functions;
use super::view;
use super::yielding::YieldAfterJoins;

pub(super) fn memory_pool(bytes_max: usize) -> Arc<dyn MemoryPool> {
    Arc::new(GreedyMemoryPool::new(bytes_max))
}

fn runtime(pool: &Arc<dyn MemoryPool>) -> Result<Arc<RuntimeEnv>, SqlError> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(pool))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
        .map_err(|e| SqlError::from_datafusion(&e, ""))
}

/// A session over `providers`, one a table, with the view over them.
pub(super) fn build(
    tables: &[&'static Table],
    providers: impl Fn(&'static Table) -> Option<Arc<dyn TableProvider>>,
    partitions: usize,
    pool: &Arc<dyn MemoryPool>,
) -> Result<SessionContext, SqlError> {
    let failed = |e| SqlError::from_datafusion(&e, "");
    let mut config = SessionConfig::new().with_target_partitions(partitions).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // now() has a zone, as every time in a table has
    options.execution.time_zone = Some("UTC".to_owned());
    // rows of a join's larger side stay where they are: to deal them out by their keys would copy them, stacks of some KiB included
    options.optimizer.repartition_joins = false;
    // nor are a join's wide rows queued for other threads: a scan has a part for each of them
    options.optimizer.enable_round_robin_repartition = false;
    // text stays in the form in which it is stored
    options.sql_parser.map_string_types_to_utf8view = false;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime(pool)?)
        .with_expr_planners(vec![Arc::new(functions::ConcatPlanner)])
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(YieldAfterJoins))
        .build();
    let context = SessionContext::new_with_state(state);
    functions::all().into_iter().for_each(|function| context.register_udf(function));
    functions::aggregates().into_iter().for_each(|function| context.register_udaf(function));
    for table in tables {
        if let Some(provider) = providers(table) {
            context.register_table(table.name, provider).map_err(failed)?;
        }
    }
    if let Some(sql) = view::requests_sql(tables) {
        let state = context.state();
        let plan = futures::executor::block_on(state.create_logical_plan(&sql)).map_err(failed)?;
        context.register_table(view::REQUESTS, Arc::new(ViewTable::new(plan, Some(sql)))).map_err(failed)?;
    }
    Ok(context)
}

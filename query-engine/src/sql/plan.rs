//! From text to a plan: gate, names and types, limits on its size.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;

use super::error::SqlError;
use super::gate;
use super::limits::PLAN_NODES_MAX;

/// A planned query and the session state, with its `now()`, that it was planned in.
pub(super) struct Planned {
    pub state: SessionState,
    pub logical: LogicalPlan,
}

pub(super) async fn logical(context: &SessionContext, text: &str) -> Result<Planned, SqlError> {
    let statement = gate::pass(text)?;
    let failed = |e| SqlError::from_datafusion(&e, text);
    let state = context.state();
    let logical = state.statement_to_plan(statement).await.map_err(failed)?;
    // the gate's decision again, on the plan: two independent locks
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&logical).map_err(failed)?;
    small_enough(&logical)?;
    Ok(Planned { state, logical })
}

/// Counts a node as often as it occurs, without recursion, and stops at the limit.
fn small_enough(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut left = vec![plan];
    let mut seen = 0;
    while let Some(node) = left.pop() {
        seen += 1;
        if seen > PLAN_NODES_MAX {
            return Err(SqlError::wrong(format!("the query's plan has more than {PLAN_NODES_MAX} steps"))
                .hint("a common table expression counts as often as it is used"));
        }
        left.extend(node.inputs());
    }
    Ok(())
}

impl Planned {
    /// Cuts the answer after `rows` rows.
    pub fn limited(mut self, rows: Option<usize>, text: &str) -> Result<Self, SqlError> {
        let cut = rows.filter(|_| !matches!(self.logical, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_)));
        if let Some(rows) = cut {
            let limited = LogicalPlanBuilder::from(self.logical).limit(0, Some(rows)).and_then(|b| b.build());
            self.logical = limited.map_err(|e| SqlError::from_datafusion(&e, text))?;
        }
        Ok(self)
    }

    pub async fn physical(&self, text: &str) -> Result<Arc<dyn ExecutionPlan>, SqlError> {
        self.state.create_physical_plan(&self.logical).await.map_err(|e| SqlError::from_datafusion(&e, text))
    }

    pub fn execute(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        text: &str,
    ) -> Result<datafusion::execution::SendableRecordBatchStream, SqlError> {
        execute_stream(plan, self.state.task_ctx()).map_err(|e| SqlError::from_datafusion(&e, text))
    }
}

/// The schema with every name once: a join of two tables has two columns `time`, and an object can have one.
pub(super) fn distinct_names(schema: &Schema) -> SchemaRef {
    let mut taken: HashSet<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let mut used = HashSet::new();
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let mut name = field.name().clone();
            if !used.insert(name.clone()) {
                let free = (2..).map(|n| format!("{}_{n}", field.name())).find(|n| !taken.contains(n));
                name = free.unwrap_or(name);
                taken.insert(name.clone());
                used.insert(name.clone());
            }
            field.as_ref().clone().with_name(name)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// The batch under another schema object of the same types.
pub(super) fn renamed(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SqlError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
        .map_err(|e| SqlError::new(super::SqlErrorKind::Internal, e.to_string()))
}

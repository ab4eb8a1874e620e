//! `||` of text in a dictionary and something that is not text, such as a number: DataFusion has it for plain text only.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::sqlparser::ast::BinaryOperator;
use datafusion::logical_expr::{ExprSchemable, cast};

#[derive(Debug)]
pub(in crate::sql) struct ConcatPlanner;

impl ExprPlanner for ConcatPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, mut left, mut right } = expr;
        if op == BinaryOperator::StringConcat {
            for side in [&mut left, &mut right] {
                // what cannot have a type has an error that somebody else tells better
                if let Ok(DataType::Dictionary(_, values)) = side.get_type(schema) {
                    *side = cast(side.clone(), *values);
                }
            }
        }
        Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
    }
}

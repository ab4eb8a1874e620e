//! The range of time that a filter allows, so that batches outside it are not read.
//!
//! Only what is certain narrows the range: an expression that is not understood leaves it as it is.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::store::TimeRange;

/// Whether a filter narrows the range.
pub(super) fn understood(filter: &Expr) -> bool {
    allowed(filter) != TimeRange::ALL
}

/// The range that all filters together allow.
pub(super) fn allowed_by_all(filters: &[Expr]) -> TimeRange {
    filters.iter().fold(TimeRange::ALL, |range, filter| range.intersect(allowed(filter)))
}

fn allowed(filter: &Expr) -> TimeRange {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => allowed(left).intersect(allowed(right)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if is_time(left) {
                nanoseconds(right).map_or(TimeRange::ALL, |value| compared(*op, value))
            } else if is_time(right) {
                let flipped = op.swap();
                nanoseconds(left).zip(flipped).map_or(TimeRange::ALL, |(value, op)| compared(op, value))
            } else {
                TimeRange::ALL
            }
        }
        Expr::Between(between) if !between.negated && is_time(&between.expr) => {
            let (low, high) = (nanoseconds(&between.low), nanoseconds(&between.high));
            TimeRange { min: low.unwrap_or(i64::MIN), max: high.unwrap_or(i64::MAX) }
        }
        _ => TimeRange::ALL,
    }
}

fn compared(op: Operator, value: i64) -> TimeRange {
    match op {
        Operator::Eq => TimeRange { min: value, max: value },
        Operator::Lt => TimeRange { min: i64::MIN, max: value.saturating_sub(1) },
        Operator::LtEq => TimeRange { min: i64::MIN, max: value },
        Operator::Gt => TimeRange { min: value.saturating_add(1), max: i64::MAX },
        Operator::GtEq => TimeRange { min: value, max: i64::MAX },
        _ => TimeRange::ALL,
    }
}

fn is_time(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(column) if column.name == "time")
}

fn nanoseconds(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    match value {
        ScalarValue::TimestampNanosecond(Some(ns), _) => Some(*ns),
        ScalarValue::TimestampSecond(..) | ScalarValue::TimestampMillisecond(..) | ScalarValue::TimestampMicrosecond(..) => {
            match value.cast_to(&utc) {
                Ok(ScalarValue::TimestampNanosecond(ns, _)) => ns,
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn at(ns: i64) -> Expr {
        Expr::Literal(ScalarValue::TimestampNanosecond(Some(ns), Some("UTC".into())), None)
    }

    #[test]
    fn comparisons_narrow_and_the_rest_does_not() {
        let range = |e: Expr| {
            let r = allowed(&e);
            (r.min, r.max)
        };
        assert_eq!(range(col("time").gt_eq(at(5)).and(col("time").lt(at(9)))), (5, 8));
        assert_eq!(range(at(5).lt(col("time"))), (6, i64::MAX));
        assert_eq!(range(col("time").between(at(1), at(2))), (1, 2));
        assert_eq!(range(col("time").eq(at(7))), (7, 7));
        for other in [col("time").not_eq(at(5)), col("other").lt(at(5)), col("time").lt(at(5)).or(col("x").eq(lit(1)))] {
            assert!(!understood(&other), "{other}");
        }
    }
}

//! SQL functions of earshot's own, one file each, and what DataFusion's lack for text in dictionaries.
//!
//! | function | gives |
//! |---|---|
//! | `normalize_sql(text [, dialect])` | the statement with `?` for its values: what is the same but for values is one group |
//! | `sql_fingerprint(text [, dialect])` | sixteen hexadecimal digits, the same for the same group |
//!
//! The dialect is 'postgresql' or 'mysql'; without one, text between double quotes counts as a value wherever it may be one.
//!
//! ```sql
//! SELECT normalize_sql(query, 'mysql') AS statement, count(*) AS calls, avg(latency_ns) / 1e6 AS ms
//! FROM mysql_events GROUP BY statement ORDER BY calls DESC
//! ```

mod approx_distinct;
mod concat;
mod normalize_sql;
mod sql_fingerprint;
mod text;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(super) use concat::ConcatPlanner;

/// The functions that a session has besides DataFusion's.
pub(super) fn all() -> [ScalarUDF; 2] {
    [ScalarUDF::from(normalize_sql::NormalizeSql::default()), ScalarUDF::from(sql_fingerprint::SqlFingerprint::default())]
}

/// Aggregate functions that take the place of DataFusion's.
pub(super) fn aggregates() -> [AggregateUDF; 1] {
    [AggregateUDF::from(approx_distinct::ApproxDistinct::default())]
}

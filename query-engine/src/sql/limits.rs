//! What a query may cost. Reaching a limit ends the query with an error that names it.

use std::time::Duration;

/// Longest query text, in bytes.
pub const QUERY_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of parentheses, brackets and CASE.
pub const NESTING_DEPTH_MAX: usize = 100;
/// Longest row of words and operators with no comma between, such as a sum: each term is a level of the parsed tree.
pub const EXPRESSION_TOKENS_MAX: usize = 2000;
/// Tables, views and subqueries that a query may name: each may be a level of the plan.
pub const RELATIONS_MAX: usize = 200;
/// The same when each common table expression is written out wherever it is named, which is what the planner does: it can
/// double the plan at every step.
pub const RELATIONS_WRITTEN_OUT_MAX: u64 = 1000;
/// UNION, INTERSECT and EXCEPT in one query.
pub const SET_OPERATIONS_MAX: usize = 200;
/// Columns in all CUBEs of a query: each doubles the work.
pub const CUBE_COLUMNS_MAX: usize = 10;
/// Nodes of the logical plan, each counted as often as it occurs.
pub const PLAN_NODES_MAX: usize = 10_000;
/// Stack of a query's thread, in bytes.
pub const QUERY_STACK_BYTES: usize = 64 << 20;

/// Limits that a configuration can change.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time of a query that asks for none.
    pub timeout: Duration,
    /// Time that a query may ask for.
    pub timeout_max: Duration,
    /// Working memory of all queries together, in bytes; nothing is spilled to disk.
    pub memory_bytes_max: usize,
    /// Rows of one answer.
    pub rows_max: usize,
    /// Queries that run at once.
    pub running_max: usize,
    /// Queries that wait for their turn.
    pub waiting_max: usize,
    /// How long one waits for its turn.
    pub wait_max: Duration,
    /// Followers at once.
    pub followers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            timeout_max: Duration::from_secs(600),
            memory_bytes_max: 256 << 20,
            rows_max: 10_000_000,
            running_max: 16,
            waiting_max: 64,
            wait_max: Duration::from_secs(5),
            followers_max: 64,
        }
    }
}

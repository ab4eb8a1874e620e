//! Pyroscope's query API over the profiler's samples, so that what reads Pyroscope (Grafana's data source, its command) reads earshot.
//!
//! In: `/querier.v1.QuerierService/*` as Connect calls it, in JSON or protocol buffers, and `/pyroscope/*` from before it. Out: flame
//! graphs, labels and series. A profile type is a `kind` of `stack_samples`, a label one of its columns. Deliberately not here: what
//! stores profiles; streaming; gRPC.

mod asked;
mod labels;
mod querier;
mod record;
mod render;
mod selector;
mod series;

pub(super) use querier::call;
pub(super) use render::{diff, label_names, label_values, render};

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::flamegraph::{Format, Question, Root, Window, literal, within};
use crate::format::objects;
use crate::sql::{Query, SqlEngine};

/// Rows of an answer that is no flame graph.
const ROWS_MAX: usize = 100_000;
const NS_PER_MS: i64 = 1_000_000;
/// Frames of a flame graph, unless it says otherwise, and the most.
const NODES_DEFAULT: i64 = 16_384;
const NODES_MAX: i64 = 1_000_000;

/// The window between two times in milliseconds, the last one in it; all of it when none is named.
fn window(start_ms: i64, end_ms: i64) -> Window {
    match (start_ms, end_ms) {
        (0, 0) => Window { from: 0, until: i64::MAX },
        (start, end) => {
            Window { from: start.saturating_mul(NS_PER_MS), until: end.saturating_add(1).saturating_mul(NS_PER_MS) }
        }
    }
}

/// The samples of a profile type and a selector, as a flame graph is asked for.
fn question(profile_type: &str, condition: String, window: Window, nodes_max: Option<i64>) -> Question {
    let frames = nodes_max.filter(|nodes| *nodes > 0).unwrap_or(NODES_DEFAULT).min(NODES_MAX);
    Question {
        window,
        diff: None,
        where_: Some(condition),
        requests: None,
        kind: labels::kind(profile_type).to_owned(),
        root: Root::None,
        format: Format::Json,
        normalize: false,
        frames_max: usize::try_from(frames).unwrap_or(1),
    }
}

/// The rows of a query, not too many.
async fn rows(engine: &SqlEngine, query: String) -> Result<Vec<Map<String, Value>>, Problem> {
    let mut rows = vec![];
    // one more shows that they are too many
    for batch in engine.query(Query { rows_max: Some(ROWS_MAX + 1), ..Query::new(query) }).await?.collect().await? {
        let lines = objects(&batch).map_err(|e| Problem::from(crate::format::FormatError::from(e)))?;
        rows.extend(lines.iter().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok()));
    }
    if rows.len() > ROWS_MAX {
        let detail = format!("the answer has more than {ROWS_MAX} values");
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "limit reached", detail);
        return Err(problem.hint("ask for a shorter window, a longer step or fewer labels"));
    }
    Ok(rows)
}

/// `FROM … WHERE` of the samples of a window that meet a condition.
fn samples(window: Window, condition: &str) -> String {
    format!("FROM stack_samples WHERE {} AND ({condition})", within(window))
}

/// The samples of one profile type.
fn of_type(profile_type: &str, condition: &str) -> String {
    format!("kind = {} AND ({condition})", literal(labels::kind(profile_type)))
}

//! Sums of samples over time, by labels.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{NS_PER_MS, labels, of_type, rows, samples};
use crate::api::problem::Problem;
use crate::flamegraph::Window;
use crate::sql::SqlEngine;

/// What a label's values are, in the order of the names, and the points: step number and sum.
pub type Series = BTreeMap<Vec<String>, Vec<(i64, i64)>>;

/// A step, in nanoseconds: as asked for, and as long as an answer of `STEPS_MAX` points needs it.
pub fn step_ns(window: Window, seconds: f64) -> i64 {
    const STEPS_MAX: i64 = 11_000;
    let asked = (seconds.clamp(0.0, 1e9) * 1e9) as i64;
    asked.max(window.until.saturating_sub(window.from) / STEPS_MAX).max(NS_PER_MS)
}

/// The samples of a profile type, summed by label values and steps; the step numbered n ends n steps after the window's begin.
pub(super) async fn sums(
    engine: &SqlEngine,
    profile_type: &str,
    condition: &str,
    window: Window,
    step_ns: i64,
    by: &[String],
) -> Result<Series, Problem> {
    let columns: String = by.iter().enumerate().map(|(n, name)| format!("{} AS l{n}, ", labels::expression(name))).collect();
    let names: String = (0..by.len()).map(|n| format!("l{n}, ")).collect();
    let query = format!(
        "SELECT {names}step, sum(value) AS value FROM (SELECT {columns}(CAST(time AS BIGINT) - {} + {step_ns} - 1) / {step_ns} AS step, \
         value {}) GROUP BY {names}step ORDER BY {names}step",
        window.from,
        samples(window, &of_type(profile_type, condition)),
    );
    let mut series = Series::new();
    for row in rows(engine, query).await? {
        let values = (0..by.len()).map(|n| text(&row, &format!("l{n}"))).collect();
        let number = |name: &str| row.get(name).and_then(Value::as_i64).unwrap_or_default();
        series.entry(values).or_default().push((number("step"), number("value")));
    }
    Ok(series)
}

/// The largest series.
pub fn largest(series: Series, series_max: Option<i64>) -> Series {
    let Some(most) = series_max.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0) else { return series };
    let sum = |points: &[(i64, i64)]| points.iter().map(|(_, value)| i128::from(*value)).sum::<i128>();
    let mut largest: Vec<_> = series.into_iter().collect();
    largest.sort_by_key(|(_, points)| std::cmp::Reverse(sum(points)));
    largest.into_iter().take(most).collect()
}

pub fn text(row: &Map<String, Value>, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

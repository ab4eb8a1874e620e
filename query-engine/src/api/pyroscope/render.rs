//! `/pyroscope/render`, `/pyroscope/render-diff` and labels, as Pyroscope had them before its calls.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query as UrlQuery, State};
use serde_json::{Value, json};

use super::asked::Asked;
use super::{labels, querier, question, selector, series};
use crate::api::App;
use crate::api::problem::Problem;
use crate::flamegraph::{self, Flamebearer, Window};
use crate::sql::SqlEngine;

/// Points of a timeline.
const POINTS_MAX: i64 = 200;
const NS_PER_SECOND: i64 = 1_000_000_000;

type Given = BTreeMap<String, String>;

fn given<'a>(given: &'a Given, name: &str) -> Option<&'a str> {
    given.get(name).map(String::as_str).filter(|text| !text.is_empty())
}

/// One side: what is asked for in parameters whose names have a prefix.
struct Side {
    question: flamegraph::Question,
    profile_type: String,
    condition: String,
}

fn side(engine: &SqlEngine, parameters: &Given, names: [&str; 3]) -> Result<Side, Problem> {
    let [query, from, until] = names;
    let text = given(parameters, query).ok_or_else(|| {
        Problem::wrong_request(format!("{query} is missing"))
            .hint(r#"query=process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="nginx"}"#)
    })?;
    let (profile_type, condition) = selector::query(text).map_err(Problem::wrong_request)?;
    let window = window(engine, given(parameters, from), given(parameters, until))?;
    let nodes = given(parameters, "max-nodes").or(given(parameters, "maxNodes"));
    let nodes = nodes.map(|text| text.parse().map_err(|_| Problem::wrong_request(format!("max-nodes is no number: {text}"))));
    let question = question(profile_type, condition.clone(), window, nodes.transpose()?);
    Ok(Side { question, profile_type: profile_type.to_owned(), condition })
}

fn window(engine: &SqlEngine, from: Option<&str>, until: Option<&str>) -> Result<Window, Problem> {
    let now_ns = engine.store().now_ns();
    let window = Window {
        from: moment("from", from.unwrap_or("now-1h"), now_ns)?,
        until: moment("until", until.unwrap_or("now"), now_ns)?,
    };
    if window.until < window.from {
        return Err(Problem::wrong_request("until is before from"));
    }
    Ok(window)
}

/// A time in seconds, milliseconds or nanoseconds since 1970, in RFC 3339, or `now-1h`.
fn moment(name: &str, text: &str, now_ns: i64) -> Result<i64, Problem> {
    match (text.parse(), text.strip_prefix("now-")) {
        (Ok(number), _) => Ok(since_1970(number)),
        (_, Some(ago)) => Ok(flamegraph::time(name, &format!("-{ago}"), now_ns)?),
        _ => Ok(flamegraph::time(name, text, now_ns)?),
    }
}

/// Which unit a number is in shows by its size.
fn since_1970(number: i64) -> i64 {
    match number.unsigned_abs() {
        0..100_000_000_000 => number.saturating_mul(NS_PER_SECOND),
        100_000_000_000..100_000_000_000_000 => number.saturating_mul(1_000_000),
        _ => number,
    }
}

fn flamebearer(flame: &Flamebearer, format: &str, profile_type: &str) -> Value {
    json!({
        "version": 1,
        "flamebearer": {
            "names": flame.names,
            "levels": flame.levels,
            "numTicks": flame.total.saturating_add(flame.before),
            "maxSelf": flame.max_self,
        },
        "metadata": {
            "format": format,
            "spyName": "earshot",
            // a tick is a nanosecond, or a byte
            "sampleRate": if flame.unit == "ns" { 1_000_000_000 } else { 1 },
            "units": if flame.unit == "ns" { "samples" } else { "bytes" },
            "name": profile_type,
        },
    })
}

fn json_only(parameters: &Given) -> Result<(), Problem> {
    match given(parameters, "format") {
        None | Some("json") => Ok(()),
        Some(other) => Err(Problem::wrong_request(format!("this answers in json, not in {other}"))
            .hint("/api/v1/flamegraph has folded, pprof, speedscope and svg")),
    }
}

pub(in crate::api) async fn render(
    State(app): State<App>,
    UrlQuery(parameters): UrlQuery<Given>,
) -> Result<Json<Value>, Problem> {
    json_only(&parameters)?;
    let side = side(&app.engine, &parameters, ["query", "from", "until"])?;
    let flame = flamegraph::flamebearer(&app.engine, &side.question).await?;
    let mut answer = flamebearer(&flame, "single", &side.profile_type);
    answer["timeline"] = timeline(&app.engine, &side).await?;
    Ok(Json(answer))
}

async fn timeline(engine: &SqlEngine, side: &Side) -> Result<Value, Problem> {
    let window = side.question.window;
    let seconds = (window.until.saturating_sub(window.from) / NS_PER_SECOND / POINTS_MAX).max(1);
    let step_ns = seconds.saturating_mul(NS_PER_SECOND);
    let sums = series::sums(engine, &side.profile_type, &side.condition, window, step_ns, &[]).await?;
    let steps = usize::try_from(window.until.saturating_sub(window.from) / step_ns).unwrap_or_default() + 1;
    let mut samples = vec![0_i64; steps];
    for (step, value) in sums.into_values().flatten() {
        // here a point is where its step begins
        if let Some(sample) = usize::try_from(step - 1).ok().and_then(|step| samples.get_mut(step)) {
            *sample += value;
        }
    }
    Ok(json!({
        "startTime": window.from / NS_PER_SECOND,
        "samples": samples,
        "durationDelta": seconds,
        "watermarks": null,
    }))
}

pub(in crate::api) async fn diff(
    State(app): State<App>,
    UrlQuery(parameters): UrlQuery<Given>,
) -> Result<Json<Value>, Problem> {
    json_only(&parameters)?;
    let left = side(&app.engine, &parameters, ["leftQuery", "leftFrom", "leftUntil"])?;
    let right = side(&app.engine, &parameters, ["rightQuery", "rightFrom", "rightUntil"])?;
    let flame = flamegraph::compared(&app.engine, &left.question, &right.question).await?;
    let mut answer = flamebearer(&flame, "double", &right.profile_type);
    answer["leftTicks"] = flame.before.into();
    answer["rightTicks"] = flame.total.into();
    Ok(Json(answer))
}

pub(in crate::api) async fn label_names() -> Json<Vec<&'static str>> {
    Json(labels::names().collect())
}

pub(in crate::api) async fn label_values(
    State(app): State<App>,
    UrlQuery(parameters): UrlQuery<Given>,
) -> Result<Json<Vec<String>>, Problem> {
    let name = given(&parameters, "label").ok_or_else(|| Problem::wrong_request("label is missing"))?;
    let window = window(&app.engine, given(&parameters, "from"), given(&parameters, "until"))?;
    let asked = Asked {
        name: name.to_owned(),
        start_ms: window.from / super::NS_PER_MS,
        end_ms: window.until / super::NS_PER_MS,
        ..Asked::default()
    };
    Ok(Json(querier::values(&app.engine, &asked).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_shows_its_unit() {
        let second = 1_767_323_045;
        for number in [second, second * 1000, second * NS_PER_SECOND] {
            assert_eq!(since_1970(number), second * NS_PER_SECOND);
        }
    }
}

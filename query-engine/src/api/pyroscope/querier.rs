//! `/querier.v1.QuerierService/*`: calls of Connect (<https://connectrpc.com/docs/protocol/#unary-request>).

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::asked::{self, Asked};
use super::record::{Field, Record};
use super::{NS_PER_MS, labels, question, rows, samples, selector, series, window};
use crate::api::App;
use crate::api::body;
use crate::api::problem::Problem;
use crate::flamegraph::{self, Flamebearer};
use crate::sql::SqlEngine;

const PROTOBUF: &str = "application/proto";
const JSON: &str = "application/json";

/// How a call is encoded, and its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Codec {
    Protobuf,
    Json,
}

impl Codec {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
        match kind {
            PROTOBUF => Some(Codec::Protobuf),
            JSON => Some(Codec::Json),
            _ => None,
        }
    }

    fn asked(self, bytes: &[u8], known: asked::Fields) -> Result<Asked, Problem> {
        let asked = match self {
            Codec::Protobuf => Asked::protobuf(bytes, known),
            Codec::Json => serde_json::from_slice(bytes).ok().and_then(|value: Value| Asked::json(&value, known)),
        };
        let asked = asked.ok_or_else(|| Problem::wrong_request("the body is not the message that this call takes"))?;
        match asked.beyond {
            Some(field) => Err(unanswered(format!("the field {field} is not answered here"))),
            None => Ok(asked),
        }
    }

    fn answer(self, record: &Record) -> Response {
        let (kind, bytes) = match self {
            Codec::Protobuf => (PROTOBUF, record.protobuf()),
            Codec::Json => (JSON, record.json().to_string().into_bytes()),
        };
        with_type(StatusCode::OK, kind, bytes)
    }
}

fn with_type(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = (status, bytes).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(in crate::api) async fn call(
    State(app): State<App>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(codec) = Codec::of(&headers) else {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    };
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return failed(&unanswered("a compressed request is not read here"));
    }
    let answered = match body::read(body).await {
        Ok(bytes) if method == "SelectMergeProfile" => profile(&app.engine, codec, &bytes).await,
        Ok(bytes) => answer(&app.engine, &method, codec, &bytes).await.map(|record| codec.answer(&record)),
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(|problem| failed(&problem))
}

/// What Pyroscope has and earshot has not.
fn unanswered(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not answered here", detail)
}

/// An error is JSON in either encoding, with a code in place of a status.
fn failed(problem: &Problem) -> Response {
    let code = match problem.status {
        StatusCode::BAD_REQUEST => "invalid_argument",
        StatusCode::NOT_FOUND => "unimplemented",
        StatusCode::FORBIDDEN => "permission_denied",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "deadline_exceeded",
        StatusCode::UNPROCESSABLE_ENTITY | StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => {
            "resource_exhausted"
        }
        _ => "internal",
    };
    let error = json!({ "code": code, "message": problem.detail });
    with_type(problem.status, JSON, error.to_string().into_bytes())
}

async fn answer(engine: &SqlEngine, method: &str, codec: Codec, bytes: &[u8]) -> Result<Record, Problem> {
    match method {
        "ProfileTypes" => profile_types(engine, codec.asked(bytes, asked::PROFILE_TYPES)?).await,
        "LabelNames" => {
            codec.asked(bytes, asked::LABEL_NAMES)?;
            Ok(Record(vec![(1, "names", Field::Texts(labels::names().map(str::to_owned).collect()))]))
        }
        "LabelValues" => label_values(engine, codec.asked(bytes, asked::LABEL_VALUES)?).await,
        "Series" => label_sets(engine, codec.asked(bytes, asked::SERIES)?).await,
        "SelectMergeStacktraces" => stacktraces(engine, codec.asked(bytes, asked::STACKTRACES)?).await,
        "SelectSeries" => select_series(engine, codec.asked(bytes, asked::SELECT_SERIES)?).await,
        "Diff" => diff(engine, codec.asked(bytes, asked::DIFF)?).await,
        "GetProfileStats" => profile_stats(engine).await,
        _ => Err(unanswered(format!("the call {method} is not answered here"))),
    }
}

/// The condition of all of a call's selectors.
fn condition(asked: &Asked) -> Result<String, Problem> {
    selector::all(&asked.selectors).map_err(Problem::wrong_request)
}

/// The values of a label that samples have.
pub(super) async fn values(engine: &SqlEngine, asked: &Asked) -> Result<Vec<String>, Problem> {
    let from = samples(window(asked.start_ms, asked.end_ms), &condition(asked)?);
    let query = format!("SELECT DISTINCT {} AS label {from} ORDER BY label", labels::expression(&asked.name));
    let values = rows(engine, query).await?.iter().map(|row| series::text(row, "label")).collect::<Vec<_>>();
    Ok(values.into_iter().filter(|value| !value.is_empty()).collect())
}

async fn profile_types(engine: &SqlEngine, mut asked: Asked) -> Result<Record, Problem> {
    asked.name = labels::PROFILE_TYPE.to_owned();
    let types = values(engine, &asked).await?.into_iter().map(|id| {
        let parts: Vec<&str> = id.split(':').collect();
        let part = |n: usize| Field::Text(parts.get(n).copied().unwrap_or_default().to_owned());
        Record(vec![
            (2, "name", part(0)),
            (4, "sampleType", part(1)),
            (5, "sampleUnit", part(2)),
            (6, "periodType", part(3)),
            (7, "periodUnit", part(4)),
            (1, "ID", Field::Text(id.clone())),
        ])
    });
    Ok(Record(vec![(1, "profileTypes", Field::Many(types.collect()))]))
}

async fn label_values(engine: &SqlEngine, asked: Asked) -> Result<Record, Problem> {
    Ok(Record(vec![(1, "names", Field::Texts(values(engine, &asked).await?))]))
}

/// Pairs of names and values, without those that are empty.
fn pairs(names: &[String], values: &[String]) -> Field {
    let pair = |(name, value): (&String, &String)| {
        Record(vec![(1, "name", Field::Text(name.clone())), (2, "value", Field::Text(value.clone()))])
    };
    Field::Many(names.iter().zip(values).filter(|(_, value)| !value.is_empty()).map(pair).collect())
}

/// The combinations of labels that samples have.
async fn label_sets(engine: &SqlEngine, mut asked: Asked) -> Result<Record, Problem> {
    if asked.labels.is_empty() {
        asked.labels = labels::names().map(str::to_owned).collect();
    }
    let columns: Vec<String> =
        asked.labels.iter().enumerate().map(|(n, name)| format!("{} AS l{n}", labels::expression(name))).collect();
    let from = samples(window(asked.start_ms, asked.end_ms), &condition(&asked)?);
    let found = rows(engine, format!("SELECT DISTINCT {} {from} ORDER BY l0", columns.join(", "))).await?;
    let sets = found.iter().map(|row| {
        let values: Vec<String> = (0..asked.labels.len()).map(|n| series::text(row, &format!("l{n}"))).collect();
        Record(vec![(1, "labels", pairs(&asked.labels, &values))])
    });
    Ok(Record(vec![(2, "labelsSet", Field::Many(sets.collect()))]))
}

fn flame_question(asked: &Asked) -> Result<flamegraph::Question, Problem> {
    let window = window(asked.start_ms, asked.end_ms);
    Ok(question(&asked.profile_type, condition(asked)?, window, asked.nodes_max))
}

fn levels(flame: Flamebearer) -> Vec<(u64, &'static str, Field)> {
    let levels = flame.levels.into_iter().map(|values| Record(vec![(1, "values", Field::Integers(values))])).collect();
    vec![(1, "names", Field::Texts(flame.names)), (2, "levels", Field::Many(levels))]
}

async fn stacktraces(engine: &SqlEngine, asked: Asked) -> Result<Record, Problem> {
    let flame = flamegraph::flamebearer(engine, &flame_question(&asked)?).await?;
    let (total, max_self) = (flame.total, flame.max_self);
    let mut fields = levels(flame);
    fields.extend([(3, "total", Field::Integer(total)), (4, "maxSelf", Field::Integer(max_self))]);
    Ok(Record(vec![(1, "flamegraph", Field::One(Record(fields)))]))
}

async fn diff(engine: &SqlEngine, asked: Asked) -> Result<Record, Problem> {
    let (Some(left), Some(right)) = (&asked.left, &asked.right) else {
        return Err(Problem::wrong_request("a comparison has a left and a right side"));
    };
    let flame = flamegraph::compared(engine, &flame_question(left)?, &flame_question(right)?).await?;
    let (before, after, max_self) = (flame.before, flame.total, flame.max_self);
    let mut fields = levels(flame);
    fields.extend([
        (3, "total", Field::Integer(before.saturating_add(after))),
        (4, "maxSelf", Field::Integer(max_self)),
        (5, "leftTicks", Field::Integer(before)),
        (6, "rightTicks", Field::Integer(after)),
    ]);
    Ok(Record(vec![(1, "flamegraph", Field::One(Record(fields)))]))
}

/// A profile for `pprof`, as the protocol buffer that it is.
async fn profile(engine: &SqlEngine, codec: Codec, bytes: &[u8]) -> Result<Response, Problem> {
    let asked = codec.asked(bytes, asked::PROFILE)?;
    if codec == Codec::Json {
        return Err(unanswered(format!("a profile is answered in protocol buffers ({PROTOBUF})")));
    }
    let profile = flamegraph::profile(engine, &flame_question(&asked)?).await?;
    Ok(with_type(StatusCode::OK, PROTOBUF, profile))
}

/// Whether there are samples, and since when.
async fn profile_stats(engine: &SqlEngine) -> Result<Record, Problem> {
    let query = "SELECT min(CAST(time AS BIGINT)) AS oldest, max(CAST(time AS BIGINT)) AS newest FROM stack_samples";
    let found = rows(engine, query.to_owned()).await?;
    let at_ms = |name: &str| found.first().and_then(|row| row.get(name)?.as_i64()).map(|ns| ns / NS_PER_MS);
    let (oldest, newest) = (at_ms("oldest"), at_ms("newest"));
    Ok(Record(vec![
        (1, "dataIngested", Field::Truth(newest.is_some())),
        (2, "oldestProfileTime", Field::Integer(oldest.unwrap_or_default())),
        (3, "newestProfileTime", Field::Integer(newest.unwrap_or_default())),
    ]))
}

async fn select_series(engine: &SqlEngine, asked: Asked) -> Result<Record, Problem> {
    let window = window(asked.start_ms, asked.end_ms);
    let step_ns = series::step_ns(window, asked.step_seconds);
    let sums = series::sums(engine, &asked.profile_type, &condition(&asked)?, window, step_ns, &asked.labels).await?;
    let series = series::largest(sums, asked.series_max).into_iter().map(|(values, points)| {
        let points = points.into_iter().map(|(step, value)| {
            let at_ms = asked.start_ms.saturating_add(step.saturating_mul(step_ns) / NS_PER_MS);
            Record(vec![(1, "value", Field::Double(value as f64)), (2, "timestamp", Field::Integer(at_ms))])
        });
        Record(vec![(1, "labels", pairs(&asked.labels, &values)), (2, "points", Field::Many(points.collect()))])
    });
    Ok(Record(vec![(1, "series", Field::Many(series.collect()))]))
}

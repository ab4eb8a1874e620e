//! `/api/v1/sql`: a query in, rows out as they are made.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::App;
use super::problem::Problem;
use super::{body, negotiate};
use crate::format::{Encoder, Format};
use crate::sql::{Query, QueryStream, SqlEngine};

/// A question, from a JSON body or a URL.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    query: String,
    timeout_ms: Option<u64>,
    limit: Option<u64>,
}

pub(super) async fn post(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let body = body::read(body).await?;
    let question: Question = serde_json::from_slice(&body).map_err(|e| {
        Problem::wrong_request(format!("the body is not as expected: {e}"))
            .hint(r#"send {"query": "SELECT …", "timeout_ms": 1000, "limit": 10}; the last two may be left out"#)
    })?;
    answer(&app.engine, &headers, question).await
}

pub(super) async fn get(
    State(app): State<App>,
    headers: HeaderMap,
    question: Result<UrlQuery<Question>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(question) =
        question.map_err(|e| Problem::wrong_request(e.body_text()).hint("GET /api/v1/sql?query=SELECT%201"))?;
    answer(&app.engine, &headers, question).await
}

async fn answer(engine: &SqlEngine, headers: &HeaderMap, question: Question) -> Result<Response, Problem> {
    let format = negotiate::format(headers)?;
    let query = Query {
        text: question.query,
        timeout: question.timeout_ms.map(Duration::from_millis),
        rows_max: question.limit.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX)),
    };
    let mut rows = engine.query(query).await?;
    let mut encoder = Encoder::new(format, rows.schema())?;
    // the first rows are waited for: until then a failure can still have its own status
    let first = match rows.next().await {
        Some(batch) => Some(encoder.batch(&batch?)?),
        None => None,
    };
    let body = match first {
        Some(first) => Body::from_stream(rest(first, rows, encoder, format)),
        None => Body::from(encoder.finish()?),
    };
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn rest(
    first: Vec<u8>,
    mut rows: QueryStream,
    mut encoder: Encoder,
    format: Format,
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    async_stream::stream! {
        yield Ok(Bytes::from(first));
        loop {
            let encoded = match rows.next().await {
                None => break,
                Some(batch) => batch.map_err(Problem::from).and_then(|batch| Ok(encoder.batch(&batch)?)),
            };
            match encoded {
                Ok(bytes) => yield Ok(Bytes::from(bytes)),
                Err(problem) => {
                    yield last_words(&problem, format);
                    return;
                }
            }
        }
        match encoder.finish() {
            Ok(bytes) => yield Ok(Bytes::from(bytes)),
            Err(error) => yield last_words(&error.into(), format),
        }
    }
}

/// How an answer that has begun says that it failed.
fn last_words(problem: &Problem, format: Format) -> Result<Bytes, std::io::Error> {
    let error = json!({ "error": problem.json() });
    match format {
        Format::Json => Ok(Bytes::from(format!("{error}\n"))),
        Format::JsonList => Ok(Bytes::from(format!(",{error}]\n"))),
        // a row of CSV or Arrow cannot say it: the answer is left without its end, which every client notices
        Format::Table | Format::Csv | Format::Arrow => Err(std::io::Error::other(problem.detail.clone())),
    }
}

/// A stream's item type that cannot fail.
pub(super) type Never = Infallible;

//! `/api/v1/flamegraph`: a window, filters and a format in, one file out.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;
use crate::flamegraph::{self, Parameters, WrongParameter};

/// What a drawing may do when a browser opens it: run its own script, and load nothing.
const DRAWING_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; sandbox allow-scripts allow-modals";

impl From<WrongParameter> for Problem {
    fn from(wrong: WrongParameter) -> Self {
        Problem::wrong_request(wrong.detail).hint(wrong.hint)
    }
}

pub(super) async fn get(
    State(app): State<App>,
    parameters: Result<UrlQuery<Parameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(parameters) =
        parameters.map_err(|e| Problem::wrong_request(e.body_text()).hint("GET /api/v1/flamegraph?from=-5m&format=svg"))?;
    let question = parameters.read(app.engine.store().now_ns())?;
    let answer = flamegraph::answer(&app.engine, &question).await?;
    let mut response = answer.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DRAWING_POLICY));
    Ok(response)
}

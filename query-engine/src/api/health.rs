//! `/healthz`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.ready.is_set() && !*app.stopped.borrow() {
        return Ok("ready\n");
    }
    let detail = "not every probe is attached and every port open, or earshot is stopping";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not ready", detail))
}

pub(super) async fn metrics(State(app): State<App>) -> Response {
    let text = app.config.metrics.map_or_else(String::new, |render| render());
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}

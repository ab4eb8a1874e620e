//! `/healthz`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;

/// Says what the crate's metrics mean, for their help lines.
pub(super) fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!("earshot_stored_rows_total", "Rows that reached the store.");
    describe_counter!("earshot_refused_rows_total", "Rows that the store refused for their shape.");
    describe_counter!("earshot_evicted_rows_total", "Rows that the memory budget pushed out.");
    describe_counter!("earshot_evicted_bytes_total", "Memory of the rows that the budget pushed out.");
    describe_counter!("earshot_damaged_files_total", "Stored tables that could not be read back.");
    describe_counter!("earshot_stream_lost_rows_total", "Rows that a follower was too slow for.");
    describe_counter!("earshot_queries_total", "Queries by what became of them before their first row.");
    describe_counter!("earshot_refused_requests_total", "HTTP requests refused for their token or their origin.");
    describe_gauge!("earshot_store_rows", "Rows in the store.");
    describe_gauge!("earshot_store_bytes", "Memory of the rows in the store.");
}

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

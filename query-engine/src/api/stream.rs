//! `/api/v1/stream`: new rows as server-sent events, one row an event.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as UrlQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::problem::Problem;
use super::sql::Never;
use super::{App, until};
use crate::format::objects;
use crate::sql::FollowStream;

/// How often a silent stream says that it lives, so that proxies and readers keep it.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    query: String,
}

pub(super) async fn get(
    State(app): State<App>,
    question: Result<UrlQuery<Question>, QueryRejection>,
) -> Result<Response, Problem> {
    let UrlQuery(question) = question
        .map_err(|e| Problem::wrong_request(e.body_text()).hint("GET /api/v1/stream?query=SELECT%20*%20FROM%20requests"))?;
    let rows = app.engine.follow(question.query).await?;
    let events = events(rows, until(app.stopped));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL)).into_response())
}

/// Rows as plain events; `lost` says how many rows this reader was too slow for so far, `failed` is the last event.
fn events(
    mut rows: FollowStream,
    stopped: impl Future<Output = ()> + Send,
) -> impl futures::Stream<Item = Result<Event, Never>> {
    async_stream::stream! {
        let mut stopped = Box::pin(stopped);
        let mut told = 0;
        loop {
            let batch = tokio::select! {
                batch = rows.next() => batch,
                () = &mut stopped => return,
            };
            let lost = rows.lost_rows();
            if lost > told {
                told = lost;
                yield Ok(Event::default().event("lost").data(json!({ "rows": lost }).to_string()));
            }
            let objects = match batch {
                None => return,
                Some(Ok(batch)) => objects(&batch).map_err(|e| Problem::from(crate::format::FormatError::from(e))),
                Some(Err(error)) => Err(error.into()),
            };
            match objects {
                Ok(objects) => {
                    for object in objects {
                        yield Ok(Event::default().data(object));
                    }
                }
                Err(problem) => {
                    yield Ok(Event::default().event("failed").data(json!({ "error": problem.json() }).to_string()));
                    return;
                }
            }
        }
    }
}

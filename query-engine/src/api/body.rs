//! A request's body, bounded.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;

use super::problem::Problem;
use crate::sql::QUERY_BYTES_MAX;

/// Longest body that is kept: JSON may write each byte of the longest query as six.
const BODY_BYTES_MAX: usize = 6 * QUERY_BYTES_MAX + (64 << 10);
/// Longest body that is read at all. What is too long is read to its end, since a client that is still sending would see a
/// broken connection instead of the answer.
const DRAIN_BYTES_MAX: usize = 64 << 20;
/// How long a body may take.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIME_MAX, read_all(body)).await {
        Ok(read) => read,
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_TIME_MAX.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body too slow", detail))
        }
    }
}

async fn read_all(body: Body) -> Result<Bytes, Problem> {
    let mut parts = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|e| Problem::wrong_request(format!("the body broke off: {e}")))?;
        seen += part.len();
        if seen <= BODY_BYTES_MAX {
            kept.extend_from_slice(&part);
        } else {
            kept = BytesMut::new();
        }
        if seen > DRAIN_BYTES_MAX {
            break;
        }
    }
    if seen > BODY_BYTES_MAX {
        let detail = format!("the body is longer than {BODY_BYTES_MAX} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "query too long", detail));
    }
    Ok(kept.freeze())
}

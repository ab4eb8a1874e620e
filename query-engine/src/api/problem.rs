//! Errors as `application/problem+json` (RFC 9457): `title, status, detail, hint`, and the place of a SQL error.

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::format::FormatError;
use crate::sql::{Place, SqlError, SqlErrorKind};

#[derive(Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub title: &'static str,
    pub detail: String,
    pub hint: Option<String>,
    pub place: Option<Place>,
}

impl Problem {
    pub fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), hint: None, place: None }
    }

    pub fn wrong_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "wrong request", detail)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What a failed answer ends with when its status was already sent.
    pub fn json(&self) -> Value {
        let mut json = json!({
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "hint": self.hint,
        });
        if let Some(place) = self.place {
            json["position"] = place.position.into();
            json["line"] = place.line.into();
            json["column"] = place.column.into();
        }
        json
    }
}

impl From<SqlError> for Problem {
    fn from(error: SqlError) -> Self {
        let (status, title) = match error.kind {
            SqlErrorKind::Wrong => (StatusCode::BAD_REQUEST, "wrong query"),
            SqlErrorKind::Forbidden => (StatusCode::FORBIDDEN, "not allowed"),
            SqlErrorKind::TextTooLong => (StatusCode::PAYLOAD_TOO_LARGE, "query too long"),
            SqlErrorKind::Exhausted => (StatusCode::UNPROCESSABLE_ENTITY, "limit reached"),
            SqlErrorKind::Busy => (StatusCode::TOO_MANY_REQUESTS, "too many queries at once"),
            SqlErrorKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            SqlErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "earshot failed"),
        };
        Self { status, title, detail: error.message, hint: error.hint, place: error.place }
    }
}

impl From<FormatError> for Problem {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Sql(error) => error.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "earshot failed", other.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong method", detail).hint("see /api/openapi.json")
}

pub(super) fn not_found(path: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found", format!("there is no {path}")).hint("see /api/openapi.json")
}

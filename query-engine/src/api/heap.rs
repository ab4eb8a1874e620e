//! `/api/v1/heap`: a process and a time in; its heap is profiled for so long, and what was seen comes out.
//!
//! Who profiles is not known here: somebody who can was named when the server was made, or nobody was.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::problem::Problem;
use super::{App, body, until};

/// How long a heap is profiled.
pub const HEAP_SECONDS_DEFAULT: u64 = 10;
pub const HEAP_SECONDS_MAX: u64 = 60;
/// How often it is looked whether there is anything left to profile.
const LOOK: Duration = Duration::from_millis(200);
const EXAMPLE: &str = r#"send {"pid": 1234, "seconds": 10, "every_bytes": 524288}; the last two may be left out"#;

/// Which process, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeapQuestion {
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// A sample stands for at least so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_bytes: Option<u64>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct HeapAnswer {
    pub pid: u32,
    /// RFC 3339, as the flame graph takes them.
    pub from: String,
    pub until: String,
    pub allocations: u64,
    pub allocated_bytes: u64,
    pub frees: u64,
    pub samples: u64,
    pub sampled_bytes: u64,
    /// null where it is not seen what is given back.
    pub live_bytes: Option<u64>,
    pub unwatched: u64,
    pub functions: Vec<String>,
    pub refused: Vec<String>,
}

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeapRefusal {
    NoProcess(String),
    /// It has nothing that could be profiled, or the kernel refuses.
    NotPossible(String),
    Busy(String),
    /// Nothing is captured, or not here.
    Unavailable(String),
}

/// Profiles heaps, one at a time. Both calls may take a while.
pub trait HeapProfiler: Send + Sync {
    fn start(&self, question: HeapQuestion) -> Result<Box<dyn HeapRun>, HeapRefusal>;
}

/// One that goes on until it is finished or dropped.
pub trait HeapRun: Send {
    fn is_over(&self) -> bool;
    fn finish(self: Box<Self>) -> HeapAnswer;
}

impl From<HeapRefusal> for Problem {
    fn from(refusal: HeapRefusal) -> Self {
        let (status, title, detail) = match refusal {
            HeapRefusal::NoProcess(detail) => (StatusCode::NOT_FOUND, "no such process", detail),
            HeapRefusal::NotPossible(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "nothing to profile", detail),
            HeapRefusal::Busy(detail) => (StatusCode::CONFLICT, "one at a time", detail),
            HeapRefusal::Unavailable(detail) => (StatusCode::SERVICE_UNAVAILABLE, "not available", detail),
        };
        Problem::new(status, title, detail)
    }
}

pub(super) async fn post(State(app): State<App>, body: HttpBody) -> Result<Json<HeapAnswer>, Problem> {
    let body = body::read(body).await?;
    let question: HeapQuestion = serde_json::from_slice(&body)
        .map_err(|e| Problem::wrong_request(format!("the body is not as expected: {e}")).hint(EXAMPLE))?;
    let seconds = question.seconds.unwrap_or(HEAP_SECONDS_DEFAULT);
    if !(1..=HEAP_SECONDS_MAX).contains(&seconds) {
        let detail = format!("seconds is {seconds}");
        return Err(Problem::wrong_request(detail).hint(format!("from 1 to {HEAP_SECONDS_MAX}")));
    }
    let nobody = || HeapRefusal::Unavailable("this earshot captures nothing".to_owned());
    let profiler: Arc<dyn HeapProfiler> = app.config.heap.clone().ok_or_else(nobody)?;
    let run = unblocked(move || profiler.start(question)).await??;
    let ends = Instant::now() + Duration::from_secs(seconds);
    // when the client goes away this is dropped, and the run with it
    while Instant::now() < ends && !run.is_over() && !*app.stopped.borrow() {
        let pause = LOOK.min(ends.saturating_duration_since(Instant::now()));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = until(app.stopped.clone()) => {}
        }
    }
    Ok(Json(unblocked(move || run.finish()).await?))
}

async fn unblocked<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "earshot failed", "the heap profile broke off");
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

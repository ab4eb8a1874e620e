//! The HTTP API and the page.
//!
//! In: requests from this host, or, with a token, from others. Out: rows, catalogue, health, metrics, page; every error as
//! `application/problem+json`. The only place that knows HTTP. Deliberately not here: TLS, sessions, anything that writes.

mod access;
mod body;
mod catalogue;
mod flamegraph;
mod health;
mod heap;
mod negotiate;
mod openapi;
mod page;
mod problem;
mod pyroscope;
mod sql;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use access::same;
pub use heap::{HEAP_SECONDS_DEFAULT, HEAP_SECONDS_MAX, HeapAnswer, HeapProfiler, HeapQuestion, HeapRefusal, HeapRun};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::sql::SqlEngine;

/// How long answers in flight may go on after a stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// Renders all metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What a server needs to know besides its address.
#[derive(Clone, Default)]
pub struct ServerConfig {
    /// Asked of every request for data when set; needed for an address that is not loopback.
    pub token: Option<String>,
    /// What `/metrics` answers; nothing without it.
    pub metrics: Option<MetricsText>,
    /// Who profiles heaps; nobody where nothing is captured.
    pub heap: Option<Arc<dyn HeapProfiler>>,
}

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {addr}: {error}")]
    Listen { addr: SocketAddr, error: std::io::Error },
    #[error("refusing to listen on {addr} without a token: anybody who reaches it could read the captured traffic")]
    NeedsToken { addr: SocketAddr },
}

/// Says that everything is attached and listening; until then `/readyz` is 503.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A listening server that does not answer yet.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    ready: Ready,
    config: ServerConfig,
}

/// What handlers share.
#[derive(Clone)]
struct App {
    engine: SqlEngine,
    ready: Ready,
    config: ServerConfig,
    stopped: watch::Receiver<bool>,
}

/// Takes a port, and says which one when it cannot.
pub(crate) async fn listen(addr: SocketAddr, token: bool) -> Result<(TcpListener, SocketAddr), BindError> {
    if !addr.ip().is_loopback() && !token {
        return Err(BindError::NeedsToken { addr });
    }
    let failed = |error| BindError::Listen { addr, error };
    let listener = TcpListener::bind(addr).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Server {
    pub async fn bind(addr: SocketAddr, config: ServerConfig) -> Result<Self, BindError> {
        let (listener, addr) = listen(addr, config.token.is_some()).await?;
        Ok(Self { listener, addr, ready: Ready::default(), config })
    }

    /// The address with its real port, also when port 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn ready(&self) -> Ready {
        self.ready.clone()
    }

    /// Answers until `stopped` is true, then finishes what it is answering, for two seconds at most.
    pub fn serve(self, engine: SqlEngine, stopped: watch::Receiver<bool>) -> BoxFuture<'static, std::io::Result<()>> {
        async move {
            health::describe();
            let app = App { engine, ready: self.ready, config: self.config, stopped: stopped.clone() };
            let listener = self.listener.tap_io(|connection| {
                // rows of a stream are small and wanted at once; without this they wait for an acknowledgement
                let _ = connection.set_nodelay(true);
            });
            let (asked, late) = (stopped.clone(), stopped);
            let serving = axum::serve(listener, router(app)).with_graceful_shutdown(until(asked));
            tokio::select! {
                served = serving => served,
                () = async { until(late).await; tokio::time::sleep(DRAIN_TIME_MAX).await } => Ok(()),
            }
        }
        .boxed()
    }
}

/// Waits for the stop; a dropped sender is one.
pub(crate) async fn until(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn router(app: App) -> Router {
    Router::new()
        .route("/api/v1/sql", post(sql::post).get(sql::get))
        .route("/api/v1/stream", get(stream::get))
        .route("/api/v1/flamegraph", get(flamegraph::get))
        .route("/api/v1/heap", post(heap::post))
        .route("/querier.v1.QuerierService/{call}", post(pyroscope::call))
        .route("/pyroscope/render", get(pyroscope::render))
        .route("/pyroscope/render-diff", get(pyroscope::diff))
        .route("/pyroscope/labels", get(pyroscope::label_names))
        .route("/pyroscope/label-values", get(pyroscope::label_values))
        .route("/api/v1/tables", get(catalogue::list))
        .route("/api/v1/tables/{name}", get(catalogue::one))
        .route("/api/openapi.json", get(openapi::get))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .fallback(page::get)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(from_fn_with_state(app.clone(), access::check))
        .with_state(app)
}

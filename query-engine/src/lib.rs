//! Store, SQL and API.
//!
//! In: Arrow record batches of declared tables. Out: answers to SQL over HTTP, PostgreSQL's protocol and, for commands,
//! directly. Knows nothing of kernels, probes or protocols (INV-4): it runs anywhere, without privileges.
//!
//! ```no_run
//! use std::sync::Arc;
//! use query_engine::{api, pgwire, sql, store};
//!
//! # async fn wiring(tables: Vec<&'static schema::Table>) -> Result<(), Box<dyn std::error::Error>> {
//! // ports and folder first: what cannot work is known before anything starts
//! let server = api::Server::bind("127.0.0.1:7117".parse()?, api::ServerConfig::default()).await?;
//! let pg = pgwire::Server::bind("127.0.0.1:7118".parse()?, None).await?;
//! let folder = store::DataDir::open("/var/lib/earshot")?;
//!
//! let store = store::Store::new(tables, store::StoreConfig::default());
//! store.load(&folder)?;
//! let engine = sql::SqlEngine::new(Arc::clone(&store), sql::Limits::default())?;
//!
//! let ready = server.ready();
//! let (stop, stopped) = tokio::sync::watch::channel(false);
//! let http = tokio::spawn(server.serve(engine.clone(), stopped.clone()));
//! let postgres = tokio::spawn(pg.serve(engine.clone(), stopped));
//! // capture threads call `store.append(table, batch)`
//! ready.set();
//!
//! stop.send(true)?;
//! http.await??;
//! postgres.await?;
//! store.save(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! Futures that run the engine are boxed: they are compiled here, and not once more in each program and test that waits for one.
//!
//! A command that has its rows already asks without a server: [`sql::SqlEngine::query`], then [`format::write`].

#![forbid(unsafe_code)]

pub mod api;
pub mod flamegraph;
pub mod format;
pub mod pgwire;
mod protobuf;
pub mod sql;
pub mod store;

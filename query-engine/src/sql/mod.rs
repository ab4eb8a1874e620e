//! SQL over the store: DataFusion behind limits.
//!
//! In: a query's text and its limits. Out: a schema and batches as they are made ([`QueryStream`]), or new rows as they
//! arrive ([`FollowStream`]), or a [`SqlError`] that says what, where and what to do.
//!
//! Every query is read-only, goes through the gate before anything of it is planned, runs on threads of its own (the API
//! stays responsive, deep plans have a deep stack) and ends when its stream is dropped. Knows no HTTP and no JSON.

mod breadth;
mod engine;
mod error;
mod follow;
mod functions;
mod gate;
mod limits;
mod place;
mod plan;
mod provider;
mod reads;
mod session;
mod time_range;
mod view;
mod yielding;

pub use engine::{Query, QueryStream, SqlEngine};
pub use error::{SqlError, SqlErrorKind};
pub use follow::FollowStream;

pub(crate) use gate::check_expression;
pub use limits::{Limits, QUERY_BYTES_MAX};
pub use place::Place;
pub use reads::Reads;
pub use view::requests_columns;

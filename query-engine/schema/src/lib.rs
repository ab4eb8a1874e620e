//! Tables and columns, declared once.
//!
//! In: a `table!` declaration (name, columns, types, units, meanings). Out: the [`Table`] that the catalogue, the reference
//! page and the page's types are made from, a plain row struct whose fields are the columns, and, with the feature `arrow`,
//! the Arrow schema and the [`batch::BatchBuilder`] that rows are written to.
//!
//! Knows no protocol, no SQL engine and no kernel; does no I/O.

#[cfg(feature = "arrow")]
pub mod batch;
mod column;
pub mod ids;
mod prefix;
mod row;
mod table;
pub mod tables;

pub use column::{Column, Redaction, Type, Unit, kinds};
pub use prefix::{HostPrefix, ProcessPrefix, TrafficPrefix, TrafficSuffix};
pub use row::{ColumnKind, ColumnWriter, Columns, Row, Value};
pub use table::{RequestsView, Table};

//! What the rows of a replay are for, and a sink that keeps no more of them than that.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use collector::batch::Sink;
use protocol_parsers::http1::{HttpEvent, body_columns, header_columns};
use query_engine::sql::{Reads, SqlEngine};
use query_engine::store::Store;
use schema::{Column, Table};

use crate::args::ReplayArgs;
use crate::exit::Failure;

pub enum Asked {
    /// For queries that are still to come.
    All,
    Query(Reads),
    /// To be counted.
    Counts,
}

impl Asked {
    pub async fn by(args: &ReplayArgs, engine: &SqlEngine) -> Result<Self, Failure> {
        match &args.sql {
            _ if args.serve => Ok(Asked::All),
            Some(query) => {
                Ok(Asked::Query(engine.reads(query).await.map_err(|e| Failure::Failed(crate::commands::sql::explained(&e)))?))
            }
            None => Ok(Asked::Counts),
        }
    }

    /// Whether a body is among what is asked for.
    pub fn bodies(&self) -> bool {
        body_columns().any(|column| self.column(HttpEvent::TABLE, column))
    }

    /// Whether headers are among what is asked for.
    pub fn headers(&self) -> bool {
        header_columns().any(|column| self.column(HttpEvent::TABLE, column))
    }

    fn table(&self, table: &Table) -> bool {
        match self {
            Asked::All | Asked::Counts => true,
            Asked::Query(reads) => reads.table(table),
        }
    }

    fn column(&self, table: &Table, column: &Column) -> bool {
        match self {
            Asked::All => true,
            Asked::Counts => false,
            Asked::Query(reads) => reads.column(table, column),
        }
    }
}

/// Keeps of the rows what is asked for.
pub struct AskedRows {
    pub store: Arc<Store>,
    pub asked: Asked,
}

impl Sink for AskedRows {
    fn rows(&self, table: &'static Table, batch: RecordBatch) {
        self.store.append(table, batch);
    }

    fn wants(&self, table: &Table) -> bool {
        self.asked.table(table)
    }

    fn wants_column(&self, table: &Table, column: &Column) -> bool {
        self.asked.column(table, column)
    }
}

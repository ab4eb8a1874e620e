//! One file a command.

pub mod doctor;
pub mod flamegraph;
pub mod heap;
pub mod record;
pub mod replay;
pub mod run;
pub mod sql;
pub mod tables;

/// Every table that earshot has.
pub fn all_tables() -> impl Iterator<Item = &'static schema::Table> {
    protocol_parsers::tables().chain(schema::tables::ALL.iter().copied())
}

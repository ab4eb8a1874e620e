//! Rows on standard output.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use clap::{Args, ValueEnum};
use query_engine::format::{Encoder, Format};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatName {
    Table,
    Json,
    Csv,
    Arrow,
}

#[derive(Args)]
pub struct FormatArg {
    /// How to print rows [default: table on a terminal, else json]
    #[arg(long)]
    pub format: Option<FormatName>,
}

impl FormatArg {
    pub fn chosen(&self) -> Format {
        let terminal = std::io::stdout().is_terminal();
        match self.format {
            Some(FormatName::Table) => Format::Table,
            Some(FormatName::Json) => Format::Json,
            Some(FormatName::Csv) => Format::Csv,
            Some(FormatName::Arrow) => Format::Arrow,
            None if terminal => Format::Table,
            None => Format::Json,
        }
    }
}

/// Prints batches of one schema.
pub fn print(format: Format, batch: &RecordBatch) -> anyhow::Result<()> {
    let mut encoder = Encoder::new(format, &batch.schema())?;
    let mut out = std::io::stdout().lock();
    out.write_all(&encoder.batch(batch)?)?;
    out.write_all(&encoder.finish()?)?;
    Ok(out.flush()?)
}

/// Rows of text.
pub fn text_rows(columns: &[(&str, Vec<Option<String>>)]) -> anyhow::Result<RecordBatch> {
    let arrays = columns.iter().map(|(name, values)| (*name, Arc::new(StringArray::from_iter(values)) as ArrayRef, true));
    Ok(RecordBatch::try_from_iter_with_nullable(arrays)?)
}

//! Arrow IPC stream, dictionaries written out so that every reader opens it.

use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

use super::columns::{plain, plain_schema};

pub(super) struct ArrowStream {
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
}

impl ArrowStream {
    pub fn new(schema: &Schema) -> Result<Self, ArrowError> {
        let schema = plain_schema(schema);
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), &schema)?, schema })
    }

    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
        let plain = plain(batch)?;
        debug_assert_eq!(plain.schema_ref().fields().len(), self.schema.fields().len());
        self.writer.write(&plain)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    pub fn finish(&mut self) -> Result<Vec<u8>, ArrowError> {
        self.writer.finish()?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

//! Tables as files, one a table: written at shutdown, read at the next start.
//!
//! A file `TABLE.arrows` is an Arrow IPC stream that any Arrow reader opens, followed by a trailer: length and checksum of
//! what precedes it, and the format's version. Only a file whose trailer fits is given to the Arrow reader, which trusts
//! lengths that it reads. A file is written beside its name and renamed, so that a crash leaves the old one.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;

use super::batch::{Sealed, TimeRange};
use super::{DataDir, DataDirError, Store};

/// Ends every file; the last character is the version of the format.
const MAGIC: &[u8; 8] = b"EARSHOT1";
const TRAILER_BYTES: u64 = 24;
const BUFFER_BYTES: usize = 1 << 20;
/// What a damaged file is renamed to, so that somebody can look at it and the next start is quiet.
const DAMAGED_SUFFIX: &str = "damaged";

/// A checksum against damage, not against malice: eight bytes a step, so that it costs less than the disk.
#[derive(Debug)]
struct Checksum {
    state: u64,
    length: u64,
    pending: [u8; 8],
}

impl Checksum {
    fn new() -> Self {
        Self { state: 0x9E37_79B9_7F4A_7C15, length: 0, pending: [0; 8] }
    }

    fn step(&mut self, word: [u8; 8]) {
        // the multiplication spreads every bit upwards, the rotation brings it back down
        self.state = (self.state ^ u64::from_le_bytes(word)).wrapping_mul(0xFF51_AFD7_ED55_8CCD).rotate_left(29);
    }

    fn update(&mut self, mut bytes: &[u8]) {
        let filled = (self.length % 8) as usize;
        self.length += bytes.len() as u64;
        if filled > 0 {
            let take = (8 - filled).min(bytes.len());
            self.pending[filled..filled + take].copy_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if filled + take < 8 {
                return;
            }
            self.step(self.pending);
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.step(*word);
        }
        self.pending[..rest.len()].copy_from_slice(rest);
    }

    fn finish(mut self) -> (u64, u64) {
        let filled = (self.length % 8) as usize;
        self.pending[filled..].fill(0);
        self.step(self.pending);
        (self.length, self.state ^ (self.state >> 32))
    }
}

struct ChecksumWriter<W> {
    to: W,
    sum: Checksum,
}

impl<W: Write> Write for ChecksumWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn file_name(table: &str) -> String {
    format!("{table}.arrows")
}

pub(super) fn save(store: &Store, dir: &DataDir) -> Result<u64, DataDirError> {
    let failed = |error| DataDirError::Write { path: dir.path().to_owned(), error };
    let mut rows = 0;
    for table in store.tables() {
        let Some(schema) = store.schema(table.name) else { continue };
        let batches = store.snapshot(table.name, TimeRange::ALL);
        let path = dir.path().join(file_name(table.name));
        let temporary = path.with_extension("tmp");
        write(&temporary, &schema, &batches).map_err(failed)?;
        std::fs::rename(&temporary, &path).map_err(failed)?;
        rows += batches.iter().map(|b| b.num_rows() as u64).sum::<u64>();
    }
    // the renames are in the folder, which is a file of its own
    File::open(dir.path()).and_then(|f| f.sync_all()).map_err(failed)?;
    Ok(rows)
}

fn write(path: &Path, schema: &SchemaRef, batches: &[RecordBatch]) -> io::Result<()> {
    let file = ChecksumWriter { to: BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?), sum: Checksum::new() };
    let mut writer = StreamWriter::try_new(file, schema).map_err(io::Error::other)?;
    for batch in batches {
        writer.write(batch).map_err(io::Error::other)?;
    }
    let ChecksumWriter { mut to, sum } = writer.into_inner().map_err(io::Error::other)?;
    let (length, sum) = sum.finish();
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&sum.to_le_bytes())?;
    to.write_all(MAGIC)?;
    to.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

pub(super) fn load(store: &Store, dir: &DataDir) -> Result<u64, DataDirError> {
    let mut found: Vec<(usize, Sealed)> = Vec::new();
    for (place, table) in store.tables().iter().enumerate() {
        let path = dir.path().join(file_name(table.name));
        let Some(schema) = store.schema(table.name) else { continue };
        match read(&path, &schema) {
            Ok(batches) => found.extend(batches.into_iter().filter_map(|b| Some((place, Sealed::new(b)?)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(DataDirError::Read { path, error });
            }
            Err(error) => set_aside(&path, table.name, &error),
        }
        // a smaller budget than when the files were written: hold no more than what will be kept
        drop_oldest(&mut found, store.config.memory_bytes_max);
    }
    // files are by table, eviction is by age: the newest row tells when a batch was sealed
    found.sort_by_key(|(_, batch)| batch.time.max);
    let rows = found.iter().map(|(_, b)| b.batch.num_rows() as u64).sum();
    for (place, batch) in found {
        store.restore(place, batch.batch);
    }
    Ok(rows)
}

fn drop_oldest(found: &mut Vec<(usize, Sealed)>, bytes_max: usize) {
    let mut bytes: usize = found.iter().map(|(_, b)| b.bytes).sum();
    if bytes <= bytes_max {
        return;
    }
    found.sort_by_key(|(_, batch)| batch.time.max);
    let excess = found
        .iter()
        .take_while(|(_, batch)| {
            let over = bytes > bytes_max;
            bytes -= if over { batch.bytes } else { 0 };
            over
        })
        .count();
    found.drain(..excess);
}

fn set_aside(path: &Path, table: &'static str, error: &io::Error) {
    let mut aside = PathBuf::from(path).into_os_string();
    aside.push(format!(".{DAMAGED_SUFFIX}"));
    metrics::counter!("earshot_damaged_files_total", "table" => table).increment(1);
    match std::fs::rename(path, &aside) {
        Ok(()) => tracing::warn!(file = %path.display(), moved_to = %Path::new(&aside).display(), %error,
            "a stored table is damaged or not earshot's: its rows are left out"),
        Err(rename) => tracing::warn!(file = %path.display(), %error, %rename,
            "a stored table is damaged or not earshot's, and cannot be moved aside: its rows are left out"),
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn read(path: &Path, schema: &SchemaRef) -> io::Result<Vec<RecordBatch>> {
    let mut file = File::open(path)?;
    let length = verify(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let reader =
        StreamReader::try_new(BufReader::with_capacity(BUFFER_BYTES, file.take(length)), None).map_err(io::Error::other)?;
    let mut batches = Vec::new();
    for batch in reader {
        batches.push(fitted(&batch.map_err(io::Error::other)?, schema)?);
    }
    Ok(batches)
}

/// Compares the trailer with the content; returns the content's length.
fn verify(file: &mut File) -> io::Result<u64> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(damaged("not a regular file"));
    }
    let length = meta.len().checked_sub(TRAILER_BYTES).ok_or_else(|| damaged("too short"))?;
    let mut sum = Checksum::new();
    let mut left = length;
    let mut buffer = vec![0; BUFFER_BYTES];
    while left > 0 {
        let part = &mut buffer[..left.min(BUFFER_BYTES as u64) as usize];
        file.read_exact(part)?;
        sum.update(part);
        left -= part.len() as u64;
    }
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact(&mut trailer)?;
    if &trailer[16..] != MAGIC {
        return Err(damaged("not in this version's format"));
    }
    let (counted, sum) = sum.finish();
    if trailer[..8] != counted.to_le_bytes() || trailer[8..16] != sum.to_le_bytes() {
        return Err(damaged("the checksum differs"));
    }
    Ok(length)
}

/// A batch as today's table has it: columns by name; a column that the file lacks, or has in a type that means something else, is null.
fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> io::Result<RecordBatch> {
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) if is_text(column.data_type()) && is_text(field.data_type()) => cast(column, field.data_type()),
            _ => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(io::Error::other)
}

/// Text, written out or with a dictionary: an earlier version may have had it in the other form.
fn is_text(ty: &DataType) -> bool {
    match ty {
        DataType::Dictionary(_, values) => is_text(values),
        other => *other == DataType::Utf8,
    }
}

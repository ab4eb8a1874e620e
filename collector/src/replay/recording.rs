//! earshot's own recordings: the kernel's records as they came.
//!
//! Layout, little endian: the magic, the layout version of `ebpf-abi` (u32), what to add to a record's time to get Unix time
//! (i64, nanoseconds); then for each record its length (u32) and its bytes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::capture::Stop;
use super::window::Window;
use super::{RECORDING_MAGIC, Summary};
use crate::connect::{Consumer, Event};
use crate::kernel::{Clock, decode};
use crate::live::{Recorder, forward};

/// A record is never longer: a header, a peer and a chunk.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Magic, version, clock.
const HEADER_BYTES: usize = RECORDING_MAGIC.len() + 4 + 8;

/// Tells `consumer` the records of a file whose magic has been seen.
pub fn read(mut window: Window<impl Read>, consumer: &mut dyn Consumer, summary: &mut Summary) -> Result<(), Stop> {
    if window.fill(HEADER_BYTES)? < HEADER_BYTES {
        return Err(Stop::damaged(0, "the header is cut"));
    }
    let header = window.consume(HEADER_BYTES);
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let mut offset = [0; 8];
    offset.copy_from_slice(&header[12..20]);
    if version != ebpf_abi::VERSION {
        return Err(Stop::damaged(8, "it was recorded by another version of earshot"));
    }
    let mut consumer = UnixTime { consumer, clock: Clock { offset_ns: i64::from_le_bytes(offset) } };
    loop {
        let at = window.offset();
        match window.fill(4)? {
            0 => return Ok(()),
            1..4 => return Err(Stop::damaged(at, "the last record is cut")),
            _ => {}
        }
        let len = window.consume(4);
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        if len == 0 || len > RECORD_BYTES_MAX {
            return Err(Stop::damaged(at, "a record has an impossible length"));
        }
        if window.fill(len)? < len {
            return Err(Stop::damaged(at, "the last record is cut"));
        }
        let bytes = window.consume(len);
        let record = decode(&bytes[..len]).ok_or_else(|| Stop::damaged(at, "a record is of no known kind"))?;
        summary.packets += 1;
        summary.bytes += len as u64;
        forward(&record, &mut consumer);
    }
}

/// Turns the recording host's monotonic times into Unix times.
struct UnixTime<'a> {
    consumer: &'a mut dyn Consumer,
    clock: Clock,
}

impl Consumer for UnixTime<'_> {
    fn event(&mut self, mut event: Event<'_>) {
        let at = match &mut event {
            Event::Opened(e) => &mut e.at_ns,
            Event::Data(e) => &mut e.at.mono_ns,
            Event::Plain(e) => &mut e.data.at.mono_ns,
            Event::End(e) => &mut e.at.mono_ns,
            Event::Closed(e) => &mut e.at_ns,
            Event::Owner(_) => return self.consumer.event(event),
        };
        *at = self.clock.unix_ns(*at).max(0) as u64;
        self.consumer.event(event);
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        self.consumer.lost(stage, reason, events, bytes);
    }
}

/// What a recording has come to, for whoever watches it.
#[derive(Clone, Default, Debug)]
pub struct Progress(Arc<State>);

#[derive(Default, Debug)]
struct State {
    records: AtomicU64,
    bytes: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Progress {
    pub fn records(&self) -> u64 {
        self.0.records.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Why writing stopped.
    pub fn error(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a recording; after the first error it writes nothing more.
pub struct Writer {
    file: BufWriter<File>,
    progress: Progress,
}

impl Writer {
    /// The file must not exist yet, and only its owner can read it.
    pub fn create(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&RECORDING_MAGIC)?;
        file.write_all(&ebpf_abi::VERSION.to_le_bytes())?;
        file.write_all(&Clock::of_this_host().offset_ns.to_le_bytes())?;
        Ok(Self { file, progress: Progress::default() })
    }

    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(&(bytes.len() as u32).to_le_bytes())?;
        self.file.write_all(bytes)
    }
}

impl Recorder for Writer {
    fn record(&mut self, bytes: &[u8]) {
        if self.progress.lock().is_some() {
            return;
        }
        match self.write(bytes) {
            Ok(()) => {
                self.progress.0.records.fetch_add(1, Ordering::Relaxed);
                self.progress.0.bytes.fetch_add(bytes.len() as u64 + 4, Ordering::Relaxed);
            }
            Err(error) => *self.progress.lock() = Some(error.to_string()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Err(error) = self.file.flush() {
            self.progress.lock().get_or_insert(error.to_string());
        }
    }
}

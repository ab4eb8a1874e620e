//! Functions that the compiler put into others: their names, where a program has debug information.
//!
//! In: a program's file, or the one with its debug information. Out: for an address, what was inlined there. One thread reads
//! the files, each when it is first asked for; until it is done only the physical functions are known, and so it is for good of a
//! file that has too much (see [`dwarf`]). Whoever asks first waits a moment, so that small programs are known from their first
//! sample on.

mod dwarf;
mod table;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use table::Table;

use crate::binary::elf::Elf;

/// Files that wait to be read.
const JOBS_MAX: usize = 64;
/// How long a sample's names wait for a file, when no other is being read.
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Job {
    file: Arc<File>,
    code: Vec<Range<u64>>,
    done: SyncSender<Table>,
}

/// The thread that reads; it ends with this.
#[derive(Debug, Default)]
pub struct Worker {
    jobs: Option<SyncSender<Job>>,
    waiting: Arc<AtomicUsize>,
}

/// What is known of one program.
#[derive(Debug)]
pub enum Inlined {
    /// There is no debug information, or none that can be had.
    Nothing,
    /// Of the file with it, and of where the program has code.
    Unasked(Arc<File>, Vec<Range<u64>>),
    Asked(Receiver<Table>),
    Known(Table),
}

impl Worker {
    /// None when too many wait: it may be tried again.
    fn ask(&mut self, file: &Arc<File>, code: &[Range<u64>]) -> Option<Receiver<Table>> {
        if self.jobs.is_none() {
            self.jobs = start(Arc::clone(&self.waiting));
        }
        let jobs = self.jobs.as_ref()?;
        let (done, answer) = sync_channel(1);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = jobs.try_send(Job { file: Arc::clone(file), code: code.to_vec(), done });
        if sent.is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        sent.ok().map(|()| answer)
    }

    /// Whether the only file that is read or waits is the one last asked for.
    fn is_free(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) <= 1
    }
}

/// Whether a file has debug information that can be read.
pub fn is_told_by(file: &File) -> bool {
    Elf::read(file).ok().flatten().is_some_and(|elf| dwarf::is_in(&elf))
}

fn start(waiting: Arc<AtomicUsize>) -> Option<SyncSender<Job>> {
    let (jobs, all) = sync_channel::<Job>(JOBS_MAX);
    let work = move || {
        for Job { file, code, done } in all {
            let table = dwarf::read(&file, &code).unwrap_or_default();
            waiting.fetch_sub(1, Ordering::Relaxed);
            // whoever asked may have let go of the program
            let _ = done.send(table);
        }
    };
    std::thread::Builder::new().name("inlined".to_owned()).spawn(work).ok().map(|_| jobs)
}

impl Inlined {
    /// Whether nothing more will become known.
    pub fn is_settled(&self) -> bool {
        matches!(self, Inlined::Nothing | Inlined::Known(_))
    }

    /// Appends what was inlined at an address, the outermost first.
    pub fn names_at(&mut self, address: u64, worker: &mut Worker, out: &mut Vec<String>) {
        if let Inlined::Unasked(file, code) = self {
            let Some(answer) = worker.ask(file, code) else { return };
            let patience = if worker.is_free() { PATIENCE } else { Duration::ZERO };
            *self = answered(answer, patience);
        }
        if let Inlined::Asked(_) = self
            && let Inlined::Asked(answer) = std::mem::replace(self, Inlined::Nothing)
        {
            *self = answered(answer, Duration::ZERO);
        }
        if let Inlined::Known(table) = self {
            out.extend(table.names_at(address).map(str::to_owned));
        }
    }

    pub fn bytes(&self) -> usize {
        if let Inlined::Known(table) = self { table.bytes() } else { 0 }
    }
}

fn answered(answer: Receiver<Table>, patience: Duration) -> Inlined {
    match answer.recv_timeout(patience) {
        Ok(table) if table.is_empty() => Inlined::Nothing,
        Ok(table) => Inlined::Known(table),
        Err(RecvTimeoutError::Timeout) => Inlined::Asked(answer),
        Err(RecvTimeoutError::Disconnected) => Inlined::Nothing,
    }
}

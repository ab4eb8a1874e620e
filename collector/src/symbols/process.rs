//! A process as far as its addresses are concerned: its code, its files, and what its runtime writes of code it makes.
//!
//! In: what `/proc` shows while the process is there; kept for a while when it has ended.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant, SystemTime};

use crate::kernel::Mapped;
use crate::libraries::files::{self, FileId};

use super::binaries::Binaries;
use super::maps::{self, Mapping, What};
use super::perf_map::PerfMap;
use super::separate::Place;

/// How often an address that is nowhere may have the list read again, and how often while the process is new: then it maps its
/// libraries.
const INTERVAL: Duration = Duration::from_millis(100);
const INTERVAL_NEW: Duration = Duration::from_millis(5);
const NEW: Duration = Duration::from_secs(1);
/// Libraries come and go at the same addresses: how long the list is believed.
const BELIEVED: Duration = Duration::from_secs(30);
/// How often it is looked whether a runtime has begun to write.
const PERF_MAP_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Process {
    pid: u32,
    mappings: Vec<Mapping>,
    /// None: it was gone before anything was seen.
    read: Option<Instant>,
    tried: Instant,
    seen: Instant,
    /// It is known that the list is no longer right.
    pub stale: bool,
    pub ended: Option<Instant>,
    pub used: Instant,
    uid: u32,
    started: Option<SystemTime>,
    /// Its ids from here to its innermost namespace.
    ids: Vec<u32>,
    perf_map: Option<PerfMap>,
    perf_map_tried: Option<Instant>,
}

impl Process {
    pub fn read(pid: u32, now: Instant) -> Process {
        let mut process = Process {
            pid,
            mappings: vec![],
            read: None,
            tried: now,
            seen: now,
            stale: false,
            ended: None,
            used: now,
            uid: std::fs::metadata(format!("/proc/{pid}")).map_or(0, |meta| meta.uid()),
            started: started(pid),
            ids: ids(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()),
            perf_map: None,
            perf_map_tried: None,
        };
        process.read_again(now);
        process
    }

    pub fn is_known(&self) -> bool {
        self.read.is_some()
    }

    pub fn bytes(&self) -> usize {
        let perf_map = self.perf_map.as_ref().map_or(0, PerfMap::bytes);
        size_of::<Process>() + self.mappings.iter().map(Mapping::bytes).sum::<usize>() + perf_map
    }

    /// What was opened for mappings that are still there stays.
    pub fn read_again(&mut self, now: Instant) {
        self.tried = now;
        let Some(mut mappings) = maps::read(self.pid) else { return };
        for mapping in &mut mappings {
            let known = maps::find(&self.mappings, mapping.mapped.start).map(|number| &self.mappings[number]);
            let same = known.filter(|m| m.mapped.inode == mapping.mapped.inode && m.mapped.device == mapping.mapped.device);
            mapping.file = same.and_then(|m| m.file.clone());
        }
        self.mappings = mappings;
        self.read = Some(now);
        self.stale = false;
    }

    pub fn mapping(&mut self, address: u64, now: Instant) -> Option<&mut Mapping> {
        self.used = now;
        let old = self.read.is_none_or(|read| now.saturating_duration_since(read) >= BELIEVED);
        let missing = maps::find(&self.mappings, address).is_none();
        let interval = if now.saturating_duration_since(self.seen) < NEW { INTERVAL_NEW } else { INTERVAL };
        let may = now.saturating_duration_since(self.tried) >= interval;
        if self.ended.is_none() && (self.stale || (may && (old || missing))) {
            self.read_again(now);
        }
        let number = maps::find(&self.mappings, address)?;
        self.mappings.get_mut(number)
    }

    /// Opens the files of its code, so that they can be read when it has ended.
    pub fn open_files(&mut self, binaries: &mut Binaries, now: Instant) {
        self.mappings.iter_mut().for_each(|mapping| open(mapping, binaries, now));
        if self.mappings.iter().any(|m| m.what == What::Anonymous) {
            self.open_perf_map(now);
        }
    }

    /// The name that the process's runtime gave to code that it made.
    pub fn own_name(&mut self, address: u64, now: Instant) -> Option<String> {
        self.open_perf_map(now);
        self.perf_map.as_mut()?.name(address, now)
    }

    fn open_perf_map(&mut self, now: Instant) {
        let may = self.perf_map_tried.is_none_or(|tried| now.saturating_duration_since(tried) >= PERF_MAP_INTERVAL);
        let (None, true, Some(inner)) = (&self.perf_map, may, self.ids.last()) else { return };
        self.perf_map_tried = Some(now);
        let own = format!("/proc/{}/root/tmp/perf-{inner}.map", self.pid);
        // of a process that has ended, in the namespace in which its id means it
        let here = (self.ids.len() == 1).then(|| format!("/tmp/perf-{inner}.map"));
        self.perf_map = [Some(own), here].iter().flatten().find_map(|path| PerfMap::open(path, self.uid, self.started));
    }
}

pub fn open(mapping: &mut Mapping, binaries: &mut Binaries, now: Instant) {
    let known = mapping.file.as_ref().is_some_and(|id| binaries.knows(id));
    if known || mapping.what != What::File {
        return;
    }
    if let Some((file, id)) = files::open(&mapping.mapped).or_else(|| open_here(&mapping.mapped)) {
        binaries.add(id.clone(), file, Place::new(mapping.mapped.pid, &mapping.mapped.path), now);
        mapping.file = Some(id);
    }
}

/// The process is gone: the same file in this mount namespace.
fn open_here(mapped: &Mapped) -> Option<(File, FileId)> {
    let path = std::str::from_utf8(&mapped.path).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    let meta = file.metadata().ok()?;
    let device = (libc::major(meta.dev()), libc::minor(meta.dev()));
    let same = meta.is_file() && meta.ino() == mapped.inode && device == mapped.device;
    same.then(|| (file, FileId::of(&meta)))
}

fn started(pid: u32) -> Option<SystemTime> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    let since_boot = Duration::from_secs(stat.starttime / procfs::ticks_per_second().max(1));
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(procfs::boot_time_secs().ok()?) + since_boot)
}

fn ids(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    line.split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_is_that_of_the_innermost_namespace() {
        assert_eq!(ids("Name:\tx\nNSpid:\t4711\t12\t3\nNSpgid:\t1\n"), [4711, 12, 3]);
        assert_eq!(ids("Name:\tx\n"), Vec::<u32>::new());
    }
}

//! Names of code that a runtime makes while it runs, from the file that it writes of them: `/tmp/perf-PID.map`.
//!
//! In: lines `START SIZE NAME`, numbers in hexadecimal; more are appended all the time. Out: the name for an address: where code
//! was replaced by other code, the later line holds.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant, SystemTime};

use super::demangle;

/// Of one file; lines behind are not read.
pub const FILE_BYTES_MAX: u64 = 16 << 20;
/// Lines that are kept: 12 MiB beside their names.
const ENTRIES_MAX: usize = 512 << 10;
/// Names are kept up to here.
const NAME_BYTES_MAX: usize = 512;
/// How often a file is looked at for more lines.
const INTERVAL: Duration = Duration::from_millis(100);
/// Entries looked through, from an address down, for those that it is inside of.
const STEPS_MAX: usize = 64;
const PIECE_BYTES: usize = 256 << 10;

#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u64,
    size: u32,
    /// Where its name is; rises with every line.
    name: u32,
    name_bytes: u16,
}

#[derive(Debug)]
pub struct PerfMap {
    file: File,
    /// How much of the file was read, in whole lines.
    read_bytes: u64,
    looked: Option<Instant>,
    entries: Vec<Entry>,
    names: String,
}

impl PerfMap {
    /// None: there is none, it belongs to another user, or is older than the process and so another's.
    pub fn open(path: &str, uid: u32, started: Option<SystemTime>) -> Option<PerfMap> {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
        let meta = file.metadata().ok()?;
        let own = meta.uid() == uid || meta.uid() == 0;
        let older = started.is_some_and(|started| meta.modified().is_ok_and(|modified| modified < started));
        (meta.is_file() && own && !older).then(|| PerfMap {
            file,
            read_bytes: 0,
            looked: None,
            entries: vec![],
            names: String::new(),
        })
    }

    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.names.capacity()
    }

    pub fn name(&mut self, address: u64, now: Instant) -> Option<String> {
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= INTERVAL) {
            self.looked = Some(now);
            self.read_more();
        }
        let after = self.entries.partition_point(|e| e.start <= address);
        let inside = |e: &&Entry| address - e.start < u64::from(e.size);
        let entry = self.entries[..after].iter().rev().take(STEPS_MAX).filter(inside).max_by_key(|e| e.name)?;
        let name = self.names.get(entry.name as usize..entry.name as usize + usize::from(entry.name_bytes))?;
        Some(demangle::readable(name))
    }

    fn read_more(&mut self) {
        let bytes = self.file.metadata().map_or(0, |meta| meta.len()).min(FILE_BYTES_MAX);
        if bytes < self.read_bytes {
            // begun anew
            self.read_bytes = 0;
            self.entries.clear();
            self.names.clear();
        }
        let mut piece = vec![];
        let before = self.entries.len();
        while self.read_bytes < bytes {
            let length = usize::try_from(bytes - self.read_bytes).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            piece.resize(length, 0);
            let Ok(read) = self.file.read_at(&mut piece, self.read_bytes) else { break };
            let Some(end) = piece[..read].iter().rposition(|b| *b == b'\n') else {
                // a line is still being written; one longer than a piece is none
                self.read_bytes += if read == PIECE_BYTES { read as u64 } else { 0 };
                break;
            };
            piece[..end].split(|b| *b == b'\n').for_each(|line| self.add(line));
            self.read_bytes += end as u64 + 1;
        }
        if self.entries.len() > before {
            self.entries.sort_by_key(|e| e.start);
            self.entries.shrink_to(self.entries.len() * 5 / 4);
            self.names.shrink_to(self.names.len() * 5 / 4);
        }
    }

    fn add(&mut self, line: &[u8]) {
        if self.entries.len() >= ENTRIES_MAX {
            return;
        }
        let line = String::from_utf8_lossy(line);
        let mut words = line.splitn(3, ' ');
        let mut number = || words.next().and_then(|w| u64::from_str_radix(w.trim_start_matches("0x"), 16).ok());
        let (Some(start), Some(size)) = (number(), number()) else { return };
        let (Some(name), Ok(size)) = (words.next().map(str::trim), u32::try_from(size)) else { return };
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let (Ok(at), false) = (u32::try_from(self.names.len()), name.is_empty()) else { return };
        self.names.push_str(name);
        self.entries.push(Entry { start, size, name: at, name_bytes: name.len() as u16 });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn lines_are_read_as_they_come_and_the_later_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("perf-1.map");
        let mut file = File::create(&path).expect("it can be written");
        let uid = file.metadata().expect("it is there").uid();
        file.write_all(b"1000 100 JS:~alpha file.js:3\nnonsense\n2000 10 two; words\nzz 1 x\n3000 10\n4000 8 cut")
            .expect("written");
        let mut map = PerfMap::open(path.to_str().expect("plain"), uid, None).expect("it can be opened");
        let now = Instant::now();
        assert_eq!(map.name(0x10ff, now).as_deref(), Some("JS:~alpha file.js:3"));
        assert_eq!(map.name(0x1100, now), None);
        assert_eq!(map.name(0x2001, now).as_deref(), Some("two, words"));
        assert_eq!(map.name(0x4001, now), None, "the line is not whole");
        file.write_all(b" off\n1080 10 moved\n").expect("written");
        assert_eq!(map.name(0x4001, now), None, "not looked at again at once");
        let later = now + INTERVAL;
        assert_eq!(map.name(0x4001, later).as_deref(), Some("cut off"));
        assert_eq!(map.name(0x1084, later).as_deref(), Some("moved"));
        assert_eq!(map.name(0x1090, later).as_deref(), Some("JS:~alpha file.js:3"));
        file.set_len(0).expect("it can be emptied");
        assert_eq!(map.name(0x1084, later + INTERVAL), None);
    }

    #[test]
    fn what_another_left_behind_is_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("perf-1.map");
        std::fs::write(&path, "1000 100 old\n").expect("written");
        let path = path.to_str().expect("plain");
        let uid = std::fs::metadata(path).expect("it is there").uid();
        let later = SystemTime::now() + Duration::from_secs(60);
        assert!(PerfMap::open(path, uid, Some(later)).is_none());
        assert!(PerfMap::open("/tmp", 0, None).is_none());
        assert!(PerfMap::open("/nonexistent", 0, None).is_none());
    }
}

//! Files that processes map as code: which they are, and how to open them without trusting their names.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use hashbrown::HashMap;

use crate::kernel::Mapped;

/// A file as it is now: an inode's number may be given to another file later, but not with the same time and size.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FileId {
    device: u64,
    inode: u64,
    bytes: u64,
    changed_ns: i128,
}

/// A file as a mapping names it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MappingId {
    device: (u32, u32),
    inode: u64,
    path: Vec<u8>,
}

impl FileId {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn of(meta: &Metadata) -> Self {
        let changed_ns = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
        Self { device: meta.dev(), inode: meta.ino(), bytes: meta.len(), changed_ns }
    }
}

impl MappingId {
    pub fn of(mapped: &Mapped) -> Self {
        Self { device: mapped.device, inode: mapped.inode, path: mapped.path.clone() }
    }
}

/// Opens the mapped file itself: by the mapping, which holds also when the name is gone or means another file, else by its name
/// in the process's own mount namespace, else (the process may be gone) in this one.
pub fn open(mapped: &Mapped) -> Option<(File, FileId)> {
    let by_mapping = format!("/proc/{}/map_files/{:x}-{:x}", mapped.pid, mapped.start, mapped.end);
    let name = String::from_utf8_lossy(&mapped.path).into_owned();
    let by_name = format!("/proc/{}/root{name}", mapped.pid);
    [by_mapping, by_name, name].iter().find_map(|path| {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
        let meta = file.metadata().ok()?;
        if !meta.is_file() || meta.ino() != mapped.inode {
            return None;
        }
        Some((file, FileId::of(&meta)))
    })
}

/// A file that is mapped as code now, and the processes that do; the mapping is the first one's.
#[derive(Debug)]
pub struct MappedNow {
    pub mapped: Mapped,
    pub pids: Vec<u32>,
}

/// Every file that is mapped as code now.
pub fn mapped_now() -> Vec<MappedNow> {
    let mut places = HashMap::new();
    let mut out: Vec<MappedNow> = vec![];
    let own = std::process::id();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        if pid == own {
            continue;
        }
        for mapped in code_of(pid) {
            let at = *places.entry(MappingId::of(&mapped)).or_insert(out.len());
            match out.get_mut(at) {
                Some(known) if known.pids.last() == Some(&pid) => {}
                Some(known) => known.pids.push(pid),
                None => out.push(MappedNow { mapped, pids: vec![pid] }),
            }
        }
    }
    out
}

/// Whether the process still maps the file.
pub fn maps(pid: u32, file: &FileId) -> bool {
    code_of(pid).iter().any(|m| m.inode == file.inode)
}

/// Of these files, those that some process maps, with the processes. A child maps what its parent did without the kernel
/// telling it.
pub fn users_of(files: &[FileId]) -> HashMap<FileId, Vec<u32>> {
    let mut users: HashMap<FileId, Vec<u32>> = HashMap::new();
    for now in mapped_now() {
        for file in files.iter().filter(|file| file.inode == now.mapped.inode) {
            users.entry(file.clone()).or_default().extend(&now.pids);
        }
    }
    users
}

/// What the process maps as code of files now.
pub fn code_of(pid: u32) -> Vec<Mapped> {
    // gone, or a kernel thread: nothing is mapped
    let maps = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.split(|b| *b == b'\n').filter_map(|line| code(pid, line)).collect()
}

/// One line of `/proc/PID/maps`: `start-end perms offset major:minor inode path`; None when it is not code of a file.
fn code(pid: u32, line: &[u8]) -> Option<Mapped> {
    let path_at = line.iter().position(|b| *b == b'/')?;
    let (head, path) = line.split_at(path_at);
    let mut words = std::str::from_utf8(head).ok()?.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    if words.next()?.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let (major, minor) = words.nth(1)?.split_once(':')?;
    let inode = words.next()?.parse().ok().filter(|inode| *inode != 0)?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path).to_vec();
    let device = (hex(major)? as u32, hex(minor)? as u32);
    Some(Mapped { pid, start: hex(start)?, end: hex(end)?, device, inode, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_of_files_is_found_in_maps() {
        let line = b"7f0a1c000000-7f0a1c055000 r-xp 0001e000 fe:01 1234                       /usr/lib/lib ssl.so.3 (deleted)";
        let expected = Mapped {
            pid: 5,
            start: 0x7f0a1c000000,
            end: 0x7f0a1c055000,
            device: (0xfe, 1),
            inode: 1234,
            path: b"/usr/lib/lib ssl.so.3".to_vec(),
        };
        assert_eq!(code(5, line), Some(expected));
        assert_eq!(code(5, b"7f0a1c000000-7f0a1c055000 r--p 00000000 fe:01 1234 /usr/lib/libssl.so.3"), None);
        assert_eq!(code(5, b"7ffd1000-7ffd2000 r-xp 00000000 00:00 0 [vdso]"), None);
        assert_eq!(code(5, b""), None);
    }

    #[test]
    fn the_own_program_is_opened_by_its_mapping() {
        let own = code_of(std::process::id());
        let program = std::env::current_exe().expect("this test has a file");
        let mapped = own.iter().find(|m| m.path == program.as_os_str().as_encoded_bytes()).expect("its code is mapped");
        let (file, id) = open(mapped).expect("it can be opened");
        assert_eq!(file.metadata().expect("it has metadata").ino(), mapped.inode);
        assert!(maps(std::process::id(), &id));
    }
}

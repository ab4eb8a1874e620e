//! Code that a process maps, as `/proc/PID/maps` tells it.

use std::time::{Duration, Instant};

use crate::kernel::Mapped;

/// Mappings of one process that are looked at; programs with translated code have thousands.
const MAPPINGS_MAX: usize = 16 << 10;
/// An unknown address lets the mappings be read anew, but not more often.
const READ_AGAIN_MIN: Duration = Duration::from_millis(50);
/// What is older is read anew: code may have given its place to other code.
const READ_AGAIN_MAX: Duration = Duration::from_secs(10);
/// It is known that a process maps more or less than before: some do all the time.
const CHANGED_READ_AGAIN_MIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    /// The kernel's own code in every process.
    Vdso,
    /// Translated at run time, mostly.
    Anonymous,
}

#[derive(Debug)]
pub struct Mapping {
    pub mapped: Mapped,
    pub offset: u64,
    pub kind: Kind,
    /// The number of its table, once it is known.
    pub table: Option<u32>,
}

#[derive(Debug)]
pub struct Maps {
    /// By address.
    mappings: Vec<Mapping>,
    read: Instant,
    /// When it was last of use.
    pub used: u64,
    /// The kernel program's number for what runs there; 0 when it was not told.
    pub program: u64,
    /// How many pages of code the kernel counted when this was read.
    pub code_pages: u32,
    pub bytes: usize,
}

impl Maps {
    /// None: the process is gone, or is the kernel's own.
    pub fn read(pid: u32) -> Option<Self> {
        let text = std::fs::read(format!("/proc/{pid}/maps")).ok().filter(|text| !text.is_empty())?;
        Some(Self::of(pid, &text))
    }

    pub fn of(pid: u32, text: &[u8]) -> Self {
        let lines = text.split(|b| *b == b'\n');
        let mappings: Vec<Mapping> = lines.filter_map(|line| mapping(pid, line)).take(MAPPINGS_MAX).collect();
        let bytes = mappings.iter().map(|m| size_of::<Mapping>() + m.mapped.path.len()).sum();
        Self { mappings, read: Instant::now(), used: 0, program: 0, code_pages: 0, bytes }
    }

    pub fn old(&self) -> bool {
        self.read.elapsed() > READ_AGAIN_MAX
    }

    pub fn may_be_read_again(&self) -> bool {
        self.read.elapsed() > READ_AGAIN_MIN
    }

    /// Whether they are to be read anew, because the kernel counts other pages of code now.
    pub fn changed(&self, code_pages: u32) -> bool {
        self.code_pages != code_pages && self.read.elapsed() > CHANGED_READ_AGAIN_MIN
    }

    /// The process cannot be read any more: what is known is kept as it is.
    pub fn keep(&mut self) {
        self.read = Instant::now();
    }

    /// What is mapped as before has the same table as before.
    pub fn inherit(&mut self, known: &mut Maps) {
        for mapping in &mut self.mappings {
            let before = known.find(mapping.mapped.start).filter(|b| b.mapped == mapping.mapped && b.offset == mapping.offset);
            mapping.table = before.and_then(|before| before.table);
        }
    }

    /// By address.
    pub fn all(&mut self) -> &mut [Mapping] {
        &mut self.mappings
    }

    pub fn vdso(&self) -> Option<(u64, u64)> {
        self.mappings.iter().find(|m| m.kind == Kind::Vdso).map(|m| (m.mapped.start, m.mapped.end))
    }

    pub fn find(&mut self, address: u64) -> Option<&mut Mapping> {
        let at = self.mappings.partition_point(|m| m.mapped.end <= address);
        self.mappings.get_mut(at).filter(|m| m.mapped.start <= address)
    }
}

/// `start-end perms offset major:minor inode path`; None when it is not code.
fn mapping(pid: u32, line: &[u8]) -> Option<Mapping> {
    let path_at = line.iter().position(|b| matches!(b, b'/' | b'[')).unwrap_or(line.len());
    let (head, path) = line.split_at(path_at);
    let mut words = std::str::from_utf8(head).ok()?.split_ascii_whitespace();
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = words.next()?.split_once('-')?;
    if words.next()?.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let offset = hex(words.next()?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let inode: u64 = words.next()?.parse().ok()?;
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let kind = match path {
        b"[vdso]" => Kind::Vdso,
        _ if inode != 0 && path.starts_with(b"/") => Kind::File,
        _ => Kind::Anonymous,
    };
    let device = (u32::try_from(hex(major)?).ok()?, u32::try_from(hex(minor)?).ok()?);
    let mapped = Mapped { pid, start: hex(start)?, end: hex(end)?, device, inode, path: path.to_vec() };
    Some(Mapping { mapped, offset, kind, table: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"\
55d000000000-55d000001000 r--p 00000000 fe:01 12 /bin/program
55d000001000-55d000005000 r-xp 00001000 fe:01 12 /bin/a program (deleted)
7f0000000000-7f0000010000 rwxp 00000000 00:00 0
7f0000010000-7f0000020000 rw-p 00000000 00:00 0
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn code_is_found_by_address() {
        let mut maps = Maps::of(5, TEXT);
        let mut at =
            |address| maps.find(address).map(|m| (m.kind, m.offset, String::from_utf8_lossy(&m.mapped.path).into_owned()));
        assert_eq!(at(0x55d000000fff), None);
        assert_eq!(at(0x55d000001000), Some((Kind::File, 0x1000, "/bin/a program".to_owned())));
        assert_eq!(at(0x55d000005000), None);
        assert_eq!(at(0x7f000000ffff), Some((Kind::Anonymous, 0, String::new())));
        assert_eq!(at(0x7f0000010000), None);
        assert_eq!(at(0x7ffd00000000), Some((Kind::Vdso, 0, "[vdso]".to_owned())));
        assert_eq!(at(u64::MAX), None);
        assert!(maps.bytes > 0 && maps.find(0).is_none());
    }

    #[test]
    fn tables_stay_with_what_is_mapped_as_before() {
        let (mut before, mut after) = (Maps::of(5, TEXT), Maps::of(5, TEXT));
        for (number, address) in [(1, 0x55d000001000), (2, 0x7ffd00000000)] {
            before.find(address).expect("code").table = Some(number);
        }
        after.find(0x7ffd00000000).expect("code").offset = 0x1000;
        after.inherit(&mut before);
        let table = |address| after.find(address).and_then(|m| m.table);
        assert_eq!([0x55d000001000, 0x7f0000000000, 0x7ffd00000000].map(table), [Some(1), None, None]);
    }

    #[test]
    fn a_process_that_is_gone_has_none() {
        assert!(Maps::read(u32::MAX / 2).is_none());
        assert!(Maps::read(std::process::id()).is_some());
    }
}

//! Where a process has code: `/proc/PID/maps`, as much of it as can be executed.

use std::io::Read;
use std::path::Path;

use crate::kernel::Mapped;
use crate::libraries::files::FileId;

/// Of one process; what is behind is not seen.
const LIST_BYTES_MAX: u64 = 16 << 20;
const MAPPINGS_MAX: usize = 8192;
/// What a mapping costs beside its path.
const MAPPING_COST_BYTES: usize = size_of::<Mapping>();

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    File,
    /// Made by the process itself.
    Anonymous,
    /// Such as `[vdso]`.
    Special(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub mapped: Mapped,
    /// In the file, of the start.
    pub offset: u64,
    pub what: What,
    /// The file that was opened for it; None: none yet.
    pub file: Option<FileId>,
}

impl Mapping {
    /// What stands for code of which nothing else is known.
    pub fn reason(&self) -> String {
        match &self.what {
            What::Anonymous => "[anonymous code]".to_owned(),
            What::Special(name) => name.clone(),
            What::File => {
                let path = String::from_utf8_lossy(&self.mapped.path).into_owned();
                format!("[{}]", Path::new(&path).file_name().map_or(path.as_str().into(), |name| name.to_string_lossy()))
            }
        }
    }

    pub fn bytes(&self) -> usize {
        MAPPING_COST_BYTES + self.mapped.path.len()
    }
}

/// Sorted by address; None when the process is gone, and then also for one that has ended and is not yet waited for.
pub fn read(pid: u32) -> Option<Vec<Mapping>> {
    let mut list = vec![];
    std::fs::File::open(format!("/proc/{pid}/maps")).ok()?.take(LIST_BYTES_MAX).read_to_end(&mut list).ok()?;
    let mappings = list.split(|b| *b == b'\n').filter_map(|line| parse(pid, line)).take(MAPPINGS_MAX).collect();
    (!list.is_empty()).then_some(mappings)
}

pub fn find(mappings: &[Mapping], address: u64) -> Option<usize> {
    let after = mappings.partition_point(|m| m.mapped.start <= address);
    let number = after.checked_sub(1)?;
    (address < mappings[number].mapped.end).then_some(number)
}

/// `start-end perms offset major:minor inode path`; None when it is no code.
fn parse(pid: u32, line: &[u8]) -> Option<Mapping> {
    let mut rest = line;
    let mut word = || {
        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let word = std::str::from_utf8(&rest[..end]).ok();
        rest = rest.get(end + 1..).unwrap_or_default();
        word
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = word()?.split_once('-')?;
    word().filter(|permissions| permissions.as_bytes().get(2) == Some(&b'x'))?;
    let offset = hex(word()?)?;
    let (major, minor) = word()?.split_once(':')?;
    let device = (hex(major)? as u32, hex(minor)? as u32);
    let inode: u64 = word()?.parse().ok()?;
    let path = rest.trim_ascii_start();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let what = match path.first() {
        _ if inode != 0 => What::File,
        Some(b'[') if !path.starts_with(b"[anon") => What::Special(String::from_utf8_lossy(path).into_owned()),
        _ => What::Anonymous,
    };
    let mapped = Mapped { pid, start: hex(start)?, end: hex(end)?, device, inode, path: path.to_vec() };
    (mapped.start < mapped.end).then_some(Mapping { mapped, offset, what, file: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_code_are_mappings() {
        let line = b"7f0a1c000000-7f0a1c055000 r-xp 0001e000 fe:01 1234                       /usr/lib/lib ssl.so.3 (deleted)";
        let mapping = parse(5, line).expect("code");
        assert_eq!((mapping.mapped.start, mapping.mapped.end, mapping.offset), (0x7f0a1c000000, 0x7f0a1c055000, 0x1e000));
        assert_eq!((mapping.mapped.device, mapping.mapped.inode, &mapping.what), ((0xfe, 1), 1234, &What::File));
        assert_eq!(mapping.reason(), "[lib ssl.so.3]");
        let reason = |line: &[u8]| parse(5, line).map(|m| m.reason());
        assert_eq!(reason(b"7ffd1000-7ffd2000 r-xp 00000000 00:00 0                  [vdso]").as_deref(), Some("[vdso]"));
        assert_eq!(reason(b"1000-2000 rwxp 00000000 00:00 0 ").as_deref(), Some("[anonymous code]"));
        assert_eq!(reason(b"1000-2000 rwxp 00000000 00:00 0          [anon:v8]").as_deref(), Some("[anonymous code]"));
        assert_eq!(reason(b"1000-2000 r--p 00000000 fe:01 1234 /usr/lib/libssl.so.3"), None);
        for bad in
            [&b""[..], b"x", b"1000 r-xp", b"2000-1000 r-xp 0 0:0 1 /a", b"1000-2000 r-xp 0 0:0", b"\xff\xff-1 r-xp 0 0:0 1 a"]
        {
            assert_eq!(parse(5, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_own_code_is_found() {
        let own = read(std::process::id()).expect("this process has code");
        let mapping = find(&own, read as *const () as u64).map(|number| &own[number]).expect("it is mapped");
        let program = std::env::current_exe().expect("this test has a file");
        assert_eq!(mapping.mapped.path, program.as_os_str().as_encoded_bytes());
        assert_eq!(find(&own, 16), None);
        assert_eq!(read(u32::MAX), None);
    }
}

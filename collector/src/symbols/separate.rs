//! Symbols in a file of their own: by build id, or by the name that a stripped program gives (`.gnu_debuglink`).
//!
//! In: the program, and whose it is. Out: an open file that belongs to it: of the same build id, or of the checksum that the
//! program names. Looks in the process's own mount namespace, then in this one: the process may have ended.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::binary::elf::Elf;

const LINK_BYTES_MAX: u64 = 4096;
/// Larger files are not summed up.
const CHECKED_BYTES_MAX: u64 = 1 << 30;
const PIECE_BYTES: usize = 256 << 10;

/// Whose file it is, and its name there.
#[derive(Debug, Clone)]
pub struct Place {
    pub pid: u32,
    pub path: PathBuf,
}

impl Place {
    pub fn new(pid: u32, path: &[u8]) -> Place {
        Place { pid, path: PathBuf::from(OsStr::from_bytes(path)) }
    }
}

pub fn find(elf: &Elf<'_>, place: &Place) -> Option<File> {
    let build_id = elf.build_id();
    let link = elf.section(".gnu_debuglink").filter(|s| s.size <= LINK_BYTES_MAX).and_then(|section| {
        let bytes = elf.bytes(section.offset, usize::try_from(section.size).ok()?).ok()?;
        link(&bytes)
    });
    let roots = [PathBuf::from(format!("/proc/{}/root", place.pid)), PathBuf::from("/")];
    roots.iter().find_map(|root| {
        let by_id = build_id.as_deref().and_then(by_build_id);
        let by_link = link.iter().flat_map(|(name, _)| by_link(&place.path, name));
        by_id.into_iter().chain(by_link).find_map(|path| {
            let file = open(&root.join(path.strip_prefix("/").unwrap_or(&path)))?;
            belongs(&file, build_id.as_deref(), link.as_ref().map(|(_, sum)| *sum)).then_some(file)
        })
    })
}

/// A name without folders, a zero, zeros up to a multiple of 4, the checksum.
fn link(bytes: &[u8]) -> Option<(PathBuf, u32)> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let at = (end + 1).next_multiple_of(4);
    let sum = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    let name = Path::new(OsStr::from_bytes(&bytes[..end]));
    (name.file_name()?.as_bytes() == &bytes[..end]).then(|| (name.to_owned(), sum))
}

fn by_build_id(id: &str) -> Option<PathBuf> {
    let (first, rest) = id.split_at_checked(2).filter(|(_, rest)| !rest.is_empty())?;
    Some(PathBuf::from(format!("/usr/lib/debug/.build-id/{first}/{rest}.debug")))
}

fn by_link(program: &Path, name: &Path) -> Vec<PathBuf> {
    let Some(folder) = program.parent() else { return vec![] };
    let below = folder.strip_prefix("/").unwrap_or(folder);
    vec![folder.join(name), folder.join(".debug").join(name), Path::new("/usr/lib/debug").join(below).join(name)]
}

fn open(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

fn belongs(file: &File, build_id: Option<&str>, sum: Option<u32>) -> bool {
    let own = Elf::read(file).ok().flatten().and_then(|elf| elf.build_id());
    match (build_id, own) {
        (Some(wanted), Some(own)) => wanted == own,
        _ => sum.is_some() && checksum(file) == sum,
    }
}

fn checksum(file: &File) -> Option<u32> {
    let mut left = file.metadata().ok()?.len();
    if left > CHECKED_BYTES_MAX {
        return None;
    }
    let mut sum = crc32fast::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut position = 0;
    while left > 0 {
        let read = file.read_at(&mut piece, position).ok().filter(|read| *read > 0)?;
        sum.update(&piece[..read]);
        position += read as u64;
        left = left.saturating_sub(read as u64);
    }
    Some(sum.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_plain_name_and_a_checksum() {
        assert_eq!(link(b"a.debug\0\x01\x02\x03\x04"), Some((PathBuf::from("a.debug"), 0x0403_0201)));
        assert_eq!(link(b"ab\0\0\x01\0\0\0"), Some((PathBuf::from("ab"), 1)));
        for bad in [
            &b""[..],
            b"a.debug",
            b"a.debug\0\x01\x02\x03",
            b"../a\0\0\0\0\x01\0\0\0",
            b"\0\0\0\0\x01\0\0\0",
            b"..\0\0\x01\0\0\0",
        ] {
            assert_eq!(link(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn places_are_beside_below_and_global() {
        let places = by_link(Path::new("/opt/bin/tool"), Path::new("tool.debug"));
        let expected = ["/opt/bin/tool.debug", "/opt/bin/.debug/tool.debug", "/usr/lib/debug/opt/bin/tool.debug"];
        assert_eq!(places, expected.map(PathBuf::from));
        assert_eq!(by_build_id("abcdef"), Some(PathBuf::from("/usr/lib/debug/.build-id/ab/cdef.debug")));
        assert_eq!(by_build_id("ab"), None);
    }

    #[test]
    fn the_checksum_is_that_of_the_whole_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("numbers");
        std::fs::write(&path, "123456789".repeat(100_000)).expect("it can be written");
        let file = File::open(&path).expect("it is there");
        assert_eq!(checksum(&file), Some(crc32fast::hash("123456789".repeat(100_000).as_bytes())));
        assert!(!belongs(&file, None, Some(1)));
        assert!(!belongs(&file, None, None));
    }
}

//! GNU build id of a program.

use std::fs::File;
use std::path::Path;

use object::{Object, ReadCache};

/// In hexadecimal; None when the file cannot be read, is no ELF file or has none. The file is read, not mapped: it may be
/// truncated while it is looked at.
pub fn of(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let cache = ReadCache::new(file);
    let object = object::File::parse(&cache).ok()?;
    let id = object.build_id().ok()??;
    Some(id.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_has_none() {
        assert_eq!(of(Path::new("/proc/self/status")), None);
        assert_eq!(of(Path::new("/nonexistent")), None);
        assert_eq!(of(Path::new("/dev/zero")), None);
    }
}

//! The capture files that are committed for the tests.

use std::path::PathBuf;

use crate::root;

/// Every capture of a folder of `tests/captures`.
pub fn captures() -> anyhow::Result<Vec<PathBuf>> {
    let mut found = vec![];
    for folder in std::fs::read_dir(root().join("tests/captures"))? {
        let folder = folder?.path();
        if folder.is_dir() {
            for file in std::fs::read_dir(&folder)? {
                found.push(file?.path());
            }
        }
    }
    found.retain(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng"));
    anyhow::ensure!(!found.is_empty(), "no captures");
    found.sort();
    Ok(found)
}

//! What the object was built from and with.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde_json::{Map, Value};

use super::FOLDER;
use super::build::{RUSTC, STRIP};
use crate::place::Place;
use crate::program::{cargo, output, program};

/// What the object depends on, in `ebpf/`.
const SOURCES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "abi", "programs"];

pub fn of(place: &Place, object: &[u8]) -> anyhow::Result<Map<String, Value>> {
    let rustc = output(program(place, RUSTC).env_remove("LD_LIBRARY_PATH").arg("--version"))?;
    let strip = output(program(place, STRIP).arg("--version"))?;
    let llvm = strip.lines().find(|line| line.contains("version")).unwrap_or_default();
    let entries = [
        ("object_sha256", sha256(place, object)?),
        ("sources_sha256", sha256(place, &sources(&place.root.join(FOLDER))?)?),
        ("rustc", rustc),
        ("cargo", output(cargo(place).arg("--version"))?),
        ("bpf_linker", output(program(place, "bpf-linker").arg("--version"))?),
        ("llvm", llvm.to_owned()),
    ];
    Ok(entries.into_iter().map(|(key, text)| (key.to_owned(), Value::from(text.trim()))).collect())
}

pub fn text(manifest: &Map<String, Value>) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(manifest)? + "\n")
}

/// What the committed manifest says otherwise.
pub fn differences(now: &Map<String, Value>, committed: &str) -> anyhow::Result<Vec<String>> {
    let told: Map<String, Value> = serde_json::from_str(committed).context("the manifest is no JSON object")?;
    let differing = now.iter().filter(|(key, value)| told.get(*key) != Some(value));
    Ok(differing.map(|(key, value)| format!("{key} was {}, is {value}", told.get(key).unwrap_or(&Value::Null))).collect())
}

/// Every source file after its name and length, in the order of the names.
fn sources(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let mut files = vec![];
    for name in SOURCES {
        list(&folder.join(name), &mut files)?;
    }
    files.sort();
    let mut all = vec![];
    for path in files {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(folder).unwrap_or(&path);
        all.extend_from_slice(format!("{} {}\n", name.display(), bytes.len()).as_bytes());
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
        let path = entry?.path();
        if !path.ends_with("target") {
            list(&path, files)?;
        }
    }
    Ok(())
}

fn sha256(place: &Place, bytes: &[u8]) -> anyhow::Result<String> {
    let mut child =
        program(place, "sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run sha256sum")?;
    child.stdin.take().context("sha256sum has no input")?.write_all(bytes).context("cannot write to sha256sum")?;
    let answer = child.wait_with_output().context("cannot wait for sha256sum")?;
    anyhow::ensure!(answer.status.success(), "sha256sum ended with {}", answer.status);
    let text = String::from_utf8_lossy(&answer.stdout);
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_source_changes_the_bytes_and_an_unrelated_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["abi/src", "programs/src", "object"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["Cargo.toml", "Cargo.lock", "abi/src/lib.rs", "programs/src/main.rs"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let before = sources(folder.path()).unwrap();
        std::fs::write(folder.path().join("object/earshot.bpf.o"), "x").unwrap();
        assert_eq!(sources(folder.path()).unwrap(), before);
        std::fs::write(folder.path().join("abi/src/lib.rs"), "changed").unwrap();
        assert_ne!(sources(folder.path()).unwrap(), before);
    }

    #[test]
    fn what_differs_is_named() {
        let now = Map::from_iter([("rustc".to_owned(), Value::from("2")), ("llvm".to_owned(), Value::from("22"))]);
        assert_eq!(differences(&now, r#"{"rustc": "1", "llvm": "22"}"#).unwrap(), [r#"rustc was "1", is "2""#]);
        assert!(differences(&now, "[]").is_err());
    }
}

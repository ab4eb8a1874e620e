//! From sources to the stripped object.
//!
//! The bytes depend on the sources and on the tools' versions, not on the folder: paths are mapped to fixed ones, and the programs
//! are a workspace of their own, since cargo names symbols by a crate's place in its workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::FOLDER;
use crate::place::Place;
use crate::program::{cargo, program, run};

/// Debian's rustc, which has `core` for the kernel's target.
pub const RUSTC: &str = "/usr/bin/rustc";
pub const STRIP: &str = "llvm-strip-22";
const TARGET: &str = "bpfel-unknown-none";

pub fn build(place: &Place) -> anyhow::Result<Vec<u8>> {
    let target = place.target.join("ebpf");
    run(&mut compile(place, &target)?)
        .context("cannot build the kernel programs; 'cargo xtask setup --bpf' installs what that needs")?;
    let stripped = target.join("earshot.bpf.o");
    let built = target.join(TARGET).join("release/earshot");
    run(program(place, STRIP).arg("-g").arg("-o").arg(&stripped).arg(&built))?;
    std::fs::read(&stripped).with_context(|| format!("cannot read {}", stripped.display()))
}

fn compile(place: &Place, target: &Path) -> anyhow::Result<Command> {
    let mut command = cargo(place);
    command.current_dir(place.root.join(FOLDER).join("programs"));
    command.args(["build", "--release", "--quiet", "--locked", "--target", TARGET]);
    command.env("RUSTC", RUSTC).env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", flags(place)?);
    // what cargo told xtask is about another compiler
    for name in ["LD_LIBRARY_PATH", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(name);
    }
    Ok(command)
}

fn flags(place: &Place) -> anyhow::Result<String> {
    let mut flags = vec!["-C linker=bpf-linker -C link-arg=--btf -C debuginfo=2".to_owned()];
    flags.push(remap(&place.root.join(FOLDER), "/ebpf"));
    for registry in registries(place)? {
        flags.push(remap(&registry, "/registry"));
    }
    Ok(flags.join(" "))
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// The folders with crates' sources: one for each registry, named after it. Fetched first, so that it is there.
fn registries(place: &Place) -> anyhow::Result<Vec<PathBuf>> {
    run(cargo(place).current_dir(place.root.join(FOLDER)).args(["fetch", "--quiet", "--locked"]))?;
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => Path::new(&std::env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let folder = home.join("registry/src");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut folders = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
    folders.sort();
    Ok(folders)
}

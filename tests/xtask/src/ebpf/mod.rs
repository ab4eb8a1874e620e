//! The kernel programs' object, which is committed so that nobody needs the tools of this folder to build earshot.
//!
//! `build` writes the object and its manifest; `check` builds again and compares byte for byte.

mod build;
mod manifest;

use anyhow::Context;
use clap::Subcommand;

use crate::place::Place;

const FOLDER: &str = "ebpf";
const OBJECT: &str = "ebpf/object/earshot.bpf.o";
const MANIFEST: &str = "ebpf/object/manifest.json";

#[derive(Subcommand)]
pub enum Command {
    /// Build the object and write it with its manifest
    Build,
    /// Build it again and compare with what is committed
    Check,
}

pub fn run(place: &Place, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Build => write(place),
        Command::Check => check(place),
    }
}

fn write(place: &Place) -> anyhow::Result<()> {
    let object = build::build(place)?;
    let manifest = manifest::of(place, &object)?;
    std::fs::write(place.root.join(OBJECT), &object).with_context(|| format!("cannot write {OBJECT}"))?;
    std::fs::write(place.root.join(MANIFEST), manifest::text(&manifest)?)
        .with_context(|| format!("cannot write {MANIFEST}"))?;
    eprintln!("{OBJECT}: {} bytes", object.len());
    Ok(())
}

pub fn check(place: &Place) -> anyhow::Result<()> {
    let kept = std::fs::read(place.root.join(OBJECT)).with_context(|| format!("cannot read {OBJECT}"))?;
    let told = std::fs::read_to_string(place.root.join(MANIFEST)).with_context(|| format!("cannot read {MANIFEST}"))?;
    let built = build::build(place)?;
    let manifest = manifest::of(place, &built)?;
    let mut wrong = manifest::differences(&manifest, &told)?;
    if built != kept {
        let at = built.iter().zip(&kept).position(|(a, b)| a != b).unwrap_or(built.len().min(kept.len()));
        wrong.push(format!(
            "{OBJECT} is not what the sources give: {} bytes, built {}, differing from byte {at} on",
            kept.len(),
            built.len()
        ));
    }
    anyhow::ensure!(wrong.is_empty(), "{}; 'cargo xtask ebpf build' renews both, then commit them", wrong.join("; "));
    Ok(())
}

//! The page: what is committed as built is what the sources give, and its tests pass.

use std::path::Path;

use anyhow::Context;
use clap::Subcommand;

use crate::place::Place;
use crate::program::{self, output, program};

/// Vite's own minimum.
const NODE_MIN: (u32, u32) = (20, 19);

#[derive(Subcommand)]
pub enum Command {
    /// Install what the lock file names, build again elsewhere and compare, run the unit tests
    Check,
}

pub fn check(place: &Place) -> anyhow::Result<()> {
    node_is_new_enough(place)?;
    let folder = place.root.join("ui");
    if !installed(&folder) {
        program::run(program(place, "npm").current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]))?;
    }
    program::run(program(place, "npm").current_dir(&folder).args(["run", "--silent", "check-types"]))?;
    program::run(program(place, "npm").current_dir(&folder).args(["run", "--silent", "check-dist"]))?;
    program::run(program(place, "npm").current_dir(&folder).args(["test", "--silent"]))
}

pub fn run(place: &Place, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check => check(place),
    }
}

/// Whether npm has installed since the lock file changed.
pub fn installed(folder: &Path) -> bool {
    let changed = |path: &str| std::fs::metadata(folder.join(path)).and_then(|m| m.modified()).ok();
    match (changed("node_modules/.package-lock.json"), changed("package-lock.json")) {
        (Some(installed), Some(wanted)) => installed >= wanted,
        _ => false,
    }
}

fn node_is_new_enough(place: &Place) -> anyhow::Result<()> {
    let text =
        output(program(place, "node").arg("--version")).context("the page needs Node; 'cargo xtask setup --ui' installs it")?;
    let version = version(&text).with_context(|| format!("node --version says {text:?}"))?;
    let (major, minor) = NODE_MIN;
    anyhow::ensure!(
        version >= NODE_MIN,
        "the page needs Node {major}.{minor} or newer, here is {}; install a newer one",
        text.trim()
    );
    Ok(())
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("v20.19.4\n"), Some((20, 19)));
        assert!(version("v9.99.0") < Some(NODE_MIN));
        assert_eq!(version("node"), None);
    }
}

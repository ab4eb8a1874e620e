//! Every target of the parsers' fuzzer, for a while.

use std::path::Path;

use anyhow::Context;

use crate::place::Place;
use crate::program::{cargo, run};

/// Long enough to see that each parser still holds, short enough for every change.
pub const SECONDS_SHORT: u64 = 10;

const FOLDER: &str = "protocol-parsers/fuzz";

pub fn fuzz(place: &Place, seconds: u64) -> anyhow::Result<()> {
    let targets = targets(&place.root.join(FOLDER).join("src/targets"))?;
    anyhow::ensure!(!targets.is_empty(), "{FOLDER} has no targets");
    for target in targets {
        let mut command = cargo(place);
        command
            .args(["run", "--release", "--quiet", "--locked", "--manifest-path"])
            .arg(place.root.join(FOLDER).join("Cargo.toml"));
        run(command.arg("--").arg(&target).arg(seconds.to_string()))?;
    }
    Ok(())
}

/// One file a target.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = vec![];
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "mod") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

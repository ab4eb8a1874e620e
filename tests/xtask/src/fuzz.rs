//! Every target of the parsers' fuzzer, for a while: as many at a time as there are processors.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::Context;

use crate::place::Place;
use crate::program::{cargo, run};

/// Long enough to see that each parser still holds, short enough for every change.
pub const SECONDS_SHORT: u64 = 10;

const FOLDER: &str = "protocol-parsers/fuzz";

pub fn fuzz(place: &Place, seconds: u64) -> anyhow::Result<()> {
    let targets = targets(&place.root.join(FOLDER).join("src/targets"))?;
    anyhow::ensure!(!targets.is_empty(), "{FOLDER} has no targets");
    run(cargo(place).args(["build", "--release", "--quiet", "--locked", "--manifest-path"]).arg(manifest(place)))?;
    let targets = Mutex::new(targets.into_iter());
    let next = || targets.lock().unwrap_or_else(|e| e.into_inner()).next();
    let lane = || {
        while let Some(target) = next() {
            let mut command = cargo(place);
            command.args(["run", "--release", "--quiet", "--locked", "--manifest-path"]).arg(manifest(place));
            run(command.arg("--").arg(&target).arg(seconds.to_string()))?;
        }
        Ok(())
    };
    let lanes = thread::available_parallelism().map_or(1, |lanes| lanes.get());
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|lane| lane.join().expect("a lane does not panic"))
    })
}

fn manifest(place: &Place) -> PathBuf {
    place.root.join(FOLDER).join("Cargo.toml")
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

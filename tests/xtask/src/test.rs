//! What CI runs: setup, check, build, every test, the parsers against other implementations, a short fuzz.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use crate::place::Place;
use crate::program::{cargo, output, run, run_keeping};
use crate::setup::{Wanted, setup};
use crate::steps::Steps;
use crate::{check, fuzz};

/// Names the checkout that the target folder was last used by.
const STAMP: &str = "earshot-checkout";

pub fn test(place: &Place) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let mut closing = vec![];
    let done = all(place, &mut steps, &mut closing);
    steps.print();
    for line in closing {
        eprintln!("{line}");
    }
    done
}

fn all(place: &Place, steps: &mut Steps, closing: &mut Vec<String>) -> anyhow::Result<()> {
    steps.step("setup", || setup(place, Wanted::ALL))?;
    claim(place)?;
    check::check(place, steps)?;
    steps.step("build", || {
        run(cargo(place).args(["build", "--release", "--locked", "--workspace", "--bins", "--tests", "--quiet"]))
    })?;
    steps.step("documents' examples", || {
        run(cargo(place).args(["test", "--release", "--locked", "--workspace", "--doc", "--quiet"]))
    })?;
    steps.step("parsers against peers", || peers(place))?;
    steps.step("fuzz", || fuzz::fuzz(place, fuzz::SECONDS_SHORT))?;
    steps.step("tests", || {
        let mut nextest = cargo(place);
        nextest
            .args(["nextest", "run", "--release", "--locked", "--workspace"])
            .env("EARSHOT_BINARY", place.target.join("release/earshot"));
        let (done, lines) = run_keeping(&mut nextest, |line| line.trim_start().starts_with("Summary ["));
        *closing = lines;
        done
    })
}

/// The parsers against other implementations. What these need has other features than the rest of the workspace has, so they are
/// built in a folder of their own, which leaves everything else as it was built.
fn peers(place: &Place) -> anyhow::Result<()> {
    let mut command = cargo(place);
    command.args(["test", "--release", "--locked", "--quiet", "--package", "protocol-parsers", "--features", "peers", "--lib"]);
    run(command.arg("--target-dir").arg(place.target.join("peers")))
}

/// Checkouts may share a target folder for the sake of the dependencies, but cargo tells their own crates apart by time alone: those
/// that another checkout built are removed.
fn claim(place: &Place) -> anyhow::Result<()> {
    let stamp = place.target.join(STAMP);
    let here = place.root.to_string_lossy().into_owned();
    let last = std::fs::read_to_string(&stamp).unwrap_or_default();
    if !last.is_empty() && last != here {
        eprintln!("{} was last used by {last}: removing that checkout's own crates", place.target.display());
        let mut clean = cargo(place);
        clean.args(["clean", "--release", "--quiet"]);
        for name in members(place)? {
            clean.args(["--package", &name]);
        }
        run(&mut clean)?;
    }
    std::fs::write(&stamp, here).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The workspace's packages.
fn members(place: &Place) -> anyhow::Result<Vec<String>> {
    let text = output(cargo(place).args(["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let in_workspace =
        packages.iter().filter(|p| p["manifest_path"].as_str().is_some_and(|m| Path::new(m).starts_with(&place.root)));
    Ok(in_workspace.filter_map(|p| p["name"].as_str().map(str::to_owned)).collect())
}

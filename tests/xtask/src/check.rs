//! Everything that can be said of the checkout without running earshot.
//!
//! The whole workspace at once and in one profile, always: another choice of crates would mean other features, and the SQL engine
//! compiled again.

use crate::place::Place;
use crate::program::{cargo, program, run};
use crate::steps::Steps;
use crate::{ebpf, reference, tidy, ui};

/// Workspaces beside the main one: their manifest, and whether all of it builds for this machine.
const OTHERS: [(&str, bool); 2] = [("ebpf/Cargo.toml", false), ("protocol-parsers/fuzz/Cargo.toml", true)];
/// Features that are off by default, and need no other dependencies.
const OPTIONAL: &str = "earshot/otlp";
/// Packages of those workspaces.
const OTHER_PACKAGES: [&str; 4] =
    ["ebpf/abi/Cargo.toml", "ebpf/programs/Cargo.toml", "protocol-parsers/fuzz/Cargo.toml", "tests/servers/tonic/Cargo.toml"];

pub fn check(place: &Place, steps: &mut Steps) -> anyhow::Result<()> {
    steps.step("format", || format(place))?;
    steps.step("tidy", || tidy::tidy(place))?;
    steps.step("spelling", || run(program(place, "typos").arg("--quiet")))?;
    steps.step("licences", || run(cargo(place).args(["deny", "--locked", "check", "licenses", "bans", "sources"])))?;
    steps.step("reference", || reference::check(place))?;
    steps.step("kernel programs", || ebpf::check(place))?;
    steps.step("page", || ui::check(place))?;
    steps.step("lints", || lints(place))?;
    steps.step("documents", || {
        run(cargo(place).env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--release", "--workspace", "--no-deps", "--quiet"]))
    })
}

fn format(place: &Place) -> anyhow::Result<()> {
    run(cargo(place).args(["fmt", "--all", "--check"]))?;
    for manifest in OTHER_PACKAGES {
        run(cargo(place).args(["fmt", "--check", "--manifest-path", manifest]))?;
    }
    Ok(())
}

fn lints(place: &Place) -> anyhow::Result<()> {
    // what is built, and what is left out of it by default
    for choice in [["--all-targets"].as_slice(), &["--bins", "--features", OPTIONAL]] {
        let mut clippy = cargo(place);
        clippy.args(["clippy", "--release", "--locked", "--workspace", "--quiet"]).args(choice);
        run(clippy.args(["--", "-D", "warnings"]))?;
    }
    for (manifest, all_targets) in OTHERS {
        let mut clippy = cargo(place);
        clippy.args(["clippy", "--release", "--locked", "--quiet", "--manifest-path", manifest]);
        if all_targets {
            clippy.arg("--all-targets");
        }
        run(clippy.args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

//! Programs of `tests/servers` that are built from packages of other registries: fetched and built here, so that the tests need no
//! network and lose no time.

use anyhow::Context;

use super::tools::pip_install;
use crate::place::Place;
use crate::program::{cargo, found, program, run};
use crate::ui;

/// Folders with a Go program.
const GO: [&str; 3] = ["grpc-go", "mysql", "tls/go"];
/// Folders with a cargo project of its own, and where each is built.
const CARGO: [(&str, &str); 2] = [("tonic", "tonic-echo"), ("tls/rust", "rustls-peer")];
/// Folders with a lock file of npm's.
const NODE: [&str; 1] = ["mysql"];
/// What all Python programs need.
const REQUIREMENTS: &str = "tests/servers/requirements.txt";

pub fn build(place: &Place) -> anyhow::Result<()> {
    anyhow::ensure!(
        found(place, "go").is_some(),
        "no go here, which builds servers that the tests watch: install Go 1.26 or newer"
    );
    python(place)?;
    let servers = place.root.join("tests/servers");
    for folder in NODE {
        let folder = servers.join(folder);
        if !ui::installed(&folder) {
            eprintln!("missing: packages of {} (clients to watch)", folder.join("package-lock.json").display());
            run(program(place, "npm").current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]))?;
        }
    }
    for folder in GO {
        let mut build = program(place, "go");
        // neither another version of Go nor other modules than those in go.sum; what is built stays in Go's own cache
        build.env("GOTOOLCHAIN", "local").args(["build", "-mod=readonly", "-o", "/dev/null", "."]);
        run(build.current_dir(servers.join(folder))).with_context(|| format!("cannot build tests/servers/{folder}"))?;
    }
    for (folder, built) in CARGO {
        let mut build = cargo(place);
        build.args(["build", "--locked", "--quiet", "--manifest-path"]).arg(servers.join(folder).join("Cargo.toml"));
        run(build.arg("--target-dir").arg(place.target.join("servers").join(built)))
            .with_context(|| format!("cannot build tests/servers/{folder}"))?;
    }
    Ok(())
}

/// Installs the Python packages, once for each state of their list.
fn python(place: &Place) -> anyhow::Result<()> {
    let wanted =
        std::fs::read_to_string(place.root.join(REQUIREMENTS)).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let installed = place.tools.join("venv").join("requirements.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    eprintln!("missing: packages of {REQUIREMENTS} (clients and servers to watch)");
    pip_install(place, &["-r", REQUIREMENTS])?;
    std::fs::write(&installed, wanted).with_context(|| format!("cannot write {}", installed.display()))
}

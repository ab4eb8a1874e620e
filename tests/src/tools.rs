//! Programs of `tests/servers` in other languages, with the packages that setup put where they find them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::processes::{program, succeed};

/// Shared by all checkouts of this user.
pub fn tools_folder() -> anyhow::Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("earshot/tools"))
}

/// A Python program with the packages of `tests/servers/requirements.txt`.
pub fn python(script: &str) -> anyhow::Result<Command> {
    let python = tools_folder()?.join("venv/bin/python3");
    anyhow::ensure!(python.is_file(), "no {}: 'cargo xtask setup --live' makes it", python.display());
    let mut command = Command::new(python);
    command.arg(servers().join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// A program for Node with the packages that the lock file beside it names.
pub fn node(script: &str) -> anyhow::Result<Command> {
    let script = servers().join(script);
    let packages = script.with_file_name("node_modules");
    anyhow::ensure!(packages.is_dir(), "no {}: 'cargo xtask setup --live' makes it", packages.display());
    let mut command = Command::new(program("node")?);
    command.arg(script);
    Ok(command)
}

/// A Java program of one file with a Debian package's library.
pub fn java(source: &str, library: &str) -> anyhow::Result<Command> {
    let library = Path::new("/usr/share/java").join(library);
    anyhow::ensure!(library.is_file(), "no {}: 'cargo xtask setup --live' installs it", library.display());
    let mut command = Command::new(program("java")?);
    command.arg("-cp").arg(library).arg(servers().join(source));
    Ok(command)
}

/// Builds the Go program in a folder of `tests/servers`; setup has fetched its modules.
pub fn go(folder: &str, built: &Path) -> anyhow::Result<Command> {
    let mut build = Command::new(program("go")?);
    // neither another version of Go nor other modules than those in go.sum
    build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly");
    succeed(build.current_dir(servers().join(folder)).args(["build", "-o"]).arg(built).arg("."))?;
    Ok(Command::new(built))
}

/// Where programs of `tests/servers` are built, in the target folder that holds this test.
pub fn built() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test.ancestors().nth(3).context("the test has no target folder")?.join("servers"))
}

fn servers() -> PathBuf {
    crate::root().join("tests/servers")
}

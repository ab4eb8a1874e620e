//! Programs of `tests/servers` in other languages, with the packages that setup put where they find them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::processes::{program, run, succeed};

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

/// Builds the Rust program in a folder of `tests/servers`, a project of its own whose dependencies setup has fetched.
pub fn cargo((folder, name): (&str, &str)) -> anyhow::Result<PathBuf> {
    let mut build = Command::new(program("cargo")?);
    build.args(["build", "--locked", "--offline", "--quiet", "--manifest-path"]).arg(servers().join(folder).join("Cargo.toml"));
    let target = built()?.join(name);
    succeed(build.arg("--target-dir").arg(&target))?;
    Ok(target.join("debug").join(name))
}

/// Builds the C program of one file in `tests/servers`, with its libraries inside.
pub fn c_static(source: &str, name: &str, libraries: &[&str]) -> anyhow::Result<PathBuf> {
    let (source, path) = (servers().join(source), built()?.join(name));
    if is_older(&path, &source) {
        let mut compiler = Command::new(program("cc")?);
        succeed(compiler.args(["-O2", "-static", "-o"]).arg(&path).arg(source).args(libraries))?;
    }
    Ok(path)
}

/// Whether a file is missing, or was made before what it is made of.
fn is_older(path: &Path, source: &Path) -> bool {
    let written = |path: &Path| path.metadata().and_then(|of| of.modified()).ok();
    written(path).is_none_or(|at| written(source) > Some(at))
}

/// The same program without its symbols. What has not changed stays the same file, and so known to earshot; when it was written
/// does not tell, because go writes that anew each time.
pub fn stripped(file: &Path, name: &str) -> anyhow::Result<Command> {
    let path = built()?.join(name);
    let made = path.with_extension("new");
    run("strip", [Path::new("-s"), Path::new("-o"), &made, file])?;
    if std::fs::read(&path).ok() != Some(std::fs::read(&made)?) {
        std::fs::rename(&made, &path)?;
    }
    Ok(Command::new(path))
}

/// Where programs of `tests/servers` are built, in the target folder that holds this test.
pub fn built() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test.ancestors().nth(3).context("the test has no target folder")?.join("servers"))
}

fn servers() -> PathBuf {
    crate::root().join("tests/servers")
}

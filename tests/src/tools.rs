//! Where setup put what no Debian package has.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

/// Shared by all checkouts of this user.
pub fn tools_folder() -> anyhow::Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("earshot/tools"))
}

/// A program under `tests/servers` by the Python that has the packages of `tests/servers/requirements.txt`.
pub fn python(script: &str) -> anyhow::Result<Command> {
    let python = tools_folder()?.join("venv/bin/python3");
    anyhow::ensure!(python.is_file(), "no {}: 'cargo xtask setup --live' makes it", python.display());
    let mut command = Command::new(python);
    command.arg(crate::root().join("tests/servers").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

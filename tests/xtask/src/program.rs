//! Other programs: found, run, and named when they fail.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::place::Place;

/// Where the system keeps servers; not every user's PATH has it.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Folders that programs are looked for in; what the user has comes first.
fn folders(place: &Place) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(place.tool_folders()).chain(SYSTEM_FOLDERS.map(PathBuf::from)).collect()
}

pub fn found(place: &Place, name: &str) -> Option<PathBuf> {
    folders(place).into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// A program to be run in the checkout, with nothing on standard input.
pub fn program(place: &Place, name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::join_paths(folders(place)).unwrap_or_else(|_| OsString::from("/usr/bin:/bin:/usr/sbin:/sbin"));
    command.current_dir(&place.root).env("PATH", path).stdin(Stdio::null());
    command
}

/// The cargo that runs xtask.
pub fn cargo(place: &Place) -> Command {
    program(place, &std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
}

/// The command line as one would type it.
pub fn line(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line(command);
    let status = command.status().with_context(|| format!("cannot run '{line}'"))?;
    anyhow::ensure!(status.success(), "'{line}' ended with {status}");
    Ok(())
}

/// What the program says on standard output.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = line(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot run '{line}'"))?;
    anyhow::ensure!(output.status.success(), "'{line}' ended with {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("'{line}' printed what is not text"))
}

/// Runs it, passes its standard error on, and keeps the lines from the last one that `begins` holds for.
pub fn run_keeping(command: &mut Command, begins: impl Fn(&str) -> bool) -> (anyhow::Result<()>, Vec<String>) {
    let mut kept = vec![];
    let done = run_reading(command, |text| {
        if begins(text) {
            kept.clear();
        }
        if begins(text) || !kept.is_empty() {
            kept.push(text.to_owned());
        }
    });
    (done, kept)
}

fn run_reading(command: &mut Command, mut each: impl FnMut(&str)) -> anyhow::Result<()> {
    let line = line(command);
    let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| format!("cannot run '{line}'"))?;
    if let Some(errors) = child.stderr.take() {
        for text in BufReader::new(errors).split(b'\n') {
            let text = text.with_context(|| format!("cannot read what '{line}' says"))?;
            let text = String::from_utf8_lossy(&text);
            // a closed standard error loses the text, not the run
            let _ = writeln!(std::io::stderr(), "{text}");
            each(&text);
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for '{line}'"))?;
    anyhow::ensure!(status.success(), "'{line}' ended with {status}");
    Ok(())
}

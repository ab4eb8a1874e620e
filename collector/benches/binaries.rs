//! What it takes to know programs' names and unwind tables for the first time, of a large one and of many libraries at once:
//! `cargo bench -p collector --bench binaries`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use collector::symbols::Symbols;
use collector::unwind::Unwinder;

const LIBRARIES: usize = 500;
/// Copied by turns, from 0.1 to 5 MB, those that are there.
const COPIED: [&str; 6] = ["libz.so.1", "libgcc_s.so.1", "libm.so.6", "libstdc++.so.6", "libssl.so.3", "libcrypto.so.3"];
const FOLDERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64"];
/// Addresses of each that are named.
const ADDRESSES: u64 = 64;
const LOADED_WITHIN: Duration = Duration::from_secs(60);

/// A process that waits until this is dropped.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Option<Waiting> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Waiting(command.spawn().ok()?);
    std::thread::sleep(Duration::from_secs(2));
    Some(started)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

/// Where a process has code of files whose path this is true of: start and end.
fn code(pid: u32, of: impl Fn(&str) -> bool) -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let range = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let executable = words.next()?.as_bytes().get(2) == Some(&b'x');
        let path = words.nth(3)?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        (executable && of(path)).then_some((number(start)?, number(end)?))
    };
    maps.lines().filter_map(range).collect()
}

/// The first frame of a program that nothing is known of.
fn cold(what: &str, program: &Path, args: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(process) = start(Command::new(program).args(args).current_dir(folder.path())) else { return };
    let pid = process.0.id();
    let real = program.canonicalize().unwrap_or_default();
    let Some((start, end)) = code(pid, |path| Path::new(path) == real).into_iter().max_by_key(|(start, end)| end - start)
    else {
        return;
    };
    let (address, before) = (start + (end - start) / 2, resident_kib());
    let began = Instant::now();
    let mut unwinder = Unwinder::new();
    unwinder.look_at(pid);
    let found = unwinder.describes(pid, address);
    let unwound = began.elapsed();
    let (mut symbols, mut names) = (Symbols::new(), vec![]);
    let began = Instant::now();
    symbols.mapped(pid);
    symbols.frames(pid, address, false, &mut names);
    let named = began.elapsed();
    let bytes = real.metadata().map_or(0, |meta| meta.len());
    println!(
        "{what} {} MB: name {:.0} ms, unwind table {:.0} ms, held {} MiB, resident {} MiB more ({}, {found})",
        bytes / 1_000_000,
        named.as_secs_f64() * 1e3,
        unwound.as_secs_f64() * 1e3,
        (symbols.bytes() + unwinder.bytes()) >> 20,
        resident_kib().saturating_sub(before) >> 10,
        names.join(";"),
    );
}

/// A process that maps so many files.
fn many(folder: &Path) -> Option<(Waiting, usize, u64)> {
    let there = |name: &&str| FOLDERS.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    let originals: Vec<PathBuf> = COPIED.iter().filter_map(there).collect();
    let (mut copies, mut bytes) = (vec![], 0);
    for (n, original) in originals.iter().cycle().take(LIBRARIES).enumerate() {
        let copy = folder.join(format!("{n}.so"));
        bytes += std::fs::copy(original, &copy).ok()?;
        copies.push(copy.to_str()?.to_owned());
    }
    let process = start(Command::new("sleep").arg("600").env("LD_PRELOAD", copies.join(":")))?;
    let began = Instant::now();
    let own = folder.to_str()?.to_owned();
    loop {
        let mapped = code(process.0.id(), |path| path.starts_with(&own)).len();
        if mapped >= copies.len() || began.elapsed() > LOADED_WITHIN {
            return Some((process, mapped, bytes));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn main() {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.ancestors().nth(2)?.join("earshot")));
    if let Some(earshot) = beside.filter(|path| File::open(path).is_ok()) {
        let args = ["run", "--no-probes", "--listen", "127.0.0.1:0", "--pg-listen", "127.0.0.1:0", "--data-dir", "data"];
        cold("earshot", &earshot, &args);
    }
    for node in ["/usr/local/bin/node", "/usr/bin/node"].map(Path::new).into_iter().filter(|path| path.is_file()).take(1) {
        cold("node", node, &["-e", "setTimeout(() => {}, 600000)"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Some((process, mapped, bytes)) = many(folder.path()) else { return };
    let (pid, own) = (process.0.id(), folder.path().to_string_lossy().into_owned());
    let (mut symbols, mut unwinder, mut names) = (Symbols::new(), Unwinder::new(), vec![]);
    let (before, began) = (resident_kib(), Instant::now());
    unwinder.look_at(pid);
    symbols.mapped(pid);
    let mut named = 0;
    for (start, end) in code(pid, |path| path.starts_with(&own)) {
        for n in 0..ADDRESSES {
            let address = start + (end - start) / ADDRESSES * n;
            names.clear();
            symbols.frames(pid, address, false, &mut names);
            named += u64::from(names.iter().any(|name| !name.starts_with('[')));
            unwinder.describes(pid, address);
        }
    }
    println!(
        "libraries {mapped} mapped, {} MB: {:.1} s for {ADDRESSES} addresses of each ({named} named), held {} MiB, resident {} MiB more",
        bytes / 1_000_000,
        began.elapsed().as_secs_f64(),
        (symbols.bytes() + unwinder.bytes()) >> 20,
        resident_kib().saturating_sub(before) >> 10,
    );
}

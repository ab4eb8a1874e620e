//! Probes that come and go a thousand times while their program is under load hurt nothing.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::kernel::Capture;
use collector::{binary, libraries};
use tests::{Certificates, Nginx, is_root, run};

const TIMES: usize = 1000;
/// wrk runs so long, again and again.
const LOAD: &str = "-d3s";

/// The library that a process has mapped.
fn libssl(pid: u32) -> anyhow::Result<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libssl"));
    path.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("nginx maps no libssl"))
}

/// Each place of the library in turn: probed, and left again.
fn come_and_go(capture: &mut Capture, file: &File, path: &str) -> anyhow::Result<()> {
    let analysis = binary::analyse(file)?.ok_or_else(|| anyhow::anyhow!("nothing to probe in {path}"))?;
    let places = libraries::probes(&analysis, path).len();
    let mut hits = 0;
    for round in 0..TIMES {
        let probe = libraries::probes(&analysis, path).into_iter().nth(round % places);
        let probe = probe.ok_or_else(|| anyhow::anyhow!("nothing to probe in {path}"))?;
        let id = capture.probe(file, probe).map_err(|why| anyhow::anyhow!("round {round}: {why}"))?;
        hits += capture.probes().iter().filter(|p| p.hook == "uprobe").filter_map(|p| p.hits).sum::<u64>();
        capture.unprobe(id);
    }
    anyhow::ensure!(hits > 0, "no probe was ever hit");
    Ok(())
}

#[test]
fn a_thousand_times_under_load() -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "live tests need root: they load programs into the kernel");
    let certificates = Certificates::make()?;
    let nginx = Nginx::start_tls(&certificates)?;
    let path = libssl(nginx.pid())?;
    let file = File::open(&path)?;
    let mut capture = Capture::start(0)?;
    let descriptors = || std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    let before = descriptors()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| -> anyhow::Result<()> {
        let load = threads.spawn(|| -> anyhow::Result<()> {
            while !done.load(Ordering::Relaxed) {
                let said = run("wrk", ["-t1", "-c8", LOAD, &nginx.url("/text.html")])?;
                anyhow::ensure!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
            }
            Ok(())
        });
        let outcome = come_and_go(&mut capture, &file, &path);
        done.store(true, Ordering::Relaxed);
        load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        outcome
    })?;
    assert_eq!(descriptors()?, before, "descriptors leak");
    assert!(!std::fs::read_to_string(nginx.error_log())?.contains("exited on signal"), "a worker died");
    Ok(())
}

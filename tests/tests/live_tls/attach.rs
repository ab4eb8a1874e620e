//! Probes that come and go a thousand times while their program is under load hurt nothing.

use std::fs::File;

use collector::kernel::Capture;
use collector::{binary, libraries};
use tests::{Certificates, Nginx, is_root, run};

const TIMES: u32 = 1000;
/// As long as the thousand rounds may take.
const LOAD_SECONDS: u32 = 50;

/// The library that a process has mapped.
fn libssl(pid: u32) -> anyhow::Result<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libssl"));
    path.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("nginx maps no libssl"))
}

#[test]
fn a_thousand_times_under_load() -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "live tests need root: they load programs into the kernel");
    let certificates = Certificates::make()?;
    let nginx = Nginx::start_tls(&certificates)?;
    let path = libssl(nginx.pid())?;
    let file = File::open(&path)?;
    let analysis = binary::analyse(&file)?.ok_or_else(|| anyhow::anyhow!("nothing to probe in {path}"))?;
    let mut capture = Capture::start(0)?;
    let descriptors = || std::fs::read_dir("/proc/self/fd").map(Iterator::count);
    let before = descriptors()?;
    std::thread::scope(|threads| -> anyhow::Result<()> {
        let url = nginx.url("/text.html");
        let duration = format!("-d{LOAD_SECONDS}s");
        let load = threads.spawn(move || run("wrk", ["-t1", "-c8", &duration, &url]));
        let mut hits = 0;
        let mut round = 0;
        while round < TIMES && !load.is_finished() {
            let mut probed = vec![];
            for probe in libraries::probes(&analysis, &path) {
                probed.push(capture.probe(&file, probe).map_err(|why| anyhow::anyhow!("round {round}: {why}"))?);
            }
            hits += capture.probes().iter().filter(|p| p.hook == "uprobe").filter_map(|p| p.hits).sum::<u64>();
            for id in probed {
                capture.unprobe(id);
            }
            round += 1;
        }
        assert_eq!(round, TIMES, "the load ended after {round} rounds");
        assert!(hits > 0, "no probe was ever hit");
        let said = load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
        Ok(())
    })?;
    assert_eq!(descriptors()?, before, "descriptors leak");
    assert!(!std::fs::read_to_string(nginx.error_log())?.contains("exited on signal"), "a worker died");
    Ok(())
}

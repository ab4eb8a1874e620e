//! Probes that come and go while their program is under load hurt nothing, and a host has a limit of them.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};

use collector::kernel::{Capture, Probe, WantedSamples};
use collector::{binary, libraries};
use tests::{Certificates, Nginx, is_root, run};

/// How often they come and go. EARSHOT_ATTACH_TIMES=1000 does it a thousand times, which takes a minute or two: for a release, or a
/// change of how probes are attached.
const TIMES: usize = 100;
/// wrk runs so long, again and again.
const LOAD: &str = "-d3s";
/// What the test itself may hold more afterwards, in KiB, however often: a probe's place in a list would be told.
const GROWTH_KIB_MAX: u64 = 4096;

/// The library that a process has mapped.
fn libssl(pid: u32) -> anyhow::Result<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libssl"));
    path.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("nginx maps no libssl"))
}

fn probes(file: &File, path: &str) -> anyhow::Result<Vec<Probe>> {
    let analysis = binary::analyse(file)?.ok_or_else(|| anyhow::anyhow!("nothing to probe in {path}"))?;
    Ok(libraries::probes(&analysis, path))
}

/// What this process holds: descriptors, BPF links, memory in KiB.
fn held() -> anyhow::Result<(usize, usize, u64)> {
    let (mut descriptors, mut links) = (0, 0);
    for entry in std::fs::read_dir("/proc/self/fdinfo")? {
        descriptors += 1;
        // the folder's own descriptor is gone by the time that it is looked at
        let info = std::fs::read_to_string(entry?.path()).unwrap_or_default();
        links += usize::from(info.contains("link_type"));
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|v| v.split_whitespace().next());
    Ok((descriptors, links, resident.ok_or_else(|| anyhow::anyhow!("no VmRSS"))?.parse()?))
}

/// All places of the library: probed, and left again.
fn come_and_go(capture: &mut Capture, file: &File, probes: &[Probe]) -> anyhow::Result<()> {
    let times = std::env::var("EARSHOT_ATTACH_TIMES").ok().map_or(Ok(TIMES), |times| times.parse())?;
    let mut hits = 0;
    for round in 0..times {
        let attached = capture.probe(file, probes.to_vec());
        anyhow::ensure!(attached.places == probes.len(), "round {round}: {:?}", attached.refused);
        hits += capture.probes().iter().filter(|p| p.target.contains("libssl")).filter_map(|p| p.hits).sum::<u64>();
        if let Some(id) = attached.id {
            capture.unprobe(id);
        }
    }
    anyhow::ensure!(hits > 0, "no probe was ever hit");
    Ok(())
}

#[test]
fn again_and_again_under_load() -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "live tests need root: they load programs into the kernel");
    let certificates = Certificates::make()?;
    let nginx = Nginx::start_tls(&certificates)?;
    let path = libssl(nginx.pid())?;
    let file = File::open(&path)?;
    let probes = probes(&file, &path)?;
    let mut capture = Capture::start(WantedSamples::default())?;
    let before = held()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| -> anyhow::Result<()> {
        let load = threads.spawn(|| -> anyhow::Result<()> {
            while !done.load(Ordering::Relaxed) {
                let said = run("wrk", ["-t1", "-c8", LOAD, &nginx.url("/text.html")])?;
                // a request that takes two seconds is one of the errors
                anyhow::ensure!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
            }
            Ok(())
        });
        let outcome = come_and_go(&mut capture, &file, &probes);
        done.store(true, Ordering::Relaxed);
        load.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        outcome
    })?;
    let after = held()?;
    assert_eq!((after.0, after.1), (before.0, before.1), "descriptors or links leak");
    assert!(after.2 < before.2 + GROWTH_KIB_MAX, "memory leaks: {} KiB before, {} after", before.2, after.2);
    assert!(!std::fs::read_to_string(nginx.error_log())?.contains("exited on signal"), "a worker died");
    Ok(())
}

#[test]
fn what_exceeds_a_hosts_limit_is_refused() -> anyhow::Result<()> {
    anyhow::ensure!(is_root(), "live tests need root: they load programs into the kernel");
    let certificates = Certificates::make()?;
    let nginx = Nginx::start_tls(&certificates)?;
    let path = libssl(nginx.pid())?;
    let file = File::open(&path)?;
    let probes = probes(&file, &path)?;
    let mut capture = Capture::start(WantedSamples::default())?;
    let many: Vec<Probe> = probes.iter().cycle().take(5000).cloned().collect();
    let refused = capture.probe(&file, many);
    assert_eq!((refused.id, refused.places, refused.refused.len()), (None, 0, 5000));
    assert!(refused.refused.iter().all(|(_, why)| why.contains("5000 probes") && why.contains("a host may have")));
    assert_eq!(capture.probe(&file, probes.clone()).places, probes.len(), "what fits is probed as before");
    Ok(())
}

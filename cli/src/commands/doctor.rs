//! `earshot doctor`: what works here, what does not, and what to do about it.

use collector::kernel::{Capture, Standing, StartError, WantedSamples, can_read_kernel, missing_privileges};

use crate::args::DoctorArgs;
use crate::config::Config;
use crate::exit::{Done, Failure};

/// One finding.
struct Finding {
    good: bool,
    what: &'static str,
    detail: String,
    advice: Option<&'static str>,
}

fn finding(good: bool, what: &'static str, detail: impl Into<String>, advice: &'static str) -> Finding {
    Finding { good, what, detail: detail.into(), advice: (!good).then_some(advice) }
}

pub fn doctor(_: DoctorArgs) -> Done {
    let mut works = true;
    for f in findings(&mut works) {
        println!("{} {:<12} {}", if f.good { "ok  " } else { "FAIL" }, f.what, f.detail);
        if let Some(advice) = f.advice {
            println!("     {:<12} → {advice}", "");
        }
    }
    if works { Ok(()) } else { Err(Failure::Failed(anyhow::anyhow!("capture does not work here; the lines above say why"))) }
}

fn findings(works: &mut bool) -> Vec<Finding> {
    let read = |path: &str| std::fs::read_to_string(path).map(|t| t.trim().to_owned()).unwrap_or_default();
    let mut out = vec![finding(
        cfg!(target_arch = "x86_64"),
        "kernel",
        format!("Linux {} on {}", read("/proc/sys/kernel/osrelease"), std::env::consts::ARCH),
        "the kernel programs are built for x86_64 only so far",
    )];
    let lockdown = read("/sys/kernel/security/lockdown");
    out.push(finding(
        !lockdown.contains("[confidentiality]"),
        "lockdown",
        if lockdown.is_empty() { "none".to_owned() } else { lockdown },
        "kernel lockdown in mode confidentiality forbids reading traffic: boot with lockdown=integrity",
    ));
    out.push(finding(
        can_read_kernel(),
        "types",
        if can_read_kernel() { "/sys/kernel/btf/vmlinux describes the kernel's types" } else { "no /sys/kernel/btf/vmlinux" },
        "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y; every current distribution's is",
    ));
    let missing = missing_privileges();
    out.push(finding(
        missing.is_empty(),
        "privileges",
        if missing.is_empty() { "sufficient".to_owned() } else { format!("missing {}", missing.join(", ")) },
        "run as root, or grant the capabilities named",
    ));
    out.push(data_dir());
    out.extend(ports());
    if missing.is_empty() {
        out.extend(capture(works));
    } else {
        *works = false;
    }
    out
}

fn data_dir() -> Finding {
    let dir = Config::default().data_dir;
    let at = dir.ancestors().find(|d| d.exists()).unwrap_or(&dir);
    let writable = tempfile_in(at);
    finding(
        writable.is_ok(),
        "data folder",
        match writable {
            Ok(()) => format!("{} can be written", dir.display()),
            Err(error) => format!("{} cannot be written: {error}", dir.display()),
        },
        "name another with --data-dir",
    )
}

/// Whether a file can be made in a folder; leaves nothing behind.
fn tempfile_in(dir: &std::path::Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".earshot-doctor-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(probe)
}

fn ports() -> Vec<Finding> {
    let config = Config::default();
    [config.listen, config.pg_listen]
        .into_iter()
        .map(|addr| match std::net::TcpListener::bind(addr) {
            Ok(_) => finding(true, "port", format!("{addr} is free"), ""),
            Err(error) => Finding {
                good: true,
                what: "port",
                detail: format!("{addr}: {error}; if that is not an earshot, choose another with --listen or --pg-listen"),
                advice: None,
            },
        })
        .collect()
}

/// Loads and attaches everything, as a run would, and lets go again.
fn capture(works: &mut bool) -> Vec<Finding> {
    match Capture::start(WantedSamples { hz: Config::default().profile_hz, faults: true, growth: true }) {
        Ok(capture) => capture
            .probes()
            .into_iter()
            .map(|p| {
                finding(
                    matches!(p.standing, Standing::Attached | Standing::Off),
                    "probe",
                    format!("{} {}: {}", p.hook, p.target, p.reason),
                    "less is known without it",
                )
            })
            .collect(),
        Err(error) => {
            *works = false;
            let advice = match error {
                StartError::Attach { .. } => "this needs Linux 6.3 or newer, where the socket tracepoints exist",
                _ => "see the lines above",
            };
            vec![finding(false, "capture", error.to_string(), advice)]
        }
    }
}

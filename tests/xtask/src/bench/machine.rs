//! The machine, in one line: processor, how many of them, memory, kernel. What is unknown is left out.

pub fn line() -> String {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let mut parts = vec![cpu];
    if let Ok(count) = std::thread::available_parallelism() {
        parts.push(format!("{count} CPU{}", if count.get() == 1 { "" } else { "s" }));
    }
    let kib = field("/proc/meminfo", "MemTotal").and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
    if let Some(kib) = kib {
        parts.push(format!("{:.1} GiB", kib as f64 / f64::from(1 << 20)));
    }
    if let Ok(release) = std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        parts.push(format!("Linux {}", release.trim()));
    }
    parts.join(", ")
}

/// The value of the first line `name: value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

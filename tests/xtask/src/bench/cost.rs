//! What a process costs: processor time and memory, as the kernel accounts for them under `/proc`.

use std::path::Path;

use anyhow::Context;

/// Clock ticks a second in `/proc/PID/stat`; the same on every Linux that user space sees.
const TICKS: f64 = 100.0;

/// Processor time of a process since it started, in seconds, with that of its children, ended ones included.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = stat(pid)?;
    let children = children(pid).into_iter().filter_map(|child| own_seconds(child).ok()).sum::<f64>();
    // a child that is being reaped just now may be missing or counted twice: callers read when nothing ends
    Ok(own_seconds(pid)? + stat.reaped_ticks as f64 / TICKS + children)
}

/// Processor time of all children of this process that have ended, and of theirs, in seconds.
pub fn ended_children_seconds() -> anyhow::Result<f64> {
    Ok(stat(std::process::id())?.reaped_ticks as f64 / TICKS)
}

/// Resident memory now and at its peak, in bytes.
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: did it end?"))?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).with_context(|| format!("{path} has no {name}"))
    };
    Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

struct Stat {
    ticks: u64,
    reaped_ticks: u64,
}

fn stat(pid: u32) -> anyhow::Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: did it end?"))?;
    parse_stat(&text).with_context(|| format!("cannot understand {path}"))
}

/// Fields 14 to 17 of proc(5): utime, stime, cutime, cstime. The name before them may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let rest = text.get(text.rfind(')')? + 1..)?;
    let mut times = rest.split_whitespace().skip(11).map_while(|word| word.parse::<u64>().ok());
    let mut next = || times.next();
    Some(Stat { ticks: next()? + next()?, reaped_ticks: next()? + next()? })
}

/// Ticks remember ended threads but are coarse, the threads' own clocks are exact but forget them: both are lower bounds.
fn own_seconds(pid: u32) -> anyhow::Result<f64> {
    let ticks = stat(pid)?.ticks as f64 / TICKS;
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let exact: f64 = tasks.filter_map(|task| run_ns(&task.path())).map(|ns| ns as f64 / 1e9).sum();
    Ok(ticks.max(exact))
}

fn run_ns(task: &Path) -> Option<u64> {
    std::fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
}

/// Processes that a process started and that still run.
fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = parse_stat("7 (a) b 1 (x) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 7 3 20 0 1 0 100 0 0")
            .map(|s| (s.ticks, s.reaped_ticks));
        assert_eq!(stat, Some((200, 10)));
        assert!(parse_stat("7 (cut) S 1 7").is_none());
        assert!(parse_stat("").is_none());
    }

    #[test]
    fn this_process_costs_something() -> anyhow::Result<()> {
        let me = std::process::id();
        let before = cpu_seconds(me)?;
        let started = std::time::Instant::now();
        while started.elapsed() < std::time::Duration::from_millis(50) {
            std::hint::black_box(0);
        }
        let spent = cpu_seconds(me)? - before;
        assert!(spent > 0.0 && spent < 10.0, "{spent}");
        let memory = memory(me)?;
        assert!(memory.resident > 100_000 && memory.peak >= memory.resident);
        Ok(())
    }
}

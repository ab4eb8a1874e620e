//! One life of a process.

use procfs::process::Process as Proc;
use schema::ProcessPrefix;

use super::{build_id, cgroup};
use crate::kernel::Clock;

/// Hundredths of a second: the unit of starting times in /proc.
const TICK_NS: u64 = 10_000_000;
/// Bytes of arguments that are kept.
const ARGUMENT_BYTES_MAX: usize = 4096;

/// How a process ended, as `wait` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub at_unix_ns: i64,
    pub status: u32,
}

impl Exit {
    pub fn code(self) -> Option<i32> {
        (self.signal().is_none()).then_some((self.status >> 8 & 0xff) as i32)
    }

    pub fn signal(self) -> Option<i32> {
        Some((self.status & 0x7f) as i32).filter(|s| *s != 0)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Process {
    pub id: i64,
    pub pid: u32,
    pub name: Vec<u8>,
    pub parent_id: Option<i64>,
    pub started_unix_ns: i64,
    pub exit: Option<Exit>,
    /// How many programs it was seen to begin; one may run itself again.
    pub execs: u32,
    pub executable: Option<Vec<u8>>,
    /// A JSON list.
    pub arguments: Option<Vec<u8>>,
    pub user_id: Option<u32>,
    pub build_id: Option<String>,
    pub container_id: Option<Vec<u8>>,
    pub unit: Option<Vec<u8>>,
}

/// What identifies lives of processes on this host.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    pub id: u64,
    pub clock: Clock,
    /// Suspended time: boot time minus monotonic time.
    pub suspended_ns: u64,
}

impl Boot {
    pub fn process_id(self, pid: u32, started_ns: u64) -> i64 {
        schema::ids::process_id(self.id, pid, started_ns / TICK_NS)
    }

    /// From nanoseconds since boot to Unix time.
    pub fn unix_ns(self, started_ns: u64) -> i64 {
        self.clock.unix_ns(started_ns.saturating_sub(self.suspended_ns))
    }
}

impl Process {
    pub fn service(&self) -> &[u8] {
        self.unit.as_deref().unwrap_or(&self.name)
    }

    /// What a row about the process begins with.
    pub fn prefix<'a>(&'a self, host: &'a [u8], unix_ns: i64) -> ProcessPrefix<'a> {
        ProcessPrefix {
            time: Some(unix_ns),
            host: Some(host),
            process_id: Some(self.id),
            pid: Some(self.pid as i32),
            process_name: Some(&self.name),
            container_id: self.container_id.as_deref(),
            service: Some(self.service()),
            ..Default::default()
        }
    }

    /// What /proc tells of a process; None when it is gone.
    pub fn read(pid: u32, boot: Boot) -> Option<Self> {
        let proc = Proc::new(pid as i32).ok()?;
        let stat = proc.stat().ok()?;
        let started_ns = stat.starttime * TICK_NS;
        let mut process = Process {
            id: boot.process_id(pid, started_ns),
            pid,
            name: stat.comm.clone().into_bytes(),
            started_unix_ns: boot.unix_ns(started_ns),
            user_id: proc.uid().ok(),
            ..Default::default()
        };
        process.parent_id = parent(stat.ppid, boot);
        process.read_program();
        Some(process)
    }

    /// Program, arguments and control group as they are now, where they can still be read.
    pub fn read_program(&mut self) {
        let at = format!("/proc/{}", self.pid);
        if let Ok(path) = std::fs::read_link(format!("{at}/exe")) {
            use std::os::unix::ffi::OsStrExt;
            self.executable = Some(path.as_os_str().as_bytes().to_vec());
            self.build_id = build_id::of(format!("{at}/exe").as_ref());
        }
        if let Ok(line) = std::fs::read(format!("{at}/cmdline"))
            && !line.is_empty()
        {
            self.arguments = Some(arguments(&line));
        }
        if let Ok(text) = std::fs::read(format!("{at}/cgroup")) {
            let group = cgroup::parse(&text);
            self.container_id = group.container_id;
            self.unit = group.unit;
        }
    }
}

fn parent(ppid: i32, boot: Boot) -> Option<i64> {
    let stat = Proc::new(ppid).ok()?.stat().ok()?;
    Some(boot.process_id(ppid as u32, stat.starttime * TICK_NS))
}

/// Arguments that zero bytes separate, as a JSON list.
pub fn arguments(line: &[u8]) -> Vec<u8> {
    let line = &line[..line.len().min(ARGUMENT_BYTES_MAX)];
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    let mut out = vec![b'['];
    for (i, argument) in line.split(|b| *b == 0).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        protocol_parsers::json::text(&mut out, argument);
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_a_list() {
        assert_eq!(arguments(b"sh\0-c\0echo \"x\"\0"), br#"["sh","-c","echo \"x\""]"#);
        assert_eq!(arguments(b"one"), br#"["one"]"#);
    }

    #[test]
    fn exits_are_told_from_signals() {
        let exit = |status| Exit { at_unix_ns: 0, status };
        assert_eq!((exit(0x0300).code(), exit(0x0300).signal()), (Some(3), None));
        assert_eq!((exit(9).code(), exit(9).signal()), (None, Some(9)));
    }

    #[test]
    fn this_process_is_read() {
        let boot = Boot { id: 1, clock: Clock::of_this_host(), suspended_ns: 0 };
        let me = Process::read(std::process::id(), boot).unwrap();
        assert_eq!(me.pid, std::process::id());
        assert!(!me.name.is_empty() && me.executable.is_some());
        assert!(Process::read(u32::MAX / 2, boot).is_none());
    }
}

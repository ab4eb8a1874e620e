//! What a process used so far, from /proc.

use procfs::process::Process as Proc;
use schema::tables::ProcessStat;

/// Nanoseconds of one unit of CPU time in /proc/PID/stat.
const TICK_NS: u64 = 10_000_000;

/// None when the process is gone.
pub fn stat_row(pid: u32) -> Option<ProcessStat<'static>> {
    let proc = Proc::new(pid as i32).ok()?;
    let stat = proc.stat().ok()?;
    let io = proc.io().ok();
    let page = procfs::page_size();
    Some(ProcessStat {
        cpu_user_ns: Some((stat.utime * TICK_NS) as i64),
        cpu_system_ns: Some((stat.stime * TICK_NS) as i64),
        rss_bytes: Some((stat.rss * page) as i64),
        vsize_bytes: Some(stat.vsize as i64),
        threads: Some(stat.num_threads as i32),
        major_faults: Some(stat.majflt as i64),
        minor_faults: Some(stat.minflt as i64),
        read_bytes: io.as_ref().map(|io| io.read_bytes as i64),
        write_bytes: io.as_ref().map(|io| io.write_bytes as i64),
        ..Default::default()
    })
}

//! What this process may do, and what it asks of the system for itself.

use std::fs;

/// CAP_BPF and CAP_PERFMON, with CAP_SYS_ADMIN standing for both.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// The capabilities that capturing needs and this process lacks.
pub fn missing_privileges() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .and_then(|l| u64::from_str_radix(l.trim(), 16).ok())
        .unwrap_or(0);
    let has = |cap: u32| effective >> cap & 1 == 1;
    if has(CAP_SYS_ADMIN) {
        return vec![];
    }
    [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter(|(cap, _)| !has(*cap))
        .map(|(_, name)| name)
        .collect()
}

/// Whether the running kernel describes its types.
pub fn can_read_kernel() -> bool {
    fs::metadata("/sys/kernel/btf/vmlinux").is_ok()
}

/// Locked memory without a limit (kernels before 5.11 charge maps to it) and as many files as are allowed.
pub fn raise_limits() {
    for (resource, wanted) in [(libc::RLIMIT_MEMLOCK, libc::RLIM_INFINITY), (libc::RLIMIT_NOFILE, 65536)] {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointers are valid for the calls; a refused limit leaves the old one, which is tolerable.
        unsafe {
            if libc::getrlimit(resource, &raw mut limit) == 0 && limit.rlim_cur < wanted {
                let raised = libc::rlimit { rlim_cur: wanted.max(limit.rlim_cur), rlim_max: limit.rlim_max.max(wanted) };
                if libc::setrlimit(resource, &raw const raised) != 0 {
                    limit.rlim_cur = limit.rlim_max;
                    libc::setrlimit(resource, &raw const limit);
                }
            }
        }
    }
}

/// Allocations of this size are given back to the system when they are freed.
#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 1 << 20;

/// Keeps large allocations apart from small ones, where the allocator is glibc's: by itself it puts them together as soon as one was
/// freed, and what is freed between others stays with it. The rows' memory would take twice its budget.
pub fn keep_large_memory_apart() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer; a refusal leaves the allocator as it is.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
    }
}

/// Gives free memory back to the system, where the allocator is glibc's.
pub fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lets the calling thread run before others, for work that is short and that something waits for. Refused it runs as before.
pub fn prefer_this_thread() {
    const NICENESS: libc::c_int = -10;
    // SAFETY: takes no pointer; 0 is the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS);
    }
}

/// Whether the calling thread gives way to the programs beside it: it does not interrupt them when it wakes up, and is interrupted
/// when they do (the latter since Linux 6.12). Its share of the processor is the same. Refused, or under a real-time policy that
/// somebody chose for it, it runs as before.
pub fn give_way(gives_way: bool) {
    /// Longer than the slice of others, so that theirs count as more urgent (`kernel/sched/fair.c`: 0.7 to 2.8 ms).
    const SLICE_NS: u64 = 6_000_000;
    let (policy, slice_ns) = if gives_way { (libc::SCHED_BATCH, SLICE_NS) } else { (libc::SCHED_OTHER, 0) };
    // SAFETY: 0 is the calling thread; the structure is as large as it says and is only read.
    unsafe {
        if !matches!(libc::sched_getscheduler(0), libc::SCHED_OTHER | libc::SCHED_BATCH) {
            return;
        }
        let attributes = libc::sched_attr {
            size: size_of::<libc::sched_attr>() as u32,
            sched_policy: policy as u32,
            sched_flags: 0,
            sched_nice: libc::getpriority(libc::PRIO_PROCESS, 0),
            sched_priority: 0,
            sched_runtime: slice_ns,
            sched_deadline: 0,
            sched_period: 0,
        };
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_and_no_longer() {
        // SAFETY: takes no pointer; 0 is the calling thread.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        std::thread::spawn(move || {
            give_way(true);
            assert_eq!(policy(), libc::SCHED_BATCH);
            give_way(false);
            assert_eq!(policy(), libc::SCHED_OTHER);
        })
        .join()
        .expect("both are allowed to every process");
    }
}

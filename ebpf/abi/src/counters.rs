//! What the kernel programs saw and what became of it. Seen is the sum of the others (INV-7).

/// Events and the bytes they held.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct Count {
    pub events: u64,
    pub bytes: u64,
}

/// One a CPU.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    /// Transfers on sockets of the families that are watched.
    pub seen: Count,
    /// Transfers whose bytes (or size, where no bytes can be had) went to a ring buffer.
    pub copied: Count,
    /// earshot's own traffic.
    pub own: Count,
    /// Transfers of the end whose partner on this host is copied instead.
    pub mirrored: Count,
    /// Transfers that the connection's policy only counts.
    pub counted: Count,
    /// Transfers of which at least one record found the ring buffer full.
    pub ring_full: Count,
    /// Transfers of which less was copied than is of use, because much waited in the ring buffer or their process is over its
    /// budget; what was left out.
    pub over_budget: Count,
    /// Transfers on sockets for which no state could be kept.
    pub no_state: Count,
    /// Records of connections and processes, not of transfers, that found the ring buffer full.
    pub notices_lost: Count,
    /// Reads and writes of TLS sessions that moved bytes; the five below are what became of them.
    pub plain_seen: Count,
    pub plain_copied: Count,
    /// The session's policy only counts.
    pub plain_counted: Count,
    pub plain_ring_full: Count,
    /// Less was copied than is of use, because their process is over its budget; what was left out.
    pub plain_over_budget: Count,
    /// The bytes could not be read, or no session could be kept.
    pub plain_unread: Count,
    /// Ticks of the profiler's clock and waits that are to be told; the three below are what became of them.
    pub samples_seen: Count,
    pub samples_copied: Count,
    /// The CPU had nothing to do.
    pub samples_idle: Count,
    pub samples_ring_full: Count,
    /// How often each hook of [`hook`] ran.
    pub hits: [u64; hook::NAMES.len()],
}

/// Positions in [`Counters::hits`].
pub mod hook {
    pub const SEND: usize = 0;
    pub const RECEIVE: usize = 1;
    pub const SET_STATE: usize = 2;
    pub const FORK: usize = 3;
    pub const EXEC: usize = 4;
    pub const EXIT: usize = 5;
    pub const RENAME: usize = 6;
    pub const SAMPLE: usize = 7;
    pub const SWITCH: usize = 8;
    pub const SWITCH_IN: usize = 9;
    pub const WAKING: usize = 10;
    pub const FAULT: usize = 11;
    pub const GROWTH: usize = 12;
    /// The BTF tracepoints, and the clock and the counter of the samples, in the order of the positions.
    pub const NAMES: [&str; 13] = [
        "sock_send_length",
        "sock_recv_length",
        "inet_sock_set_state",
        "sched_process_fork",
        "sched_process_exec",
        "sched_process_exit",
        "task_rename",
        "cpu-clock",
        "sched_switch",
        "sched_exit_tp",
        "sched_waking",
        "page-faults",
        "rss_stat",
    ];
}

const _: () = assert!(size_of::<Counters>() == 19 * 16 + 13 * 8);

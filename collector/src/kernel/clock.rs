//! From the monotonic clock, on which the kernel stamps events, to time of day.

/// Nanoseconds on the monotonic clock.
pub fn monotonic_ns() -> u64 {
    now(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds that the calling thread has computed for.
pub fn thread_cpu_ns() -> u64 {
    now(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn now(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid for the call, and these clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What to add to a monotonic time to get Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub offset_ns: i64,
}

impl Clock {
    /// Both clocks read as close to each other as possible.
    pub fn of_this_host() -> Self {
        let best = (0..5)
            .map(|_| {
                let (before, real, after) = (monotonic_ns(), now(libc::CLOCK_REALTIME), monotonic_ns());
                (after - before, real as i64 - (before + (after - before) / 2) as i64)
            })
            .min();
        Self { offset_ns: best.map_or(0, |(_, offset)| offset) }
    }

    /// For captures whose times are Unix times already.
    pub const UNIX: Clock = Clock { offset_ns: 0 };

    pub fn unix_ns(self, mono_ns: u64) -> i64 {
        (mono_ns as i64).wrapping_add(self.offset_ns)
    }
}

/// Nanoseconds between boot and the monotonic clock's zero: suspended time.
pub fn boottime_minus_monotonic_ns() -> u64 {
    now(libc::CLOCK_BOOTTIME).saturating_sub(monotonic_ns())
}

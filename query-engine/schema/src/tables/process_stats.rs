crate::table! {
    /// What a process used so far, measured every ten seconds while it takes part in traffic.
    pub struct ProcessStat in "process_stats", process;
    {
        /// CPU time in user mode since it started.
        cpu_user_ns: Int64 [Nanoseconds],
        /// CPU time in the kernel since it started.
        cpu_system_ns: Int64 [Nanoseconds],
        /// Resident memory.
        rss_bytes: Int64 [Bytes],
        /// Address space.
        vsize_bytes: Int64 [Bytes],
        /// Number of threads.
        threads: Int32,
        /// Page faults that needed a disk since it started.
        major_faults: Int64 [Events],
        /// Page faults that did not since it started.
        minor_faults: Int64 [Events],
        /// Bytes read from storage since it started; null when not permitted.
        read_bytes: Int64 [Bytes],
        /// Bytes written to storage since it started; null when not permitted.
        write_bytes: Int64 [Bytes],
    }
}

crate::table! {
    /// One row a sample of the profiler: where a thread was while it ran, or where it waited.
    pub struct StackSample in "stack_samples", process;
    {
        /// 'on_cpu' (time on a CPU), 'off_cpu' (time off it), 'page_fault' (memory that was touched and had to be found first), 'rss_growth'
        /// (memory of the process's own that became resident, counted in batches of 128 KiB or more and charged to the thread that touched
        /// it; what is given back within a batch is no growth, and what is given back later is not told), 'heap' (memory that a process
        /// asked its allocator for while its heap was profiled; such rows come when that ends) …
        kind: Name,
        /// Off-CPU: 'blocked' (it waited for something) or 'preempted' (it was ready to run). Heap: 'live' (not given back when the
        /// profile ended) or 'freed'; null where that is not seen, and for other kinds.
        state: Name,
        /// Thread number as the host sees it.
        thread_id: Int32,
        /// The thread's name, as in /proc/PID/task/TID/comm.
        thread_name: Name,
        /// CPU that it ran on; off-CPU: that it left.
        cpu: Int32,
        /// The stack, in the table `stacks`.
        stack_id: Int64,
        /// What the sample stands for, in `value_unit`; on-CPU the period, off-CPU the time until it ran again; of memory
        /// bytes, its own and those before it that no other sample stands for.
        value: Int64,
        /// 'ns' or 'bytes'.
        value_unit: Name,
        /// Of a 'blocked' one: thread that woke it; null when no thread did, or when it was not seen.
        waker_thread_id: Int32,
        /// Name of the thread that woke it.
        waker_thread_name: Name,
        /// What woke it: 'thread', 'packet' (that thread sent something that was delivered on this host; an interrupt at that moment
        /// cannot be told from it), or 'interrupt' (a timer or a device, and no thread); null when it was not seen.
        waker_context: Name,
        /// Process number of the thread that woke it.
        waker_pid: Int32,
        /// That process, in the table `processes`; null for the kernel's own threads.
        waker_process_id: Int64,
    }
}

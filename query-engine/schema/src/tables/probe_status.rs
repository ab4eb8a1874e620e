crate::table! {
    /// Each kernel hook: whether it is attached, why or why not, and what it cost so far. The newest row of a hook counts.
    pub struct ProbeStatus in "probe_status", host, newest_by ["hook", "target"];
    {
        /// Kind of hook, such as 'tp_btf'.
        hook: Name,
        /// What it is attached to, such as 'sock_send_length'.
        target: Name,
        /// Whether it is attached.
        attached: Bool,
        /// 'attached'; 'off' while nobody has asked for what it tells; 'replaced' when another way does the same; 'refused' when it is
        /// not to be had, so that what it would tell is not seen.
        state: Name,
        /// Why it was chosen, or why it could not be attached.
        reason: Text,
        /// How often it ran; null when the kernel does not count.
        hits: Int64 [Events],
        /// Time it ran in all; null when the kernel does not count.
        run_time_ns: Int64 [Nanoseconds],
    }
}

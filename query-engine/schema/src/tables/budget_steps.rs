crate::table! {
    /// Processes of which less was copied because they, or the host as a whole, were over the budget that earshot is given: the
    /// newest word of each. `time` is since when. What was left out is in `lost_events` with the reason 'over_budget'.
    pub struct BudgetStep in "budget_steps", process, newest_by ["process_id"];
    {
        /// 'full': all that is of use, again; 'headers': the beginning of each transfer; 'counters': nothing, transfers are counted.
        step: Name,
        /// What was over its limit: 'process_events', 'process_bytes', 'host_events', 'host_bytes', 'host_cpu'; at a step up
        /// 'under_budget', or 'ended' when the process has.
        reason: Name,
        /// Records of this process that were read in a second before the change.
        events_per_second: Int64 [Events],
        /// Bytes of it that were copied in a second before the change.
        bytes_per_second: Int64 [Bytes],
    }
}

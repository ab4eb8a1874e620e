crate::table! {
    /// What was lost, left out or cut, by stage and reason: seen = stored + the sum of these. Each loss is counted once.
    pub struct LostEvent in "lost_events", host;
    {
        /// Where: 'kernel', 'ring', 'reassembly', 'parser', 'store' …
        stage: Name,
        /// Why, one word: 'ring_full', 'filtered_self', 'evicted' …
        reason: Name,
        /// What `events` counts: 'kernel_event', 'message' or 'row'.
        unit: Name,
        /// How many since the last row of this stage and reason.
        events: Int64 [Events],
        /// How many bytes they held; null when unknown.
        bytes: Int64 [Bytes],
        /// Connection they belong to, when it is one.
        connection_id: Int64,
    }
}

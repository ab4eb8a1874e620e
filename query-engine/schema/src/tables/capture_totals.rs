crate::table! {
    /// What the kernel saw each second and what became of it: seen = copied + filtered + lost.
    pub struct CaptureTotal in "capture_totals", host;
    {
        /// 'seen', 'copied', 'filtered_own' (earshot's traffic), 'filtered_mirror' (the other end on this host is copied), 'filtered_policy' (only counted), 'lost'; the same with 'plaintext_' before it of what TLS libraries encrypted or decrypted.
        outcome: Name,
        /// Transfers since the last row of this outcome.
        events: Int64 [Events],
        /// Bytes that they held.
        bytes: Int64 [Bytes],
    }
}

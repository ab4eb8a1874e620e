//! The table `dns_events`.

schema::table! {
    /// DNS queries with their answers, over UDP and TCP; a query that was sent again is one row.
    pub struct DnsEvent in "dns_events", traffic, requests schema::RequestsView {
        protocol: "'dns'",
        operation: "query_type",
        target: "query_name",
        status: "rcode",
        failed: "broken OR (rcode IS NOT NULL AND rcode NOT IN ('NOERROR', 'NXDOMAIN'))",
    };
    {
        /// 'udp' or 'tcp'.
        transport: Name,
        /// Number that pairs query and response.
        query_id: Int32,
        /// Name asked for, as sent and without the final dot; the root is '.'; inside a label a dot is '\.', a backslash '\\' and a
        /// byte that is no printable ASCII '\DDD'; null without a question.
        query_name: Recurring,
        /// Record type asked for: 'A', 'AAAA' …; 'TYPE123' when it has no name; null without a question.
        query_type: Name,
        /// Outcome by the header's four bits: 'NOERROR', 'NXDOMAIN' …; 'RCODE12' when it has no name; null without a response.
        rcode: Name,
        /// Records of the answer section: a list of {name, type, ttl, data}; null without a response.
        answers: Recurring [Json],
        /// How many records the answer section has; null without a response.
        answer_count: Int64,
    }
}

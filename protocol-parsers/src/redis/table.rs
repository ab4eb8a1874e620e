//! The table `redis_events`.

schema::table! {
    /// Redis commands with their replies; published messages and other pushes are no rows.
    pub struct RedisEvent in "redis_events", traffic, requests schema::RequestsView {
        protocol: "'redis'",
        operation: "command",
        target: "key",
        status: "CASE WHEN error IS NOT NULL THEN split_part(error, ' ', 1) WHEN response_type IS NOT NULL THEN 'OK' END",
        failed: "broken OR error IS NOT NULL",
    };
    {
        /// First word of the command, upper case.
        command: Name,
        /// First key, channel or pattern that the command names; null when it names none.
        key: Recurring redacted Key,
        /// Words after the command, in order; a value that is not UTF-8 is '\xHEX'.
        args: Recurring [Json] redacted Values,
        /// How many words the command has after its first.
        args_count: Int64,
        /// Reply as text; arrays, maps and sets as JSON; null for nil, for an error and without a reply.
        response: Recurring redacted Whole,
        /// Type of the reply: 'simple' 'bulk' 'integer' 'array' 'null' 'error' 'map' 'set' 'double' 'boolean' 'push' 'verbatim' …
        response_type: Name,
        /// Error text without the leading '-'; null when the reply is no error.
        error: Recurring redacted Code,
    }
}

//! The table `postgres_events`.

schema::table! {
    /// PostgreSQL statements and other requests with their outcomes; of the extended protocol, Parse and Execute are a row each.
    pub struct PostgresEvent in "postgres_events", traffic, requests schema::RequestsView {
        protocol: "'postgres'",
        operation: "COALESCE(operation, upper(command))",
        target: "normalize_sql(query, 'postgresql')",
        status: "CASE WHEN error_code IS NOT NULL THEN error_code WHEN latency_ns IS NOT NULL THEN 'OK' END",
        failed: "broken OR error_code IS NOT NULL",
    };
    {
        /// 'Query' 'Parse' 'Execute' 'FunctionCall' 'Startup' 'Cancel'; 'Copy' a replication stream; 'Bind' … an error without Execute.
        command: Name,
        /// Text of the statement, also of the one that an Execute runs; null when it was prepared before earshot looked.
        query: Recurring redacted PostgresSql,
        /// First word of the statement, upper case.
        operation: Name,
        /// Parameters in order; binary ones of unknown type as '\xHEX'.
        parameters: Recurring [Json] redacted Values,
        /// Last command tag, such as 'INSERT 0 2'.
        command_tag: Recurring,
        /// Rows returned, changed or copied, by the command tags; the sum over the statements of one Query.
        rows: Int64,
        /// SQLSTATE of the error; null when there was none.
        error_code: Name,
        /// The error's primary message.
        error_message: Recurring redacted Whole,
        /// Who logged in; null when the login was not seen.
        user_name: Name,
        /// Which database; null when the login was not seen.
        database_name: Name,
        /// State of the transaction after the request: 'idle' 'active' 'failed'; null where the response does not tell.
        transaction_status: Name,
        /// Messages of COPY data in either direction; of a replication stream, those with WAL.
        copy_messages: Int64,
        /// Bytes of COPY data in either direction.
        copy_bytes: Int64 [Bytes],
    }
}

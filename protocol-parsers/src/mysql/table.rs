//! The table `mysql_events`.

schema::table! {
    /// MySQL and MariaDB commands with their outcomes, one row a command packet; sizes are as sent, compressed or not.
    pub struct MysqlEvent in "mysql_events", traffic, requests schema::RequestsView {
        protocol: "'mysql'",
        operation: "coalesce(operation, command)",
        target: "normalize_sql(query, 'mysql')",
        status: "CASE WHEN error_code IS NOT NULL THEN CAST(error_code AS VARCHAR) WHEN latency_ns IS NOT NULL THEN 'OK' END",
        failed: "broken OR error_code IS NOT NULL",
    };
    {
        /// 'COM_QUERY', 'COM_STMT_EXECUTE' …; a number without a name is 'COM_<n>'; the login is 'LOGIN'.
        command: Name,
        /// First keyword of the statement, upper case; null for a command without a known statement.
        operation: Name,
        /// Text of the statement, also for the execution of a prepared one; null when it was prepared before earshot looked.
        query: Recurring redacted MysqlSql,
        /// Parameters of the execution in order; a value that is not UTF-8 is '\xHEX'; a list of lists for a bulk execution.
        parameters: Recurring [Json] redacted Values,
        /// Rows of all result sets together; events of a binlog stream; null without a result set.
        rows: Int64,
        /// Affected rows of all statements together that gave no result set; null without such.
        affected_rows: Int64,
        /// Number of the error; null without one.
        error_code: Int32,
        /// SQLSTATE of the error, as the server sent it.
        sql_state: Name,
        /// Text of the error.
        error_message: Recurring redacted Whole,
        /// User who logged in; null when the login was not seen.
        user_name: Name,
        /// Default database of the statement, or the one that COM_INIT_DB, COM_CHANGE_USER or the login asks for.
        database_name: Name,
    }
}

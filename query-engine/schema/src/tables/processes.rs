crate::table! {
    /// One row a process: the newest program that it ran, and how it ended.
    pub struct Process in "processes", process, newest_by ["process_id"];
    {
        /// When the process started.
        started_at: Time,
        /// When it ended; null while it runs.
        exited_at: Time,
        /// The process that started it.
        parent_process_id: Int64,
        /// Path of the program that it runs.
        executable: Text,
        /// Arguments as a JSON list, the program's name first.
        arguments: Text [Json],
        /// Effective user number.
        user_id: Int32,
        /// What it gave to exit; null while it runs and after a signal.
        exit_code: Int32,
        /// Signal that ended it; null otherwise.
        signal: Int32,
        /// GNU build id of the program, in hexadecimal; null when it has none.
        build_id: Text,
    }
}

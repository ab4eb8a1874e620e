crate::table! {
    /// One row a stack that samples were taken of, when it was first seen.
    pub struct Stack in "stacks", host, newest_by ["stack_id"];
    {
        /// The same for the same frames.
        stack_id: Int64,
        /// Names of its functions, the root first, without the process; what could not be named is a reason in brackets.
        frames: List,
        /// The same, joined by ';'.
        folded: Text,
    }
}

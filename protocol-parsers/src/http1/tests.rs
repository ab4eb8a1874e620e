//! What a connection says, and the rows that it gives.



mod harness;

mod messages;


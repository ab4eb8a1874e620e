//! What happens on a connection, step by step.

use std::fmt;

use protocol_parsers::Flow;

#[derive(Clone, Debug)]
pub enum Step {
    Bytes(Flow, Vec<u8>),
    Unseen(Flow, u64),
    End(Flow),
    /// Requests older than so many milliseconds expire.
    Expire(u64),
    /// Milliseconds pass.
    Wait(u64),
}

/// A connection's steps; it is closed after the last.
#[derive(Clone, Debug)]
pub struct Script {
    pub from_start: bool,
    pub steps: Vec<Step>,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "from_start: {}", self.from_start)?;
        for step in &self.steps {
            match step {
                Step::Bytes(flow, bytes) => writeln!(f, "{flow:?} \"{}\"", bytes.escape_ascii())?,
                other => writeln!(f, "{other:?}")?,
            }
        }
        Ok(())
    }
}

/// Bytes to the server.
pub fn up(bytes: impl AsRef<[u8]>) -> Step {
    Step::Bytes(Flow::ToServer, bytes.as_ref().to_vec())
}

/// Bytes to the client.
pub fn down(bytes: impl AsRef<[u8]>) -> Step {
    Step::Bytes(Flow::ToClient, bytes.as_ref().to_vec())
}

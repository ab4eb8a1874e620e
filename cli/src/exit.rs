//! Exit codes, and how a failure is told.

use std::io::Write;
use std::process::ExitCode;

/// Why a command did not do its work. Wrong usage of the arguments themselves is clap's, with the same code.
#[derive(Debug)]
pub enum Failure {
    /// The work failed.
    Failed(anyhow::Error),
    /// The arguments contradict each other or what is safe.
    Usage(anyhow::Error),
    /// An input file is damaged; what stands before the damage was used.
    Damaged(anyhow::Error),
    /// No earshot answers at the URL.
    NoServer(anyhow::Error),
    /// Not permitted.
    NotPermitted(anyhow::Error),
    /// The reader of standard output went away: nothing to tell.
    OutputClosed,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let closed = error
            .chain()
            .any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe));
        if closed { Failure::OutputClosed } else { Failure::Failed(error) }
    }
}

pub type Done = Result<(), Failure>;

pub fn code(done: Done) -> ExitCode {
    let (code, error) = match done {
        Ok(()) | Err(Failure::OutputClosed) => return ExitCode::SUCCESS,
        Err(Failure::Failed(e)) => (1, e),
        Err(Failure::Usage(e)) => (2, e),
        Err(Failure::Damaged(e)) => (3, e),
        Err(Failure::NoServer(e)) => (4, e),
        Err(Failure::NotPermitted(e)) => (5, e),
    };
    // standard error may be closed; the code is told all the same
    let _ = writeln!(std::io::stderr(), "earshot: {error:#}");
    ExitCode::from(code)
}

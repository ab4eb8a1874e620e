//! Who the processes are: identity over fork, exec and exit, names, programs, containers.
//!
//! In: the kernel's process records and /proc. Out: [`Process`], shared and immutable; a change makes a new one.

mod build_id;
mod cgroup;
mod process;
mod processes;
mod stats;

pub use process::Process;
pub use processes::{Change, Processes};
pub use stats::stat_row;

//! Installs what building and testing need and this machine lacks, and says what and why.
//!
//! Debian packages by apt-get (as root; otherwise the command is told), tools into the user's cache, servers of the tests' own into the
//! target folder. Building and running earshot itself needs a C compiler and nothing else from here.

mod packages;
mod servers;
mod tools;

use clap::Args;

use crate::place::Place;

/// What for. Without a flag: what `check` needs beyond the flags' own.
#[derive(Args, Clone, Copy, Default)]
pub struct Wanted {
    /// For building the kernel programs
    #[arg(long)]
    pub bpf: bool,
    /// For building and testing the page
    #[arg(long)]
    pub ui: bool,
    /// For tests against real servers
    #[arg(long)]
    pub live: bool,
    /// For benchmarks
    #[arg(long)]
    pub bench: bool,
    /// All of it
    #[arg(long)]
    pub all: bool,
}

impl Wanted {
    pub const ALL: Self = Self { bpf: false, ui: false, live: false, bench: false, all: true };
}

pub fn setup(place: &Place, wanted: Wanted) -> anyhow::Result<()> {
    packages::install(place, wanted)?;
    tools::install_checkers(place)?;
    if wanted.all || wanted.bpf {
        tools::install_bpf_linker(place)?;
    }
    if wanted.all || wanted.live {
        servers::build(place)?;
    }
    Ok(())
}

//! `cargo xtask`: the commands that developers and CI share. Each does one thing and says what failed.

#![forbid(unsafe_code)]

mod bench;
mod check;
mod ebpf;
mod fuzz;
mod go_layouts;
mod place;
mod program;
mod reference;
mod setup;
mod steps;
mod test;
mod tidy;
mod ui;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use place::Place;
use steps::Steps;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, checks and tests earshot")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing for building and testing (Debian packages, as root; tools into ~/.cache/earshot)
    Setup(setup::Wanted),
    /// The kernel programs: build the object that is committed, or check that it is what the sources give
    #[command(subcommand)]
    Ebpf(ebpf::Command),
    /// The page: check that the built one is what the sources give, and run its tests
    #[command(subcommand)]
    Ui(ui::Command),
    /// Write the reference of the tables and of detection, or check that the tables' is current (detection's is a test)
    Reference {
        /// Only say whether it is current
        #[arg(long)]
        check: bool,
    },
    /// Write the table of where Go's versions keep a connection's descriptor (fetches each version)
    GoLayouts,
    /// House rules that a text search can check
    Tidy,
    /// Damaged conversations against each parser
    Fuzz {
        /// How long for each parser
        #[arg(default_value_t = fuzz::SECONDS_SHORT)]
        seconds: u64,
    },
    /// What earshot costs and how fast it is, as tables for the README
    Bench(bench::Wanted),
    /// Everything that needs no running earshot: format, lints, documents, licences, spelling, generated files
    Check,
    /// All of it, as CI does: setup, check, build, every test, a short fuzz
    Test,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let place = Place::find()?;
    match command {
        Command::Setup(wanted) => setup::setup(&place, wanted),
        Command::Ebpf(command) => ebpf::run(&place, command),
        Command::Ui(command) => ui::run(&place, command),
        Command::Reference { check: false } => reference::write(&place),
        Command::Reference { check: true } => reference::check(&place),
        Command::GoLayouts => go_layouts::write(&place),
        Command::Tidy => tidy::tidy(&place),
        Command::Fuzz { seconds } => fuzz::fuzz(&place, seconds),
        Command::Bench(wanted) => bench::bench(&place, wanted),
        Command::Check => check::check(&place, &mut Steps::default()),
        Command::Test => test::test(&place),
    }
}

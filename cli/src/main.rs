//! The `earshot` binary: arguments, configuration, wiring. Nothing else.

#![forbid(unsafe_code)]

mod args;
mod client;
mod commands;
mod config;
mod exit;
mod heap;
#[cfg(any(test, feature = "otlp"))]
mod otlp;
mod output;
mod signals;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    telemetry::log(&args.log);
    let done = match args.command {
        args::Command::Run(run) => commands::run::run(run),
        args::Command::Replay(replay) => commands::replay::replay(replay),
        args::Command::Record(record) => commands::record::record(record),
        args::Command::Sql(sql) => commands::sql::sql(sql),
        args::Command::Flamegraph(flamegraph) => commands::flamegraph::flamegraph(flamegraph),
        args::Command::Heap(heap) => commands::heap::heap(heap),
        args::Command::Doctor(doctor) => commands::doctor::doctor(doctor),
        args::Command::Tables(tables) => commands::tables::tables(tables),
    };
    exit::code(done)
}

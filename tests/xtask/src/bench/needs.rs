//! Programs that the benchmarks start, and the Debian packages that have them: all that is missing is said at once, before anything runs.

use std::path::PathBuf;

use super::load::Kind;
use super::{Name, Wanted};
use crate::place::Place;
use crate::program::found;

/// A program and its package.
type Need = (&'static str, &'static str);

const EVERY: [Need; 2] = [("timeout", "coreutils"), ("setpriv", "util-linux")];
const LOADS: [Need; 1] = [("taskset", "util-linux")];
const REDIS: [Need; 2] = [("redis-server", "redis-server"), ("redis-benchmark", "redis-tools")];
const HTTP: [Need; 2] = [("nginx", "nginx"), ("wrk", "wrk")];
const GO: Need = ("go", "golang");
const TLS: Need = ("openssl", "openssl");
const MYSQL: [Need; 2] = [("mariadbd", "mariadb-server"), ("mysqlslap", "mariadb-client")];
const STACKS: [Need; 3] = [("perf", "linux-perf"), ("node", "nodejs"), ("rustc", "rustc")];
const PROFILE: [Need; 2] = [("perf", "linux-perf"), ("gcc", "gcc")];
const GCC: [Need; 1] = [("gcc", "gcc")];
const ATTACH: [Need; 2] = [("node", "nodejs"), GO];
const REPLAY: [Need; 1] = [("tshark", "tshark")];

pub fn check(place: &Place, wanted: &Wanted) -> anyhow::Result<()> {
    let mut needs = EVERY.to_vec();
    let mut postgres = false;
    for name in &wanted.names {
        match name {
            Name::Overhead | Name::Memory | Name::Stacks | Name::Storm | Name::Attach | Name::Profile | Name::Exchange => {
                anyhow::ensure!(::tests::is_root(), "{} needs root: earshot loads programs into the kernel", name.word());
                match name {
                    Name::Stacks => needs.extend(LOADS.into_iter().chain(STACKS)),
                    Name::Storm => needs.extend(GCC),
                    Name::Exchange => needs.extend(LOADS.into_iter().chain(GCC)),
                    Name::Attach => needs.extend(ATTACH),
                    Name::Profile => needs.extend(LOADS.into_iter().chain(PROFILE)),
                    _ => needs.extend(LOADS),
                }
            }
            Name::Replay => needs.extend(REPLAY),
            Name::Parsers | Name::Ingest | Name::Binaries => {}
        }
        for kind in loads(wanted, *name) {
            match kind {
                Kind::Redis => needs.extend(REDIS),
                Kind::Http => needs.extend(HTTP),
                Kind::Mysql => needs.extend(MYSQL),
                Kind::HttpPaced => needs.push(HTTP[0]),
                Kind::Https => needs.extend(HTTP.into_iter().chain([TLS])),
                Kind::Grpc => needs.extend([GO, TLS]),
                Kind::Postgres => postgres = true,
            }
        }
    }
    let missing = needs.into_iter().filter(|(program, _)| found(place, program).is_none());
    let mut missing: Vec<String> = missing.map(|(program, package)| format!("{program} (package {package})")).collect();
    if postgres && ::tests::postgres_programs().is_err() {
        missing.push("initdb, postgres and pgbench (package postgresql)".to_owned());
    }
    missing.sort();
    missing.dedup();
    anyhow::ensure!(missing.is_empty(), "not installed: {}", missing.join("; "));
    Ok(())
}

/// The loads that a benchmark puts on servers.
pub fn loads(wanted: &Wanted, name: Name) -> Vec<Kind> {
    let all: &[Kind] = match name {
        Name::Overhead => &[Kind::Redis, Kind::Http, Kind::Postgres, Kind::Mysql, Kind::HttpPaced, Kind::Https, Kind::Grpc],
        Name::Memory => &[Kind::Redis, Kind::Http],
        Name::Stacks => &[Kind::Postgres, Kind::Http, Kind::Redis],
        Name::Profile => &[Kind::Postgres],
        Name::Parsers | Name::Ingest | Name::Replay | Name::Storm | Name::Attach | Name::Exchange | Name::Binaries => &[],
    };
    match name {
        Name::Overhead | Name::Memory if !wanted.loads.is_empty() => wanted.loads.clone(),
        _ => all.to_vec(),
    }
}

/// A program's path; servers are not on every user's PATH.
pub fn path(name: &str) -> anyhow::Result<PathBuf> {
    ::tests::program(name)
}

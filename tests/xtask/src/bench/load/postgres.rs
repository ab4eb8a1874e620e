//! PostgreSQL with a data folder of its own, asked by pgbench for single rows with simple queries.

use std::path::PathBuf;
use std::process::Command;

use ::tests::{Account, Process};
use anyhow::Context;
use tempfile::TempDir;

use super::{Done, Load, seconds_max, wait_for_port};
use crate::bench::placement::Placement;
use crate::bench::timed;

const CONNECTIONS: u32 = 8;
const INIT_SECONDS_MAX: u64 = 180;

pub struct Postgres<'a> {
    process: Process,
    port: u16,
    programs: PathBuf,
    placement: &'a Placement,
    _folder: TempDir,
}

impl<'a> Postgres<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        let programs = ::tests::postgres_programs()?;
        let (folder, port) = (tempfile::tempdir()?, ::tests::free_port()?);
        let owner = Account::find(&["postgres", "nobody"])?;
        owner.own(folder.path())?;
        let data = folder.path().join("data");
        let mut init = owner.command(&programs.join("initdb"), folder.path())?;
        init.args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"]).arg(&data);
        timed::run(&init, INIT_SECONDS_MAX)?;
        let mut server = owner.command(&programs.join("postgres"), folder.path())?;
        server.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(folder.path());
        server.args(["-c", "fsync=off", "-c", "autovacuum=off"]);
        let mut process = Process::start(&placement.server(server), folder.path())?;
        wait_for_port(&mut process, port)?;
        let postgres = Self { process, port, programs, placement, _folder: folder };
        timed::run(postgres.pgbench().args(["-i", "-q"]), INIT_SECONDS_MAX).context("cannot fill the tables")?;
        Ok(postgres)
    }

    fn pgbench(&self) -> Command {
        let mut pgbench = Command::new(self.programs.join("pgbench"));
        // encryption would hide the queries
        pgbench.env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
        pgbench
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres");
        pgbench
    }
}

impl Load for Postgres<'_> {
    fn name(&self) -> &'static str {
        "pgbench select, simple"
    }

    fn server(&self) -> u32 {
        self.process.pid()
    }

    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done> {
        let mut client = self.pgbench();
        client.args(["-n", "-S", "-M", "simple", "-j1", &format!("-c{CONNECTIONS}"), &format!("-T{seconds}")]);
        let out = timed::run(&self.placement.client(client), seconds_max(seconds))?.out;
        done(&out).with_context(|| format!("pgbench said what cannot be read: {out}"))
    }

    fn rows(&self) -> (&'static str, String) {
        ("postgres_events", format!("local_port = {} AND query LIKE 'SELECT abalance%'", self.port))
    }
}

/// `number of transactions actually processed: 84000` and `tps = 42000.1 (without initial connection time)`.
fn done(out: &str) -> Option<Done> {
    let after = |mark: &str| out.lines().find_map(|line| line.strip_prefix(mark))?.split_whitespace().next();
    let requests: u64 = after("number of transactions actually processed: ")?.split('/').next()?.parse().ok()?;
    let rate: f64 = after("tps = ")?.parse().ok().filter(|rate| *rate > 0.0)?;
    Some(Done { requests, seconds: requests as f64 / rate, p99_ms: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says() {
        let out = "scaling factor: 1\nnumber of transactions actually processed: 84000\nnumber of failed transactions: 0 (0.000%)\n\
                   tps = 42000.0 (without initial connection time)\n";
        let done = done(out).map(|d| (d.requests, d.seconds));
        assert_eq!(done, Some((84_000, 2.0)));
        assert!(super::done("connection failed").is_none());
    }
}

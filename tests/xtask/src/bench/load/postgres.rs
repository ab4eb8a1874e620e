//! PostgreSQL with a data folder of its own, asked by pgbench for single rows with simple queries.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::tests::Process;
use anyhow::Context;
use tempfile::TempDir;

use super::{Done, Load, seconds_max, wait_for_port};
use crate::bench::needs::path;
use crate::bench::placement::Placement;
use crate::bench::timed;

/// Debian keeps the programs of each version apart.
const VERSIONS: &str = "/usr/lib/postgresql";
const CONNECTIONS: u32 = 8;
const INIT_SECONDS_MAX: u64 = 180;

/// The folder of the newest version that has all programs.
pub fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(VERSIONS)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| ["initdb", "postgres", "pgbench"].iter().all(|name| folder.join(name).is_file()))
        .collect();
    versions.sort();
    versions.pop().map(|(_, folder)| folder)
}

pub struct Postgres<'a> {
    process: Process,
    port: u16,
    programs: PathBuf,
    placement: &'a Placement,
    _folder: TempDir,
}

impl<'a> Postgres<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        let programs = programs().context("PostgreSQL is not installed (package postgresql)")?;
        let (folder, port) = (tempfile::tempdir()?, ::tests::free_port()?);
        let owner = Owner::find()?;
        chown(folder.path(), Some(owner.uid), Some(owner.gid)).context("cannot give PostgreSQL its folder")?;
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

/// Who PostgreSQL runs as: it refuses to be root.
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn find() -> anyhow::Result<Self> {
        let accounts = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let found = ["postgres", "nobody"].iter().find_map(|name| account(&accounts, name));
        found.context("neither 'postgres' nor 'nobody' is a user here")
    }

    /// A program as this user; the server must end with us, and the change of user forgets that.
    fn command(&self, program: &Path, folder: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new(path("setpriv")?);
        command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid));
        command.args(["--clear-groups", "--pdeathsig", "KILL", "--"]).arg(program);
        command.current_dir(folder);
        Ok(command)
    }
}

/// From the line `name:x:uid:gid:…`.
fn account(accounts: &str, name: &str) -> Option<Owner> {
    let mut fields = accounts.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?.skip(2);
    Some(Owner { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
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

    #[test]
    fn accounts_have_numbers() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:114:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(account(accounts, "postgres").map(|o| (o.uid, o.gid)), Some((107, 114)));
        assert!(account(accounts, "post").is_none());
    }
}

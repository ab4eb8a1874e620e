//! A PostgreSQL server with a data folder of its own, and its clients.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::account::Account;
use crate::certificates::Certificates;
use crate::processes::{Ended, Process, finish, free_port, program, succeed};
use crate::tools::python;

/// Debian keeps the programs of each version apart.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder of the newest version that has all programs.
pub fn postgres_programs() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| ["initdb", "postgres", "pgbench"].iter().all(|name| folder.join(name).is_file()))
        .max()
        .map(|(_, folder)| folder)
        .context("PostgreSQL is not installed: 'cargo xtask setup --live' installs it")
}

#[derive(Debug)]
pub struct Postgres {
    process: Process,
    pub port: u16,
    programs: PathBuf,
    folder: TempDir,
}

impl Postgres {
    /// Whoever logs in as `guarded` needs a password. Logical replication is on.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_by(None)
    }

    /// Takes TLS, too.
    pub fn start_tls(certificates: &Certificates) -> anyhow::Result<Self> {
        Self::start_by(Some(certificates))
    }

    fn start_by(certificates: Option<&Certificates>) -> anyhow::Result<Self> {
        let (programs, folder, port) = (postgres_programs()?, tempfile::tempdir()?, free_port()?);
        let owner = Account::find(&["postgres", "nobody"])?;
        owner.own(folder.path())?;
        let data = folder.path().join("data");
        let mut init = owner.command(&programs.join("initdb"), folder.path())?;
        init.args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"]).arg(&data);
        succeed(&mut init)?;
        std::fs::write(
            data.join("pg_hba.conf"),
            "host all guarded all scram-sha-256\nhost all all all trust\nhost replication all all trust\n",
        )?;
        let mut server = owner.command(&programs.join("postgres"), folder.path())?;
        server.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""]);
        for setting in ["fsync=off", "autovacuum=off", "wal_level=logical", "shared_buffers=32MB"] {
            server.args(["-c", setting]);
        }
        if let Some(certificates) = certificates {
            let key = certificates.key_of(owner, folder.path())?;
            server.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", certificates.certificate())]);
            server.arg("-c").arg(format!("ssl_key_file={}", key.display()));
        }
        let process = Process::start(&server, folder.path())?;
        let mut postgres = Self { process, port, programs, folder };
        // it accepts connections before it serves them
        let mut ready = postgres.client("pg_isready")?;
        postgres.process.wait_until(20, "its readiness", |_| finish(&mut ready).ok()?.status.success().then_some(()))?;
        Ok(postgres)
    }

    /// A client program that talks to this server, unencrypted.
    pub fn client(&self, name: &str) -> anyhow::Result<Command> {
        let own = self.programs.join(name);
        let mut client = Command::new(if own.is_file() { own } else { program(name)? });
        self.tell(&mut client);
        Ok(client)
    }

    /// Tells a program that uses libpq of this server.
    pub fn tell(&self, client: &mut Command) {
        client.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        client
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres")
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable");
        client.current_dir(self.folder.path());
    }

    /// Each text is one `-c` of psql, sent as it is; how it ended, and unaligned rows.
    pub fn psql(&self, texts: &[&str]) -> anyhow::Result<Ended> {
        let mut psql = self.client("psql")?;
        psql.args(["-X", "-q", "-A", "-t"]).args(texts.iter().flat_map(|text| ["-c", text]));
        finish(&mut psql)
    }

    /// `tests/servers/postgres/client.py`, which must succeed.
    pub fn psycopg(&self, args: &[&str]) -> anyhow::Result<()> {
        let mut client = python("postgres/client.py")?;
        self.tell(&mut client);
        succeed(client.args(args)).map(|_| ())
    }

    /// A client that must succeed; what it printed.
    pub fn run(&self, name: &str, args: &[&str]) -> anyhow::Result<String> {
        succeed(self.client(name)?.args(args))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // a polite end would wait for clients; what does not end is killed
        let _ = self.process.end("INT");
    }
}

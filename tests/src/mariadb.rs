//! A MariaDB server with a data folder of its own, and its clients.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::processes::{Ended, Process, finish, free_port, program, succeed};

/// Small files start fast.
const SETTINGS: [&str; 5] = [
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-name-resolve",
    "--local-infile=1",
];

/// With the database `shop` and the user `keeper`, whose password is `secret`.
#[derive(Debug)]
pub struct Mariadb {
    process: Process,
    pub port: u16,
    folder: TempDir,
}

impl Mariadb {
    pub fn start() -> anyhow::Result<Self> {
        Self::start_by(None, |server| server)
    }

    /// Runs the command that `placed` makes of the server's.
    pub fn start_placed(placed: impl FnOnce(Command) -> Command) -> anyhow::Result<Self> {
        Self::start_by(None, placed)
    }

    /// Takes TLS, too.
    pub fn start_tls(certificates: &Certificates) -> anyhow::Result<Self> {
        Self::start_by(Some(certificates), |server| server)
    }

    fn start_by(certificates: Option<&Certificates>, placed: impl FnOnce(Command) -> Command) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let data = folder.path().join("data");
        let mut install = Command::new(program("mariadb-install-db")?);
        install.args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(SETTINGS[0]).arg(format!("--datadir={}", data.display()));
        succeed(&mut install)?;
        let first = folder.path().join("first.sql");
        std::fs::write(
            &first,
            "CREATE DATABASE shop;\nCREATE USER keeper@'127.0.0.1' IDENTIFIED BY 'secret';\nGRANT ALL ON *.* TO keeper@'127.0.0.1';\n",
        )?;
        let mut server = Command::new(program("mariadbd")?);
        server.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"]).args(SETTINGS);
        server.arg(format!("--port={port}")).arg(format!("--datadir={}", data.display()));
        server.arg(format!("--socket={}", folder.path().join("socket").display()));
        server
            .arg(format!("--pid-file={}", folder.path().join("pid").display()))
            .arg(format!("--init-file={}", first.display()));
        if let Some(certificates) = certificates {
            server.arg(format!("--ssl-cert={}", certificates.certificate()));
            server.arg(format!("--ssl-key={}", certificates.key()));
        }
        let mut process = Process::start(&placed(server), folder.path())?;
        // it listens when it has read the file
        process.wait_until(20, "its port", |_| std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(|_| ()))?;
        Ok(Self { process, port, folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client program of MariaDB's own as `keeper`, unencrypted.
    pub fn client(&self, name: &str) -> anyhow::Result<Command> {
        let mut client = Command::new(program(name)?);
        client.args(["--no-defaults", "--skip-ssl", "--host=127.0.0.1", "--user=keeper", "--password=secret"]);
        client.arg(format!("--port={}", self.port)).current_dir(self.folder.path());
        Ok(client)
    }

    /// The same over TLS.
    pub fn client_tls(&self, name: &str, certificates: &Certificates) -> anyhow::Result<Command> {
        let mut client = Command::new(program(name)?);
        client.args(["--no-defaults", "--host=127.0.0.1", "--user=keeper", "--password=secret", "--ssl"]);
        client.arg(format!("--ssl-ca={}", certificates.authority())).arg(format!("--port={}", self.port));
        Ok(client)
    }

    /// The text as it is, in the database `shop`; how it ended, and bare rows.
    pub fn ask(&self, more: &[&str], text: &str) -> anyhow::Result<Ended> {
        let mut client = self.client("mariadb")?;
        finish(client.args(["-N", "-B", "--default-character-set=utf8mb4"]).args(more).args(["-e", text, "shop"]))
    }

    /// Statements that must succeed.
    pub fn run(&self, text: &str) -> anyhow::Result<Ended> {
        let ended = self.ask(&[], text)?;
        anyhow::ensure!(ended.status.success(), "{text}: {}", ended.err);
        Ok(ended)
    }
}

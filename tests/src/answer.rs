//! `tests/servers/answer.py`: an HTTP server whose system calls and processes a test chooses.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::http::Connection;
use crate::processes::{Process, free_port, program};

/// The calls that read a request and write an answer.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    pub read: &'static str,
    pub write: &'static str,
}

impl Default for Calls {
    fn default() -> Self {
        Self { read: "recv", write: "send" }
    }
}

/// Which process serves a connection, and by which descriptor.
#[derive(Clone, Copy, Debug)]
pub enum Serving {
    /// A thread of the process that listens.
    Here,
    /// A child that accepts from its parent's socket.
    Prefork,
    /// A process that is sent the descriptor.
    Passed,
    /// Two descriptors of one connection in turn.
    Duplicated,
    /// After the first request a program that inherits the descriptor over exec.
    Executed,
}

impl Serving {
    fn word(self) -> &'static str {
        match self {
            Serving::Here => "here",
            Serving::Prefork => "prefork",
            Serving::Passed => "passed",
            Serving::Duplicated => "duplicated",
            Serving::Executed => "executed",
        }
    }
}

#[derive(Debug)]
pub struct AnswerServer {
    process: Process,
    host: &'static str,
    pub port: u16,
    folder: TempDir,
}

impl AnswerServer {
    pub fn start(calls: Calls, serving: Serving) -> anyhow::Result<Self> {
        Self::start_on("127.0.0.1", calls, serving)
    }

    pub fn start_on(host: &'static str, calls: Calls, serving: Serving) -> anyhow::Result<Self> {
        let port = free_port()?;
        Self::listening(&["--host", host, "--port", &port.to_string()], host, port, calls, serving)
    }

    /// On a Unix socket in a folder of its own.
    pub fn start_on_path(calls: Calls) -> anyhow::Result<Self> {
        Self::listening(&[], "", 0, calls, Serving::Here)
    }

    fn listening(at: &[&str], host: &'static str, port: u16, calls: Calls, serving: Serving) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program("python3")?);
        command.arg(crate::root().join("tests/servers/answer.py")).args(at).args(["--serving", serving.word()]);
        if at.is_empty() {
            command.arg("--unix").arg(folder.path().join("socket"));
        }
        command.args(["--read", calls.read, "--write", calls.write]);
        let mut process = Process::start(&command, folder.path())?;
        process.wait_until(10, "its listening", |p| p.out().contains("listening").then_some(()))?;
        Ok(Self { process, host, port, folder })
    }

    /// The process that listens.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open((self.host, self.port))
    }

    pub fn connect_by_path(&self) -> anyhow::Result<Connection<UnixStream>> {
        Ok(Connection::on(UnixStream::connect(self.path()).context("cannot connect to the Unix socket")?))
    }
}

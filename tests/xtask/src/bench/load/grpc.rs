//! A service of grpc-go that echoes a word over TLS, called by its own client as fast as it can.

use std::path::PathBuf;

use ::tests::{Certificates, Process};
use anyhow::Context;
use tempfile::TempDir;

use super::{CONNECTIONS, Done, Load, seconds_max, wait_for_port};
use crate::bench::placement::Placement;
use crate::bench::timed;

/// The client has four calls under way on each connection.
const CALLS_EACH: u32 = 4;

pub struct Grpc<'a> {
    process: Process,
    port: u16,
    program: PathBuf,
    certificates: Certificates,
    placement: &'a Placement,
    _folder: TempDir,
}

impl<'a> Grpc<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        let (folder, port, certificates) = (tempfile::tempdir()?, ::tests::free_port()?, Certificates::make()?);
        let program = folder.path().join("grpc-go");
        let mut command = ::tests::go("grpc-go", &program)?;
        command.args(["serve", &format!("127.0.0.1:{port}"), &certificates.certificate(), &certificates.key()]);
        let mut process = Process::start(&placement.server(command), folder.path())?;
        wait_for_port(&mut process, port)?;
        Ok(Self { process, port, program, certificates, placement, _folder: folder })
    }
}

impl Load for Grpc<'_> {
    fn name(&self) -> &'static str {
        "grpc-go echo over TLS"
    }

    fn server(&self) -> u32 {
        self.process.pid()
    }

    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done> {
        let mut client = std::process::Command::new(&self.program);
        client.args(["load", &format!("127.0.0.1:{}", self.port), &self.certificates.authority()]);
        client.args([(CONNECTIONS / CALLS_EACH).to_string(), seconds.to_string()]);
        let out = timed::run(&self.placement.client(client), seconds_max(seconds))?.out;
        done(&out).with_context(|| format!("the client said what cannot be read: {out}"))
    }

    fn rows(&self) -> (&'static str, String) {
        ("http_events", format!("local_port = {} AND grpc_method = 'Unary'", self.port))
    }
}

/// From `40000 calls in 2.003 s, p99 1.250 ms`.
fn done(out: &str) -> Option<Done> {
    let (requests, rest) = out.trim().split_once(" calls in ")?;
    let (seconds, rest) = rest.split_once(" s, p99 ")?;
    let p99_ms = rest.strip_suffix(" ms")?.parse().ok();
    Some(Done { requests: requests.parse().ok()?, seconds: seconds.parse().ok()?, p99_ms })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_the_client_says() {
        let done = super::done("40000 calls in 2.003 s, p99 1.250 ms\n").map(|d| (d.requests, d.seconds, d.p99_ms));
        assert_eq!(done, Some((40_000, 2.003, Some(1.25))));
        assert!(super::done("connection refused").is_none());
    }
}

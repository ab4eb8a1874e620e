//! nginx asked for its page at a fixed rate: at the same work, what differs is the server's processor time and the latency.
//!
//! By h2load in HTTP/1.1 where it is installed, else by our own client.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::http::Nginx;
use super::{CONNECTIONS, Done, Load, paced_client, seconds_max};
use crate::bench::needs::path;
use crate::bench::placement::Placement;
use crate::bench::statistics::percentile;
use crate::bench::timed;

const REQUESTS_PER_SECOND: u32 = 8000;

pub struct HttpPaced<'a> {
    nginx: Nginx,
    placement: &'a Placement,
}

impl<'a> HttpPaced<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        if path("h2load").is_err() {
            eprintln!("h2load is not installed (package nghttp2-client): our own client asks at a fixed rate");
        }
        Ok(Self { nginx: Nginx::start(placement, None)?, placement })
    }

    fn h2load(&self, program: &Path, seconds: u64) -> anyhow::Result<Done> {
        let log = self.nginx.folder.path().join("h2load.log");
        if log.exists() {
            std::fs::remove_file(&log).context("cannot remove h2load's log")?;
        }
        let each = f64::from(REQUESTS_PER_SECOND) / f64::from(CONNECTIONS);
        let mut client = Command::new(program);
        client.args(["--h1", "-t1", &format!("-c{CONNECTIONS}"), &format!("--rps={each}"), &format!("-D{seconds}")]);
        client.arg(format!("--log-file={}", log.display())).arg(self.nginx.url());
        timed::run(&self.placement.client(client), seconds_max(seconds))?;
        let text = std::fs::read_to_string(&log).context("cannot read h2load's log")?;
        done(&text, seconds)
    }
}

impl Load for HttpPaced<'_> {
    fn name(&self) -> &'static str {
        "nginx, 1 KiB, 8,000 requests/s"
    }

    fn server(&self) -> u32 {
        self.nginx.pid()
    }

    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done> {
        match path("h2load") {
            Ok(program) => self.h2load(&program, seconds),
            Err(_) => paced_client::ask(self.nginx.port, "/page", REQUESTS_PER_SECOND, CONNECTIONS, seconds),
        }
    }

    fn rows(&self) -> (&'static str, String) {
        self.nginx.rows()
    }
}

/// A line a request: start, status, duration in µs, separated by tabs.
fn done(log: &str, seconds: u64) -> anyhow::Result<Done> {
    let mut took_ms = vec![];
    for line in log.lines() {
        let mut words = line.split('\t').skip(1);
        let (status, took) = (words.next(), words.next().and_then(|word| word.parse::<f64>().ok()));
        anyhow::ensure!(status == Some("200"), "h2load: a request failed: {line}");
        took_ms.push(took.with_context(|| format!("h2load's log cannot be read: {line}"))? / 1e3);
    }
    let p99_ms = percentile(&took_ms, 0.99);
    Ok(Done { requests: took_ms.len() as u64, seconds: seconds as f64, p99_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_request() -> anyhow::Result<()> {
        let read = done("1700000000000000\t200\t250\n1700000000000125\t200\t750\n", 2)?;
        assert_eq!((read.requests, read.seconds, read.p99_ms), (2, 2.0, Some(0.75)));
        assert!(done("1700000000000000\t-1\t250\n", 2).is_err());
        assert!(done("cut", 2).is_err());
        Ok(())
    }
}

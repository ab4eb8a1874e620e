//! nginx with one worker and a page of 1 KiB in memory, asked by wrk as fast as it can, in clear or over TLS.

use std::path::Path;
use std::process::Command;

use ::tests::{Certificates, Process};
use anyhow::Context;
use tempfile::TempDir;

use super::{CONNECTIONS, Done, Load, seconds_max, wait_for_port};
use crate::bench::needs::path;
use crate::bench::placement::Placement;
use crate::bench::timed;

const PAGE_BYTES: usize = 1024;

/// The server; at a fixed rate it is asked by another client.
pub struct Nginx {
    process: Process,
    pub port: u16,
    pub folder: TempDir,
    certificates: Option<Certificates>,
}

impl Nginx {
    pub fn start(placement: &Placement, certificates: Option<Certificates>) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, ::tests::free_port()?);
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(folder.path(), port, certificates.as_ref())).context("cannot write nginx.conf")?;
        let mut command = Command::new(path("nginx")?);
        command.arg("-p").arg(folder.path()).arg("-e").arg(folder.path().join("error.log")).arg("-c").arg(file);
        let mut process = Process::start(&placement.server(command), folder.path())?;
        wait_for_port(&mut process, port)?;
        Ok(Self { process, port, folder, certificates })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/page", self.port)
    }

    pub fn rows(&self) -> (&'static str, String) {
        ("http_events", format!("local_port = {} AND req_path = '/page'", self.port))
    }
}

/// One process and no master, so that nothing is left over when it is killed.
fn configuration(folder: &Path, port: u16, certificates: Option<&Certificates>) -> String {
    let at = folder.display();
    let (ssl, files) = match certificates {
        None => ("", String::new()),
        Some(c) => (" ssl", format!("ssl_certificate {}; ssl_certificate_key {};", c.certificate(), c.key())),
    };
    let temps =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {at}/{name}; ")).concat();
    let page: String = "a page that is served from memory ".chars().cycle().take(PAGE_BYTES).collect();
    format!(
        "daemon off; master_process off; pid {at}/pid;
        events {{ worker_connections 512; }}
        http {{
          access_log off; keepalive_requests 1000000000; default_type text/plain; {temps}
          server {{ listen 127.0.0.1:{port}{ssl}; {files} location = /page {{ return 200 '{page}'; }} }}
        }}
        "
    )
}

pub struct Http<'a> {
    nginx: Nginx,
    placement: &'a Placement,
}

impl<'a> Http<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        Ok(Self { nginx: Nginx::start(placement, None)?, placement })
    }

    pub fn start_tls(placement: &'a Placement) -> anyhow::Result<Self> {
        Ok(Self { nginx: Nginx::start(placement, Some(Certificates::make()?))?, placement })
    }
}

impl Load for Http<'_> {
    fn name(&self) -> &'static str {
        if self.nginx.certificates.is_some() { "wrk → nginx over TLS, 1 KiB" } else { "wrk → nginx, 1 KiB" }
    }

    fn server(&self) -> u32 {
        self.nginx.pid()
    }

    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done> {
        let mut wrk = Command::new(path("wrk")?);
        wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "--latency", &self.nginx.url()]);
        let out = timed::run(&self.placement.client(wrk), seconds_max(seconds))?.out;
        anyhow::ensure!(!out.contains("Non-2xx") && !out.contains("Socket errors"), "requests failed: {out}");
        done(&out).with_context(|| format!("wrk said what cannot be read: {out}"))
    }

    fn rows(&self) -> (&'static str, String) {
        self.nginx.rows()
    }
}

/// From `99%    1.20ms` and `40000 requests in 2.00s, …`.
fn done(out: &str) -> Option<Done> {
    let p99_ms = out.lines().find_map(|line| milliseconds(line.trim().strip_prefix("99%")?.trim()));
    let (requests, rest) = out.lines().find_map(|line| line.trim().split_once(" requests in "))?;
    let seconds = milliseconds(rest.split(',').next()?)? / 1e3;
    Some(Done { requests: requests.parse().ok()?, seconds, p99_ms })
}

/// Times as wrk writes them: `613.00us`, `1.20ms`, `2.00s`, `1.10m`.
fn milliseconds(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 2s test @ http://127.0.0.1:1/page
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   613.57us    1.27ms  27.18ms   94.99%
    Req/Sec    40.35k     6.65k   51.94k    75.00%
  Latency Distribution
     50%  263.00us
     99%    6.20ms
  80452 requests in 2.01s, 95.06MB read
Requests/sec:  40116.55
";

    #[test]
    fn what_wrk_says() {
        let done = done(SAID).map(|d| (d.requests, d.seconds, d.p99_ms));
        assert_eq!(done, Some((80_452, 2.01, Some(6.2))));
        assert!(super::done("unable to connect").is_none());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(milliseconds("263.00us"), Some(0.263));
        assert_eq!(milliseconds("2.00s"), Some(2000.0));
        assert_eq!(milliseconds("12"), None);
    }
}

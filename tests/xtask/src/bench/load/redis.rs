//! redis-server, asked by redis-benchmark for one value of 100 bytes.

use std::process::Command;

use ::tests::Process;
use anyhow::Context;
use tempfile::TempDir;

use super::{CONNECTIONS, Done, Load, seconds_max, wait_for_port};
use crate::bench::needs::path;
use crate::bench::placement::Placement;
use crate::bench::timed;

/// Enough to learn the rate from.
const FIRST_REQUESTS: u64 = 20_000;

pub struct Redis<'a> {
    process: Process,
    port: u16,
    placement: &'a Placement,
    /// redis-benchmark knows no duration, only a number of requests; it comes from the rate at the start, the same for all rounds.
    requests_per_second: f64,
    _folder: TempDir,
}

impl<'a> Redis<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, ::tests::free_port()?);
        let mut command = Command::new(path("redis-server")?);
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path());
        let mut process = Process::start(&placement.server(command), folder.path())?;
        wait_for_port(&mut process, port)?;
        let mut redis = Self { process, port, placement, requests_per_second: 0.0, _folder: folder };
        redis.client("set", 1, 1)?;
        let first = redis.client("get", FIRST_REQUESTS, 1)?;
        redis.requests_per_second = first.requests as f64 / first.seconds;
        Ok(redis)
    }

    fn client(&self, command: &str, requests: u64, seconds: u64) -> anyhow::Result<Done> {
        let mut client = Command::new(path("redis-benchmark")?);
        client.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-c", &CONNECTIONS.to_string(), "-d", "100", "--csv"]);
        client.args(["-t", command, "-n", &requests.to_string()]);
        let out = timed::run(&self.placement.client(client), seconds_max(seconds))?.out;
        done(&out, requests).with_context(|| format!("redis-benchmark said what cannot be read: {out}"))
    }
}

impl Load for Redis<'_> {
    fn name(&self) -> &'static str {
        "redis-benchmark GET"
    }

    fn server(&self) -> u32 {
        self.process.pid()
    }

    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done> {
        self.client("get", (self.requests_per_second * seconds as f64) as u64, seconds)
    }

    fn rows(&self) -> (&'static str, String) {
        ("redis_events", format!("local_port = {} AND command = 'GET'", self.port))
    }
}

/// The last line: "GET","rps","avg","min","p50","p95","p99","max", times in ms.
fn done(out: &str, requests: u64) -> Option<Done> {
    let words: Vec<&str> = out.lines().last()?.split(',').map(|word| word.trim_matches('"')).collect();
    let rate: f64 = words.get(1)?.parse().ok().filter(|rate| *rate > 0.0)?;
    Some(Done { requests, seconds: requests as f64 / rate, p99_ms: Some(words.get(6)?.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_read() {
        let out =
            "\"test\",\"rps\",\"avg_latency_ms\"\n\"GET\",\"20000.00\",\"0.3\",\"0.0\",\"0.2\",\"1.2\",\"4.455\",\"7.3\"\n";
        let done = done(out, 40_000).map(|d| (d.requests, d.seconds, d.p99_ms));
        assert_eq!(done, Some((40_000, 2.0, Some(4.455))));
        assert!(super::done("nothing", 1).is_none());
        assert!(super::done("", 1).is_none());
    }
}

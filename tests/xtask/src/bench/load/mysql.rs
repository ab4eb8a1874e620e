//! MariaDB with a data folder of its own, asked by mysqlslap for single rows.

use ::tests::Mariadb;
use anyhow::Context;

use super::{Done, Load, seconds_max};
use crate::bench::placement::Placement;
use crate::bench::timed;

const CONNECTIONS: u64 = 8;
/// Enough to learn the rate from.
const FIRST_REQUESTS: u64 = 20_000;
const QUERY: &str = "SELECT name FROM goods WHERE id = 4711";

pub struct Mysql<'a> {
    server: Mariadb,
    placement: &'a Placement,
    /// mysqlslap knows no duration, only a number of queries; it comes from the rate at the start, the same for all rounds.
    requests_per_second: f64,
}

impl<'a> Mysql<'a> {
    pub fn start(placement: &'a Placement) -> anyhow::Result<Self> {
        let server = Mariadb::start_placed(|command| placement.server(command))?;
        server.run(
            "CREATE TABLE goods (id int PRIMARY KEY, name varchar(100)); \
             INSERT INTO goods SELECT seq, repeat('g', 100) FROM seq_1_to_10000",
        )?;
        let mut mysql = Self { server, placement, requests_per_second: 0.0 };
        let first = mysql.slap(FIRST_REQUESTS, 1)?;
        mysql.requests_per_second = first.requests as f64 / first.seconds;
        Ok(mysql)
    }

    fn slap(&self, requests: u64, seconds: u64) -> anyhow::Result<Done> {
        // each connection asks as often as every other
        let requests = (requests / CONNECTIONS).max(1) * CONNECTIONS;
        let mut client = self.server.client("mysqlslap")?;
        client.args(["--create-schema=shop", "--no-drop", &format!("--query={QUERY}")]);
        client.arg(format!("--concurrency={CONNECTIONS}")).arg(format!("--number-of-queries={requests}"));
        let out = timed::run(&self.placement.client(client), seconds_max(seconds))?.out;
        done(&out, requests).with_context(|| format!("mysqlslap said what cannot be read: {out}"))
    }
}

impl Load for Mysql<'_> {
    fn name(&self) -> &'static str {
        "mysqlslap select"
    }

    fn server(&self) -> u32 {
        self.server.pid()
    }

    fn ask(&mut self, seconds: u64) -> anyhow::Result<Done> {
        self.slap((self.requests_per_second * seconds as f64) as u64, seconds)
    }

    fn rows(&self) -> (&'static str, String) {
        ("mysql_events", format!("local_port = {} AND query = '{QUERY}'", self.server.port))
    }
}

/// `Average number of seconds to run all queries: 1.234 seconds`.
fn done(out: &str, requests: u64) -> Option<Done> {
    let line = out.lines().find(|line| line.trim_start().starts_with("Average number of seconds"))?;
    let seconds: f64 = line.rsplit_once(':')?.1.split_whitespace().next()?.parse().ok().filter(|seconds| *seconds > 0.0)?;
    Some(Done { requests, seconds, p99_ms: None })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_mysqlslap_says() {
        let out = "Benchmark\n\tAverage number of seconds to run all queries: 1.250 seconds\n\tMinimum number of seconds to run all \
                   queries: 1.250 seconds\n\tNumber of clients running queries: 8\n\tAverage number of queries per client: 2500\n";
        let done = super::done(out, 20_000).map(|done| (done.requests, done.seconds));
        assert_eq!(done, Some((20_000, 1.25)));
        assert!(super::done("mysqlslap: Error when connecting to server", 8).is_none());
        assert!(super::done("\tAverage number of seconds to run all queries: 0.000 seconds", 8).is_none());
    }
}

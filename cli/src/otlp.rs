//! Profiles for an OpenTelemetry collector, by HTTP.
//!
//! In: the samples of one window after the other, as messages. Out: a request for each. A window that could not be sent goes with
//! the next one, as far back as `BEHIND_NS_MAX`; what is older is lost, and counted. Makes no messages.

use std::time::Duration;

use anyhow::Context;
use query_engine::flamegraph::Window;

/// Where collectors take profiles, after the URL that they are reached at.
const PATH: &str = "/v1development/profiles";
const CONTENT_TYPE: &str = "application/x-protobuf";
/// How far behind the samples that are sent may be.
const BEHIND_NS_MAX: i64 = 300_000_000_000;
const SEND_TIME_MAX: Duration = Duration::from_secs(10);
/// Too many requests: the only refusal that another try may change.
const TRY_AGAIN: u16 = 429;

pub struct Exporter {
    url: String,
    agent: ureq::Agent,
    /// Until when samples were sent.
    from_ns: i64,
}

impl Exporter {
    pub fn new(url: &str, from_ns: i64) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(SEND_TIME_MAX)).http_status_as_error(false).build();
        let url = format!("{}{PATH}", url.trim_end_matches('/'));
        Self { url, agent: ureq::Agent::new_with_config(config), from_ns }
    }

    /// What is to be sent now.
    pub fn window(&mut self, until_ns: i64) -> Window {
        let first = until_ns.saturating_sub(BEHIND_NS_MAX);
        if self.from_ns < first {
            metrics::counter!("earshot_otlp_lost_nanoseconds_total").increment(first.abs_diff(self.from_ns));
            self.from_ns = first;
        }
        Window { from: self.from_ns, until: until_ns }
    }

    /// Sends a window's message, if there is one.
    pub fn send(&mut self, window: Window, message: Option<Vec<u8>>) -> anyhow::Result<()> {
        let Some(message) = message else {
            self.from_ns = window.until;
            return Ok(());
        };
        let sent = self.agent.post(&self.url).header("Content-Type", CONTENT_TYPE).send(&message[..]);
        let answer = sent.with_context(|| format!("cannot send profiles to {}", self.url))?;
        let status = answer.status().as_u16();
        if status == TRY_AGAIN || status >= 500 {
            anyhow::bail!("{} takes no profiles now: status {status}", self.url);
        }
        self.from_ns = window.until;
        anyhow::ensure!(answer.status().is_success(), "{} refused profiles with status {status}", self.url);
        Ok(())
    }
}

#[cfg(feature = "otlp")]
mod task {
    use query_engine::flamegraph::otlp;
    use query_engine::sql::SqlEngine;
    use tokio::sync::watch;

    use super::{Duration, Exporter};

    const EVERY: Duration = Duration::from_secs(10);
    /// Samples are visible when they are so old.
    const SETTLED_NS: i64 = 10_000_000_000;

    /// Sends until `stopped`, and then the rest; nothing without a URL.
    pub async fn run(url: String, host: String, engine: SqlEngine, mut stopped: watch::Receiver<bool>) {
        if url.is_empty() {
            return;
        }
        let mut exporter = Exporter::new(&url, engine.store().now_ns());
        let mut stopping = false;
        while !stopping {
            stopping = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                _ = stopped.changed() => true,
            };
            let now_ns = engine.store().now_ns();
            let until_ns = if stopping { now_ns } else { now_ns.saturating_sub(SETTLED_NS) };
            let window = exporter.window(until_ns);
            if window.until <= window.from {
                continue;
            }
            let sent = match otlp(&engine, &host, window).await {
                // the exporter waits for the network
                Ok(message) => {
                    tokio::task::spawn_blocking(move || {
                        let sent = exporter.send(window, message);
                        (exporter, sent)
                    })
                    .await
                }
                Err(error) => {
                    tracing::warn!(%error, "profiles are not exported");
                    continue;
                }
            };
            let Ok((kept, result)) = sent else { return };
            exporter = kept;
            if let Err(error) = result {
                tracing::warn!("{error:#}");
            }
        }
    }
}

#[cfg(feature = "otlp")]
pub use task::run;

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::{JoinHandle, spawn};

    use super::*;

    /// Takes one request and answers with this status; its first line, content type and body.
    fn receiver(status: &'static str) -> (String, JoinHandle<(String, String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut first, mut content_type, mut length) = (String::new(), String::new(), 0);
            reader.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                match line.trim().split_once(": ") {
                    None => break,
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                    Some((name, value)) if name.eq_ignore_ascii_case("content-type") => value.clone_into(&mut content_type),
                    Some(_) => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            (first.trim().to_owned(), content_type, body)
        });
        (url, taken)
    }

    #[test]
    fn a_collector_gets_each_window_once() {
        let (url, taken) = receiver("200 OK");
        let mut exporter = Exporter::new(&format!("{url}/"), 100);
        let window = exporter.window(200);
        assert_eq!((window.from, window.until), (100, 200));
        exporter.send(window, Some(b"\x0a\x00".to_vec())).unwrap();
        let (first, content_type, body) = taken.join().unwrap();
        assert_eq!(first, "POST /v1development/profiles HTTP/1.1");
        assert_eq!((content_type.as_str(), body.as_slice()), ("application/x-protobuf", &b"\x0a\x00"[..]));
        assert_eq!(exporter.window(300).from, 200);
        // nothing happened: nothing is sent
        exporter.send(Window { from: 200, until: 300 }, None).unwrap();
        assert_eq!(exporter.window(400).from, 300);
    }

    #[test]
    fn what_could_not_be_sent_goes_with_the_next_window() {
        for (status, from) in [("503 Service Unavailable", 100), ("429 Too Many Requests", 100), ("400 Bad Request", 200)] {
            let (url, taken) = receiver(status);
            let mut exporter = Exporter::new(&url, 100);
            assert!(exporter.send(Window { from: 100, until: 200 }, Some(vec![1])).is_err(), "{status}");
            taken.join().unwrap();
            assert_eq!(exporter.window(300).from, from, "{status}");
        }
        let mut nobody = Exporter::new("http://127.0.0.1:1", 100);
        assert!(nobody.send(Window { from: 100, until: 200 }, Some(vec![1])).is_err());
        assert_eq!(nobody.window(200 + BEHIND_NS_MAX).from, 200);
    }
}

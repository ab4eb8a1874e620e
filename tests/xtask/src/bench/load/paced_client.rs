//! A client that sends at a fixed rate over kept connections. A request's time counts from when it was due, so that waiting for a slow
//! answer before it is not left out.

use std::time::{Duration, Instant};

use ::tests::Connection;

use super::Done;
use crate::bench::statistics::percentile;

/// Asks for `path` by `connections` threads, which take turns.
pub fn ask(port: u16, path: &'static str, per_second: u32, connections: u32, seconds: u64) -> anyhow::Result<Done> {
    let all = u64::from(per_second) * seconds;
    let started = Instant::now();
    let threads: Vec<_> = (0..u64::from(connections))
        .map(|first| {
            std::thread::spawn(move || -> anyhow::Result<Vec<f64>> {
                let mut connection = Connection::open(("127.0.0.1", port))?;
                let mut took_ms = vec![];
                for at in (first..all).step_by(connections as usize) {
                    let due = started + Duration::from_secs_f64(at as f64 / f64::from(per_second));
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    anyhow::ensure!(connection.get(path)?.status == 200, "a request failed");
                    took_ms.push(due.elapsed().as_secs_f64() * 1e3);
                }
                Ok(took_ms)
            })
        })
        .collect();
    let mut took_ms = vec![];
    for thread in threads {
        took_ms.extend(thread.join().map_err(|_| anyhow::anyhow!("a client's thread panicked"))??);
    }
    Ok(Done { requests: all, seconds: started.elapsed().as_secs_f64(), p99_ms: percentile(&took_ms, 0.99) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn as_many_as_were_due() -> anyhow::Result<()> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                });
            }
        });
        let done = ask(port, "/", 100, 4, 1)?;
        assert_eq!(done.requests, 100);
        assert!(done.seconds >= 0.95 && done.p99_ms.is_some(), "{} s", done.seconds);
        Ok(())
    }
}

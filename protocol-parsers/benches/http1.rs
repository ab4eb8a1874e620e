//! How many HTTP/1 exchanges a second one core parses: `cargo bench -p protocol-parsers --bench http1`.
//!
//! In: conversations made up here. Out: rows/s and MB/s of each. Time on the processor, best of several rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use protocol_parsers::{Exchange, Flow, Moment, Output, Segment, Settings, Skipped, Transport};
use schema::{ColumnWriter, Row, Value};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);

const GET: &str =
    "GET /api/v1/items/42?fields=name HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n";
const SMALL: &str = concat!(
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: application/json\r\n",
    "Content-Length: 15\r\nConnection: keep-alive\r\nETag: \"65f1c0aa-f\"\r\n\r\n{\"name\":\"item\"}"
);

/// Reads every value of a row, as a batch would.
#[derive(Default)]
struct Count {
    rows: u64,
    skipped: u64,
    bytes: u64,
}

impl Output for Count {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        self.rows += 1;
        row.write(self);
        black_box(exchange);
    }
    fn skipped(&mut self, _: Skipped, _: u64, bytes: u64) {
        self.skipped += bytes;
    }
}

impl ColumnWriter for Count {
    fn values(&mut self, values: &[Value<'_>]) {
        for value in values {
            match black_box(value) {
                Value::Text(text) => self.bytes += text.len() as u64,
                Value::List(texts) => self.bytes += texts.iter().map(|t| t.len() as u64).sum::<u64>(),
                _ => {}
            }
        }
    }
}

/// Segments of a conversation, over and over on one connection.
fn measure(name: &str, rows_each: u64, segments: &[(Flow, Vec<u8>)], portion: usize) {
    let bytes_each: usize = segments.iter().map(|s| s.1.len()).sum();
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let mut parser = (protocol_parsers::http1::PROTOCOL.parser)(&Settings::default(), Transport::Stream, true);
        let mut out = Count::default();
        let (started, cpu, mut times, mut at) = (Instant::now(), cpu_time(), 0_u64, Moment::default());
        while started.elapsed() < ROUND {
            for _ in 0..200 {
                for (flow, bytes) in segments {
                    at.mono_ns += 1000;
                    for bytes in bytes.chunks(portion) {
                        parser.bytes(Segment { flow: *flow, bytes, at, remote: None }, &mut out);
                    }
                }
                times += 1;
            }
        }
        assert_eq!((out.rows, out.skipped), (times * rows_each, 0), "{name}");
        let spent = cpu_time().zip(cpu).map_or(started.elapsed(), |(now, then)| now - then);
        best = best.max(times as f64 / spent.as_secs_f64());
    }
    println!("{name:28} {:>12.0} rows/s {:>9.0} MB/s", best * rows_each as f64, best * bytes_each as f64 / 1e6);
}

/// Time that this thread has run, where the system tells; others may use the machine too.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn main() {
    let up = |text: String| (Flow::ToServer, text.into_bytes());
    let down = |text: String| (Flow::ToClient, text.into_bytes());
    let small = [up(GET.into()), down(SMALL.into())];
    measure("small", 1, &small, usize::MAX);
    measure("small, pipelined by 16", 16, &[up(GET.repeat(16)), down(SMALL.repeat(16))], usize::MAX);
    measure("small, byte by byte", 1, &small, 1);
    let page = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 64 << 10, "x".repeat(64 << 10));
    measure("64 KiB page", 1, &[up(GET.into()), down(page)], 16 << 10);
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(16)
    );
    measure("16 KiB in chunks", 1, &[up(GET.into()), down(chunks)], usize::MAX);
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", 8 << 20, "x".repeat(8 << 20));
    measure("8 MiB download", 1, &[up(GET.into()), down(large)], 64 << 10);
}

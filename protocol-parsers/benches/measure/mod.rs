//! Measures a parser on a conversation: rows/s and MB/s of one core. Time on the processor, best of several rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use protocol_parsers::{Exchange, Flow, Moment, Output, Protocol, Segment, Settings, Skipped, Transport};
use schema::{ColumnWriter, Row, Value};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);

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

/// Segments of a conversation that gives `rows_each` rows, in pieces of `piece` bytes, over and over: so often on each connection.
pub fn measure(
    protocol: &Protocol,
    transport: Transport,
    name: &str,
    rows_each: u64,
    segments: &[(Flow, Vec<u8>)],
    piece: usize,
    on_a_connection: u64,
) {
    let bytes_each: usize = segments.iter().map(|s| s.1.len()).sum();
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let mut out = Count::default();
        let (started, cpu, mut times, mut at) = (Instant::now(), cpu_time(), 0_u64, Moment::default());
        while started.elapsed() < ROUND {
            let mut parser = (protocol.parser)(&Settings::default(), transport, true);
            for _ in 0..on_a_connection {
                for (flow, bytes) in segments {
                    at.mono_ns += 1000;
                    for bytes in bytes.chunks(piece) {
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

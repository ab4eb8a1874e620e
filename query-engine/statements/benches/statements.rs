//! How much text a second one core normalises: `cargo bench -p statements`.
//!
//! In: statements made up here. Out: MB/s and statements/s of each.

use std::hint::black_box;
use std::time::{Duration, Instant};

use statements::{Dialect, fingerprint, normalize, redact};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(300);

fn measure(name: &str, text: &str, of: impl Fn(&str)) {
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (started, mut times) = (Instant::now(), 0_u64);
        while started.elapsed() < ROUND {
            for _ in 0..10 {
                of(black_box(text));
            }
            times += 10;
        }
        best = best.max(times as f64 / started.elapsed().as_secs_f64());
    }
    println!("{name:32} {:>9.1} MB/s {best:>12.0} statements/s", best * text.len() as f64 / 1e6);
}

fn main() {
    let short = "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;";
    let orm = "SELECT \"users\".\"id\", \"users\".\"name\", \"users\".\"email\" FROM \"users\" INNER JOIN \"orders\" ON \
               (\"users\".\"id\" = \"orders\".\"user_id\") WHERE (\"orders\".\"total\" > 100.5 AND \"users\".\"name\" LIKE '%x%') \
               ORDER BY \"users\".\"id\" DESC LIMIT 21 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/";
    let rows = format!("INSERT INTO t (a, b, c) VALUES {}", vec!["(12345, 'some text here', NULL)"; 10_000].join(", "));
    let list = format!("SELECT a FROM t WHERE id IN ({})", vec!["1234567"; 100_000].join(","));
    let text = format!("INSERT INTO t VALUES ('{}')", "x".repeat(1 << 20));
    for (name, sent) in
        [("short", short), ("of an ORM", orm), ("10,000 rows", &rows), ("list of 100,000", &list), ("1 MiB of text", &text)]
    {
        measure(&format!("normalize, {name}"), sent, |t| drop(black_box(normalize(t, Dialect::PostgreSql))));
        measure(&format!("fingerprint, {name}"), sent, |t| {
            black_box(fingerprint(t, Dialect::PostgreSql));
        });
        measure(&format!("redact, {name}"), sent, |t| drop(black_box(redact(t, Dialect::MySql))));
    }
}

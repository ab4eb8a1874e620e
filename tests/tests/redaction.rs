//! Statements without their values, as a user asks for it: the flag of `replay`, the flag and the key of `run`.

use serde_json::{Value, json};
use tests::{command, root, run_to_end};

const CAPTURES: [&str; 3] = ["postgres/recorded-psycopg.pcap", "mysql/recorded-prepared.pcap", "redis/redis-debug.pcap"];
/// Values that the captures hold in statements, parameters, arguments, replies and errors.
const VALUES: [&str; 7] = ["text ü", "7000000000", "deadbeef", "abc", "12345", "xxx", "does not exist"];

fn replayed(flags: &[&str], query: &str) -> anyhow::Result<Vec<Value>> {
    let mut replay = command(&["replay", "--format", "json", "--sql", query])?;
    replay.args(flags).args(CAPTURES.iter().map(|name| root().join("tests/captures").join(name)));
    let ended = run_to_end(&mut replay, 60)?;
    anyhow::ensure!(ended.status.success(), "{query}: {}", ended.err);
    ended.out.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn no_table_and_no_view_shows_a_value() -> anyhow::Result<()> {
    let queries = [
        "SELECT query, parameters, error_message FROM postgres_events",
        "SELECT query, parameters, error_message FROM mysql_events",
        "SELECT args, response, error FROM redis_events",
        "SELECT operation, target, status, failed FROM requests",
    ];
    let holding = |rows: &[Value], value: &str| rows.iter().filter(|row| row.to_string().contains(value)).count();
    let (mut plain, mut redacted) = (vec![], vec![]);
    for query in queries {
        let (with, without) = (replayed(&[], query)?, replayed(&["--redact-statements"], query)?);
        assert_eq!(with.len(), without.len(), "{query}");
        plain.extend(with);
        redacted.extend(without);
    }
    for value in VALUES {
        assert!(holding(&plain, value) > 0, "{value} is in no row, so this test says nothing of it");
        assert_eq!(holding(&redacted, value), 0, "{value}");
    }
    Ok(())
}

#[test]
fn what_groups_and_fails_is_the_same_without_values() -> anyhow::Result<()> {
    let query = "SELECT protocol, operation, target, status, failed, count(*) AS n FROM requests WHERE protocol <> 'redis' \
                 GROUP BY protocol, operation, target, status, failed ORDER BY protocol, operation, target, status, failed";
    let (with, without) = (replayed(&[], query)?, replayed(&["--redact-statements"], query)?);
    assert!(with.contains(&json!({
        "protocol": "postgres", "operation": "SELECT", "target": "SELECT ?::int", "status": "22P02", "failed": true, "n": 1
    })));
    assert_eq!(with, without);
    Ok(())
}

#[test]
fn the_configuration_in_effect_says_so() -> anyhow::Result<()> {
    for (flags, says) in [(&[][..], "redact_statements = false"), (&["--redact-statements"], "redact_statements = true")] {
        let ended = run_to_end(command(&["run", "--print-config"])?.args(flags), 60)?;
        assert!(ended.out.lines().any(|line| line == says), "{}", ended.out);
    }
    Ok(())
}

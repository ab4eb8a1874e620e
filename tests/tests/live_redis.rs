//! A real Redis server with real clients: every command is one row with what it answered.

use std::io::Write;

use serde_json::{Value, json};
use tests::{Connection, Earshot, Redis, run};

fn cli(redis: &Redis, args: &[&str]) -> anyhow::Result<String> {
    run("redis-cli", ["-p", &redis.port.to_string()].iter().chain(args))
}

/// A command as clients send it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn query(redis: &Redis, columns: &str) -> String {
    // redis-cli asks for the list of commands when it starts in some versions
    format!("SELECT {columns} FROM redis_events WHERE local_port = {} AND command <> 'COMMAND'", redis.port)
}

#[test]
fn redis_cli_commands_with_their_answers() -> anyhow::Result<()> {
    let (redis, earshot) = (Redis::start()?, Earshot::start()?);
    let mut expected = vec![];
    for (words, response, error) in [
        (&["SET", "key", "one"][..], json!("OK"), Value::Null),
        (&["GET", "key"], json!("one"), Value::Null),
        (&["GET", "none"], Value::Null, Value::Null),
        (&["APPEND", "key", "+"], json!("4"), Value::Null),
        (&["RPUSH", "list", "a", "b"], json!("2"), Value::Null),
        (&["LRANGE", "list", "0", "-1"], json!("[\"a\",\"b\"]"), Value::Null),
        (&["lpush", "key", "x"], Value::Null, json!("WRONGTYPE Operation against a key holding the wrong kind of value")),
        (&["DEL", "key", "list"], json!("2"), Value::Null),
    ] {
        cli(&redis, words)?;
        expected.push((words, response, error));
    }
    let rows = earshot.rows_when(&(query(&redis, "*") + " ORDER BY time"), expected.len())?;
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    for (row, (words, response, error)) in rows.iter().zip(&expected) {
        assert_eq!(row["command"], json!(words[0].to_uppercase()));
        assert_eq!(row["args"], json!(serde_json::to_string(&words[1..])?), "{words:?}");
        assert_eq!(row["args_count"], json!(words.len() - 1), "{words:?}");
        assert_eq!(row["error"], *error, "{words:?}");
        if error.is_null() {
            assert_eq!(row["response"], *response, "{words:?}");
        }
        assert_eq!((&row["process_name"], &row["peer_process_name"]), (&json!("redis-server"), &json!("redis-cli")));
        assert!(row["latency_ns"].as_i64().is_some_and(|ns| (0..1_000_000_000).contains(&ns)), "{row}");
    }
    Ok(())
}

#[test]
fn a_pipeline_with_errors_and_a_transaction() -> anyhow::Result<()> {
    let (redis, earshot) = (Redis::start()?, Earshot::start()?);
    let mut connection = Connection::open(("127.0.0.1", redis.port))?;
    let mut pipeline = vec![];
    let mut expected = vec![];
    for i in 0..100 {
        let value = i.to_string();
        if i % 10 == 9 {
            pipeline.extend(command(&[b"LPUSH", b"key", value.as_bytes()]));
            expected.push(json!({ "command": "LPUSH", "failed": true }));
        } else {
            pipeline.extend(command(&[b"SET", b"key", value.as_bytes()]));
            expected.push(json!({ "command": "SET", "failed": false }));
        }
    }
    for (words, name) in
        [(&[b"MULTI".as_slice()][..], "MULTI"), (&[b"INCR", b"n"], "INCR"), (&[b"EXEC"], "EXEC"), (&[b"PING"], "PING")]
    {
        pipeline.extend(command(words));
        expected.push(json!({ "command": name, "failed": false }));
    }
    connection.send(&pipeline)?;
    connection.until(b"+PONG\r\n")?;
    earshot.expect(&query(&redis, "command, error IS NOT NULL AS failed"), &expected)
}

#[test]
fn resp3_inline_commands_and_pushed_messages() -> anyhow::Result<()> {
    let (redis, earshot) = (Redis::start()?, Earshot::start()?);
    let address = ("127.0.0.1", redis.port);
    let mut resp3 = Connection::open(address)?;
    for (words, answer) in [
        (&[b"HELLO".as_slice(), b"3"][..], &b"modules\r\n*0\r\n"[..]),
        (&[b"HSET", b"hash", b"field", b"1"], b":1\r\n"),
        (&[b"HGETALL", b"hash"], b"%1\r\n$5\r\nfield\r\n$1\r\n1\r\n"),
        (&[b"GET", b"none"], b"_\r\n"),
    ] {
        resp3.send(&command(words))?;
        resp3.until(answer)?;
    }
    let mut inline = Connection::open(address)?;
    inline.send(b"SET key \"two words\"\r\nGET key\r\n")?;
    inline.until(b"two words\r\n")?;
    let (mut subscriber, mut publisher) = (Connection::open(address)?, Connection::open(address)?);
    subscriber.send(&command(&[b"SUBSCRIBE", b"news"]))?;
    subscriber.until(b":1\r\n")?;
    for i in 0..5 {
        publisher.send(&command(&[b"PUBLISH", b"news", format!("number {i}").as_bytes()]))?;
        publisher.until(b":1\r\n")?;
        subscriber.until(format!("number {i}\r\n").as_bytes())?;
    }
    let row = |command: &str, count: usize| json!({ "command": command, "args_count": count });
    let mut expected = vec![
        row("HELLO", 1),
        row("HSET", 3),
        row("HGETALL", 1),
        row("GET", 1),
        row("SET", 2),
        row("GET", 1),
        row("SUBSCRIBE", 1),
    ];
    expected.extend(vec![row("PUBLISH", 2); 5]);
    earshot.expect(&query(&redis, "command, args_count"), &expected)
}

#[test]
fn large_and_binary_values() -> anyhow::Result<()> {
    let (redis, earshot) = (Redis::start()?, Earshot::start()?);
    let mut connection = Connection::open(("127.0.0.1", redis.port))?;
    let value = b"0123456789abcdef".repeat(1 << 16);
    connection.send(&command(&[b"SET", b"large", &value]))?;
    connection.until(b"+OK\r\n")?;
    connection.send(&command(&[b"GET", b"large"]))?;
    connection.exactly(value.len() + "$1048576\r\n\r\n".len())?;
    connection.send(&command(&[b"SET", b"\xff\x00", b"a\r\n*1\r\n"]))?;
    connection.until(b"+OK\r\n")?;
    let rows = earshot.rows_when(&(query(&redis, "*") + " ORDER BY time"), 3)?;
    assert_eq!(rows.len(), 3, "{rows:?}");
    let framing = |bytes: &Value| bytes.as_u64().unwrap_or_default().wrapping_sub(value.len() as u64);
    assert!(framing(&rows[0]["request_bytes"]) < 100, "{}", rows[0]["request_bytes"]);
    assert!(framing(&rows[1]["response_bytes"]) < 100, "{}", rows[1]["response_bytes"]);
    assert_eq!(rows[1]["truncated"], true, "more than is kept of a value");
    let binary: Value = serde_json::from_str(rows[2]["args"].as_str().unwrap_or_default())?;
    assert!(binary[0].as_str().is_some_and(|key| key.to_lowercase().contains("xff")), "{binary}");
    Ok(())
}

#[test]
fn one_byte_at_a_time_and_a_wait() -> anyhow::Result<()> {
    let (redis, earshot) = (Redis::start()?, Earshot::start()?);
    let mut slow = Connection::open(("127.0.0.1", redis.port))?;
    for byte in command(&[b"SET", b"key", b"slowly"]) {
        slow.stream.write_all(&[byte])?;
    }
    slow.until(b"+OK\r\n")?;
    slow.send(&command(&[b"BLPOP", b"list", b"5"]))?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    cli(&redis, &["LPUSH", "list", "x"])?;
    slow.until(b"x\r\n")?;
    let rows = earshot.rows_when(&(query(&redis, "command, latency_ns") + " ORDER BY command"), 3)?;
    let commands: Vec<&str> = rows.iter().filter_map(|row| row["command"].as_str()).collect();
    assert_eq!(commands, ["BLPOP", "LPUSH", "SET"]);
    let waited = rows[0]["latency_ns"].as_i64().unwrap_or_default();
    assert!((300_000_000..1_000_000_000).contains(&waited), "BLPOP took {waited} ns");
    Ok(())
}

//! A real PostgreSQL server with real clients: every statement is one row with what came of it.

use serde_json::{Value, json};
use tests::{Earshot, Postgres, finish};

fn query(postgres: &Postgres, columns: &str) -> String {
    format!("SELECT {columns} FROM postgres_events WHERE local_port = {}", postgres.port)
}

#[test]
fn psql_statements_with_their_outcomes() -> anyhow::Result<()> {
    let (postgres, earshot) = (Postgres::start()?, Earshot::start()?);
    let mut expected = vec![];
    for (text, tag, rows, error) in [
        ("CREATE TABLE t (a int, b text)", "CREATE TABLE", None, None),
        ("INSERT INTO t VALUES (1, 'grüße'), (2, NULL), (3, 'x')", "INSERT 0 3", Some(3), None),
        ("SELECT * FROM t", "SELECT 3", Some(3), None),
        ("select a from t where a > 9", "SELECT 0", Some(0), None),
        ("UPDATE t SET b = 'y' WHERE a < 3", "UPDATE 2", Some(2), None),
        ("SELECT 1; SELECT g FROM generate_series(1, 5) g; DELETE FROM t WHERE a = 1", "DELETE 1", Some(7), None),
        ("BEGIN; DELETE FROM t; ROLLBACK", "ROLLBACK", Some(2), None),
        ("SELECT 1/0", "", None, Some(("22012", "division by zero"))),
        ("SELECT 7; SELECT * FROM none; SELECT 8", "SELECT 1", Some(1), Some(("42P01", "relation \"none\" does not exist"))),
        ("SELEC", "", None, Some(("42601", "syntax error at or near \"SELEC\""))),
        ("DO $$ BEGIN RAISE EXCEPTION 'own' USING ERRCODE = 'P0042'; END $$", "", None, Some(("P0042", "own"))),
    ] {
        let ended = postgres.psql(&[text])?;
        assert_eq!(ended.status.success(), error.is_none(), "{text}: {}", ended.err);
        let tag = Some(tag).filter(|tag| !tag.is_empty());
        expected.push(json!({ "command": "Query", "query": text, "command_tag": tag, "rows": rows,
            "error_code": error.map(|e| e.0), "error_message": error.map(|e| e.1), "user_name": "postgres", "database_name": "postgres",
            "process_name": "postgres", "peer_process_name": "psql", "encrypted": false }));
    }
    let columns = "command, query, command_tag, rows, error_code, error_message, user_name, database_name, process_name,
        peer_process_name, encrypted";
    earshot.expect(&(query(&postgres, columns) + " AND command = 'Query'"), &expected)
}

/// What pgbench says it did: `number of transactions actually processed: 400/400`.
fn transactions(out: &str) -> Option<usize> {
    let line = out.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "))?;
    line.split('/').next()?.parse().ok()
}

#[test]
fn pgbench_by_each_protocol() -> anyhow::Result<()> {
    let postgres = Postgres::start()?;
    postgres.run("pgbench", &["-i", "-q"])?;
    let earshot = Earshot::start()?;
    let clients = 4;
    let mut expected: Vec<Value> = vec![];
    for mode in ["simple", "extended", "prepared"] {
        // its own user tells each mode's rows apart
        postgres.run("psql", &["-q", "-c", &format!("CREATE ROLE {mode} SUPERUSER LOGIN")])?;
        let out =
            postgres.run("pgbench", &["-n", "-U", mode, "-M", mode, "-c", &clients.to_string(), "-j", "2", "-t", "100"])?;
        let done = transactions(&out).unwrap_or_default();
        assert_eq!(done, clients * 100, "{out}");
        let sent = match mode {
            "simple" => vec![("Query", done)],
            "extended" => vec![("Parse", done), ("Execute", done)],
            // parsed once by each client
            _ => vec![("Parse", clients), ("Execute", done)],
        };
        for (command, transactions) in sent {
            for (statement, times) in [("UPDATE", 3), ("SELECT", 1), ("INSERT", 1), ("BEGIN", 1), ("END", 1)] {
                let one = (command != "Parse" && !["BEGIN", "END"].contains(&statement)).then_some(1);
                let row = json!({ "user_name": mode, "command": command, "operation": statement, "rows": one, "error_code": null,
                    "with_parameters": command == "Execute" && one.is_some() });
                expected.extend(vec![row; transactions * times]);
            }
        }
    }
    // before its transactions pgbench asks for the tables' sizes
    let columns = "user_name, command, operation, rows, error_code, coalesce(parameters, '[]') <> '[]' AS with_parameters";
    let asked =
        "user_name <> 'postgres' AND command <> 'Startup' AND query NOT LIKE '%pg_catalog%' AND query NOT LIKE '%count(*)%'";
    earshot.expect(&(query(&postgres, columns) + " AND " + asked), &expected)
}

#[test]
fn a_pool_of_connections_used_by_several_threads() -> anyhow::Result<()> {
    let (postgres, earshot) = (Postgres::start()?, Earshot::start()?);
    let (threads, each) = (6, 20);
    postgres.psycopg(&["pool", &threads.to_string(), &each.to_string()])?;
    let mut expected = vec![];
    for thread in 0..threads {
        for number in 0..each {
            expected
                .push(json!({ "query": "SELECT $1::int4, $2::text", "parameters": format!("[{thread},\"number {number}\"]"),
                "rows": 1, "error_code": null }));
        }
    }
    let executed = query(&postgres, "query, parameters, rows, error_code") + " AND command = 'Execute'";
    earshot.expect(&executed, &expected)?;
    let connections = earshot.rows(
        &(query(
            &postgres,
            "connection_id, count(DISTINCT peer_pid) AS clients, count(*) FILTER (WHERE command = 'Execute') AS executed,
             count(*) FILTER (WHERE command = 'Parse') AS parsed",
        ) + " GROUP BY 1 HAVING count(*) > 1"),
    )?;
    assert!((1..=3).contains(&connections.len()), "the pool has three at most: {connections:?}");
    for connection in connections {
        // the client prepares a statement at its sixth use on a connection and parses it no more
        let executed = connection["executed"].as_u64().unwrap_or_default();
        assert_eq!(connection["parsed"], json!(executed.min(6)), "{connection}");
        assert_eq!(connection["clients"], 1, "{connection}");
    }
    Ok(())
}

#[test]
fn a_pipeline_and_what_follows_an_error() -> anyhow::Result<()> {
    let (postgres, earshot) = (Postgres::start()?, Earshot::start()?);
    let count = 50;
    postgres.psycopg(&["pipeline", &count.to_string()])?;
    let mut expected = vec![];
    let mut sent = |query: &str, parameter: usize, rows: Option<u8>, error: Option<&str>| {
        // what the server skips after an error has no outcome
        let answered = rows.is_some() || error.is_some();
        expected.push(json!({ "command": "Parse", "query": query, "parameters": null, "rows": null, "error_code": null, "answered": answered }));
        expected.push(json!({ "command": "Execute", "query": query, "parameters": format!("[{parameter}]"), "rows": rows,
            "error_code": error, "answered": answered }));
    };
    for number in 0..count {
        sent("SELECT $1::int4 * 2", number, Some(1), None);
    }
    sent("SELECT 10 / $1::int4", 1, Some(1), None);
    sent("SELECT 10 / $1::int4", 0, None, Some("22012"));
    sent("SELECT 10 / $1::int4", 2, None, None);
    expected.push(json!({ "command": "Query", "query": "SELECT 'after'", "parameters": null, "rows": 1, "error_code": null,
        "answered": true }));
    let columns = "command, query, parameters, rows, error_code, latency_ns IS NOT NULL AS answered";
    earshot.expect(&(query(&postgres, columns) + " AND command <> 'Startup'"), &expected)
}

#[test]
fn copy_in_and_out() -> anyhow::Result<()> {
    let (postgres, earshot) = (Postgres::start()?, Earshot::start()?);
    let rows = 2000;
    postgres.psycopg(&["copy", &rows.to_string()])?;
    // number, tab, text, end of line
    let bytes: usize = (0..rows).map(|number| number.to_string().len() + 1 + 50 + 1).sum();
    let row = |query: &str, tag: Option<String>, rows: Option<usize>, error: Option<&str>, bytes: Option<usize>| json!({ "command": "Query", "query": query, "command_tag": tag, "rows": rows, "error_code": error, "copy_bytes": bytes });
    let expected = [
        row("CREATE TABLE copied (a int4, b text)", Some("CREATE TABLE".to_owned()), None, None, None),
        row("COPY copied FROM STDIN", Some(format!("COPY {rows}")), Some(rows), None, Some(bytes)),
        row("COPY copied TO STDOUT", Some(format!("COPY {rows}")), Some(rows), None, Some(bytes)),
        row("COPY copied FROM STDIN", None, None, Some("22P02"), Some("no number\tx\n".len())),
        row("SELECT count(*) FROM copied", Some("SELECT 1".to_owned()), Some(1), None, None),
    ];
    let columns = "command, query, command_tag, rows, error_code, copy_bytes";
    earshot.expect(&(query(&postgres, columns) + " AND command <> 'Startup'"), &expected)?;
    // the server sends each row as a message
    let sent = earshot.number(&(query(&postgres, "copy_messages AS n") + " AND query = 'COPY copied TO STDOUT'"))?;
    assert_eq!(sent, 2000);
    Ok(())
}

#[test]
fn a_replication_stream_is_counted() -> anyhow::Result<()> {
    let (postgres, earshot) = (Postgres::start()?, Earshot::start()?);
    let receive = ["-d", "postgres", "-S", "changes"];
    postgres.run("pg_recvlogical", &[&receive[..], &["-P", "test_decoding", "--create-slot"]].concat())?;
    let ended = postgres.psql(&[
        "CREATE TABLE changed (a int)",
        "INSERT INTO changed SELECT generate_series(1, 100)",
        "SELECT pg_current_wal_lsn()",
    ])?;
    let out = postgres
        .run("pg_recvlogical", &[&receive[..], &["--start", "--no-loop", "-f", "-", "--endpos", ended.out.trim()]].concat())?;
    assert_eq!(out.lines().filter(|line| line.starts_with("table public.changed: INSERT")).count(), 100, "{out}");
    let columns = "copy_messages AS messages, copy_bytes AS bytes, error_code, peer_process_name AS client, query";
    let rows = earshot.rows_when(&(query(&postgres, columns) + " AND command = 'Copy'"), 1)?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!((&row["client"], &row["error_code"]), (&json!("pg_recvlogical"), &Value::Null), "{row}");
    assert!(
        row["query"].as_str().is_some_and(|query| query.starts_with("START_REPLICATION SLOT \"changes\" LOGICAL")),
        "{row}"
    );
    // each line came as a message with a head of 25 bytes, and lost its line end
    assert_eq!(row["messages"], json!(out.lines().count()), "{row}");
    let least = out.len() + out.lines().count() * 24;
    assert!(row["bytes"].as_u64().is_some_and(|bytes| bytes >= least as u64), "{row}");
    Ok(())
}

#[test]
fn logins_accepted_and_refused() -> anyhow::Result<()> {
    let (postgres, earshot) = (Postgres::start()?, Earshot::start()?);
    let created = postgres.psql(&["CREATE ROLE guarded LOGIN PASSWORD 'hidden'"])?;
    assert!(created.status.success(), "{}", created.err);
    let login = |user: &str, database: &str, password: &str| {
        let mut psql = postgres.client("psql")?;
        psql.args(["-X", "-c", "SELECT 1", "-U", user, "-d", database]).env("PGPASSWORD", password);
        finish(&mut psql)
    };
    assert!(login("postgres", "postgres", "")?.status.success());
    assert!(login("guarded", "postgres", "hidden")?.status.success());
    assert!(!login("guarded", "postgres", "wrong")?.status.success());
    assert!(!login("postgres", "nowhere", "")?.status.success());
    let row = |user: &str, database: &str, code: Option<&str>, message: Option<&str>| json!({ "user_name": user, "database_name": database, "error_code": code, "error_message": message, "answered": true });
    let expected = [
        row("postgres", "postgres", None, None),
        row("guarded", "postgres", None, None),
        row("postgres", "postgres", None, None),
        row("guarded", "postgres", Some("28P01"), Some("password authentication failed for user \"guarded\"")),
        row("postgres", "nowhere", Some("3D000"), Some("database \"nowhere\" does not exist")),
    ];
    let columns = "user_name, database_name, error_code, error_message, latency_ns IS NOT NULL AS answered";
    earshot.expect(&(query(&postgres, columns) + " AND command = 'Startup'"), &expected)
}

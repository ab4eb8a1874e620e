//! A real PostgreSQL server with real clients: every statement is one row with what came of it.

use serde_json::{Value, json};
use tests::{Earshot, Postgres};

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

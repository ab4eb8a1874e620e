//! A real MariaDB server with real clients: every command is one row with what came of it.

use serde_json::{Value, json};
use tests::{Earshot, Mariadb, finish, go, java, node, python, succeed};

fn query(mariadb: &Mariadb, columns: &str) -> String {
    format!("SELECT {columns} FROM mysql_events WHERE local_port = {}", mariadb.port)
}

/// A statement with what came of it: rows, affected rows, the error.
type Outcome = (&'static str, Option<u32>, Option<u32>, Option<(u16, &'static str, &'static str)>);

fn rows_of(outcomes: &[Outcome]) -> Vec<Value> {
    let row = |&(text, rows, affected, error): &Outcome| {
        json!({ "query": text, "rows": rows, "affected_rows": affected, "error_code": error.map(|e| e.0), "sql_state": error.map(|e| e.1),
            "error_message": error.map(|e| e.2) })
    };
    outcomes.iter().map(row).collect()
}

const OUTCOME: &str = "query, rows, affected_rows, error_code, sql_state, error_message";

#[test]
fn statements_of_the_mariadb_client_with_their_outcomes() -> anyhow::Result<()> {
    let (mariadb, earshot) = (Mariadb::start()?, Earshot::start()?);
    let outcomes: [Outcome; 9] = [
        ("CREATE TABLE t (a int, b varchar(20))", None, Some(0), None),
        ("INSERT INTO t VALUES (1, 'grüße'), (2, NULL), (3, 'x')", None, Some(3), None),
        ("SELECT * FROM t", Some(3), None, None),
        ("select a from t where a > 9", Some(0), None, None),
        ("UPDATE t SET b = 'y' WHERE a < 3", None, Some(2), None),
        ("DELETE FROM t WHERE a = 3", None, Some(1), None),
        ("SELECT * FROM none", None, None, Some((1146, "42S02", "Table 'shop.none' doesn't exist"))),
        ("SELECT c FROM t", None, None, Some((1054, "42S22", "Unknown column 'c' in 'SELECT'"))),
        ("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'own', MYSQL_ERRNO = 3333", None, None, Some((3333, "45000", "own"))),
    ];
    for (text, _, _, error) in outcomes {
        let ended = mariadb.ask(&[], text)?;
        assert_eq!(ended.status.success(), error.is_none(), "{text}: {}", ended.err);
    }
    earshot.expect(&(query(&mariadb, OUTCOME) + " AND command = 'COM_QUERY'"), &rows_of(&outcomes))?;
    let who = json!({ "process_name": "mariadbd", "peer_process_name": "mariadb", "user_name": "keeper", "database_name": "shop",
        "encrypted": false, "pid": mariadb.pid() });
    let columns = "DISTINCT process_name, peer_process_name, user_name, database_name, encrypted, pid";
    earshot.expect(&query(&mariadb, columns), &[who])
}

#[test]
fn several_results_of_one_command() -> anyhow::Result<()> {
    let (mariadb, earshot) = (Mariadb::start()?, Earshot::start()?);
    let outcomes: [Outcome; 5] = [
        ("CREATE TABLE t SELECT seq FROM seq_1_to_9", None, Some(9), None),
        (
            "CREATE PROCEDURE several() BEGIN SELECT 1; SELECT seq FROM seq_1_to_5; DELETE FROM t WHERE seq < 3; END",
            None,
            Some(0),
            None,
        ),
        ("CALL several()", Some(6), Some(2), None),
        ("SELECT 1; SELECT 2 UNION SELECT 3; DELETE FROM t WHERE seq < 6", Some(3), Some(3), None),
        ("SELECT 4; SELECT * FROM none; SELECT 5", Some(1), None, Some((1146, "42S02", "Table 'shop.none' doesn't exist"))),
    ];
    // another delimiter, and the client sends what it would take apart
    let texts = outcomes.map(|(text, ..)| text).join("//");
    let ended = mariadb.ask(&["--delimiter=//"], &texts)?;
    assert!(ended.err.contains("ERROR 1146"), "{}", ended.err);
    earshot.expect(&(query(&mariadb, OUTCOME) + " AND command = 'COM_QUERY'"), &rows_of(&outcomes))
}

#[test]
fn mysqlslap_by_several_connections() -> anyhow::Result<()> {
    let mariadb = Mariadb::start()?;
    mariadb.run("CREATE TABLE t (a int); INSERT INTO t SELECT seq FROM seq_1_to_10")?;
    let earshot = Earshot::start()?;
    let (read, written, count) = ("SELECT * FROM t WHERE a < 8", "INSERT INTO t VALUES (11)", 1000);
    let mut slap = mariadb.client("mysqlslap")?;
    slap.args(["--create-schema=shop", "--no-drop", "--delimiter=;", "--concurrency=4"]);
    slap.arg(format!("--number-of-queries={count}")).arg(format!("--query={read};{written}"));
    let out = succeed(&mut slap)?;
    assert!(out.contains("Number of clients running queries: 4"), "{out}");
    let half = count / 2;
    let mut expected = rows_of(&vec![(read, Some(7), None, None); half]);
    expected.extend(rows_of(&vec![(written, None, Some(1), None); half]));
    earshot.expect(&(query(&mariadb, OUTCOME) + " AND command = 'COM_QUERY'"), &expected)?;
    let connections =
        earshot.number(&(query(&mariadb, "count(DISTINCT connection_id) AS n") + " AND command = 'COM_QUERY'"))?;
    assert_eq!(connections, 4);
    Ok(())
}

/// What each language's client does with its table, as commands with their outcomes. Numbers may come as floating ones.
fn prepared_calls(table: &str) -> Vec<Value> {
    let insert = format!("INSERT INTO {table} VALUES (?, ?, ?, ?)");
    let select = format!("SELECT id, name FROM {table} WHERE id >= ? ORDER BY id");
    let wrong = format!("SELECT 1 FROM no_{table} WHERE id = ?");
    let row = |command: &str, text: &str, parameters: Value, rows: Option<u32>, affected: Option<u32>, error: Option<u16>| json!({ "command": command, "query": text, "parameters": parameters, "rows": rows, "affected_rows": affected, "error_code": error });
    let prepared = |text: &str, error: Option<u16>| row("COM_STMT_PREPARE", text, Value::Null, None, None, error);
    let executed = "COM_STMT_EXECUTE";
    vec![
        prepared(&insert, None),
        row(executed, &insert, json!([1.0, "grüße", 1.5, "\\xdeadff"]), None, Some(1), None),
        row(executed, &insert, json!([2.0, null, -2.25, ""]), None, Some(1), None),
        row(executed, &insert, json!([1.0, "again", 0.5, "z"]), None, None, Some(1062)),
        prepared(&select, None),
        row(executed, &select, json!([1.0]), Some(2), None, None),
        prepared(&wrong, Some(1146)),
    ]
}

/// The list in `parameters`, each number as a floating one.
fn parameters(row: &Value) -> Value {
    let list: Option<Vec<Value>> = row["parameters"].as_str().and_then(|text| serde_json::from_str(text).ok());
    let number = |value: Value| value.as_f64().map_or(value, |number| json!(number));
    list.map_or(Value::Null, |list| list.into_iter().map(number).collect())
}

#[test]
fn prepared_statements_from_each_language() -> anyhow::Result<()> {
    let mariadb = Mariadb::start()?;
    let clients = [
        ("from_python", python("mysql/client.py")?),
        ("from_node", node("mysql/client.mjs")?),
        ("from_node_compressed", node("mysql/client.mjs")?),
        ("from_go", go("mysql", &mariadb.folder().join("client"))?),
        ("from_java", java("mysql/Client.java", "mariadb-java-client.jar")?),
    ];
    for (table, _) in &clients {
        mariadb.run(&format!("CREATE TABLE {table} (id int PRIMARY KEY, name varchar(20), score double, photo blob)"))?;
    }
    let earshot = Earshot::start()?;
    for (table, mut client) in clients {
        client.args([&mariadb.port.to_string(), table]);
        if table.ends_with("compressed") {
            client.arg("compressed");
        }
        succeed(&mut client)?;
        let expected = prepared_calls(table);
        let columns = "command, query, parameters, rows, affected_rows, error_code";
        // Java sends a statement with its first execution, at the same moment
        let chosen = format!(
            " AND command IN ('COM_STMT_PREPARE', 'COM_STMT_EXECUTE') AND query ~ '{table} ' ORDER BY time, command DESC"
        );
        let mut rows = earshot.rows_when(&(query(&mariadb, columns) + &chosen), expected.len())?;
        for row in &mut rows {
            row["parameters"] = parameters(row);
        }
        assert_eq!(rows, expected, "{table}");
    }
    Ok(())
}

#[test]
fn compressed_packets_small_and_large() -> anyhow::Result<()> {
    let (mariadb, earshot) = (Mariadb::start()?, Earshot::start()?);
    let long = "long text ".repeat(200);
    let texts = [
        "SHOW SESSION STATUS LIKE 'Compression'".to_owned(),
        format!("SELECT length('{long}')"),
        "SELECT repeat('x', 300000), seq FROM seq_1_to_4".to_owned(),
    ];
    let ended = mariadb.ask(&["--compress"], &texts.join(";"))?;
    assert!(ended.out.starts_with("Compression\tON\n2000\nxxx"), "{}{}", ended.out, ended.err);
    let row = |text: &str, rows: u32| json!({ "query": text, "rows": rows, "error_code": null });
    let expected = [row(&texts[0], 1), row(&texts[1], 1), row(&texts[2], 4)];
    earshot.expect(&(query(&mariadb, "query, rows, error_code") + " AND command = 'COM_QUERY'"), &expected)?;
    // of one byte repeated, little goes over the connection
    let size = |column: &str, text: &str| {
        earshot.number(&(query(&mariadb, &format!("{column} AS n")) + &format!(" AND query LIKE '{text}%'")))
    };
    let (asked, answered) = (size("request_bytes", "SELECT length")?, size("response_bytes", "SELECT repeat")?);
    assert!((30..500).contains(&asked) && (100..100_000).contains(&answered), "{asked} and {answered} bytes");
    Ok(())
}

#[test]
fn a_file_that_the_client_sends() -> anyhow::Result<()> {
    let mariadb = Mariadb::start()?;
    mariadb.run("CREATE TABLE t (a int, b varchar(50))")?;
    let lines: String = (0..5000).map(|number| format!("{number}\tline {number}\n")).collect();
    std::fs::write(mariadb.folder().join("lines.tsv"), &lines)?;
    let earshot = Earshot::start()?;
    let outcomes: [Outcome; 3] = [
        ("LOAD DATA LOCAL INFILE 'lines.tsv' INTO TABLE t", None, Some(5000), None),
        ("SELECT count(*) FROM t", Some(1), None, None),
        // the client finds no file, says so to its user, and sends an empty one
        ("LOAD DATA LOCAL INFILE 'none.tsv' INTO TABLE t", None, Some(0), None),
    ];
    let ended = mariadb.ask(&["--local-infile=1"], &outcomes.map(|(text, ..)| text).join(";"))?;
    assert!(ended.out.trim() == "5000" && ended.err.contains("'none.tsv' not found"), "{}{}", ended.out, ended.err);
    earshot.expect(&(query(&mariadb, OUTCOME) + " AND command = 'COM_QUERY'"), &rows_of(&outcomes))?;
    let sent = earshot.number(&(query(&mariadb, "request_bytes AS n") + " AND affected_rows = 5000"))?;
    assert!((1..200).contains(&(sent - i64::try_from(lines.len())?)), "{sent} bytes: the file is part of the request");
    Ok(())
}

#[test]
fn logins_accepted_and_refused() -> anyhow::Result<()> {
    let (mariadb, earshot) = (Mariadb::start()?, Earshot::start()?);
    for (more, accepted) in [(&[][..], true), (&["--password=wrong"], false), (&["--database=nowhere"], false)] {
        let ended = finish(mariadb.client("mariadb")?.args(["-e", "SELECT 1"]).args(more))?;
        assert_eq!(ended.status.success(), accepted, "{more:?}: {}", ended.err);
    }
    let row = |database: Option<&str>, code: Option<u16>, state: Option<&str>, message: Option<&str>| json!({ "user_name": "keeper", "database_name": database, "error_code": code, "sql_state": state, "error_message": message });
    let refused = "Access denied for user 'keeper'@'127.0.0.1' (using password: YES)";
    let expected = [
        row(None, None, None, None),
        row(None, Some(1045), Some("28000"), Some(refused)),
        row(Some("nowhere"), Some(1049), Some("42000"), Some("Unknown database 'nowhere'")),
    ];
    let columns = "user_name, database_name, error_code, sql_state, error_message";
    earshot.expect(&(query(&mariadb, columns) + " AND command = 'LOGIN'"), &expected)
}

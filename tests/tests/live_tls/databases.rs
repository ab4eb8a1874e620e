//! PostgreSQL, MariaDB and Redis over TLS.

use serde_json::{Value, json};
use tests::{Certificates, Earshot, Mariadb, PeerServer, Postgres, Redis, finish, free_port, python, run, succeed};

use super::cells::Cell;
use super::seen;

pub const CELLS: &[Cell] = &[
    Cell::server("C", "PostgreSQL", "OpenSSL 3", "PostgreSQL"),
    Cell::client("C", "psql", "OpenSSL 3", "PostgreSQL"),
    Cell::client("Python", "psycopg", "OpenSSL 3, bundled with the package", "PostgreSQL"),
    Cell::client("Python", "psycopg2", "OpenSSL 3, bundled with the package", "PostgreSQL"),
    Cell::server("C", "MariaDB", "OpenSSL 3", "MySQL"),
    Cell::server("C", "Redis", "OpenSSL 3", "Redis"),
    Cell::client("C", "redis-cli", "OpenSSL 3", "Redis"),
];

#[test]
fn postgres() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let (postgres, earshot) = (Postgres::start_tls(&certificates)?, Earshot::start()?);
    let mut expected = vec![];
    for (text, tag, error) in [
        ("CREATE TABLE t (a int)", Some("CREATE TABLE"), None),
        ("INSERT INTO t VALUES (1), (2), (3)", Some("INSERT 0 3"), None),
        ("SELECT a FROM t", Some("SELECT 3"), None),
        ("SELECT 1/0", None, Some("22012")),
    ] {
        let mut psql = postgres.client("psql")?;
        let ended = finish(psql.env("PGSSLMODE", "require").args(["-X", "-q", "-A", "-t", "-c", text]))?;
        assert_eq!(ended.status.success(), error.is_none(), "{text}: {}", ended.err);
        expected.push(json!({ "query": text, "command_tag": tag, "error_code": error, "encrypted": true,
            "process_name": "postgres", "peer_process_name": "psql", "user_name": "postgres" }));
    }
    let query = format!(
        "SELECT query, command_tag, error_code, encrypted, process_name, peer_process_name, user_name FROM postgres_events
         WHERE local_port = {} AND command = 'Query'",
        postgres.port
    );
    earshot.expect(&query, &expected)
}

/// A client of libpq, what `probe_status` calls its library, and the rows of what it says, but for their ends.
struct Client {
    words: &'static [&'static str],
    probed: &'static str,
    rows: Vec<Value>,
}

/// psql, and two packages of which each brings a library with a name of its own, which no system knows.
fn clients() -> [Client; 3] {
    let row = |query: String, rows: Option<u32>, error: Option<&str>| {
        json!({ "query": query, "rows": rows, "error_code": error, "encrypted": true, "role": "server",
            "process_name": "rustls-stripped" })
    };
    let mut older: Vec<Value> = (0..10).map(|n| row(format!("SELECT {n} * 3, 'a text'"), Some(1), None)).collect();
    older.push(row("SELECT * FROM nothing".into(), None, Some("42P01")));
    [
        Client {
            words: &["psql", "-X", "-q", "-c", "SELECT 5 * 5"],
            probed: "libssl.so",
            rows: vec![row("SELECT 5 * 5".into(), Some(1), None)],
        },
        Client {
            words: &["postgres/client.py", "pipeline", "20"],
            probed: "psycopg_binary.libs/libssl-",
            rows: vec![row("SELECT $1::int4 * 2".into(), Some(1), None); 20],
        },
        Client { words: &["postgres/older.py", "10"], probed: "psycopg2_binary.libs/libssl-", rows: older },
    ]
}

/// Before a server that cannot be seen, so that the rows are the clients'.
#[test]
fn postgres_clients() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let postgres = Postgres::start()?;
    let tunnel = PeerServer::tunnel(&certificates, postgres.port)?;
    let earshot = Earshot::start()?;
    let mut expected = vec![];
    for Client { words, probed, rows } in clients() {
        let script = words[0].ends_with(".py");
        let run = |port: u16| {
            let mut client = if script { python(words[0])? } else { postgres.client(words[0])? };
            postgres.tell(&mut client);
            succeed(client.args(&words[1..]).env("PGSSLMODE", "require").env("PGPORT", port.to_string()))
        };
        seen::introduce(&earshot, probed, || run(free_port()?))?;
        run(tunnel.port)?;
        let peer = if script { "python3" } else { words[0] };
        expected.extend(rows.into_iter().map(|mut row| {
            row["peer_process_name"] = json!(peer);
            row
        }));
    }
    let query = format!(
        "SELECT query, rows, error_code, encrypted, role, process_name, peer_process_name FROM postgres_events
         WHERE local_port = {} AND command IN ('Query', 'Execute') AND (query LIKE 'SELECT%*%')",
        tunnel.port
    );
    earshot.expect(&query, &expected)
}

#[test]
fn mariadb() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let (mariadb, earshot) = (Mariadb::start_tls(&certificates)?, Earshot::start()?);
    let mut expected = vec![];
    for (text, rows, error) in [
        ("CREATE TABLE shop.t (a int)", None, None),
        ("INSERT INTO shop.t VALUES (1), (2)", None, None),
        ("SELECT a FROM shop.t", Some(2), None),
        ("SELECT nothing FROM shop.t", None, Some(1054)),
    ] {
        let mut client = mariadb.client_tls("mariadb", &certificates)?;
        let ended = finish(client.args(["-N", "-B", "-e", text]))?;
        assert_eq!(ended.status.success(), error.is_none(), "{text}: {}", ended.err);
        expected.push(json!({ "query": text, "rows": rows, "error_code": error, "encrypted": true, "user_name": "keeper",
            "process_name": "mariadbd", "peer_process_name": "mariadb" }));
    }
    let query = format!(
        "SELECT query, rows, error_code, encrypted, user_name, process_name, peer_process_name FROM mysql_events
         WHERE local_port = {} AND query LIKE '%shop.t%'",
        mariadb.port
    );
    earshot.expect(&query, &expected)
}

/// Commands of redis-cli, each in a connection of its own, and the rows that they should have.
fn redis_commands(port: u16, certificates: &Certificates, ends: &Value) -> anyhow::Result<Vec<Value>> {
    let mut expected = vec![];
    for (command, args, response) in
        [("SET", json!(["key", "a value"]), "OK"), ("GET", json!(["key"]), "a value"), ("INCR", json!(["count"]), "1")]
    {
        let words = args.as_array().into_iter().flatten().filter_map(Value::as_str);
        let (ca, port) = (certificates.authority(), port.to_string());
        run("redis-cli", ["--tls", "--cacert", &ca, "-h", "localhost", "-p", &port, command].into_iter().chain(words))?;
        let mut row = json!({ "command": command, "args": args.to_string(), "response": response, "encrypted": true });
        if let (Some(row), Some(ends)) = (row.as_object_mut(), ends.as_object()) {
            row.extend(ends.clone());
        }
        expected.push(row);
    }
    Ok(expected)
}

fn redis_rows(earshot: &Earshot, port: u16, expected: &[Value]) -> anyhow::Result<()> {
    let columns = "command, args, response, encrypted, role, process_name, peer_process_name";
    let query = format!(
        "SELECT {columns} FROM redis_events WHERE (local_port = {port} OR remote_port = {port}) AND command IN ('SET', 'GET', 'INCR')"
    );
    earshot.expect(&query, expected)
}

/// A server that is seen, and a client before one that is not.
#[test]
fn redis() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let (seen, hidden) = (Redis::start_tls(&certificates)?, Redis::start()?);
    let tunnel = PeerServer::tunnel(&certificates, hidden.port)?;
    let earshot = Earshot::start()?;
    for (port, server) in [(seen.port, "redis-server"), (tunnel.port, "rustls-stripped")] {
        let ends = json!({ "role": "server", "process_name": server, "peer_process_name": "redis-cli" });
        redis_rows(&earshot, port, &redis_commands(port, &certificates, &ends)?)?;
    }
    Ok(())
}

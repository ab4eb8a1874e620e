//! Whose connection is it: descriptors that are older than earshot, accepted elsewhere, passed, duplicated, inherited; short lives.

use std::collections::BTreeSet;

use anyhow::Context;
use serde_json::{Value, json};
use tests::{AnswerServer, Calls, Connection, Earshot, Redis, Serving, run};

/// Asks `count` times on one connection; the rows that must come, each with the process that says it served.
fn ask(connection: &mut Connection, name: &str, count: usize) -> anyhow::Result<Vec<Value>> {
    let port = connection.local_port()?;
    let one = |i| {
        let path = format!("/{name}/{i}");
        let answer = connection.get(&path)?;
        let pid: i64 = answer.header("served-by").context("nobody says it served")?.parse()?;
        Ok(json!({ "req_path": path, "resp_status": 200, "pid": pid, "remote_port": port }))
    };
    (0..count).map(one).collect()
}

fn query(server: &AnswerServer) -> String {
    format!("SELECT req_path, resp_status, pid, remote_port FROM http_events WHERE local_port = {}", server.port)
}

fn pids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["pid"].to_string()).collect()
}

#[test]
fn connections_older_than_earshot() -> anyhow::Result<()> {
    let (server, redis) = (AnswerServer::start(Calls::default(), Serving::Here)?, Redis::start()?);
    let mut http = server.connect()?;
    http.get("/unseen")?;
    let mut commands = Connection::open(("127.0.0.1", redis.port))?;
    commands.send(b"*1\r\n$4\r\nPING\r\n")?;
    commands.until(b"+PONG\r\n")?;

    let earshot = Earshot::start()?;
    let expected = ask(&mut http, "seen", 20)?;
    for _ in 0..20 {
        commands.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")?;
        commands.until(b"+OK\r\n")?;
    }
    earshot.expect(&query(&server), &expected)?;
    let expected = vec![json!({ "command": "SET", "response": "OK", "pid": redis.pid() }); 20];
    earshot.expect(&format!("SELECT command, response, pid FROM redis_events WHERE local_port = {}", redis.port), &expected)
}

#[test]
fn children_accept_from_their_parents_socket() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Prefork)?;
    let earshot = Earshot::start()?;
    let mut expected = vec![];
    // which child accepts is up to the kernel
    for i in 0..200 {
        expected.extend(ask(&mut server.connect()?, &i.to_string(), 2)?);
        if i >= 10 && pids(&expected).len() > 1 {
            break;
        }
    }
    assert!(pids(&expected).len() > 1, "one child served everything");
    assert!(!pids(&expected).contains(&server.pid().to_string()), "the parent served");
    earshot.expect(&query(&server), &expected)
}

#[test]
fn a_descriptor_sent_to_another_process() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Passed)?;
    let earshot = Earshot::start()?;
    let mut expected = vec![];
    for i in 0..5 {
        expected.extend(ask(&mut server.connect()?, &i.to_string(), 3)?);
    }
    assert!(!pids(&expected).contains(&server.pid().to_string()), "the process that accepts served");
    earshot.expect(&query(&server), &expected)
}

#[test]
fn two_descriptors_of_one_connection() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Duplicated)?;
    let earshot = Earshot::start()?;
    let expected = ask(&mut server.connect()?, "turns", 10)?;
    earshot.expect(&query(&server), &expected)?;
    let n = earshot
        .number(&format!("SELECT count(DISTINCT connection_id) AS n FROM http_events WHERE local_port = {}", server.port))?;
    assert_eq!(n, 1, "one connection, whatever the descriptor");
    Ok(())
}

#[test]
fn a_socket_inherited_over_exec() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Executed)?;
    let earshot = Earshot::start()?;
    let mut expected = vec![];
    for i in 0..3 {
        expected.extend(ask(&mut server.connect()?, &i.to_string(), 5)?);
    }
    assert_eq!(pids(&expected).len(), 3, "a process a connection, the same before and after exec");
    earshot.expect(&query(&server), &expected)?;
    let lives = format!("SELECT count(DISTINCT process_id) AS n FROM http_events WHERE local_port = {}", server.port);
    assert_eq!(earshot.number(&lives)?, 3, "exec does not end a process's life");
    Ok(())
}

#[test]
fn the_same_descriptor_number_for_two_hundred_connections() -> anyhow::Result<()> {
    let servers = [
        AnswerServer::start(Calls::default(), Serving::Here)?,
        AnswerServer::start(Calls { read: "read", write: "write" }, Serving::Here)?,
    ];
    let earshot = Earshot::start()?;
    let mut expected = [vec![], vec![]];
    for i in 0..200 {
        expected[i % 2].extend(ask(&mut servers[i % 2].connect()?, &i.to_string(), 1)?);
    }
    for (server, expected) in servers.iter().zip(&expected) {
        earshot.expect(&query(server), expected)?;
    }
    Ok(())
}

#[test]
fn processes_lead_to_their_programs() -> anyhow::Result<()> {
    let server = AnswerServer::start(Calls::default(), Serving::Here)?;
    let earshot = Earshot::start()?;
    for i in 0..5 {
        run("curl", ["-sS", "-o", "/dev/null", &format!("http://127.0.0.1:{}/{i}", server.port)])?;
    }
    let rows = earshot.rows_when(
        &format!(
            "SELECT h.req_path, s.pid AS server, s.executable AS server_program, s.arguments, c.executable AS client_program, h.peer_process_name
             FROM http_events h JOIN processes s ON h.process_id = s.process_id JOIN processes c ON h.peer_process_id = c.process_id
             WHERE h.local_port = {}",
            server.port
        ),
        5,
    )?;
    assert_eq!(rows.len(), 5, "{rows:?}");
    let python = std::fs::read_link(format!("/proc/{}/exe", server.pid()))?;
    for row in &rows {
        assert_eq!(row["server"], server.pid());
        assert_eq!(row["server_program"], json!(python));
        assert!(row["arguments"].as_str().is_some_and(|a| a.contains("answer.py")), "{row}");
        assert!(row["client_program"].as_str().is_some_and(|p| p.ends_with("/curl")), "{row}");
        assert_eq!(row["peer_process_name"], "curl");
    }
    let ended = "SELECT count(*) AS n FROM processes WHERE process_name = 'curl' AND exited_at IS NOT NULL AND exit_code = 0";
    assert_eq!(earshot.number(ended)?, 5, "each curl has ended");
    Ok(())
}

#[test]
fn a_process_that_talks_to_itself() -> anyhow::Result<()> {
    let earshot = Earshot::start()?;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let server = std::thread::spawn(move || -> anyhow::Result<()> {
        let mut connection = Connection::on(listener.accept()?.0);
        for _ in 0..5 {
            connection.until(b"\r\n\r\n")?;
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    let mut client = Connection::open(("127.0.0.1", port))?;
    for _ in 0..5 {
        assert_eq!(client.get("/self")?.body, b"ok");
    }
    server.join().map_err(|_| anyhow::anyhow!("the server panicked"))??;
    let expected = json!({ "req_path": "/self", "role": "server", "pid": std::process::id(), "peer_pid": std::process::id() });
    earshot
        .expect(&format!("SELECT req_path, role, pid, peer_pid FROM http_events WHERE local_port = {port}"), &vec![expected; 5])
}

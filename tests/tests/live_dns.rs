//! dnsmasq with real resolvers: every query is one row with its answer.

use std::net::UdpSocket;

use serde_json::{Value, json};
use tests::{Dnsmasq, Earshot, run};

fn dig(server: &Dnsmasq, args: &[&str]) -> anyhow::Result<String> {
    let (port, address) = (server.port.to_string(), format!("@{}", server.address));
    run("dig", ["-p", &port, &address, "+tries=1", "+time=5"].iter().chain(args))
}

/// A query by hand: recursion desired, one question.
fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = [id.to_be_bytes(), [1, 0], [0, 1], [0, 0], [0, 0], [0, 0]].concat();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend([kind.to_be_bytes(), [0, 1]].concat());
    bytes
}

fn row(name: &str, kind: &str, transport: &str, rcode: &str, answers: u32) -> Value {
    json!({ "query_name": name, "query_type": kind, "transport": transport, "rcode": rcode, "answer_count": answers })
}

fn query(server: &Dnsmasq) -> String {
    format!(
        "SELECT query_name, query_type, transport, rcode, answer_count FROM dns_events WHERE local_port = {} AND role = 'server'",
        server.port
    )
}

#[test]
fn dig_over_udp_and_tcp() -> anyhow::Result<()> {
    let (server, earshot) = (Dnsmasq::start()?, Earshot::start()?);
    let mut expected = vec![];
    for (name, kind) in [
        ("a.earshot.test", "A"),
        ("a.earshot.test", "AAAA"),
        ("txt.earshot.test", "TXT"),
        ("mx.earshot.test", "MX"),
        ("_http._tcp.earshot.test", "SRV"),
        ("9.2.0.192.in-addr.arpa", "PTR"),
    ] {
        dig(&server, &[name, kind])?;
        expected.push(row(name, kind, "udp", "NOERROR", 1));
    }
    dig(&server, &["none.earshot.test", "A"])?;
    expected.push(row("none.earshot.test", "A", "udp", "NXDOMAIN", 0));
    dig(&server, &["+noedns", "Upper.ANY.earshot.test.", "A"])?;
    expected.push(row("Upper.ANY.earshot.test", "A", "udp", "NOERROR", 1));
    dig(&server, &["+tcp", "+keepopen", "one.any.earshot.test", "A", "+tcp", "+keepopen", "two.any.earshot.test", "AAAA"])?;
    expected.push(row("one.any.earshot.test", "A", "tcp", "NOERROR", 1));
    expected.push(row("two.any.earshot.test", "AAAA", "tcp", "NOERROR", 1));
    earshot.expect(&query(&server), &expected)?;
    let rows = earshot.rows(&format!(
        "SELECT * FROM dns_events WHERE local_port = {} AND query_name = 'a.earshot.test' AND query_type = 'A'",
        server.port
    ))?;
    let answers: Value = serde_json::from_str(rows[0]["answers"].as_str().unwrap_or_default())?;
    assert_eq!(
        (&answers[0]["name"], &answers[0]["type"], &answers[0]["data"]),
        (&json!("a.earshot.test"), &json!("A"), &json!("192.0.2.10"))
    );
    assert_eq!((&rows[0]["process_name"], &rows[0]["pid"]), (&json!("dnsmasq"), &json!(server.pid())));
    assert_eq!(rows[0]["peer_process_name"], "dig");
    Ok(())
}

#[test]
fn glibc_sends_both_questions_by_one_call() -> anyhow::Result<()> {
    // glibc knows port 53 only; this address is nobody else's
    let server = Dnsmasq::start_at("127.41.53.7", 53)?;
    let earshot = Earshot::start()?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("resolv.conf"), "nameserver 127.41.53.7\noptions attempts:1\n")?;
    std::fs::write(folder.path().join("nsswitch.conf"), "hosts: dns\n")?;
    let script = "for f in resolv.conf nsswitch.conf; do mount --bind \"$1/$f\" /etc/$f || exit; done; exec getent ahosts glibc.any.earshot.test";
    let answer = run("unshare", ["--mount", "sh", "-c", script, "sh", &folder.path().to_string_lossy()])?;
    assert!(answer.contains("192.0.2.99"), "getent says {answer}");
    let rows = ["A", "AAAA"].map(|kind| row("glibc.any.earshot.test", kind, "udp", "NOERROR", 1));
    earshot.expect(&(query(&server) + " AND local_addr = '127.41.53.7'"), &rows)
}

#[test]
fn many_questions_at_once() -> anyhow::Result<()> {
    let (server, earshot) = (Dnsmasq::start()?, Earshot::start()?);
    let sockets: Vec<UdpSocket> = (0..20).map(|_| server.socket()).collect::<anyhow::Result<_>>()?;
    let mut expected = vec![];
    for number in 0..10 {
        for (i, socket) in sockets.iter().enumerate() {
            let name = format!("q{i}-{number}.any.earshot.test");
            let (code, kind) = if number % 2 == 0 { (1, "A") } else { (28, "AAAA") };
            socket.send(&question(7000 + number, &name, code))?;
            expected.push(row(&name, kind, "udp", "NOERROR", 1));
        }
    }
    let mut buffer = [0; 1500];
    for socket in &sockets {
        for _ in 0..10 {
            socket.recv(&mut buffer)?;
        }
    }
    earshot.expect(&query(&server), &expected)
}

#[test]
fn a_question_asked_twice_is_one_row() -> anyhow::Result<()> {
    let earshot = Earshot::start()?;
    let server = UdpSocket::bind(("127.0.0.1", 0))?;
    let port = server.local_addr()?.port();
    let client = UdpSocket::bind(("127.0.0.1", 0))?;
    client.connect(("127.0.0.1", port))?;
    let asked = question(4711, "twice.earshot.test", 1);
    let mut buffer = [0; 1500];
    client.send(&asked)?;
    server.recv_from(&mut buffer)?;
    client.send(&asked)?;
    let (length, from) = server.recv_from(&mut buffer)?;
    buffer[2..4].copy_from_slice(&[0x81, 0x83]);
    server.send_to(&buffer[..length], from)?;
    client.recv(&mut buffer)?;
    let expected = json!({ "query_id": 4711, "query_name": "twice.earshot.test", "rcode": "NXDOMAIN" });
    earshot.expect(&format!("SELECT query_id, query_name, rcode FROM dns_events WHERE local_port = {port}"), &[expected])
}

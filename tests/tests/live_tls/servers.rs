//! Servers: each is asked by a client of another language; the rows are the server's and name the client.

use tests::{Certificates, Connection, Earshot, Exchange, Nginx, Peer, PeerServer, Process, free_port, program, run};

use super::cells::Cell;
use super::seen::{self, Ends};

/// Requests of one client.
const REQUESTS: u32 = 12;
const WITHOUT_SYMBOLS: &str = "a stripped program does not tell where its functions are";
const JSSE: &str = "Java's own TLS is compiled while it runs, and takes an agent inside the program to be seen";

const PEERS: &[(Peer, Cell)] = &[
    (Peer::Python, Cell::server("Python", "http.server, ssl on sockets", "OpenSSL 3", "HTTP/1.1")),
    (Peer::Asyncio, Cell::server("Python", "asyncio, ssl in memory", "OpenSSL 3", "HTTP/1.1")),
    (Peer::Node, Cell::server("JavaScript", "Node https", "OpenSSL 3, linked statically", "HTTP/1.1")),
    (Peer::NodeHttp2, Cell::server("JavaScript", "Node http2", "OpenSSL 3, linked statically", "HTTP/2")),
    (Peer::Go, Cell::server("Go", "net/http", "crypto/tls", "HTTP/1.1")),
    (Peer::Go, Cell::server("Go", "net/http", "crypto/tls", "HTTP/2")),
    (Peer::GoStripped, Cell::server("Go", "net/http, stripped", "crypto/tls", "HTTP/1.1")),
    (Peer::GoStripped, Cell::server("Go", "net/http, stripped", "crypto/tls", "HTTP/2")),
    (Peer::Rustls, Cell::server("Rust", "hyper", "rustls", "HTTP/1.1")),
    (Peer::Rustls, Cell::server("Rust", "hyper", "rustls", "HTTP/2")),
    (Peer::OpensslStripped, Cell::server("C", "a program of its own, stripped", "OpenSSL 3, linked statically", "HTTP/1.1")),
];
const NGINX: &[Cell] =
    &[Cell::server("C", "nginx", "OpenSSL 3", "HTTP/1.1"), Cell::server("C", "nginx", "OpenSSL 3", "HTTP/2")];
const GNUTLS: Cell = Cell::server("C", "gnutls-serv", "GnuTLS", "HTTP/1.1");
const UNSEEN: &[Cell] = &[
    Cell::server("Java", "HttpsServer", "JSSE", "HTTP/1.1").unseen(JSSE),
    Cell::server("Rust", "hyper, stripped", "rustls", "HTTP/1.1").unseen(WITHOUT_SYMBOLS),
];

pub fn cells() -> Vec<Cell> {
    let peers: Vec<Cell> = PEERS.iter().map(|(_, cell)| *cell).collect();
    [&peers, NGINX, &[GNUTLS], UNSEEN].concat()
}

fn serve(peer: Peer) -> anyhow::Result<()> {
    for (_, cell) in PEERS.iter().filter(|(server, _)| *server == peer) {
        let certificates = Certificates::make()?;
        let server = PeerServer::start(peer, &certificates)?;
        let earshot = Earshot::start()?;
        let version = cell.http_version();
        let client = if version == "2" { Peer::NodeHttp2 } else { Peer::Python };
        let asked = client.ask(version, server.port, &certificates, REQUESTS)?;
        let ends = Ends { role: "server", process: peer.process_name(), pid: Some(server.pid()), peer: client.process_name() };
        seen::expect(&earshot, server.port, &asked, version, &ends).map_err(|e| e.context(format!("{cell:?}")))?;
        seen::handshakes(&earshot, server.port, 1)?;
    }
    Ok(())
}

#[test]
fn python_on_sockets() -> anyhow::Result<()> {
    serve(Peer::Python)
}

#[test]
fn python_asyncio() -> anyhow::Result<()> {
    serve(Peer::Asyncio)
}

#[test]
fn node_https() -> anyhow::Result<()> {
    serve(Peer::Node)
}

#[test]
fn node_http2() -> anyhow::Result<()> {
    serve(Peer::NodeHttp2)
}

#[test]
fn go() -> anyhow::Result<()> {
    serve(Peer::Go)
}

#[test]
fn go_stripped() -> anyhow::Result<()> {
    serve(Peer::GoStripped)
}

#[test]
fn rustls() -> anyhow::Result<()> {
    serve(Peer::Rustls)
}

#[test]
fn openssl_stripped() -> anyhow::Result<()> {
    serve(Peer::OpensslStripped)
}

#[test]
fn nginx() -> anyhow::Result<()> {
    for cell in NGINX {
        let certificates = Certificates::make()?;
        let (nginx, earshot) = (Nginx::start_tls(&certificates)?, Earshot::start()?);
        let option = if cell.http_version() == "2" { "--http2" } else { "--http1.1" };
        let mut asked = vec![];
        let mut paths = vec![];
        for i in 0..REQUESTS {
            let (path, status, body) = match i % 3 {
                0 => ("/text.html".to_owned(), 200, Nginx::text()),
                1 => (format!("/status/200/{i}"), 200, "said\n".to_owned()),
                _ => (format!("/status/500/{i}"), 500, "said\n".to_owned()),
            };
            paths.extend(["-o".to_owned(), "/dev/null".to_owned(), nginx.url(&path)]);
            asked.push(Exchange { method: "GET".into(), path, status, sent: None, received: body });
        }
        let authority = certificates.authority();
        // one connection for all of them
        let options = ["-sS", "--max-time", "30", option, "--cacert", &authority].map(str::to_owned);
        run("curl", options.iter().chain(&paths))?;
        let ends = Ends { role: "server", process: "nginx", pid: None, peer: "curl" };
        seen::expect(&earshot, nginx.port, &asked, cell.http_version(), &ends)?;
        let connections =
            format!("SELECT count(DISTINCT connection_id) AS n FROM http_events WHERE local_port = {}", nginx.port);
        assert_eq!(earshot.number(&connections)?, 1);
    }
    Ok(())
}

#[test]
fn gnutls() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let (folder, port) = (tempfile::tempdir()?, free_port()?);
    let mut command = std::process::Command::new(program("gnutls-serv")?);
    command.args(["--http", "--nocookie", "-q", "-p", &port.to_string()]);
    command.args(["--x509certfile", &certificates.certificate(), "--x509keyfile", &certificates.key()]);
    let mut server = Process::start(&command, folder.path())?;
    server.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
    let earshot = Earshot::start()?;
    let mut asked = vec![];
    for i in 0..3 {
        let path = format!("/{i}");
        let url = format!("https://localhost:{port}{path}");
        let received =
            run("curl", ["-sS", "-4", "--http1.1", "--max-time", "30", "--cacert", &certificates.authority(), &url])?;
        assert!(received.contains("GnuTLS"), "{received}");
        asked.push(Exchange { method: "GET".into(), path, status: 200, sent: None, received });
    }
    let expected: Vec<_> = asked
        .iter()
        .map(|e| {
            serde_json::json!({ "req_path": e.path, "resp_status": 200, "resp_body": e.received, "encrypted": true,
            "process_name": "gnutls-serv", "pid": server.pid(), "peer_process_name": "curl" })
        })
        .collect();
    let columns = "req_path, resp_status, resp_body, encrypted, process_name, pid, peer_process_name";
    earshot.expect(&format!("SELECT {columns} FROM http_events WHERE local_port = {port}"), &expected)?;
    assert_eq!(GNUTLS.http_version(), "1.1");
    Ok(())
}

/// What a server says that cannot be seen is known from its client, and `probe_status` says why.
#[test]
fn servers_that_cannot_be_seen() -> anyhow::Result<()> {
    for (peer, target, reason) in [(Peer::Java, "libjvm.so", "agent"), (Peer::RustlsStripped, "rustls-stripped", "stripped")] {
        let certificates = Certificates::make()?;
        let server = PeerServer::start(peer, &certificates)?;
        let earshot = Earshot::start()?;
        let asked = Peer::Python.ask("1.1", server.port, &certificates, REQUESTS)?;
        let ends = Ends { role: "server", process: peer.process_name(), pid: Some(server.pid()), peer: "python3" };
        seen::expect(&earshot, server.port, &asked, "1.1", &ends)?;
        seen::told(&earshot, false, target, reason)?;
    }
    Ok(())
}

/// Connections that are older than earshot: what is said from then on is there.
#[test]
fn connections_opened_before() -> anyhow::Result<()> {
    for peer in [Peer::Python, Peer::Asyncio, Peer::Node, Peer::Go, Peer::Rustls] {
        let certificates = Certificates::make()?;
        let server = PeerServer::start(peer, &certificates)?;
        let folder = tempfile::tempdir()?;
        let mut client = Process::start(&Peer::Python.client("1.1", server.port, &certificates, 200, 20)?, folder.path())?;
        let told = |p: &Process| p.out().lines().count();
        client.wait_until(20, "its first answers", |p| (told(p) > 10).then_some(()))?;
        let earshot = Earshot::start()?;
        let before = told(&client);
        client.wait_until(30, "its last answer", |p| (told(p) == 200).then_some(()))?;
        assert!(before < 190, "{peer:?}: earshot came too late: {before} requests were over");
        let asked: Vec<Exchange> = client.out().lines().filter_map(Exchange::of).collect();
        // the first two may fall between two looks, and what tells the connection may be seen a request late
        let late: Vec<&Exchange> = asked.iter().skip(before + 2).collect();
        let query = format!(
            "SELECT req_path, resp_status, resp_body, encrypted FROM http_events WHERE local_port = {} AND req_path IN ({})",
            server.port,
            late.iter().map(|e| format!("'{}'", e.path)).collect::<Vec<_>>().join(", ")
        );
        let expected: Vec<_> = late
            .iter()
            .map(|e| serde_json::json!({ "req_path": e.path, "resp_status": e.status, "resp_body": e.received, "encrypted": true }))
            .collect();
        earshot.expect(&query, &expected).map_err(|e| e.context(format!("{peer:?}")))?;
    }
    Ok(())
}

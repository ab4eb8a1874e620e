//! Servers: each is asked by a client of another language; the rows are the server's and name the client.

use tempfile::TempDir;
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

/// One earshot for all servers, which run before it.
#[test]
fn in_each_language() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let started = |(peer, cell)| Ok((peer, cell, PeerServer::start(peer, &certificates)?));
    let servers: Vec<(Peer, Cell, PeerServer)> = PEERS.iter().copied().map(started).collect::<anyhow::Result<_>>()?;
    let earshot = Earshot::start()?;
    for (peer, cell, server) in &servers {
        let version = cell.http_version();
        let client = if version == "2" { Peer::NodeHttp2 } else { Peer::Python };
        let asked = client.ask(version, server.port, &certificates, REQUESTS)?;
        let ends = Ends { role: "server", process: peer.process_name(), pid: Some(server.pid()), peer: client.process_name() };
        seen::expect(&earshot, server.port, &asked, version, &ends).map_err(|e| e.context(format!("{cell:?}")))?;
    }
    seen::handshakes(&earshot, &servers.iter().map(|(_, _, server)| server.port).collect::<Vec<_>>())
}

#[test]
fn nginx() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let servers = [Nginx::start_tls(&certificates)?, Nginx::start_tls(&certificates)?];
    let earshot = Earshot::start()?;
    for (cell, nginx) in NGINX.iter().zip(&servers) {
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
    let certificates = Certificates::make()?;
    let hidden = [(Peer::Java, "libjvm.so", "agent"), (Peer::RustlsStripped, "rustls-stripped", "stripped")];
    let servers = hidden.map(|(peer, ..)| PeerServer::start(peer, &certificates));
    let earshot = Earshot::start()?;
    for ((peer, target, reason), server) in hidden.into_iter().zip(servers) {
        let server = server?;
        let asked = Peer::Python.ask("1.1", server.port, &certificates, REQUESTS)?;
        let ends = Ends { role: "server", process: peer.process_name(), pid: Some(server.pid()), peer: "python3" };
        seen::expect(&earshot, server.port, &asked, "1.1", &ends)?;
        seen::told(&earshot, false, target, reason)?;
    }
    Ok(())
}

/// A client that asks on and on, and its server.
struct Talk {
    peer: Peer,
    client: Process,
    server: PeerServer,
    _folder: TempDir,
}

impl Talk {
    const REQUESTS: usize = 200;

    fn begin(peer: Peer, certificates: &Certificates) -> anyhow::Result<Self> {
        let (server, folder) = (PeerServer::start(peer, certificates)?, tempfile::tempdir()?);
        let command = Peer::Python.client("1.1", server.port, certificates, Self::REQUESTS as u32, 20)?;
        Ok(Self { peer, client: Process::start(&command, folder.path())?, server, _folder: folder })
    }

    fn answers(&self) -> usize {
        self.client.out().lines().count()
    }

    fn wait_for(&mut self, answers: usize) -> anyhow::Result<()> {
        self.client.wait_until(30, "answers", |client| (client.out().lines().count() >= answers).then_some(()))
    }

    /// Whoever asked had so many answers before earshot was there.
    fn expect(&self, earshot: &Earshot, before: usize) -> anyhow::Result<()> {
        assert!(before < Self::REQUESTS - 10, "{:?}: earshot came too late: {before} requests were over", self.peer);
        let asked: Vec<Exchange> = self.client.out().lines().filter_map(Exchange::of).collect();
        // the first two may fall between two looks, and what tells the connection may be seen a request late
        let late: Vec<&Exchange> = asked.iter().skip(before + 2).collect();
        let query = format!(
            "SELECT req_path, resp_status, resp_body, encrypted FROM http_events WHERE local_port = {} AND req_path IN ({})",
            self.server.port,
            late.iter().map(|e| format!("'{}'", e.path)).collect::<Vec<_>>().join(", ")
        );
        let expected: Vec<_> = late
            .iter()
            .map(|e| serde_json::json!({ "req_path": e.path, "resp_status": e.status, "resp_body": e.received, "encrypted": true }))
            .collect();
        earshot.expect(&query, &expected).map_err(|e| e.context(format!("{:?}", self.peer)))
    }
}

/// Connections that are older than earshot: what is said from then on is there.
#[test]
fn connections_opened_before() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let peers = [Peer::Python, Peer::Asyncio, Peer::Node, Peer::Go, Peer::Rustls];
    let mut talks: Vec<Talk> = peers.into_iter().map(|peer| Talk::begin(peer, &certificates)).collect::<Result<_, _>>()?;
    talks.iter_mut().try_for_each(|talk| talk.wait_for(10))?;
    let earshot = Earshot::start()?;
    let before: Vec<usize> = talks.iter().map(Talk::answers).collect();
    talks.iter_mut().try_for_each(|talk| talk.wait_for(Talk::REQUESTS))?;
    talks.iter().zip(before).try_for_each(|(talk, before)| talk.expect(&earshot, before))
}

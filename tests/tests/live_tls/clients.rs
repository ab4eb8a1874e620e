//! Clients: each asks a server whose own plaintext cannot be seen, so that what its rows say comes from the client.

use tests::{Certificates, Earshot, Exchange, Peer, PeerServer, free_port, run, succeed, wait_until};

use super::cells::Cell;
use super::seen::{self, Ends};

const REQUESTS: u32 = 12;
/// Programs of each kind that were never there before.
const FIRST_RUNS: u32 = 3;
/// Hides what it does, and speaks both versions of HTTP.
const SERVER: Peer = Peer::RustlsStripped;

const PEERS: &[(Peer, Cell)] = &[
    (Peer::Python, Cell::client("Python", "http.client", "OpenSSL 3", "HTTP/1.1")),
    (Peer::Requests, Cell::client("Python", "requests", "OpenSSL 3", "HTTP/1.1")),
    (Peer::Aiohttp, Cell::client("Python", "aiohttp, ssl in memory", "OpenSSL 3", "HTTP/1.1")),
    (Peer::CurlCffi, Cell::client("Python", "curl_cffi", "BoringSSL, in the package", "HTTP/2")),
    (Peer::Node, Cell::client("JavaScript", "Node https", "OpenSSL 3, linked statically", "HTTP/1.1")),
    (Peer::NodeHttp2, Cell::client("JavaScript", "Node http2", "OpenSSL 3, linked statically", "HTTP/2")),
    (Peer::Go, Cell::client("Go", "net/http", "crypto/tls", "HTTP/1.1")),
    (Peer::Go, Cell::client("Go", "net/http", "crypto/tls", "HTTP/2")),
    (Peer::GoStripped, Cell::client("Go", "net/http, stripped", "crypto/tls", "HTTP/1.1")),
    (Peer::GoStripped, Cell::client("Go", "net/http, stripped", "crypto/tls", "HTTP/2")),
    (Peer::Rustls, Cell::client("Rust", "hyper", "rustls", "HTTP/1.1")),
    (Peer::Rustls, Cell::client("Rust", "hyper", "rustls", "HTTP/2")),
    (Peer::OpensslStripped, Cell::client("C", "a program of its own, stripped", "OpenSSL 3, linked statically", "HTTP/1.1")),
];
const CURL: &[Cell] = &[Cell::client("C", "curl", "OpenSSL 3", "HTTP/1.1"), Cell::client("C", "curl", "OpenSSL 3", "HTTP/2")];
const WGET: Cell = Cell::client("C", "wget", "GnuTLS", "HTTP/1.1");
const JAVA: Cell = Cell::client("Java", "HttpsURLConnection", "JSSE", "HTTP/1.1")
    .unseen("Java's own TLS is compiled while it runs, and takes an agent inside the program to be seen");

pub fn cells() -> Vec<Cell> {
    let peers: Vec<Cell> = PEERS.iter().map(|(_, cell)| *cell).collect();
    [&peers, CURL, &[WGET, JAVA]].concat()
}

/// One earshot for all clients; each has a server of its own.
struct Host {
    certificates: Certificates,
    earshot: Earshot,
}

impl Host {
    fn begin() -> anyhow::Result<Self> {
        Ok(Self { certificates: Certificates::make()?, earshot: Earshot::start()? })
    }

    /// `ask` makes the client's requests of the server at a port.
    fn watch(
        &self,
        cell: &Cell,
        process: &str,
        probed: &str,
        ask: &dyn Fn(u16) -> anyhow::Result<Vec<Exchange>>,
    ) -> anyhow::Result<()> {
        seen::introduce(&self.earshot, probed, || ask(free_port()?))?;
        let server = PeerServer::start(SERVER, &self.certificates)?;
        let asked = ask(server.port)?;
        // both ends are on this host, so the rows are the server's, by whichever end they are known
        let ends = Ends { role: "server", process: SERVER.process_name(), pid: Some(server.pid()), peer: process };
        seen::expect(&self.earshot, server.port, &asked, cell.http_version(), &ends).map_err(|e| e.context(format!("{cell:?}")))
    }
}

#[test]
fn in_each_language() -> anyhow::Result<()> {
    let host = Host::begin()?;
    for (peer, cell) in PEERS {
        let version = cell.http_version();
        host.watch(cell, peer.process_name(), &peer.probed(), &|port| peer.ask(version, port, &host.certificates, REQUESTS))?;
    }
    Ok(())
}

/// What a command that fetches URLs asks and is answered.
fn fetched(method: &str, path: &str, sent: Option<&str>) -> Exchange {
    let received = sent.map_or_else(|| format!("answer to {path}"), str::to_owned);
    Exchange { method: method.into(), path: path.into(), status: 200, sent: sent.map(str::to_owned), received }
}

#[test]
fn curl_and_wget() -> anyhow::Result<()> {
    let host = Host::begin()?;
    let ca = host.certificates.authority();
    for cell in CURL {
        let option = if cell.http_version() == "2" { "--http2" } else { "--http1.1" };
        host.watch(cell, "curl", "libssl", &|port| {
            let base = ["-sS", "--max-time", "30", option, "--cacert", &ca];
            let at = |path: &str| format!("https://localhost:{port}{path}");
            run("curl", base.iter().chain(&["-o", "/dev/null", &at("/a"), "-o", "/dev/null", &at("/b?x=%20")]))?;
            run("curl", base.iter().chain(&["-d", "name=value", &at("/post")]))?;
            Ok(vec![fetched("GET", "/a", None), fetched("GET", "/b?x=%20", None), fetched("POST", "/post", Some("name=value"))])
        })?;
    }
    host.watch(&WGET, "wget", "libgnutls", &|port| {
        let ca = format!("--ca-certificate={ca}");
        let base = ["-q", "--timeout=30", "--tries=1", "-O", "/dev/null", &ca];
        let at = |path: &str| format!("https://localhost:{port}{path}");
        run("wget", base.iter().chain(&[at("/a").as_str(), at("/b").as_str()]))?;
        run("wget", base.iter().chain(&["--post-data=name=value", at("/post").as_str()]))?;
        Ok(vec![fetched("GET", "/a", None), fetched("GET", "/b", None), fetched("POST", "/post", Some("name=value"))])
    })
}

/// What a Java client says is seen at the server.
#[test]
fn java() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let server = PeerServer::start(Peer::Python, &certificates)?;
    let earshot = Earshot::start()?;
    let said = succeed(&mut Peer::Java.client("1.1", server.port, &certificates, REQUESTS, 0)?)?;
    let asked: Vec<Exchange> = said.lines().filter_map(Exchange::of).collect();
    assert_eq!(asked.len(), REQUESTS as usize, "{said}");
    let ends = Ends { role: "server", process: "python3", pid: Some(server.pid()), peer: "java" };
    seen::expect(&earshot, server.port, &asked, "1.1", &ends)?;
    seen::told(&earshot, false, "libjvm.so", "agent")
}

/// A program that was never there before says things while it is still being looked at: each request is a row, or its connection
/// is told to be lost with the reason.
#[test]
fn first_runs_are_seen_or_told_to_be_missed() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let server = PeerServer::start(SERVER, &certificates)?;
    let earshot = Earshot::start()?;
    let folder = tempfile::tempdir()?;
    let mut missed = 0;
    for peer in [Peer::Go, Peer::Rustls] {
        for n in 0..FIRST_RUNS {
            // another file each time, which nothing is known of
            let name = format!("{n}-{}", peer.process_name());
            let copy = folder.path().join(&name);
            let mut client = peer.client("1.1", server.port, &certificates, 1, 0)?;
            std::fs::copy(client.get_program(), &copy)?;
            let arguments: Vec<_> = client.get_args().map(std::ffi::OsStr::to_owned).collect();
            client = std::process::Command::new(&copy);
            succeed(client.args(arguments))?;
            // of what was said in the midst of it, an answer may be seen and not whose it is
            let lost = "SELECT coalesce(sum(events), 0) AS n FROM lost_events WHERE reason IN ('attached_late', 'no_connection_evidence')";
            let rows = earshot.rows_when(&format!("SELECT req_path FROM http_events WHERE peer_process_name = '{name}'"), 1)?;
            if rows.is_empty() {
                missed += 1;
                wait_until(10, &format!("a loss that explains run {n} of {peer:?}"), || {
                    earshot.number(lost).is_ok_and(|lost| lost >= missed).then_some(())
                })?;
                seen::told(&earshot, true, &format!("{name} in process"), "lost_events")?;
            }
            assert!(rows.len() <= 1, "one request, one row: {rows:?}");
            std::fs::remove_file(&copy)?;
        }
    }
    eprintln!("{missed} of {} first runs were over too soon", 2 * FIRST_RUNS);
    Ok(())
}

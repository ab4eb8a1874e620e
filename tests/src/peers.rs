//! `tests/servers/tls`: one HTTPS server and one HTTPS client in several languages, each with its own TLS library.

use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::processes::{Process, free_port, program, succeed};
use crate::tools::{built, c_static, cargo, go, python, stripped};

/// Folder and program.
const RUSTLS: (&str, &str) = ("tls/rust", "rustls-peer");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Python,
    /// The server is asyncio's; the client is Python's other one.
    Asyncio,
    /// Packages, which have a client only.
    Requests,
    Aiohttp,
    /// With BoringSSL inside.
    CurlCffi,
    Node,
    NodeHttp2,
    Go,
    GoStripped,
    Rustls,
    RustlsStripped,
    /// OpenSSL inside, and no symbols.
    OpensslStripped,
    Java,
}

impl Peer {
    pub fn process_name(self) -> &'static str {
        match self {
            Peer::Python | Peer::Asyncio | Peer::Requests | Peer::Aiohttp | Peer::CurlCffi => "python3",
            Peer::Node | Peer::NodeHttp2 => "node",
            Peer::Go => "tls-go",
            Peer::GoStripped => "tls-go-stripped",
            Peer::Rustls => "rustls-peer",
            Peer::RustlsStripped => "rustls-stripped",
            Peer::OpensslStripped => "static-openssl",
            Peer::Java => "java",
        }
    }

    /// Its program, built where it has to be.
    pub fn program(self) -> anyhow::Result<Command> {
        let file = |name: &str| crate::root().join("tests/servers/tls").join(name);
        let interpreted = |name: &str, source: &str| -> anyhow::Result<Command> {
            let mut command = Command::new(program(name)?);
            command.arg(file(source));
            Ok(command)
        };
        match self {
            Peer::Python | Peer::Asyncio => interpreted("python3", "peer.py"),
            Peer::Requests | Peer::Aiohttp | Peer::CurlCffi => python("tls/peer.py"),
            Peer::Node | Peer::NodeHttp2 => interpreted("node", "peer.mjs"),
            Peer::Java => interpreted("java", "Peer.java"),
            Peer::Go => go("tls/go", &built()?.join(self.process_name())),
            Peer::GoStripped => {
                go("tls/go", &built()?.join(Peer::Go.process_name()))?;
                stripped(&built()?.join(Peer::Go.process_name()), self.process_name())
            }
            Peer::Rustls => Ok(Command::new(cargo(RUSTLS)?)),
            Peer::RustlsStripped => stripped(&cargo(RUSTLS)?, self.process_name()),
            Peer::OpensslStripped => {
                stripped(&c_static("tls/peer.c", "openssl-peer", &["-lssl", "-lcrypto"])?, self.process_name())
            }
        }
    }

    /// What `probe_status` calls the file that its TLS library is in.
    pub fn probed(self) -> String {
        match self {
            Peer::Python | Peer::Asyncio | Peer::Requests | Peer::Aiohttp => "libssl".to_owned(),
            Peer::CurlCffi => "curl_cffi/".to_owned(),
            Peer::Java => "libjvm".to_owned(),
            other => format!("/{}:", other.process_name()),
        }
    }

    /// The client's requests, one after the other on one connection; what it says that it was answered.
    pub fn ask(self, version: &str, port: u16, certificates: &Certificates, count: u32) -> anyhow::Result<Vec<Exchange>> {
        let said = succeed(&mut self.client(version, port, certificates, count, 0)?)?;
        said.lines().map(|line| Exchange::of(line).with_context(|| format!("the client says {line}"))).collect()
    }

    /// The client, which waits after each request.
    pub fn client(
        self,
        version: &str,
        port: u16,
        certificates: &Certificates,
        count: u32,
        pause_ms: u32,
    ) -> anyhow::Result<Command> {
        let mut client = self.program()?;
        client.arg(match self {
            Peer::Requests => "requests",
            Peer::Aiohttp => "aiohttp",
            Peer::CurlCffi => "curl_cffi",
            _ if version == "2" => "client2",
            _ => "client",
        });
        client.arg(format!("https://localhost:{port}")).arg(certificates.authority());
        client.args([count.to_string(), pause_ms.to_string()]);
        Ok(client)
    }
}

/// A request and its answer, as the client tells them.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: String,
    pub path: String,
    pub status: u16,
    pub sent: Option<String>,
    pub received: String,
}

impl Exchange {
    pub fn of(line: &str) -> Option<Self> {
        let [method, path, status, sent, received] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
        let sent = Some(sent.to_owned()).filter(|sent| !sent.is_empty());
        Some(Self { method: method.into(), path: path.into(), status: status.parse().ok()?, sent, received: received.into() })
    }
}

/// A peer that serves.
#[derive(Debug)]
pub struct PeerServer {
    process: Process,
    pub port: u16,
    _folder: TempDir,
}

impl PeerServer {
    pub fn start(peer: Peer, certificates: &Certificates) -> anyhow::Result<Self> {
        let what = match peer {
            Peer::Asyncio => "asyncio",
            Peer::NodeHttp2 => "serve2",
            _ => "serve",
        };
        let files = match peer {
            Peer::Java => vec![certificates.store()?],
            _ => vec![certificates.certificate(), certificates.key()],
        };
        Self::listening(peer, what, &files)
    }

    /// Takes the encryption away before a server that nobody would probe, so that a client's end is all that there is to see.
    pub fn tunnel(certificates: &Certificates, to: u16) -> anyhow::Result<Self> {
        let files = [certificates.certificate(), certificates.key(), to.to_string()];
        Self::listening(Peer::RustlsStripped, "tunnel", &files)
    }

    fn listening(peer: Peer, what: &str, more: &[String]) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = peer.program()?;
        command.args([what, &port.to_string()]).args(more);
        let mut process = Process::start(&command, folder.path())?;
        process.wait_until(30, "its listening", |p| p.out().contains("listening").then_some(()))?;
        Ok(Self { process, port, _folder: folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

//! Real servers on free loopback ports, with folders of their own.

use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::processes::{Process, free_port, program, wait_until};

fn wait_for_port(process: &mut Process, port: u16) -> anyhow::Result<()> {
    process.wait_until(10, "its port", |_| TcpStream::connect(("127.0.0.1", port)).ok().map(|_| ()))
}

/// nginx: `/text.html` (1,024 bytes), `/big.bin` (1 MiB), `/status/CODE/…`, `/put/…` (PUT, DELETE), `/packed/text.html` (gzip).
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    scheme: &'static str,
    pub port: u16,
    folder: TempDir,
}

/// What `/text.html` holds.
const TEXT: &str = "what nginx serves when earshot is tested\n";
pub const STATUSES: [u16; 5] = [200, 204, 301, 404, 500];

impl Nginx {
    pub fn start() -> anyhow::Result<Self> {
        Self::start_by(None)
    }

    /// HTTPS: HTTP/1.1, and HTTP/2 by ALPN.
    pub fn start_tls(certificates: &Certificates) -> anyhow::Result<Self> {
        Self::start_by(Some(certificates))
    }

    fn start_by(certificates: Option<&Certificates>) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        // its workers are another user
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open)?;
        let www = folder.path().join("www");
        for name in ["www", "www/put", "temp"] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        }
        std::fs::write(www.join("text.html"), Self::text())?;
        std::fs::write(www.join("big.bin"), "0123456789abcdef".repeat(1 << 16))?;
        let configuration = folder.path().join("nginx.conf");
        std::fs::write(&configuration, Self::configuration(folder.path(), port, certificates))?;
        let mut command = Command::new(program("nginx")?);
        command.arg("-p").arg(folder.path()).arg("-e").arg(folder.path().join("error.log")).arg("-c").arg(configuration);
        let mut process = Process::start(&command, folder.path())?;
        wait_for_port(&mut process, port)?;
        let scheme = if certificates.is_some() { "https" } else { "http" };
        Ok(Self { process, scheme, port, folder })
    }

    /// The 1,024 bytes of `/text.html`.
    pub fn text() -> String {
        TEXT.repeat(32).chars().take(1024).collect()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    pub fn error_log(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }

    fn configuration(folder: &Path, port: u16, certificates: Option<&Certificates>) -> String {
        let (ssl, files) = match certificates {
            None => ("", String::new()),
            Some(c) => (
                " ssl http2",
                format!("ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {}; ssl_certificate_key {};", c.certificate(), c.key()),
            ),
        };
        let at = folder.display();
        let temps: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|n| format!("{n}_temp_path {at}/temp/{n}; ")).concat();
        let statuses: String = STATUSES
            .map(|status| {
                let what = match status {
                    204 => "",
                    301 => "/elsewhere",
                    _ => "'said\\n'",
                };
                format!("location /status/{status}/ {{ return {status} {what}; }}\n")
            })
            .concat();
        format!(
            "daemon off; worker_processes 2; pid {at}/pid;
            events {{ worker_connections 512; }}
            http {{
              access_log off; sendfile on; keepalive_requests 100000000; client_max_body_size 4m; default_type text/plain;
              types {{ text/html html; }} {temps}
              server {{
                listen 127.0.0.1:{port}{ssl}; listen [::1]:{port}{ssl}; {files} root {at}/www;
                {statuses}
                location /put/ {{ dav_methods PUT DELETE; }}
                location /packed/ {{ alias {at}/www/; gzip on; gzip_min_length 1; }}
              }}
            }}
            "
        )
    }
}

/// Python's own HTTP server (HTTP/1.0) over a folder with `hello.txt`.
#[derive(Debug)]
pub struct PythonHttp {
    process: Process,
    pub port: u16,
    _folder: TempDir,
}

impl PythonHttp {
    pub fn start() -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        std::fs::write(folder.path().join("hello.txt"), "hello")?;
        let mut command = Command::new(program("python3")?);
        command.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]).arg(folder.path()).arg(port.to_string());
        let mut process = Process::start(&command, folder.path())?;
        wait_for_port(&mut process, port)?;
        Ok(Self { process, port, _folder: folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

#[derive(Debug)]
pub struct Redis {
    process: Process,
    pub port: u16,
    _folder: TempDir,
}

impl Redis {
    pub fn start() -> anyhow::Result<Self> {
        Self::start_by(|port| vec!["--port".into(), port.to_string()])
    }

    pub fn start_tls(certificates: &Certificates) -> anyhow::Result<Self> {
        let (cert, key, ca) = (certificates.certificate(), certificates.key(), certificates.authority());
        Self::start_by(|port| {
            let port = port.to_string();
            let ports = ["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"];
            let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
            ports.into_iter().chain(files).map(str::to_owned).collect()
        })
    }

    fn start_by(listening: impl Fn(u16) -> Vec<String>) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = Command::new(program("redis-server")?);
        command.args(listening(port));
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder.path());
        let mut process = Process::start(&command, folder.path())?;
        wait_for_port(&mut process, port)?;
        Ok(Self { process, port, _folder: folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// dnsmasq with records of its own under `earshot.test`; every name under `any.earshot.test` has an A and an AAAA record.
#[derive(Debug)]
pub struct Dnsmasq {
    process: Process,
    pub address: &'static str,
    pub port: u16,
    _folder: TempDir,
}

const RECORDS: [&str; 8] = [
    "--local=/earshot.test/",
    "--host-record=a.earshot.test,192.0.2.10,2001:db8::10",
    "--txt-record=txt.earshot.test,some text",
    "--mx-host=mx.earshot.test,mail.earshot.test,10",
    "--srv-host=_http._tcp.earshot.test,srv.earshot.test,8080,5,6",
    "--ptr-record=9.2.0.192.in-addr.arpa,ptr.earshot.test",
    "--address=/any.earshot.test/192.0.2.99",
    "--address=/any.earshot.test/2001:db8::99",
];

impl Dnsmasq {
    pub fn start() -> anyhow::Result<Self> {
        Self::start_at("127.0.0.1", free_port()?)
    }

    pub fn start_at(address: &'static str, port: u16) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program("dnsmasq")?);
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file=",
            "--user=root",
        ]);
        command.args(["--bind-interfaces", "--cache-size=0", "--log-facility=-"]).args(RECORDS);
        command.args([format!("--port={port}"), format!("--listen-address={address}")]);
        let process = Process::start(&command, folder.path())?;
        // it listens on both at about the same time, and a TCP connection asks nothing
        wait_until(10, "dnsmasq's port", || TcpStream::connect((address, port)).ok())?;
        Ok(Self { process, address, port, _folder: folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A UDP socket that talks to it.
    pub fn socket(&self) -> anyhow::Result<UdpSocket> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.connect((self.address, self.port))?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(socket)
    }
}

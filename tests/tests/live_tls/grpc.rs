//! gRPC over TLS: services, and clients of a service, each with an other end that cannot be seen.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Certificates, Connection, Earshot, Process, built, cargo, free_port, go, python, stripped, succeed};

use super::cells::Cell;
use super::seen;

/// Calls whose client leaves as soon as it has its answer.
const HASTY_CALLS: usize = 1000;

pub const CELLS: &[Cell] = &[
    Cell::server("Go", "grpc-go", "crypto/tls", "gRPC"),
    Cell::server("Go", "grpc-go, stripped", "crypto/tls", "gRPC"),
    Cell::client("Go", "grpc-go", "crypto/tls", "gRPC"),
    Cell::server("Rust", "tonic", "rustls", "gRPC"),
    Cell::client("Rust", "tonic", "rustls", "gRPC"),
    Cell::server("Python", "grpcio", "BoringSSL, in the package, stripped", "gRPC"),
    Cell::client("Python", "grpcio", "BoringSSL, in the package, stripped", "gRPC"),
];

/// Folder and program.
const TONIC: (&str, &str) = ("tonic", "tonic-echo");

/// Calls that end by what the server said.
const ENDED: [(&str, i64); 7] =
    [("Unary", 0), ("Packed", 0), ("Fail", 9), ("Many", 0), ("Collect", 0), ("Chat", 0), ("Missing", 12)];

/// An implementation, with the same service and the same client as the others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Implementation {
    Go,
    GoStripped,
    Tonic,
    /// Nothing of what it says is seen.
    Hidden,
    Python,
}

impl Implementation {
    fn process_name(self) -> &'static str {
        match self {
            Implementation::Go => "grpc-go",
            Implementation::GoStripped => "grpc-stripped",
            Implementation::Tonic => "tonic-echo",
            Implementation::Hidden => "tonic-stripped",
            Implementation::Python => "python3",
        }
    }

    fn program(self) -> anyhow::Result<Command> {
        let file = built()?.join(Implementation::Go.process_name());
        match self {
            Implementation::Go => go("grpc-go", &file),
            Implementation::GoStripped => {
                go("grpc-go", &file)?;
                stripped(&file, self.process_name())
            }
            Implementation::Tonic => Ok(Command::new(cargo(TONIC)?)),
            Implementation::Hidden => stripped(&cargo(TONIC)?, self.process_name()),
            Implementation::Python => python("grpc-python/echo.py"),
        }
    }

    fn serve(self, certificates: &Certificates) -> anyhow::Result<Service> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = self.program()?;
        command.args(["serve", &format!("127.0.0.1:{port}"), &certificates.certificate(), &certificates.key()]);
        let mut process = Process::start(&command, folder.path())?;
        process.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
        Ok(Service { kind: self, process, port, _folder: folder })
    }

    /// Makes all calls.
    fn call(self, port: u16, certificates: &Certificates) -> anyhow::Result<()> {
        succeed(self.program()?.args(["call", &format!("127.0.0.1:{port}"), &certificates.authority()])).map(|_| ())
    }
}

struct Service {
    kind: Implementation,
    process: Process,
    port: u16,
    _folder: TempDir,
}

/// The client's calls are rows of this service.
fn expect(earshot: &Earshot, service: &Service, client: Implementation) -> anyhow::Result<()> {
    let peer = client.process_name();
    let row = |(method, status): &(&str, i64)| {
        json!({ "grpc_service": "earshot.test.Echo", "grpc_method": method, "grpc_status": status, "http_version": "2",
            "encrypted": true, "role": "server", "process_name": service.kind.process_name(), "pid": service.process.pid() })
    };
    let expected: Vec<Value> = ENDED.iter().map(row).collect();
    let here = format!("FROM http_events WHERE local_port = {} AND peer_process_name = '{peer}'", service.port);
    let columns = "grpc_service, grpc_method, grpc_status, http_version, encrypted, role, process_name, pid";
    earshot
        .expect(&format!("SELECT {columns} {here} AND grpc_method NOT IN ('Slow', 'Forever')"), &expected)
        .map_err(|e| e.context(format!("{:?} asked by {client:?}", service.kind)))?;
    assert_eq!(earshot.value(&format!("SELECT resp_body {here} AND grpc_method = 'Unary'"))?, r#"{"1":"one"}"#);
    Ok(())
}

#[test]
fn services() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let kinds = [Implementation::Go, Implementation::GoStripped, Implementation::Tonic, Implementation::Python];
    let services = kinds.map(|kind| kind.serve(&certificates));
    let earshot = Earshot::start()?;
    for service in services {
        let service = service?;
        Implementation::Hidden.call(service.port, &certificates)?;
        expect(&earshot, &service, Implementation::Hidden)?;
    }
    seen::told(&earshot, true, "cygrpc", "without symbols: known by the errors that it raises")
}

#[test]
fn clients() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let service = Implementation::Hidden.serve(&certificates)?;
    let earshot = Earshot::start()?;
    for (client, file) in
        [(Implementation::Go, "/grpc-go:"), (Implementation::Tonic, "/tonic-echo:"), (Implementation::Python, "cygrpc")]
    {
        // a client that finds nobody may tell so and end well
        seen::introduce(&earshot, file, || -> anyhow::Result<()> {
            client.call(free_port()?, &certificates)?;
            anyhow::bail!("nobody is there")
        })?;
        client.call(service.port, &certificates)?;
        expect(&earshot, &service, client)?;
    }
    Ok(())
}

/// A service's write may return only after its client has closed and another goroutine has closed the connection.
#[test]
fn last_words_to_a_client_that_leaves_at_once() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let service = Implementation::Go.serve(&certificates)?;
    let earshot = Earshot::start()?;
    let address = format!("127.0.0.1:{}", service.port);
    let mut client = Implementation::Go.program()?;
    succeed(client.args(["hasty", &address, &certificates.authority(), &HASTY_CALLS.to_string()]))?;
    let row = |n| json!({ "grpc_status": 0, "resp_body": format!(r#"{{"1":"{n}"}}"#), "pid": service.process.pid() });
    let expected: Vec<Value> = (0..HASTY_CALLS).map(row).collect();
    earshot.expect(
        &format!("SELECT grpc_status, resp_body, pid FROM http_events WHERE local_port = {}", service.port),
        &expected,
    )?;
    assert_eq!(earshot.rows("SELECT * FROM lost_events WHERE stage IN ('kernel', 'tls')")?, [] as [Value; 0]);
    Ok(())
}

//! gRPC over TLS: services asked by grpc-go, and clients of a service that cannot be seen.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Certificates, Connection, Earshot, Process, built, cargo, free_port, go, python, stripped, succeed};

use super::cells::Cell;
use super::seen;

const BORINGSSL: &str = "BoringSSL inside the package, whose symbols are gone";

pub const CELLS: &[Cell] = &[
    Cell::server("Go", "grpc-go", "crypto/tls", "gRPC"),
    Cell::server("Go", "grpc-go, stripped", "crypto/tls", "gRPC"),
    Cell::client("Go", "grpc-go", "crypto/tls", "gRPC"),
    Cell::server("Rust", "tonic", "rustls", "gRPC"),
    Cell::client("Rust", "tonic", "rustls", "gRPC"),
    Cell::server("Python", "grpcio", "BoringSSL, in the package", "gRPC").unseen(BORINGSSL),
    Cell::client("Python", "grpcio", "BoringSSL, in the package", "gRPC").unseen(BORINGSSL),
];

/// Calls that end by what the server said.
const ENDED: [(&str, i64); 7] =
    [("Unary", 0), ("Packed", 0), ("Fail", 9), ("Many", 0), ("Collect", 0), ("Chat", 0), ("Missing", 12)];

/// An implementation, with the same service and the same client as the others.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Implementation {
    Go,
    GoStripped,
    Tonic,
    Python,
}

impl Implementation {
    fn process_name(self) -> &'static str {
        match self {
            Implementation::Go => "grpc-go",
            Implementation::GoStripped => "grpc-stripped",
            Implementation::Tonic => "tonic-echo",
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
            Implementation::Tonic => Ok(Command::new(cargo(("tonic", self.process_name()))?)),
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
    let kinds = [Implementation::Go, Implementation::GoStripped, Implementation::Tonic];
    let services = kinds.map(|kind| kind.serve(&certificates));
    let earshot = Earshot::start()?;
    for service in services {
        let service = service?;
        // nothing of a client whose TLS is unknown can stand in for the service
        Implementation::Python.call(service.port, &certificates)?;
        expect(&earshot, &service, Implementation::Python)?;
    }
    Ok(())
}

#[test]
fn clients() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let service = Implementation::Python.serve(&certificates)?;
    let earshot = Earshot::start()?;
    for client in [Implementation::Go, Implementation::Tonic] {
        let file = format!("/{}:", client.process_name());
        seen::introduce(&earshot, &file, || client.call(free_port()?, &certificates))?;
        client.call(service.port, &certificates)?;
        expect(&earshot, &service, client)?;
    }
    seen::told(&earshot, false, "cygrpc", "symbols are gone")
}

//! gRPC over TLS by grpc-go, with symbols and without.

use serde_json::json;
use tests::{Certificates, Connection, Earshot, Process, built, free_port, go, run, succeed};

use super::cells::Cell;

pub const CELLS: &[Cell] =
    &[Cell::server("Go", "grpc-go", "crypto/tls", "gRPC"), Cell::server("Go", "grpc-go, stripped", "crypto/tls", "gRPC")];

/// Calls that end by what the server said.
const ENDED: [(&str, i64); 7] =
    [("Unary", 0), ("Packed", 0), ("Fail", 9), ("Many", 0), ("Collect", 0), ("Chat", 0), ("Missing", 12)];

#[test]
fn grpc_go() -> anyhow::Result<()> {
    for cell in CELLS {
        let certificates = Certificates::make()?;
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = go("grpc-go", &built()?.join("grpc-go"))?;
        let name = if cell.program.ends_with("stripped") { "grpc-stripped" } else { "grpc-go" };
        if name == "grpc-stripped" {
            let path = built()?.join(name);
            run("strip", ["-s".as_ref(), "-o".as_ref(), path.as_os_str(), built()?.join("grpc-go").as_os_str()])?;
            command = std::process::Command::new(path);
        }
        command.args(["serve", &format!("127.0.0.1:{port}"), &certificates.certificate(), &certificates.key()]);
        let mut server = Process::start(&command, folder.path())?;
        server.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
        let earshot = Earshot::start()?;
        let mut client = go("grpc-go", &built()?.join("grpc-go"))?;
        succeed(client.args(["call", &format!("127.0.0.1:{port}"), &certificates.authority()]))?;
        let expected: Vec<_> = ENDED
            .iter()
            .map(|(method, status)| json!({ "grpc_service": "earshot.test.Echo", "grpc_method": method, "grpc_status": status,
                "http_version": "2", "encrypted": true, "process_name": name, "pid": server.pid(), "peer_process_name": "grpc-go" }))
            .collect();
        let query = format!(
            "SELECT grpc_service, grpc_method, grpc_status, http_version, encrypted, process_name, pid, peer_process_name
             FROM http_events WHERE local_port = {port} AND grpc_method NOT IN ('Slow', 'Forever')"
        );
        earshot.expect(&query, &expected).map_err(|e| e.context(format!("{cell:?}")))?;
        let said =
            earshot.value(&format!("SELECT resp_body FROM http_events WHERE local_port = {port} AND grpc_method = 'Unary'"))?;
        assert_eq!(said, r#"{"1":"one"}"#);
    }
    Ok(())
}

//! A web server with one TLS library after the other that few programs have.

use std::process::Command;

use tempfile::TempDir;
use tests::{Certificates, Connection, Earshot, Peer, Process, free_port, program};

use super::cells::Cell;
use super::seen::{self, Ends};

const NSS: &str = "it passes NSPR's functions, as files and plain sockets do, too";
/// Module, the library's file, and what is known of it.
const LIBRARIES: [(&str, &str, Cell); 3] = [
    ("wolfssl", "libwolfssl.so", Cell::server("C", "lighttpd", "wolfSSL", "HTTP/1.1")),
    ("mbedtls", "libmbedtls.so", Cell::server("C", "lighttpd", "mbed TLS", "HTTP/1.1")),
    ("nss", "libssl3.so", Cell::server("C", "lighttpd", "NSS", "HTTP/1.1").unseen(NSS)),
];
/// The client asks for one file after the other.
const FILES: [(&str, &str); 3] = [("0", "what the server keeps"), ("1", "something else"), ("2", "the last of it")];

pub fn cells() -> Vec<Cell> {
    LIBRARIES.iter().map(|(_, _, cell)| *cell).collect()
}

struct Lighttpd {
    process: Process,
    port: u16,
    _folder: TempDir,
}

impl Lighttpd {
    fn start(module: &str, certificates: &Certificates) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let (root, settings) = (folder.path().join("www"), folder.path().join("lighttpd.conf"));
        std::fs::create_dir(&root)?;
        FILES.iter().try_for_each(|(name, text)| std::fs::write(root.join(name), text))?;
        // mod_wolfssl looks for the certificate's authority, and mod_nss takes none
        let authority =
            if module == "wolfssl" { format!("ssl.ca-file = \"{}\"", certificates.authority()) } else { String::new() };
        let text = format!(
            r#"server.modules = ( "mod_{module}" )
               server.document-root = "{}"
               server.bind = "127.0.0.1"
               server.port = {port}
               mimetype.assign = ( "" => "text/plain" )
               ssl.engine = "enable"
               ssl.pemfile = "{}"
               ssl.privkey = "{}"
               {authority}"#,
            root.display(),
            certificates.certificate(),
            certificates.key()
        );
        std::fs::write(&settings, text)?;
        let mut command = Command::new(program("lighttpd")?);
        let mut process = Process::start(command.arg("-D").arg("-f").arg(&settings), folder.path())?;
        process.wait_until(10, "its port", |_| Connection::open(("127.0.0.1", port)).ok().map(|_| ()))?;
        Ok(Self { process, port, _folder: folder })
    }
}

#[test]
fn libraries_that_few_programs_have() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let servers = LIBRARIES.map(|(module, ..)| Lighttpd::start(module, &certificates));
    let earshot = Earshot::start()?;
    for ((_, library, cell), server) in LIBRARIES.into_iter().zip(servers) {
        let server = server?;
        seen::told(&earshot, !cell.is_unseen(), library, "")?;
        // nothing of a client whose TLS is unknown can stand in for what is seen
        let client = if cell.is_unseen() { Peer::Python } else { Peer::RustlsStripped };
        let asked = client.ask("1.1", server.port, &certificates, FILES.len() as u32)?;
        let received: Vec<&str> = asked.iter().map(|exchange| exchange.received.as_str()).collect();
        assert_eq!(received, FILES.map(|(_, text)| text), "{asked:?}");
        let ends = Ends { role: "server", process: "lighttpd", pid: Some(server.process.pid()), peer: client.process_name() };
        seen::expect(&earshot, server.port, &asked, "1.1", &ends).map_err(|e| e.context(library))?;
    }
    Ok(())
}

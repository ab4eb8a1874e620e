//! Handshakes: one row each, whether they succeed or not.

use serde_json::json;
use tests::{Certificates, Earshot, Nginx, finish, program};

#[test]
fn of_each_version_and_one_that_fails() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let stranger = Certificates::make()?;
    let (nginx, earshot) = (Nginx::start_tls(&certificates)?, Earshot::start()?);
    let mut expected = vec![];
    for (version, most, authority, done) in
        [("TLSv1.3", "1.3", &certificates, true), ("TLSv1.2", "1.2", &certificates, true), ("TLSv1.2", "1.2", &stranger, false)]
    {
        let mut curl = std::process::Command::new(program("curl")?);
        curl.args(["-sS", "--max-time", "30", "--tls-max", most, "--cacert", &authority.authority()]);
        curl.args(["--resolve", &format!("earshot.test:{}:127.0.0.1", nginx.port), "-o", "/dev/null"]);
        let ended = finish(curl.arg(format!("https://earshot.test:{}/text.html", nginx.port)))?;
        assert_eq!(ended.status.success(), done, "{}", ended.err);
        let subject = (version == "TLSv1.2").then_some("CN=earshot.test");
        let (handshake, alert) = if done { ("done", None) } else { ("failed", Some("unknown_ca")) };
        expected.push(json!({ "version": version, "sni": "earshot.test", "handshake": handshake, "alert": alert,
            "cert_subject": subject, "encrypted": true, "process_name": "nginx", "peer_process_name": "curl" }));
    }
    let columns = "version, sni, handshake, alert, cert_subject, encrypted, process_name, peer_process_name";
    earshot.expect(&format!("SELECT {columns} FROM tls_events WHERE local_port = {}", nginx.port), &expected)
}

//! Load over TLS: all requests at a moderate pace; at full speed requests = rows + loss that is told.

use serde_json::json;
use tests::{Certificates, Earshot, Exchange, Nginx, Peer, PeerServer, accounted, free_port, losses, succeed, wrk};

use super::seen::{self, Ends};

const FULL_SPEED_SECONDS: u64 = 5;
const CLIENTS: u32 = 4;
const REQUESTS: u32 = 500;
/// Four clients that wait so long after each request make 500 requests a second at most.
const PAUSE_MS: u32 = 8;

#[test]
fn five_hundred_requests_a_second_are_all_there() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let server = PeerServer::start(Peer::Go, &certificates)?;
    let earshot = Earshot::start()?;
    let client = |port, requests| Peer::Rustls.client("1.1", port, &certificates, requests, PAUSE_MS);
    seen::introduce(&earshot, &Peer::Rustls.probed(), || succeed(&mut client(free_port()?, 1)?))?;
    let asked = std::thread::scope(|threads| -> anyhow::Result<Vec<Exchange>> {
        let ask = || -> anyhow::Result<String> { succeed(&mut client(server.port, REQUESTS)?) };
        let clients: Vec<_> = (0..CLIENTS).map(|_| threads.spawn(ask)).collect();
        let mut asked = vec![];
        for client in clients {
            let said = client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            asked.extend(said.lines().filter_map(Exchange::of));
        }
        Ok(asked)
    })?;
    assert_eq!(asked.len() as u32, CLIENTS * REQUESTS);
    let ends = Ends { role: "server", process: "tls-go", pid: Some(server.pid()), peer: "rustls-peer" };
    seen::expect(&earshot, server.port, &asked, "1.1", &ends)?;
    assert_eq!(losses(&earshot)?, [] as [serde_json::Value; 0], "nothing may be lost at this pace");
    Ok(())
}

#[test]
fn wrk_at_full_speed() -> anyhow::Result<()> {
    let certificates = Certificates::make()?;
    let (nginx, earshot) = (Nginx::start_tls(&certificates)?, Earshot::start()?);
    let made = wrk(&nginx, FULL_SPEED_SECONDS)?;
    let condition = format!("local_port = {} AND resp_status = 200 AND encrypted", nginx.port);
    // wrk stops in mid-flight: each connection may have one more than it counted
    accounted(&earshot, "http_events", &condition, made, 16)?;
    let clear = format!("SELECT count(*) AS n FROM http_events WHERE local_port = {} AND NOT encrypted", nginx.port);
    assert_eq!(earshot.value(&clear)?, json!(0));
    Ok(())
}

//! The list of protocols, and which of them a connection speaks. Adding a protocol adds one line here.

use schema::Table;

use crate::{Confidence, Evidence, Protocol, Transport, Verdict};

/// Every protocol. The order decides only between equally sure verdicts.
pub static PROTOCOLS: &[&Protocol] = &[
    &crate::http1::PROTOCOL,
    &crate::http2::PROTOCOL,
    &crate::redis::PROTOCOL,
    &crate::dns::PROTOCOL,
    &crate::postgres::PROTOCOL,
    &crate::mysql::PROTOCOL,
    &crate::websocket::PROTOCOL,
    &crate::tls::PROTOCOL,
];

/// Protocols that a connection changes to after words of another, as after STARTTLS: they are looked for in what nobody recognises.
static LATER: &[&Protocol] = &[&crate::tls::PROTOCOL];
/// So much of a segment shows whether one of them begins.
const BEGINNING_BYTES: usize = 64;

/// The protocols' tables.
pub fn tables() -> impl Iterator<Item = &'static Table> {
    let mut seen = Vec::new();
    PROTOCOLS.iter().map(|p| p.table).filter(move |t| {
        let new = !seen.contains(&t.name);
        seen.push(t.name);
        new
    })
}

/// Whether a segment in the middle of a connection is the beginning of a protocol, beyond doubt.
pub fn begins(transport: Transport, bytes: &[u8]) -> bool {
    let to_server = &bytes[..bytes.len().min(BEGINNING_BYTES)];
    let evidence = Evidence { transport, to_server, to_client: &[], from_start: true, server_port: None };
    LATER
        .iter()
        .filter(|p| p.transports.contains(&transport))
        .any(|p| (p.detect)(&evidence) == Verdict::Yes(Confidence::Certain))
}

/// What one end of a connection sees of it.
#[derive(Clone, Copy, Debug)]
pub struct Looks<'a> {
    pub transport: Transport,
    /// The first known bytes of each direction.
    pub sent: &'a [u8],
    pub received: &'a [u8],
    /// This end's and the other's.
    pub ports: (Option<u16>, Option<u16>),
    /// Whether this end is the server, when that is known.
    pub serves: Option<bool>,
    /// Whether these bytes are the connection's first.
    pub from_start: bool,
}

/// A recognised protocol.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub protocol: &'static Protocol,
    pub confidence: Confidence,
    /// Whether the end that sent `sent` is the server; `None` when the bytes would say the same with the ends swapped.
    pub sender_serves: Option<bool>,
}

/// Which protocol these bytes are: `Ok` found, `Err(true)` more bytes may tell, `Err(false)` none of them.
///
/// `more` is whether more bytes may come, so that waiting makes sense.
pub fn detect(looks: &Looks<'_>, more: bool) -> Result<Found, bool> {
    let Looks { transport, sent, received, ports, serves, from_start } = *looks;
    let mut best: Option<Found> = None;
    let mut undecided = false;
    for protocol in PROTOCOLS.iter().filter(|p| p.transports.contains(&transport)) {
        for sender_serves in [true, false] {
            if serves.is_some_and(|s| s != sender_serves) {
                continue;
            }
            let (to_server, to_client) = if sender_serves { (received, sent) } else { (sent, received) };
            let server_port = if sender_serves { ports.0 } else { ports.1 };
            match (protocol.detect)(&Evidence { transport, to_server, to_client, from_start, server_port }) {
                Verdict::No => {}
                Verdict::Undecided => undecided = true,
                Verdict::Yes(confidence) => {
                    let found = Found { protocol, confidence, sender_serves: Some(sender_serves) };
                    match &mut best {
                        Some(best) if best.confidence > confidence => {}
                        Some(best) if best.confidence == confidence => {
                            if std::ptr::eq(best.protocol, *protocol) {
                                best.sender_serves = None;
                            }
                        }
                        _ => best = Some(found),
                    }
                }
            }
        }
    }
    match best {
        // a guess waits for a better one while another protocol still hopes
        Some(found) if found.confidence > Confidence::Guessed || !undecided || !more => Ok(found),
        _ => Err(undecided || best.is_some()),
    }
}

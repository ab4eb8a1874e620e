//! What the table `connections` says of a connection.

use schema::ProcessPrefix;
use schema::tables::Connection as ConnectionRow;

use super::connection::Connection;
use super::event::{Role, Totals};
use crate::batch::Writer;
use crate::kernel::Clock;
use protocol_parsers::{Protocol, Transport};

/// The moment that a row tells of.
pub struct Told {
    pub at_ns: u64,
    /// The connection is gone.
    pub closed: bool,
    /// What the kernel counted.
    pub totals: Option<Totals>,
}

/// Writes a row; of a connection with both ends here, the end that is parsed tells it. `inside` is what is spoken under the
/// encryption.
pub fn report(
    connection: &Connection,
    inside: Option<&'static Protocol>,
    told: &Told,
    clock: Clock,
    host: &[u8],
    writer: &mut Writer,
) {
    if connection.is_silent() || connection.identity.transport == Transport::Datagram {
        return;
    }
    let identity = &connection.identity;
    let (own, other) = if identity.turned { (&identity.peer, &identity.process) } else { (&identity.process, &identity.peer) };
    let (local, remote) =
        if identity.turned { (&identity.remote, &identity.local) } else { (&identity.local, &identity.remote) };
    let (own, other) = (own.process(), other.process());
    let totals = told.totals;
    let mut counted = totals.unwrap_or_else(|| connection.totals());
    if identity.turned {
        std::mem::swap(&mut counted.sent_bytes, &mut counted.received_bytes);
    }
    let prefix = ProcessPrefix {
        time: Some(clock.unix_ns(told.at_ns)),
        host: Some(host),
        process_id: own.map(|p| p.id),
        pid: own.map(|p| p.pid as i32),
        process_name: own.map(|p| p.name.as_slice()),
        container_id: own.and_then(|p| p.container_id.as_deref()),
        service: own.map(|p| p.service()),
        ..Default::default()
    };
    let role = match identity.shown_role() {
        Some(Role::Server) => b"server".as_slice(),
        Some(Role::Client) => b"client",
        None => b"unknown",
    };
    let row = ConnectionRow {
        connection_id: Some(identity.id),
        local_addr: local.addr.as_deref(),
        local_port: local.port,
        remote_addr: remote.addr.as_deref(),
        remote_port: remote.port,
        peer_process_id: other.map(|p| p.id),
        peer_pid: other.map(|p| p.pid as i32),
        peer_process_name: other.map(|p| p.name.as_slice()),
        role: Some(role),
        opened_at: connection.opened_ns.map(|ns| clock.unix_ns(ns)),
        closed_at: told.closed.then(|| clock.unix_ns(told.at_ns)),
        protocol: inside.or(connection.protocol).map(|p| p.name.as_bytes()),
        protocol_before: connection.protocol_before.map(|p| p.name.as_bytes()),
        sent_bytes: Some(counted.sent_bytes as i64),
        received_bytes: Some(counted.received_bytes as i64),
        retransmits: totals.map(|t| t.retransmits as i64),
        rtt_ns: totals.filter(|t| t.rtt_ns > 0).map(|t| t.rtt_ns as i64),
        state: Some(if told.closed { b"closed" } else { b"open" }),
        ..Default::default()
    };
    writer.row(ConnectionRow::TABLE, &[&prefix, &row]);
}

//! A parser's rows get the prefix and suffix of their connection.

use std::net::IpAddr;

use protocol_parsers::{Exchange, Output, Skipped, Transport};
use schema::{Columns, Row, TrafficPrefix, TrafficSuffix};

use super::connection::{EndText, Identity};
use super::event::Role;
use super::known::Known;
use super::names::Names;
use super::redact::Redacted;
use crate::batch::Writer;
use crate::kernel::Clock;

/// The output of one connection's parser while it works on one piece.
pub struct RowOutput<'a> {
    pub identity: &'a Identity,
    pub host: &'a [u8],
    pub clock: Clock,
    /// Values of statements are not kept.
    pub redact: bool,
    /// Learns what addresses are called.
    pub names: &'a Names,
    pub writer: &'a mut Writer,
    /// For datagrams: who the other end is, by the address that a datagram names.
    pub datagram_peer: &'a dyn Fn(u16) -> Option<DatagramPeer>,
}

/// The other end of a datagram, when it is on this host.
#[derive(Clone, Debug)]
pub struct DatagramPeer {
    pub process: Known,
    /// Its bytes are parsed too, and its rows are the server's: this end's rows would be the same requests again.
    pub told_there: bool,
}

impl RowOutput<'_> {
    fn role_name(&self) -> &'static [u8] {
        match self.identity.shown_role() {
            Some(Role::Server) => b"server",
            Some(Role::Client) => b"client",
            None => b"unknown",
        }
    }
}

impl Output for RowOutput<'_> {
    fn row(&mut self, row: &dyn Row, exchange: &Exchange<'_>) {
        let identity = self.identity;
        let by_datagram = exchange.remote.map(|addr| EndText::of_addr(&addr));
        let remote = by_datagram.as_ref().unwrap_or(&identity.remote);
        let mut peer = None;
        if identity.transport == Transport::Datagram
            && let Some(port) = remote.port
            && let Some(found) = (self.datagram_peer)(port as u16)
        {
            if found.told_there && identity.role == Some(Role::Client) {
                return;
            }
            peer = Some(found.process);
        }
        let peer = peer.as_ref().unwrap_or(&identity.peer);
        let (own, other) = if identity.turned { (peer, &identity.process) } else { (&identity.process, peer) };
        let name = match (&by_datagram, identity.turned) {
            (Some(_), _) => &None,
            (None, true) => &identity.names.local,
            (None, false) => &identity.names.remote,
        };
        let (local, remote) = if identity.turned { (remote, &identity.local) } else { (&identity.local, remote) };
        let (own, other) = (own.process(), other.process());
        let thread = (exchange.started.thread_id != 0 && !identity.turned).then_some(exchange.started.thread_id as i32);
        let prefix = TrafficPrefix {
            time: Some(self.clock.unix_ns(exchange.started.mono_ns)),
            host: Some(self.host),
            process_id: own.map(|p| p.id),
            pid: own.map(|p| p.pid as i32),
            thread_id: thread,
            process_name: own.map(|p| p.name.as_slice()),
            container_id: own.and_then(|p| p.container_id.as_deref()),
            namespace: None,
            pod: None,
            service: own.map(|p| p.service()),
            connection_id: Some(identity.id),
            local_addr: local.addr.as_deref(),
            local_port: local.port,
            remote_addr: remote.addr.as_deref(),
            remote_port: remote.port,
            remote_name: name.as_deref(),
            peer_process_id: other.map(|p| p.id),
            peer_pid: other.map(|p| p.pid as i32),
            peer_process_name: other.map(|p| p.name.as_slice()),
            role: Some(self.role_name()),
            encrypted: Some(identity.encrypted || exchange.encrypted),
            ..Default::default()
        };
        let suffix = TrafficSuffix {
            latency_ns: exchange.ended_ns.map(|end| end.saturating_sub(exchange.started.mono_ns) as i64),
            request_bytes: exchange.request_bytes.map(|n| n as i64),
            response_bytes: exchange.response_bytes.map(|n| n as i64),
            truncated: Some(exchange.truncated),
            gap_before: Some(exchange.gap_before),
            confidence: Some(exchange.confidence.min(identity.confidence).as_str().as_bytes()),
            trace_id: exchange.trace_id,
            span_id: exchange.span_id,
            broken: Some(exchange.broken),
            ..Default::default()
        };
        let redacted = Redacted(row);
        let own: &dyn Columns = if self.redact { &redacted } else { row };
        self.writer.row(row.table(), &[&prefix, own, &suffix]);
    }

    fn skipped(&mut self, why: Skipped, messages: u64, bytes: u64) {
        self.writer.losses.add("parser", why.as_str(), "message", messages, bytes);
    }

    fn resolved(&mut self, name: &[u8], address: IpAddr) {
        self.names.told(name, address);
    }
}

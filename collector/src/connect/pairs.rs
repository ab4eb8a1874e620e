//! The two ends of a connection when both are on this host.

use std::net::SocketAddr;

use hashbrown::HashMap;

use super::connection::Connection;
use super::event::Endpoint;
use protocol_parsers::Transport;

/// An end by its addresses. The namespace tells apart only loopback addresses: the others are seen from several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct StreamEnd {
    netns: u32,
    local: SocketAddr,
    remote: SocketAddr,
}

#[derive(Debug, Default)]
pub struct Pairs {
    streams: HashMap<StreamEnd, u64>,
    /// Unix sockets by the kernel's name.
    sockets: HashMap<u64, u64>,
    /// Datagram sockets by local port.
    datagrams: HashMap<u16, u64>,
}

fn stream_end(netns: u32, local: SocketAddr, remote: SocketAddr) -> StreamEnd {
    let netns = if remote.ip().to_canonical().is_loopback() { netns } else { 0 };
    StreamEnd { netns, local, remote }
}

impl Pairs {
    /// Remembers an end; returns the connection that is its other end.
    pub fn add(&mut self, connection: &Connection) -> Option<u64> {
        let host = connection.host?;
        match (&connection.local, &connection.remote, connection.identity.transport) {
            (Endpoint::Inet(local), _, Transport::Datagram) => {
                self.datagrams.insert(local.port(), connection.key);
                None
            }
            (Endpoint::Inet(local), Endpoint::Inet(remote), Transport::Stream) => {
                self.streams.insert(stream_end(host.netns, *local, *remote), connection.key);
                self.streams.get(&stream_end(host.netns, *remote, *local)).copied()
            }
            (Endpoint::Unix(_), _, _) => {
                self.sockets.insert(host.socket, connection.key);
                self.sockets.get(&host.peer_socket).copied()
            }
            _ => None,
        }
    }

    pub fn remove(&mut self, connection: &Connection) {
        let Some(host) = connection.host else { return };
        match (&connection.local, &connection.remote, connection.identity.transport) {
            (Endpoint::Inet(local), _, Transport::Datagram) => remove(&mut self.datagrams, &local.port(), connection.key),
            (Endpoint::Inet(local), Endpoint::Inet(remote), Transport::Stream) => {
                remove(&mut self.streams, &stream_end(host.netns, *local, *remote), connection.key)
            }
            (Endpoint::Unix(_), _, _) => remove(&mut self.sockets, &host.socket, connection.key),
            _ => {}
        }
    }

    /// The datagram socket on this host that is bound to this port.
    pub fn datagram(&self, port: u16) -> Option<u64> {
        self.datagrams.get(&port).copied()
    }
}

/// Unless another connection has taken the place meanwhile.
fn remove<K: std::hash::Hash + Eq>(map: &mut HashMap<K, u64>, key: &K, connection: u64) {
    if map.get(key) == Some(&connection) {
        map.remove(key);
    }
}

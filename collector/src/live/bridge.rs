//! Kernel records in the words of [`Event`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ebpf_abi::{SocketEvent, direction, evidence, role, transport};
use protocol_parsers::{Moment, Transport};

use crate::connect::{
    Closed, Consumer, Data, Direction, End, Endpoint, Event, Evidence, HostSocket, Opened, Owner, Plain, Role, Totals,
};
use crate::kernel::Record;

const AF_INET: u16 = 2;

/// Tells the consumer what a record says; records of processes are not for it.
pub fn forward(record: &Record<'_>, consumer: &mut dyn Consumer) {
    let event = match record {
        Record::Data { header, peer, bytes } => Event::Data(Data {
            key: header.connection,
            direction: way(header.direction),
            offset: header.offset,
            len: u64::from(header.len),
            bytes,
            at: Moment { mono_ns: header.time_ns, thread_id: header.tid },
            pid: header.pid,
            remote: peer.map(|p| SocketAddr::new(address(p.family, &p.addr), u16::from_be(p.port_be))),
        }),
        Record::Plain { header, bytes } => Event::Plain(Plain {
            session: header.session,
            evidence: match header.evidence {
                evidence::FOLLOWED => Evidence::Followed,
                evidence::REPEATED => Evidence::Repeated,
                evidence::DESCRIPTOR => Evidence::Descriptor,
                evidence::INSIDE => Evidence::Inside,
                _ => Evidence::None,
            },
            data: Data {
                key: header.connection,
                direction: way(header.direction),
                offset: header.offset,
                len: u64::from(header.len),
                bytes,
                at: Moment { mono_ns: header.time_ns, thread_id: header.tid },
                pid: header.pid,
                remote: None,
            },
        }),
        Record::Socket(socket) => Event::Opened(opened(socket)),
        Record::Owner(owner) => Event::Owner(Owner { key: owner.connection, pid: owner.pid }),
        Record::End(end) => Event::End(End {
            key: end.connection,
            direction: way(end.direction),
            at: Moment { mono_ns: end.time_ns, thread_id: end.tid },
        }),
        Record::Close(close) => Event::Closed(Closed {
            key: close.connection,
            at_ns: close.time_ns,
            totals: Some(Totals {
                sent_bytes: close.sent_bytes,
                received_bytes: close.received_bytes,
                retransmits: u64::from(close.retransmits),
                rtt_ns: u64::from(close.rtt_us) * 1000,
            }),
        }),
        Record::Exec(_) | Record::Fork(_) | Record::Exit(_) | Record::Rename(_) => return,
    };
    consumer.event(event);
}

fn way(value: u8) -> Direction {
    if value == direction::SENT { Direction::Sent } else { Direction::Received }
}

fn address(family: u16, bytes: &[u8; 16]) -> IpAddr {
    if family == AF_INET {
        IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
    } else {
        IpAddr::V6(Ipv6Addr::from(*bytes)).to_canonical()
    }
}

fn opened(socket: &SocketEvent) -> Opened {
    let unix = socket.transport == transport::UNIX;
    let (local, remote) = if unix {
        // both ends are called by the path that one of them has
        let path = Endpoint::Unix(unix_path(&socket.path[..usize::from(socket.path_len).min(socket.path.len())]));
        (path.clone(), path)
    } else {
        let end = |addr: &[u8; 16], port| Endpoint::Inet(SocketAddr::new(address(socket.family, addr), port));
        let remote = if socket.remote_port == 0 { Endpoint::Unknown } else { end(&socket.remote_addr, socket.remote_port) };
        (end(&socket.local_addr, socket.local_port), remote)
    };
    Opened {
        key: socket.connection,
        transport: if socket.transport == transport::UDP { Transport::Datagram } else { Transport::Stream },
        local,
        remote,
        role: match socket.role {
            role::SERVER => Some(Role::Server),
            role::CLIENT => Some(Role::Client),
            _ => None,
        },
        from_start: socket.from_start != 0,
        at_ns: socket.time_ns,
        host: Some(HostSocket {
            netns: socket.netns,
            socket: socket.socket,
            peer_socket: socket.peer_socket,
            mirrored: socket.mirrored != 0,
            pid: socket.pid,
        }),
    }
}

/// A path ends at its first zero byte; an abstract name begins with one and is all of its bytes.
fn unix_path(bytes: &[u8]) -> Vec<u8> {
    match bytes.split_first() {
        Some((0, name)) => [b"@", name].concat(),
        Some(_) => bytes.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
        None => vec![],
    }
}

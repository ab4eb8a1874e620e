//! What a source of traffic says: the kernel's ring buffers and capture files speak the same words.

use std::net::SocketAddr;

use protocol_parsers::{Moment, Transport};

/// One end of a connection.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Default)]
pub enum Endpoint {
    /// IPv4-mapped IPv6 addresses are written as IPv4.
    Inet(SocketAddr),
    /// Path of a Unix socket; `@NAME` when abstract, empty when unnamed.
    Unix(Vec<u8>),
    #[default]
    Unknown,
}

/// What an end of a connection is to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Server,
    Client,
}

/// Direction of bytes as the local end sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Direction {
    Sent,
    Received,
}

/// A connection (or a datagram socket) as it is first heard of. Comes before any other event with its key.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Names the connection among all of this source.
    pub key: u64,
    pub transport: Transport,
    pub local: Endpoint,
    pub remote: Endpoint,
    /// What the local end is, when whoever opened the connection was seen.
    pub role: Option<Role>,
    /// Whether it was seen from its first byte.
    pub from_start: bool,
    pub at_ns: u64,
    /// What the kernel knows of it; `None` in a replay.
    pub host: Option<HostSocket>,
}

/// A socket of this host.
#[derive(Clone, Copy, Debug)]
pub struct HostSocket {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Names the socket while it lives.
    pub socket: u64,
    /// The other end of a Unix socket; 0 when unknown.
    pub peer_socket: u64,
    /// The other end is on this host and its bytes are copied instead of these.
    pub mirrored: bool,
    pub pid: u32,
}

/// Another process uses a connection whose bytes are not copied.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    pub key: u64,
    pub pid: u32,
}

/// Bytes that one end sent or received.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    pub key: u64,
    pub direction: Direction,
    /// Where they stand in this direction's bytes since the connection was first heard of.
    pub offset: u64,
    /// How many bytes there were; `bytes` holds the first of them.
    pub len: u64,
    pub bytes: &'a [u8],
    pub at: Moment,
    /// Process that sent or received them; 0 when unknown.
    pub pid: u32,
    /// The other end of a datagram whose socket is not connected.
    pub remote: Option<SocketAddr>,
}

/// How it is known which connection a TLS session uses; a greater one is better evidence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Evidence {
    None,
    /// The thread used the connection right before or after the session.
    Followed,
    /// That was so more than once.
    Repeated,
    /// The session has the descriptor that the thread used.
    Descriptor,
    /// The session's call used the connection itself.
    Inside,
}

/// Bytes that one end of an encrypted connection said or was told, before encryption or after decryption.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// Names the session among all of this source.
    pub session: u64,
    pub evidence: Evidence,
    /// `key` is the connection's, 0 while it is unknown; offsets are the session's.
    pub data: Data<'a>,
}

impl Plain<'_> {
    /// Whether this is the session's first transfer in its direction.
    pub fn known_from_first_byte(&self) -> bool {
        self.data.offset == 0
    }
}

/// No byte follows in this direction.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub key: u64,
    pub direction: Direction,
    pub at: Moment,
}

/// The connection is gone.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    pub key: u64,
    pub at_ns: u64,
    pub totals: Option<Totals>,
}

/// What the kernel counted on a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub retransmits: u64,
    pub rtt_ns: u64,
}

#[derive(Clone, Debug)]
pub enum Event<'a> {
    Opened(Opened),
    Owner(Owner),
    Data(Data<'a>),
    Plain(Plain<'a>),
    End(End),
    Closed(Closed),
}

/// Takes events in the order in which they happened on each connection.
pub trait Consumer {
    fn event(&mut self, event: Event<'_>);
    /// Something was lost or left out before it became an event: `reason` as in the column of `lost_events`.
    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64);
}

//! One connection as its local end sees it.

use std::net::SocketAddr;

use protocol_parsers::{Confidence, Moment, Protocol, Transport};

use super::context::Decision;
use super::event::{Closed, Direction, Endpoint, HostSocket, Opened, Role, Totals};
use super::known::Known;
use super::names::{EndNames, Names};
use super::order::Order;
use super::phase::Phase;

/// An end as its columns show it.
#[derive(Clone, Debug, Default)]
pub struct EndText {
    pub addr: Option<Vec<u8>>,
    pub port: Option<i32>,
}

impl EndText {
    pub fn of(end: &Endpoint) -> Self {
        match end {
            Endpoint::Inet(addr) => Self::of_addr(addr),
            Endpoint::Unix(path) => Self { addr: Some([b"unix:", path.as_slice()].concat()), port: None },
            Endpoint::Unknown => Self::default(),
        }
    }

    pub fn of_addr(addr: &SocketAddr) -> Self {
        Self { addr: Some(addr.ip().to_canonical().to_string().into_bytes()), port: Some(i32::from(addr.port())) }
    }
}

/// What rows say of their connection.
#[derive(Clone, Debug)]
pub struct Identity {
    pub id: i64,
    pub transport: Transport,
    pub local: EndText,
    pub remote: EndText,
    pub role: Option<Role>,
    /// The rows are told from the other end, because that one serves.
    pub turned: bool,
    pub process: Known,
    pub peer: Known,
    pub names: EndNames,
    /// The rows are of what was said inside an encrypted connection.
    pub encrypted: bool,
    /// How sure it is that the bytes are this connection's: no row is surer.
    pub confidence: Confidence,
}

impl Identity {
    /// Role of the end that rows are told from.
    pub fn shown_role(&self) -> Option<Role> {
        if !self.turned {
            return self.role;
        }
        self.role.map(|r| if r == Role::Server { Role::Client } else { Role::Server })
    }
}

#[derive(Debug)]
pub struct Connection {
    pub key: u64,
    pub identity: Identity,
    pub local: Endpoint,
    pub remote: Endpoint,
    pub host: Option<HostSocket>,
    pub opened_ns: Option<u64>,
    pub last_ns: u64,
    /// When `connections` last had a row of it.
    pub reported_ns: u64,
    /// The end on this host whose bytes are copied instead, or that is copied instead of this one.
    pub partner: Option<u64>,
    pub sent: Order,
    pub received: Order,
    pub phase: Phase,
    pub protocol: Option<&'static Protocol>,
    /// What the kernel was told to copy of it; `None` while its own limits hold.
    pub decision: Option<Decision>,
    /// It is closed, but bytes that came before are still to be read.
    pub closing: Option<Closed>,
    /// Of plaintext: the TLS session that it is of, and where its bytes begin among the connection's, sent and received.
    pub session: u64,
    pub session_begins: [u64; 2],
    /// Of plaintext: when the socket's directions ended, sent and received.
    pub ended: [Option<Moment>; 2],
    /// Of a client's plaintext: until when it waits for the server's.
    pub held_until_ns: Option<u64>,
    /// What it was taken for until later bytes refuted it, if that was another protocol.
    pub protocol_before: Option<&'static Protocol>,
    /// How often a protocol was refuted.
    pub corrections: u32,
    /// How often no protocol was recognised.
    pub looks: u32,
    /// When the handshake was over, and how many bytes had passed by then.
    pub encrypted_since: Option<(u64, u64)>,
    /// What is said inside was seen at either end.
    pub inside_seen: bool,
    /// What this end is as its opening told, not as a protocol let it appear.
    opened_role: Option<Role>,
}

impl Connection {
    pub fn new(id: i64, opened: &Opened) -> Self {
        let identity = Identity {
            id,
            transport: opened.transport,
            local: EndText::of(&opened.local),
            remote: EndText::of(&opened.remote),
            role: opened.role,
            turned: false,
            process: Known::default(),
            peer: Known::default(),
            names: EndNames::default(),
            encrypted: false,
            confidence: Confidence::Certain,
        };
        let mirrored = opened.host.is_some_and(|h| h.mirrored);
        Self {
            key: opened.key,
            identity,
            local: opened.local.clone(),
            remote: opened.remote.clone(),
            host: opened.host,
            opened_ns: opened.from_start.then_some(opened.at_ns),
            last_ns: opened.at_ns,
            reported_ns: opened.at_ns,
            partner: None,
            sent: Order::default(),
            received: Order::default(),
            phase: if mirrored { Phase::Silent } else { Phase::detecting(opened.from_start) },
            protocol: None,
            decision: None,
            protocol_before: None,
            corrections: 0,
            looks: 0,
            encrypted_since: None,
            inside_seen: false,
            opened_role: opened.role,
            session: 0,
            session_begins: [0; 2],
            ended: [None; 2],
            closing: None,
            held_until_ns: None,
        }
    }

    /// What is said inside an encrypted connection, as a connection of its own with the same identity.
    pub fn plain_of(base: &Self, key: u64, session: u64) -> Self {
        Self {
            key,
            identity: Identity { encrypted: true, turned: false, ..base.identity.clone() },
            local: base.local.clone(),
            remote: base.remote.clone(),
            host: base.host,
            opened_ns: base.opened_ns,
            last_ns: base.last_ns,
            reported_ns: u64::MAX,
            partner: base.partner,
            sent: Order::default(),
            received: Order::default(),
            phase: Phase::detecting(false),
            protocol: None,
            decision: None,
            protocol_before: None,
            corrections: 0,
            looks: 0,
            encrypted_since: None,
            inside_seen: false,
            opened_role: base.opened_role,
            session,
            session_begins: [0; 2],
            ended: [None; 2],
            closing: None,
            held_until_ns: None,
        }
    }

    /// The library goes on with another object: what is said by it follows what was said before.
    pub fn goes_on_as(&mut self, session: u64) {
        self.session = session;
        self.session_begins = [self.sent.total(), self.received.total()];
    }

    pub fn has_ended_before(&self, before_ns: u64) -> bool {
        self.ended.iter().flatten().any(|at| at.mono_ns < before_ns)
    }

    /// Where bytes of the session stand among the connection's.
    pub fn place_of(&self, direction: Direction, offset: u64) -> u64 {
        self.session_begins[usize::from(direction == Direction::Received)] + offset
    }

    /// The bytes before this place were not seen and are not missed.
    pub fn begin_at(&mut self, direction: Direction, offset: u64) {
        match direction {
            Direction::Sent => self.sent.begin_at(offset),
            Direction::Received => self.received.begin_at(offset),
        }
    }

    /// The connection speaks this protocol, as far as is known.
    pub fn recognised(&mut self, protocol: &'static Protocol) {
        let other = self.protocol.replace(protocol).filter(|before| !std::ptr::eq(*before, protocol));
        if other.is_some() && self.corrections > 0 {
            self.protocol_before = other;
        }
    }

    /// What this end is, as far as a protocol that is still to be recognised may rely on it: what a refuted one let it appear
    /// as is open again.
    pub fn sure_role(&self) -> Option<Role> {
        if self.corrections > 0 { self.opened_role } else { self.identity.role }
    }

    pub fn is_silent(&self) -> bool {
        matches!(self.phase, Phase::Silent)
    }

    /// Looks the names of both ends up, if anything is new about names.
    pub fn look_up(&mut self, names: &Names) {
        let address = |end: &Endpoint| if let Endpoint::Inet(addr) = end { Some(addr.ip()) } else { None };
        self.identity.names.look_up(names, address(&self.local), address(&self.remote));
    }

    /// What this end is known to have sent and received.
    pub fn totals(&self) -> Totals {
        Totals { sent_bytes: self.sent.total(), received_bytes: self.received.total(), ..Default::default() }
    }
}

//! The plaintext of encrypted connections: a second pair of byte streams beside the ciphertext of the same connection.
//!
//! In: [`Plain`] events, told at the calls of TLS libraries. Out: the rows of the protocol inside, which name the connection
//! that the ciphertext goes over. Plaintext whose connection is not known yet waits for evidence; of a connection whose two
//! ends are both on this host, the server's plaintext is told, and the client's only where the server's cannot be had.

use hashbrown::HashMap;
use protocol_parsers::{Confidence, Moment, Wanted};

use super::connection::Connection;
use super::event::{Data, Direction, Evidence, Plain, Role};
use super::phase::Phase;
use super::tracker::Tracker;

/// Set in the key of a connection's plaintext.
const PLAIN_BIT: u64 = 1 << 63;
/// How long a client's plaintext waits for its server's.
const HELD_NS: u64 = 300_000_000;
/// How long plaintext waits for evidence of its connection.
const UNBOUND_NS_MAX: u64 = 5_000_000_000;
/// Bytes of one session that wait.
const UNBOUND_SESSION_BYTES_MAX: usize = 256 << 10;
/// Bytes of all sessions that wait.
const UNBOUND_BYTES_MAX: usize = 8 << 20;
/// A handshake in both directions is smaller than this: more ciphertext before the first plaintext means that some was missed.
const HANDSHAKE_BYTES_MAX: u64 = 64 << 10;

pub fn key_of(connection: u64) -> u64 {
    connection | PLAIN_BIT
}

pub fn is_plain(key: u64) -> bool {
    key & PLAIN_BIT != 0
}

#[derive(Debug)]
struct Waiting {
    direction: Direction,
    offset: u64,
    len: u64,
    bytes: Vec<u8>,
    at: Moment,
    pid: u32,
}

/// Plaintext without a connection, by session.
#[derive(Debug, Default)]
pub struct Unbound {
    sessions: HashMap<u64, Vec<Waiting>>,
    bytes: usize,
}

impl Unbound {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// False when there is no room.
    fn keep(&mut self, session: u64, data: &Data<'_>) -> bool {
        let waiting = self.sessions.entry(session).or_default();
        let held: usize = waiting.iter().map(|w| w.bytes.len()).sum();
        if held + data.bytes.len() > UNBOUND_SESSION_BYTES_MAX || self.bytes + data.bytes.len() > UNBOUND_BYTES_MAX {
            return false;
        }
        self.bytes += data.bytes.len();
        let Data { direction, offset, len, at, pid, .. } = *data;
        waiting.push(Waiting { direction, offset, len, bytes: data.bytes.to_vec(), at, pid });
        true
    }

    fn take(&mut self, session: u64) -> Vec<Waiting> {
        let waiting = self.sessions.remove(&session).unwrap_or_default();
        self.bytes -= waiting.iter().map(|w| w.bytes.len()).sum::<usize>();
        waiting
    }

    /// Sessions whose first bytes are older than this.
    fn overdue(&self, before_ns: u64) -> Vec<u64> {
        self.sessions
            .iter()
            .filter(|(_, w)| w.first().is_none_or(|first| first.at.mono_ns < before_ns))
            .map(|(session, _)| *session)
            .collect()
    }
}

/// How sure a row can be of its connection.
fn confidence(evidence: Evidence) -> Confidence {
    match evidence {
        Evidence::None | Evidence::Followed => Confidence::Guessed,
        Evidence::Repeated => Confidence::Likely,
        Evidence::Descriptor | Evidence::Inside => Confidence::Certain,
    }
}

impl Tracker {
    pub(super) fn plain(&mut self, plain: &Plain<'_>) {
        if plain.data.key == 0 {
            if !self.unbound.keep(plain.session, &plain.data) {
                self.unattributed(1, plain.data.len);
            }
            return;
        }
        let waited = self.unbound.take(plain.session);
        if !self.plain_connection(plain) {
            let bytes = waited.iter().map(|w| w.len).sum::<u64>() + plain.data.len;
            let messages = waited.len() as u64 + u64::from(plain.data.len > 0);
            self.writer.losses.add("tls", "connection_unknown", "message", messages, bytes);
            return;
        }
        let key = key_of(plain.data.key);
        for w in waited {
            let Waiting { direction, offset, len, at, pid, .. } = w;
            self.plain_data(&Data { key, direction, offset, len, bytes: &w.bytes, at, pid, remote: None });
        }
        // without bytes it tells the session's connection, and no more
        if plain.data.len > 0 {
            self.plain_data(&Data { key, ..plain.data });
        }
    }

    /// `offset` is the session's.
    fn plain_data(&mut self, data: &Data<'_>) {
        let Some(connection) = self.connections.get(&data.key) else { return };
        let offset = connection.place_of(data.direction, data.offset);
        self.data(&Data { offset, ..*data });
    }

    fn unattributed(&mut self, messages: u64, bytes: u64) {
        self.writer.losses.add("tls", "no_connection_evidence", "message", messages, bytes);
    }

    /// Makes sure that the plaintext has its connection. False when there is no connection that it can belong to.
    fn plain_connection(&mut self, plain: &Plain<'_>) -> bool {
        let key = key_of(plain.data.key);
        let Some(base) = self.connections.get_mut(&plain.data.key) else { return false };
        base.last_ns = base.last_ns.max(plain.data.at.mono_ns);
        let peer = base.identity.peer.clone();
        if let Some(known) = self.connections.get_mut(&key) {
            if known.session != plain.session {
                known.goes_on_as(plain.session);
            }
            known.identity.confidence = confidence(plain.evidence);
            if known.identity.peer.pid() == 0 {
                known.identity.peer = peer;
            }
            return true;
        }
        let missed = self.tell_missed_before(plain.data.key, plain);
        self.inside_seen(plain.data.key);
        let Some(base) = self.connections.get(&plain.data.key) else { return false };
        let mut connection = Box::new(Connection::plain_of(base, key, plain.session));
        connection.identity.confidence = confidence(plain.evidence);
        let passed = base.sent.total() + base.received.total();
        let from_start = !missed && base.opened_ns.is_some() && plain.data.offset == 0 && passed < HANDSHAKE_BYTES_MAX;
        connection.phase = Phase::detecting(from_start);
        connection.last_ns = plain.data.at.mono_ns;
        if connection.identity.role == Some(Role::Client) && (base.partner.is_some() || base.is_silent()) {
            connection.held_until_ns = Some(plain.data.at.mono_ns + HELD_NS);
        }
        if !plain.known_from_first_byte() {
            connection.begin_at(plain.data.direction, plain.data.offset);
        }
        self.choose_end(&mut connection);
        self.connections.insert(key, connection);
        true
    }

    fn inside_seen(&mut self, key: u64) {
        let Some(base) = self.connections.get_mut(&key) else { return };
        base.inside_seen = true;
        if let Some(partner) = base.partner.and_then(|p| self.connections.get_mut(&p)) {
            partner.inside_seen = true;
        }
    }

    /// Of two ends with plaintext one is told: the server's, unless the client's already is.
    pub(super) fn choose_end(&mut self, connection: &mut Connection) {
        let Some(other_key) = connection.partner.map(key_of).filter(|_| is_plain(connection.key)) else { return };
        let Some(mut other) = self.connections.remove(&other_key) else { return };
        if !other.is_silent() && !connection.is_silent() {
            let told = matches!(other.phase, Phase::Parsing(_));
            let quiet = match connection.identity.role {
                Some(Role::Server) if !told => Some(&mut *other),
                Some(Role::Client) => Some(&mut *connection),
                _ if told => Some(&mut *connection),
                _ => None,
            };
            if let Some(quiet) = quiet {
                quiet.phase = Phase::Silent;
                quiet.held_until_ns = None;
                Self::want(&mut self.policies, quiet, Wanted::Counters);
            }
        }
        self.connections.insert(other_key, other);
    }

    /// Plaintext that found no connection in time is lost, and told so.
    pub(super) fn give_up_unbound(&mut self, before_ns: Option<u64>) {
        let before_ns = before_ns.map_or(u64::MAX, |now| now.saturating_sub(UNBOUND_NS_MAX));
        for session in self.unbound.overdue(before_ns) {
            let waited = self.unbound.take(session);
            self.unattributed(waited.len() as u64, waited.iter().map(|w| w.len).sum());
        }
    }
}

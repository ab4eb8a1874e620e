//! The plaintext of encrypted connections: a second pair of byte streams beside the ciphertext of the same connection.
//!
//! In: [`Plain`] events, told at the calls of TLS libraries. Out: the rows of the protocol inside, which name the connection
//! that the ciphertext goes over. Plaintext whose connection is not known yet waits for evidence; of a connection whose two
//! ends are both on this host, the server's plaintext is told, and the client's only where the server's cannot be had.

use protocol_parsers::{Confidence, Wanted};

use super::connection::Connection;
use super::event::{Data, Direction, End, Evidence, Plain, Role};
use super::phase::Phase;
use super::tracker::Tracker;
use super::unbound::{Bound, UNBOUND_NS_MAX, Waiting};

/// Set in the key of a connection's plaintext.
const PLAIN_BIT: u64 = 1 << 63;
/// How long a client's plaintext waits for its server's.
const HELD_NS: u64 = 300_000_000;
/// A handshake in both directions is smaller than this: more ciphertext before the first plaintext means that some was missed.
const HANDSHAKE_BYTES_MAX: u64 = 64 << 10;

pub fn key_of(connection: u64) -> u64 {
    connection | PLAIN_BIT
}

pub fn is_plain(key: u64) -> bool {
    key & PLAIN_BIT != 0
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
            if !self.context.unbound.keep(plain.session, &plain.data) {
                self.unattributed(1, plain.data.len);
            }
            return;
        }
        if self.is_early(plain) {
            if self.early.keep(plain) {
                return;
            }
            self.release(u64::MAX);
        }
        self.bound(plain);
    }

    /// Whether something that was said before may still be read by another worker.
    fn is_early(&self, plain: &Plain<'_>) -> bool {
        let Data { key, at, .. } = plain.data;
        let began = || self.connections.get(key_of(key)).is_some_and(|c| c.session == plain.session);
        self.early.knows(plain.session) || (!self.context.unbound.is_read_until(at.mono_ns) && !began())
    }

    /// What its session said before its connection was known has been read by now.
    pub fn release(&mut self, read_until_ns: u64) {
        for Bound { session, evidence, key, waiting } in self.early.take_until(read_until_ns) {
            let Waiting { direction, offset, len, bytes, at, pid } = waiting;
            let data = Data { key, direction, offset, len, bytes: &bytes, at, pid, remote: None };
            self.bound(&Plain { session, evidence, data });
        }
    }

    /// Its connection is known.
    fn bound(&mut self, plain: &Plain<'_>) {
        let waited = self.context.unbound.take(plain.session);
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
        let Some(connection) = self.connections.get(data.key) else { return };
        let offset = connection.place_of(data.direction, data.offset);
        self.data(&Data { offset, ..*data });
    }

    /// The socket's direction has ended. What a TLS call said that is still under way, in another thread or goroutine than the one
    /// that closes, is told only when it returns.
    pub(super) fn ends_inside(&mut self, end: &End) {
        if let Some(inside) = self.connections.get_mut(key_of(end.key)) {
            inside.ended[usize::from(end.direction == Direction::Received)].get_or_insert(end.at);
        }
    }

    /// The parser hears of ends that were so long ago that all is told; of all when no time is given.
    pub(super) fn end_inside(&mut self, connection: &mut Connection, before_ns: Option<u64>) {
        for direction in [Direction::Sent, Direction::Received] {
            let ended = &mut connection.ended[usize::from(direction == Direction::Received)];
            let Some(at) = ended.take_if(|at| before_ns.is_none_or(|before| at.mono_ns < before)) else { continue };
            self.give_up_missing(connection, None);
            let flow = Self::flow(connection, direction);
            self.with_parser(connection, |parser, out| parser.end(flow, at, out));
        }
    }

    fn unattributed(&mut self, messages: u64, bytes: u64) {
        self.writer.losses.add("tls", "no_connection_evidence", "message", messages, bytes);
    }

    /// What is said inside a connection has the same process at the other end.
    fn peer_of_base(&mut self, base: u64, inside: u64) {
        let Some(peer) = self.connections.get(base).map(|base| base.identity.peer.clone()) else { return };
        if let Some(inside) = self.connections.get_mut(inside) {
            inside.identity.peer = peer;
        }
    }

    /// Makes sure that the plaintext has its connection. False when there is no connection that it can belong to.
    fn plain_connection(&mut self, plain: &Plain<'_>) -> bool {
        let key = key_of(plain.data.key);
        let Some(base) = self.connections.get_mut(plain.data.key) else { return false };
        base.last_ns = base.last_ns.max(plain.data.at.mono_ns);
        if let Some(known) = self.connections.get_mut(key) {
            if known.session != plain.session {
                known.goes_on_as(plain.session);
            }
            known.identity.confidence = confidence(plain.evidence);
            if known.identity.peer.pid() == 0 {
                self.peer_of_base(plain.data.key, key);
            }
            return true;
        }
        let missed = self.tell_missed_before(plain.data.key, plain);
        self.inside_seen(plain.data.key);
        let Some(base) = self.connections.get(plain.data.key) else { return false };
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
        self.connections.put(connection);
        true
    }

    fn inside_seen(&mut self, key: u64) {
        let Some(base) = self.connections.get_mut(key) else { return };
        base.inside_seen = true;
        if let Some(partner) = base.partner.and_then(|p| self.connections.get_mut(p)) {
            partner.inside_seen = true;
        }
    }

    /// Of two ends with plaintext one is told: the server's, unless the client's already is.
    pub(super) fn choose_end(&mut self, connection: &mut Connection) {
        let Some(other_key) = connection.partner.map(key_of).filter(|_| is_plain(connection.key)) else { return };
        let Some(mut other) = self.connections.take(other_key) else { return };
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
        self.connections.put(other);
    }

    /// Plaintext that found no connection in time is lost, and told so.
    pub(super) fn give_up_unbound(&mut self, before_ns: Option<u64>) {
        let before_ns = before_ns.map_or(u64::MAX, |now| now.saturating_sub(UNBOUND_NS_MAX));
        for session in self.context.unbound.overdue(before_ns) {
            let waited = self.context.unbound.take(session);
            self.unattributed(waited.len() as u64, waited.iter().map(|w| w.len).sum());
        }
    }
}

//! Encrypted connections of programs that were there before the probes of their TLS library: what they said until then was not
//! seen, and is told to be lost (INV-7).
//!
//! In: connections that end, and plaintext that begins. Out: losses. When the probes came is [`Processes`]' to know, and may be
//! known only after a short connection has ended: such ones wait a while.
//!
//! [`Processes`]: crate::discover::Processes

use std::collections::VecDeque;

use super::connection::Connection;
use super::event::{Plain, Totals};
use super::tracker::Tracker;

/// How long after its end it is still asked whether a connection's program was probed late.
const DECIDED_AFTER_NS: u64 = 2_000_000_000;
/// Connections that wait for that; beyond it the oldest is decided at once.
const WAITING_MAX: usize = 4096;
/// What a record adds to what it holds, and the tickets of a server that may come before it.
const RECORD_BYTES: u64 = 600;

const STAGE: &str = "tls";
const REASON: &str = "attached_late";

/// A connection that has ended and of which nothing inside was seen.
#[derive(Debug)]
struct Unseen {
    opened_ns: u64,
    ended_ns: u64,
    pids: [u32; 2],
    /// After its handshake.
    bytes: u64,
}

#[derive(Debug, Default)]
pub struct Late {
    waiting: VecDeque<Unseen>,
}

impl Tracker {
    /// The connection ends.
    pub(super) fn note_unseen(&mut self, connection: &Connection, ended_ns: u64, totals: Option<Totals>) {
        let (Some(opened_ns), Some((_, handshake_bytes))) = (connection.opened_ns, connection.encrypted_since) else { return };
        let passed = totals.unwrap_or_else(|| connection.totals());
        let bytes = (passed.sent_bytes + passed.received_bytes).saturating_sub(handshake_bytes);
        if connection.inside_seen || connection.is_silent() || bytes == 0 {
            return;
        }
        let pids = [connection.identity.process.pid(), connection.identity.peer.pid()];
        self.late.waiting.push_back(Unseen { opened_ns, ended_ns, pids, bytes });
        if self.late.waiting.len() > WAITING_MAX
            && let Some(oldest) = self.late.waiting.pop_front()
        {
            self.decide(&oldest);
        }
    }

    /// Decides about those that ended long enough before; about all when no time is given.
    pub(super) fn tell_late(&mut self, now_ns: Option<u64>) {
        while let Some(first) = self.late.waiting.front() {
            if now_ns.is_some_and(|now| first.ended_ns + DECIDED_AFTER_NS > now) {
                return;
            }
            if let Some(first) = self.late.waiting.pop_front() {
                self.decide(&first);
            }
        }
    }

    fn decide(&mut self, unseen: &Unseen) {
        if unseen.pids.iter().any(|pid| self.probed_after(*pid, unseen.opened_ns)) {
            self.writer.losses.add(STAGE, REASON, "message", 1, unseen.bytes);
        }
    }

    /// Plaintext begins: whether some came before it that nobody saw.
    pub(super) fn tell_missed_before(&mut self, base: u64, plain: &Plain<'_>) -> bool {
        let Some(connection) = self.connections.get(base) else { return false };
        let Some((since_ns, handshake_bytes)) = connection.encrypted_since.filter(|_| connection.opened_ns.is_some()) else {
            return false;
        };
        let passed = connection.sent.total() + connection.received.total();
        let missed = passed.saturating_sub(handshake_bytes + plain.data.len + RECORD_BYTES);
        if missed == 0 || !self.probed_after(plain.data.pid, since_ns) {
            return false;
        }
        self.writer.losses.add(STAGE, REASON, "message", 1, missed);
        true
    }

    fn probed_after(&self, pid: u32, at_ns: u64) -> bool {
        let processes = self.processes();
        processes.and_then(|p| p.probed_late_ns(pid)).is_some_and(|probed_ns| probed_ns > at_ns)
    }
}

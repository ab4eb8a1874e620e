//! Which protocol a connection speaks: looked for in what it says first, and again when its parser no longer knows it.

use super::connection::Connection;
use super::event::{Direction, Role};
use super::order::Piece;
use super::phase::{Kept, KeptPiece, Phase};
use super::tracker::Tracker;
use protocol_parsers::{Confidence, Looks, Moment, State, Wanted};

/// A connection that turned out to be another protocol's is looked at again at once this often, then like an unrecognised one.
const CORRECTIONS_AT_ONCE_MAX: u32 = 4;
/// A connection that was joined inside something long is looked at so often, each time in what comes next, before it has to wait.
const LOOKS_AT_ONCE_MAX: u32 = 8;

fn port(of: Option<i32>) -> Option<u16> {
    u16::try_from(of?).ok()
}

impl Tracker {
    pub(super) fn detect(
        &mut self,
        connection: &mut Connection,
        direction: Direction,
        piece: Piece<'_>,
        remote: Option<std::net::SocketAddr>,
    ) {
        let Phase::Detecting(kept) = &mut connection.phase else { return };
        let at = match piece {
            Piece::Bytes(bytes, at) => {
                kept.push(KeptPiece { direction, bytes: bytes.to_vec(), unseen: 0, at, remote });
                at
            }
            Piece::Unseen(unseen, at) => {
                kept.push(KeptPiece { direction, bytes: vec![], unseen, at, remote });
                at
            }
        };
        if connection.held_until_ns.is_some_and(|until| at.mono_ns < until) && !kept.is_full() {
            return;
        }
        connection.held_until_ns = None;
        self.classify(connection, at.mono_ns, true);
    }

    /// Looks for a protocol in what is kept; `more` when more bytes may come.
    pub(super) fn classify(&mut self, connection: &mut Connection, now_ns: u64, more: bool) {
        let role = connection.sure_role();
        let Phase::Detecting(kept) = &mut connection.phase else { return };
        let full = kept.is_full();
        let (sent, received) = (kept.beginning(Direction::Sent), kept.beginning(Direction::Received));
        let identity = &mut connection.identity;
        let serves = role.map(|r| r == Role::Server);
        // datagrams of a socket that is not connected say where they come from, and go to
        let remote = identity.remote.port.or_else(|| kept.remote_port());
        let ports = (port(identity.local.port), port(remote));
        let (transport, from_start) = (identity.transport, kept.from_start);
        let looks = Looks { transport, sent: &sent, received: &received, ports, serves, from_start };
        let found = protocol_parsers::detect(&looks, more && !full);
        match found {
            // what was taken for the wrong protocol once is not guessed at again
            Ok(found) if connection.corrections == 0 || found.confidence > Confidence::Guessed => {
                let kept = std::mem::take(kept);
                if role.is_none() {
                    identity.role = found.sender_serves.map(|serves| if serves { Role::Server } else { Role::Client });
                }
                self.choose_end(connection);
                if connection.is_silent() {
                    return;
                }
                self.decide_turn(connection);
                connection.recognised(found.protocol);
                connection.phase = Phase::Parsing((found.protocol.parser)(
                    &self.context.settings,
                    connection.identity.transport,
                    kept.from_start,
                ));
                self.feed(connection, kept);
            }
            Ok(_) | Err(true) if more && !full => {}
            _ => {
                let later = kept.split_off(|bytes| protocol_parsers::begins(identity.transport, bytes));
                let bytes = kept.bytes() as u64;
                connection.looks = connection.looks.saturating_add(1);
                let again = more && (full || !from_start) && connection.looks <= LOOKS_AT_ONCE_MAX;
                connection.phase = if again { Phase::detecting(false) } else { Phase::Unrecognised { tried_ns: now_ns } };
                self.unrecognised_bytes += bytes;
                if full && connection.decision.is_none() {
                    Self::want(&mut self.policies, connection, Wanted::Headers);
                }
                if let Some(later) = later {
                    connection.phase = Phase::Detecting(later);
                    self.classify(connection, now_ns, more);
                }
            }
        }
    }

    /// Rows are the server's: when this end turns out to be the client and the other end is known here too (or in a replay,
    /// where both ends are seen), they are told from there.
    fn decide_turn(&self, connection: &mut Connection) {
        let replay = self.context.processes.is_none();
        let client = connection.identity.role == Some(Role::Client);
        connection.identity.turned = client && (replay || connection.partner.is_some());
    }

    fn feed(&mut self, connection: &mut Connection, kept: Kept) {
        for piece in kept.pieces {
            if !piece.bytes.is_empty() {
                self.parse(connection, piece.direction, &Piece::Bytes(&piece.bytes, piece.at), piece.remote);
            }
            if piece.unseen > 0 {
                self.parse(connection, piece.direction, &Piece::Unseen(piece.unseen, piece.at), piece.remote);
            }
        }
        self.reclassify(connection);
    }

    /// The parser no longer recognises its connection, or has left it to another protocol.
    pub(super) fn reclassify(&mut self, connection: &mut Connection) {
        let Phase::Parsing(parser) = &mut connection.phase else { return };
        match parser.state() {
            State::Working => {}
            State::HandedOver => match parser.successor() {
                Some(next) => {
                    connection.protocol = Some(next.protocol);
                    connection.phase = Phase::Parsing(next.parser);
                }
                None => connection.phase = Phase::detecting(true),
            },
            State::NotMine => {
                metrics::counter!("earshot_reclassified_connections_total").increment(1);
                let now_ns = connection.last_ns;
                let at = Moment { mono_ns: now_ns, thread_id: 0 };
                self.with_parser(connection, |parser, out| parser.close(at, out));
                connection.corrections = connection.corrections.saturating_add(1);
                connection.phase = if connection.corrections <= CORRECTIONS_AT_ONCE_MAX {
                    Phase::detecting(false)
                } else {
                    Phase::Unrecognised { tried_ns: now_ns }
                };
            }
        }
    }
}

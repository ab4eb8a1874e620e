//! All connections of one worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use protocol_parsers::{Flow, Moment, Parser, Segment, Settings, State, Transport};
use schema::ProcessPrefix;
use schema::tables::Connection as ConnectionRow;

use super::connection::{Connection, Identity};
use super::event::{Closed, Consumer, Data, Direction, End, Endpoint, Event, Opened, Owner, Role, Totals};
use super::order::{PARKED_NS_MAX, Piece};
use super::pairs::Pairs;
use super::phase::{Kept, KeptPiece, Phase};
use super::rows::{DatagramPeer, RowOutput};
use crate::batch::{Sink, Writer};
use crate::discover::Processes;
use crate::kernel::Clock;

/// A request without a response becomes a row after this long.
const UNANSWERED_NS: u64 = 60_000_000_000;
/// How often an open connection has a row in `connections`.
const REPORT_NS: u64 = 60_000_000_000;
/// How often an unrecognised connection is looked at again.
const RETRY_NS: u64 = 1_000_000_000;
/// Connections of one worker. Beyond it the one that was silent longest goes.
const CONNECTIONS_MAX: usize = 100_000;
/// A connection is told to be copied in full when this much of it has been; before, the kernel's own limit does.
const KEPT_FULL_FROM_BYTES: u64 = 256 << 10;

/// How much of a connection the source should give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    Full,
    /// The beginning of each transfer.
    Headers,
    /// Nothing; sizes are counted.
    Counters,
}

/// Takes decisions about connections; a capture file has no use for them.
pub trait PolicyControl: Send {
    /// False when no more policies can be kept.
    fn set(&mut self, key: u64, wanted: Wanted) -> bool;
    fn forget(&mut self, key: u64);
}

/// What all workers share.
#[derive(Clone)]
pub struct Context {
    pub host: Arc<[u8]>,
    pub clock: Clock,
    pub settings: Settings,
    pub sink: Arc<dyn Sink>,
    /// `None` in a replay: nothing is known of processes.
    pub processes: Option<Arc<Processes>>,
    /// The last connection id given.
    pub ids: Arc<AtomicU64>,
}

pub struct Tracker {
    context: Context,
    connections: HashMap<u64, Box<Connection>>,
    pairs: Pairs,
    writer: Writer,
    policies: Option<Box<dyn PolicyControl>>,
    /// Latest time seen on any event.
    now_ns: u64,
    /// Bytes since the last flush of connections that no protocol recognised.
    unrecognised_bytes: u64,
}

impl Tracker {
    pub fn new(context: Context, policies: Option<Box<dyn PolicyControl>>) -> Self {
        let writer = Writer::new(context.sink.clone(), context.host.clone());
        Self {
            context,
            connections: HashMap::new(),
            pairs: Pairs::default(),
            writer,
            policies,
            now_ns: 0,
            unrecognised_bytes: 0,
        }
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Bytes held by connections that wait for more.
    pub fn heap_bytes(&self) -> usize {
        self.connections
            .values()
            .map(|c| {
                let phase = match &c.phase {
                    Phase::Detecting(kept) => kept.bytes(),
                    Phase::Parsing(parser) => parser.heap_bytes(),
                    _ => 0,
                };
                phase + c.sent.heap_bytes() + c.received.heap_bytes() + size_of::<Connection>()
            })
            .sum()
    }

    /// Time passes: late pieces are given up, old requests become rows, open connections are reported. `now_ns` is on the
    /// clock of the events.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let keys: Vec<u64> = self
            .connections
            .values()
            .filter(|c| {
                let late = now_ns.saturating_sub(PARKED_NS_MAX);
                let waiting = match &c.phase {
                    Phase::Parsing(p) => p.waiting_since().is_some_and(|since| since + UNANSWERED_NS < now_ns),
                    _ => false,
                };
                waiting
                    || c.sent.overdue(late)
                    || c.received.overdue(late)
                    || c.reported_ns + REPORT_NS < now_ns
                    || self.abandoned(c)
            })
            .map(|c| c.key)
            .collect();
        for key in keys {
            let Some(mut connection) = self.connections.remove(&key) else { continue };
            if self.abandoned(&connection) {
                self.finish(connection, now_ns, None);
                continue;
            }
            self.give_up_missing(&mut connection, Some(now_ns.saturating_sub(PARKED_NS_MAX)));
            self.with_parser(&mut connection, |parser, out| parser.expire(now_ns.saturating_sub(UNANSWERED_NS), out));
            if connection.reported_ns + REPORT_NS < now_ns {
                connection.reported_ns = now_ns;
                self.report(&connection, now_ns, None, None);
            }
            self.connections.insert(key, connection);
        }
    }

    /// A socket without an event for its end whose process is gone.
    fn abandoned(&self, connection: &Connection) -> bool {
        let ends_silently =
            connection.identity.transport == Transport::Datagram || matches!(connection.local, Endpoint::Unix(_));
        let gone = |p: &super::known::Known| p.process().is_some_and(|p| p.exit.is_some());
        ends_silently
            && connection.host.is_some()
            && gone(&connection.identity.process)
            && connection.last_ns + RETRY_NS < self.now_ns
    }

    /// Hands what is written so far to the sink.
    pub fn flush(&mut self) {
        let unix_ns = self.context.clock.unix_ns(self.now_ns);
        self.writer.flush(unix_ns);
        metrics::counter!("earshot_unrecognised_bytes_total").increment(std::mem::take(&mut self.unrecognised_bytes));
    }

    /// The source has ended: every connection closes.
    pub fn finish_all(&mut self) {
        let now_ns = self.now_ns;
        let mut left: Vec<Box<Connection>> = self.connections.drain().map(|(_, c)| c).collect();
        left.sort_by_key(|c| c.key);
        for connection in left {
            self.finish(connection, now_ns, None);
        }
        self.flush();
    }

    fn opened(&mut self, opened: &Opened) {
        let id = self.context.ids.fetch_add(1, Ordering::Relaxed) as i64;
        let mut connection = Box::new(Connection::new(id, opened));
        if let Some(host) = opened.host {
            connection.identity.process.set(host.pid, self.context.processes.as_deref());
        }
        if let Some(partner) = self.pairs.add(&connection) {
            self.pair(&mut connection, partner);
        }
        if self.connections.len() >= CONNECTIONS_MAX {
            self.evict();
        }
        if let Some(old) = self.connections.insert(opened.key, connection) {
            self.finish(old, opened.at_ns, None);
        }
    }

    /// Both ends of a connection are on this host: one of them is parsed.
    fn pair(&mut self, connection: &mut Connection, partner_key: u64) {
        let Some(partner) = self.connections.get_mut(&partner_key) else { return };
        connection.partner = Some(partner_key);
        partner.partner = Some(connection.key);
        connection.identity.peer = partner.identity.process.clone();
        partner.identity.peer = connection.identity.process.clone();
        if connection.is_silent() || partner.is_silent() {
            return;
        }
        // the server's end is told; when nobody knows who serves, the end that was there first
        let quiet = if partner.identity.role == Some(Role::Client) { partner } else { connection };
        quiet.phase = Phase::Silent;
        if let Some(policies) = &mut self.policies {
            quiet.has_policy |= policies.set(quiet.key, Wanted::Counters);
        }
    }

    fn owner(&mut self, owner: Owner) {
        let processes = self.context.processes.clone();
        let Some(connection) = self.connections.get_mut(&owner.key) else { return };
        connection.identity.process.set(owner.pid, processes.as_deref());
        let known = connection.identity.process.clone();
        if let Some(partner) = connection.partner.and_then(|p| self.connections.get_mut(&p)) {
            partner.identity.peer = known;
        }
    }

    fn data(&mut self, data: &Data<'_>) {
        let mut connection = match self.connections.remove(&data.key) {
            Some(connection) => connection,
            None => self.unannounced(data),
        };
        connection.last_ns = data.at.mono_ns;
        let processes = self.context.processes.as_deref();
        if data.pid != 0 && data.pid != connection.identity.process.pid() {
            connection.identity.process.set(data.pid, processes);
            if let Some(partner) = connection.partner.and_then(|p| self.connections.get_mut(&p)) {
                partner.identity.peer = connection.identity.process.clone();
            }
        }
        connection.identity.process.refresh(processes);
        connection.identity.peer.refresh(processes);
        if connection.identity.transport == Transport::Datagram {
            self.datagram(&mut connection, data);
        } else {
            self.stream(&mut connection, data);
        }
        self.connections.insert(data.key, connection);
    }

    /// The announcement was lost: what it would have told is unknown.
    fn unannounced(&mut self, data: &Data<'_>) -> Box<Connection> {
        let id = self.context.ids.fetch_add(1, Ordering::Relaxed) as i64;
        let opened = Opened {
            key: data.key,
            transport: if data.remote.is_some() { Transport::Datagram } else { Transport::Stream },
            local: Endpoint::Unknown,
            remote: Endpoint::Unknown,
            role: None,
            from_start: false,
            at_ns: data.at.mono_ns,
            host: None,
        };
        let mut connection = Box::new(Connection::new(id, &opened));
        match data.direction {
            Direction::Sent => connection.sent.begin_at(data.offset),
            Direction::Received => connection.received.begin_at(data.offset),
        }
        connection
    }

    fn stream(&mut self, connection: &mut Connection, data: &Data<'_>) {
        let mut order = std::mem::take(match data.direction {
            Direction::Sent => &mut connection.sent,
            Direction::Received => &mut connection.received,
        });
        let again = order
            .take(data.offset, data.len, data.bytes, data.at, &mut |piece| self.piece(connection, data.direction, piece, None));
        match data.direction {
            Direction::Sent => connection.sent = order,
            Direction::Received => connection.received = order,
        }
        self.writer.losses.add("reassembly", "overlap", "message", 0, again);
        if !connection.has_policy
            && matches!(connection.phase, Phase::Parsing(_))
            && data.offset > KEPT_FULL_FROM_BYTES
            && let Some(policies) = &mut self.policies
        {
            connection.has_policy = policies.set(connection.key, Wanted::Full);
        }
    }

    fn datagram(&mut self, connection: &mut Connection, data: &Data<'_>) {
        let order = match data.direction {
            Direction::Sent => &mut connection.sent,
            Direction::Received => &mut connection.received,
        };
        order.begin_at(data.offset + data.len);
        if data.bytes.len() as u64 == data.len {
            self.piece(connection, data.direction, Piece::Bytes(data.bytes, data.at), data.remote);
        } else {
            self.writer.losses.add("capture", "datagram_cut", "message", 1, data.len);
        }
    }

    fn piece(
        &mut self,
        connection: &mut Connection,
        direction: Direction,
        piece: Piece<'_>,
        remote: Option<std::net::SocketAddr>,
    ) {
        match &mut connection.phase {
            Phase::Silent => {}
            Phase::Parsing(_) => {
                self.parse(connection, direction, &piece, remote);
                self.reclassify(connection);
            }
            Phase::Unrecognised { tried_ns } => {
                let Piece::Bytes(bytes, at) = piece else { return };
                if at.mono_ns < *tried_ns + RETRY_NS {
                    self.unrecognised_bytes += bytes.len() as u64;
                    return;
                }
                connection.phase = Phase::detecting(false);
                self.detect(connection, direction, piece, remote);
            }
            Phase::Detecting(_) => self.detect(connection, direction, piece, remote),
        }
    }

    fn detect(
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
        self.classify(connection, at.mono_ns, true);
    }

    /// Looks for a protocol in what is kept; `more` when more bytes may come.
    fn classify(&mut self, connection: &mut Connection, now_ns: u64, more: bool) {
        let Phase::Detecting(kept) = &mut connection.phase else { return };
        let full = kept.is_full();
        let (sent, received) = (kept.beginning(Direction::Sent), kept.beginning(Direction::Received));
        let identity = &mut connection.identity;
        let serves = identity.role.map(|r| r == Role::Server);
        let found = protocol_parsers::detect(identity.transport, &sent, &received, serves, kept.from_start, more && !full);
        match found {
            Ok(found) => {
                let kept = std::mem::take(kept);
                if identity.role.is_none() {
                    identity.role = Some(if found.sender_serves { Role::Server } else { Role::Client });
                }
                self.decide_turn(connection);
                connection.protocol = Some(found.protocol);
                connection.phase = Phase::Parsing((found.protocol.parser)(
                    &self.context.settings,
                    connection.identity.transport,
                    kept.from_start,
                ));
                self.feed(connection, kept);
            }
            Err(undecided) if undecided && more && !full => {}
            Err(_) => {
                let bytes = kept.bytes() as u64;
                connection.phase = Phase::Unrecognised { tried_ns: now_ns };
                self.unrecognised_bytes += bytes;
                if full
                    && !connection.has_policy
                    && let Some(policies) = &mut self.policies
                {
                    connection.has_policy = policies.set(connection.key, Wanted::Headers);
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

    fn flow(connection: &Connection, direction: Direction) -> Flow {
        let client = connection.identity.role == Some(Role::Client);
        if client == (direction == Direction::Sent) { Flow::ToServer } else { Flow::ToClient }
    }

    fn parse(
        &mut self,
        connection: &mut Connection,
        direction: Direction,
        piece: &Piece<'_>,
        remote: Option<std::net::SocketAddr>,
    ) {
        let flow = Self::flow(connection, direction);
        self.with_parser(connection, |parser, out| match *piece {
            Piece::Bytes(bytes, at) => parser.bytes(Segment { flow, bytes, at, remote }, out),
            Piece::Unseen(len, at) => parser.unseen(flow, len, at, out),
        });
    }

    fn with_parser(&mut self, connection: &mut Connection, work: impl FnOnce(&mut dyn Parser, &mut RowOutput<'_>)) {
        let Phase::Parsing(parser) = &mut connection.phase else { return };
        let (pairs, connections) = (&self.pairs, &self.connections);
        let own = connection.key;
        let datagram_peer = |port: u16| {
            let key = pairs.datagram(port).filter(|key| *key != own)?;
            let other = connections.get(&key)?;
            Some(DatagramPeer { process: other.identity.process.clone(), told_there: other.received.total() > 0 })
        };
        let identity: &Identity = &connection.identity;
        let (host, clock) = (&*self.context.host, self.context.clock);
        let mut out = RowOutput { identity, host, clock, writer: &mut self.writer, datagram_peer: &datagram_peer };
        work(parser.as_mut(), &mut out);
    }

    /// The parser no longer recognises its connection, or has left it to another protocol.
    fn reclassify(&mut self, connection: &mut Connection) {
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
                connection.phase = Phase::Unrecognised { tried_ns: now_ns };
            }
        }
    }

    fn give_up_missing(&mut self, connection: &mut Connection, before_ns: Option<u64>) {
        for direction in [Direction::Received, Direction::Sent] {
            let mut order = std::mem::take(match direction {
                Direction::Sent => &mut connection.sent,
                Direction::Received => &mut connection.received,
            });
            if before_ns.is_none_or(|before| order.overdue(before)) {
                order.give_up(&mut |piece| self.piece(connection, direction, piece, None));
            }
            match direction {
                Direction::Sent => connection.sent = order,
                Direction::Received => connection.received = order,
            }
        }
    }

    fn end(&mut self, end: &End) {
        let Some(mut connection) = self.connections.remove(&end.key) else { return };
        self.give_up_missing(&mut connection, None);
        let flow = Self::flow(&connection, end.direction);
        self.with_parser(&mut connection, |parser, out| parser.end(flow, end.at, out));
        // a Unix socket has no event of its own for its end
        let over = matches!(connection.local, Endpoint::Unix(_)) && end.direction == Direction::Received;
        if over && connection.identity.role == Some(Role::Server) {
            self.finish(connection, end.at.mono_ns, None);
        } else {
            self.connections.insert(end.key, connection);
        }
    }

    fn closed(&mut self, closed: &Closed) {
        if let Some(connection) = self.connections.remove(&closed.key) {
            self.finish(connection, closed.at_ns, closed.totals);
        }
    }

    fn finish(&mut self, mut connection: Box<Connection>, at_ns: u64, totals: Option<Totals>) {
        self.give_up_missing(&mut connection, None);
        if matches!(connection.phase, Phase::Detecting(_)) {
            self.classify(&mut connection, at_ns, false);
        }
        let at = Moment { mono_ns: at_ns, thread_id: 0 };
        self.with_parser(&mut connection, |parser, out| parser.close(at, out));
        self.report(&connection, at_ns, Some(at_ns), totals);
        self.pairs.remove(&connection);
        if connection.has_policy
            && let Some(policies) = &mut self.policies
        {
            policies.forget(connection.key);
        }
    }

    /// The one that was silent longest makes room.
    fn evict(&mut self) {
        let Some(key) = self.connections.values().min_by_key(|c| c.last_ns).map(|c| c.key) else { return };
        if let Some(connection) = self.connections.remove(&key) {
            // what it says from here on is no longer told
            self.writer.losses.add("connect", "too_many_connections", "message", 1, 0);
            let now_ns = self.now_ns;
            self.finish(connection, now_ns, None);
        }
    }

    /// A row in `connections`; of a connection with both ends here, the end that is parsed tells it.
    fn report(&mut self, connection: &Connection, at_ns: u64, closed_ns: Option<u64>, totals: Option<Totals>) {
        if connection.is_silent() || connection.identity.transport == Transport::Datagram {
            return;
        }
        let identity = &connection.identity;
        let (own, other) =
            if identity.turned { (&identity.peer, &identity.process) } else { (&identity.process, &identity.peer) };
        let (local, remote) =
            if identity.turned { (&identity.remote, &identity.local) } else { (&identity.local, &identity.remote) };
        let (own, other) = (own.process(), other.process());
        let mut counted = totals.unwrap_or_else(|| connection.totals());
        if identity.turned {
            std::mem::swap(&mut counted.sent_bytes, &mut counted.received_bytes);
        }
        let clock = self.context.clock;
        let host = self.context.host.clone();
        let prefix = ProcessPrefix {
            time: Some(clock.unix_ns(at_ns)),
            host: Some(&host),
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
            closed_at: closed_ns.map(|ns| clock.unix_ns(ns)),
            protocol: connection.protocol.map(|p| p.name.as_bytes()),
            sent_bytes: Some(counted.sent_bytes as i64),
            received_bytes: Some(counted.received_bytes as i64),
            retransmits: totals.map(|t| t.retransmits as i64),
            rtt_ns: totals.filter(|t| t.rtt_ns > 0).map(|t| t.rtt_ns as i64),
            state: Some(if closed_ns.is_some() { b"closed" } else { b"open" }),
            ..Default::default()
        };
        self.writer.row(ConnectionRow::TABLE, &[&prefix, &row]);
    }
}

impl Consumer for Tracker {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Opened(opened) => {
                self.now_ns = self.now_ns.max(opened.at_ns);
                self.opened(&opened);
            }
            Event::Owner(owner) => self.owner(owner),
            Event::Data(data) => {
                self.now_ns = self.now_ns.max(data.at.mono_ns);
                self.data(&data);
            }
            Event::End(end) => self.end(&end),
            Event::Closed(closed) => self.closed(&closed),
        }
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        self.writer.losses.add(stage, reason, "kernel_event", events, bytes);
    }
}

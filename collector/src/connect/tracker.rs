//! All connections of one worker.

use std::sync::atomic::Ordering;

use super::connection::{Connection, Identity};
use super::connections::Connections;
use super::context::{Context, Decision, PolicyControl};
use super::event::{Closed, Consumer, Data, Direction, End, Endpoint, Event, Opened, Owner, Role, Totals};
use super::late::Late;
use super::order::{PARKED_NS_MAX, Piece};
use super::pairs::Pairs;
use super::phase::Phase;
use super::plaintext;
use super::report::{Told, report};
use super::rows::{DatagramPeer, RowOutput};
use super::unbound::Early;
use crate::batch::Writer;
use crate::discover::Processes;
use protocol_parsers::{Flow, Moment, Parser, Segment, Transport, Wanted};

/// A request without a response becomes a row after this long.
const UNANSWERED_NS: u64 = 60_000_000_000;
/// How often an open connection has a row in `connections`.
const REPORT_NS: u64 = 60_000_000_000;
/// How often an unrecognised connection is looked at again.
const RETRY_NS: u64 = 1_000_000_000;
/// How long a closed connection waits for its program to read what came before, or for calls that are under way: a reset closes a
/// connection before the system call, or the call of the TLS library, that writes to it returns.
const CLOSING_NS_MAX: u64 = 300_000_000;
/// Connections of one worker. Beyond it the one that was silent longest goes.
const CONNECTIONS_MAX: usize = 100_000;
/// A connection is told to be copied in full when this much of it has been; before, the kernel's own limit does.
const KEPT_FULL_FROM_BYTES: u64 = 256 << 10;

/// So much of a body or value is at least passed over: what comes until the source knows is copied anyway.
const PASSED_OVER_BYTES_MIN: u64 = 256 << 10;

pub struct Tracker {
    pub(super) context: Context,
    /// By key; the plaintext of an encrypted connection is one more, by [`plaintext::key_of`].
    pub(super) connections: Connections,
    pairs: Pairs,
    pub(super) writer: Writer,
    pub(super) policies: Option<Box<dyn PolicyControl>>,
    pub(super) early: Early,
    pub(super) late: Late,
    /// Latest time seen on any event.
    now_ns: u64,
    /// Bytes since the last flush of connections that no protocol recognised.
    pub(super) unrecognised_bytes: u64,
}

impl Tracker {
    pub fn new(context: Context, policies: Option<Box<dyn PolicyControl>>) -> Self {
        let writer = Writer::new(context.sink.clone(), context.host.clone());
        Self {
            context,
            connections: Connections::default(),
            pairs: Pairs::default(),
            early: Early::default(),
            late: Late::default(),
            writer,
            policies,
            now_ns: 0,
            unrecognised_bytes: 0,
        }
    }

    pub fn connections(&self) -> usize {
        self.connections.iter().filter(|c| !plaintext::is_plain(c.key)).count()
    }

    pub(super) fn processes(&self) -> Option<&Processes> {
        self.context.processes.as_deref()
    }

    /// Bytes held by connections that wait for more.
    pub fn heap_bytes(&self) -> usize {
        self.connections
            .iter()
            .map(|c| {
                let phase = match &c.phase {
                    Phase::Detecting(kept) => kept.bytes(),
                    Phase::Parsing(parser) => parser.heap_bytes(),
                    _ => 0,
                };
                phase + c.sent.heap_bytes() + c.received.heap_bytes() + size_of::<Connection>()
            })
            .sum::<usize>()
            + self.context.unbound.bytes()
    }

    /// Time passes: late pieces are given up, old requests become rows, open connections are reported. `now_ns` is on the
    /// clock of the events.
    pub fn tick(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let keys: Vec<u64> = self
            .connections
            .iter()
            .filter(|c| {
                let late = now_ns.saturating_sub(PARKED_NS_MAX);
                let waiting = match &c.phase {
                    Phase::Parsing(p) => p.waiting_since().is_some_and(|since| since + UNANSWERED_NS < now_ns),
                    _ => false,
                };
                waiting
                    || c.sent.overdue(late)
                    || c.received.overdue(late)
                    || c.closing.is_some_and(|closed| closed.at_ns + CLOSING_NS_MAX < now_ns)
                    || c.held_until_ns.is_some_and(|until| until < now_ns)
                    || c.has_ended_before(now_ns.saturating_sub(CLOSING_NS_MAX))
                    || c.reported_ns.saturating_add(REPORT_NS) < now_ns
                    || self.abandoned(c)
            })
            .map(|c| c.key)
            .collect();
        for key in keys {
            let Some(mut connection) = self.connections.take(key) else { continue };
            if let Some(closed) = connection.closing.take_if(|closed| closed.at_ns + CLOSING_NS_MAX < now_ns) {
                self.finish(connection, closed.at_ns, closed.totals);
                continue;
            }
            if self.abandoned(&connection) {
                self.finish(connection, now_ns, None);
                continue;
            }
            self.give_up_missing(&mut connection, Some(now_ns.saturating_sub(PARKED_NS_MAX)));
            self.with_parser(&mut connection, |parser, out| parser.expire(now_ns.saturating_sub(UNANSWERED_NS), out));
            self.end_inside(&mut connection, Some(now_ns.saturating_sub(CLOSING_NS_MAX)));
            if connection.held_until_ns.take_if(|until| *until < now_ns).is_some() {
                self.classify(&mut connection, now_ns, true);
            }
            if connection.reported_ns.saturating_add(REPORT_NS) < now_ns {
                connection.reported_ns = now_ns;
                self.report(&connection, now_ns, false, None);
            }
            self.connections.put(connection);
        }
        self.release(self.context.unbound.read_until_ns());
        self.give_up_unbound(Some(now_ns));
        self.tell_late(Some(now_ns));
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
        self.release(u64::MAX);
        let now_ns = self.now_ns;
        let mut left: Vec<u64> = self.connections.iter().map(|c| c.key).collect();
        left.sort_unstable();
        for key in left {
            if let Some(mut connection) = self.connections.take(key) {
                let (at_ns, totals) = connection.closing.take().map_or((now_ns, None), |closed| (closed.at_ns, closed.totals));
                self.finish(connection, at_ns, totals);
            }
        }
        self.give_up_unbound(None);
        self.tell_late(None);
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
        if let Some(old) = self.connections.put(connection) {
            self.finish(old, opened.at_ns, None);
        }
    }

    /// Both ends of a connection are on this host: one of them is parsed.
    fn pair(&mut self, connection: &mut Connection, partner_key: u64) {
        let Some(partner) = self.connections.get_mut(partner_key) else { return };
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
        Self::want(&mut self.policies, quiet, Wanted::Counters);
    }

    fn owner(&mut self, owner: Owner) {
        let processes = self.context.processes.clone();
        let Some(connection) = self.connections.get_mut(owner.key) else { return };
        connection.identity.process.set(owner.pid, processes.as_deref());
        let known = connection.identity.process.clone();
        if let Some(partner) = connection.partner.and_then(|p| self.connections.get_mut(p)) {
            partner.identity.peer = known;
        }
    }

    pub(super) fn data(&mut self, data: &Data<'_>) {
        let mut connection = match self.connections.take(data.key) {
            Some(connection) => connection,
            None => self.unannounced(data),
        };
        connection.last_ns = data.at.mono_ns;
        let processes = self.context.processes.as_deref();
        if data.pid != 0 && data.pid != connection.identity.process.pid() {
            connection.identity.process.set(data.pid, processes);
            if let Some(partner) = connection.partner.and_then(|p| self.connections.get_mut(p)) {
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
        self.connections.put(connection);
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
        connection.begin_at(data.direction, data.offset);
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
        let Phase::Parsing(parser) = &connection.phase else { return };
        let wanted = parser.wanted();
        // a source without policies has no use for what may be passed over
        let passed_over = match &self.policies {
            Some(_) => parser.passes_over(Self::flow(connection, data.direction)),
            None => 0,
        };
        if wanted == Wanted::Counters && connection.encrypted_since.is_none() {
            let passed = connection.totals();
            connection.encrypted_since = Some((data.at.mono_ns, passed.sent_bytes + passed.received_bytes));
        }
        if wanted != Wanted::Full || (connection.decision.is_none() && data.offset > KEPT_FULL_FROM_BYTES) {
            Self::want(&mut self.policies, connection, wanted);
        }
        // the offsets of a TLS session are its own, and a connection may have several
        if passed_over >= PASSED_OVER_BYTES_MIN && !plaintext::is_plain(connection.key) {
            self.pass_over(connection, data.direction, passed_over);
        }
    }

    /// Tells the source that the next `bytes` in this direction need not be copied, unless it knows.
    fn pass_over(&mut self, connection: &mut Connection, direction: Direction, bytes: u64) {
        let Some(policies) = &mut self.policies else { return };
        let mut decision = connection.decision.unwrap_or_default();
        let (from, passed) = match direction {
            Direction::Sent => (&mut decision.sent_from, connection.sent.total()),
            Direction::Received => (&mut decision.received_from, connection.received.total()),
        };
        if *from > passed {
            return;
        }
        *from = passed.saturating_add(bytes);
        if policies.set(connection.key, decision) {
            connection.decision = Some(decision);
        }
    }

    /// Tells the source how much of a connection is of use, unless it knows.
    pub(super) fn want(policies: &mut Option<Box<dyn PolicyControl>>, connection: &mut Connection, wanted: Wanted) {
        if connection.decision.is_none_or(|decision| decision.wanted != wanted)
            && let Some(policies) = policies
        {
            let decision = Decision { wanted, ..connection.decision.unwrap_or_default() };
            if policies.set(connection.key, decision) {
                connection.decision = Some(decision);
            }
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
                let begins = protocol_parsers::begins(connection.identity.transport, bytes);
                if !begins && at.mono_ns < *tried_ns + RETRY_NS {
                    self.unrecognised_bytes += bytes.len() as u64;
                    return;
                }
                connection.phase = Phase::detecting(begins);
                self.detect(connection, direction, piece, remote);
            }
            Phase::Detecting(_) => self.detect(connection, direction, piece, remote),
        }
    }

    pub(super) fn flow(connection: &Connection, direction: Direction) -> Flow {
        let client = connection.identity.role == Some(Role::Client);
        if client == (direction == Direction::Sent) { Flow::ToServer } else { Flow::ToClient }
    }

    pub(super) fn parse(
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

    pub(super) fn with_parser(&mut self, connection: &mut Connection, work: impl FnOnce(&mut dyn Parser, &mut RowOutput<'_>)) {
        connection.look_up(&self.context.names);
        let Phase::Parsing(parser) = &mut connection.phase else { return };
        let (pairs, connections) = (&self.pairs, &self.connections);
        let own = connection.key;
        let datagram_peer = |port: u16| {
            let key = pairs.datagram(port).filter(|key| *key != own)?;
            let other = connections.get(key)?;
            Some(DatagramPeer { process: other.identity.process.clone(), told_there: other.received.total() > 0 })
        };
        let identity: &Identity = &connection.identity;
        let (host, clock, redact) = (&*self.context.host, self.context.clock, self.context.redact);
        let (names, writer) = (&*self.context.names, &mut self.writer);
        let mut out = RowOutput { identity, host, clock, redact, names, writer, datagram_peer: &datagram_peer };
        work(parser.as_mut(), &mut out);
    }

    pub(super) fn give_up_missing(&mut self, connection: &mut Connection, before_ns: Option<u64>) {
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
        self.ends_inside(end);
        let Some(mut connection) = self.connections.take(end.key) else { return };
        self.give_up_missing(&mut connection, None);
        let flow = Self::flow(&connection, end.direction);
        self.with_parser(&mut connection, |parser, out| parser.end(flow, end.at, out));
        // a Unix socket has no event of its own for its end
        let over = matches!(connection.local, Endpoint::Unix(_)) && end.direction == Direction::Received;
        if over && connection.identity.role == Some(Role::Server) {
            self.finish(connection, end.at.mono_ns, None);
        } else {
            self.connections.put(connection);
        }
    }

    fn closed(&mut self, closed: &Closed) {
        let Some(mut connection) = self.connections.take(closed.key) else { return };
        let key = plaintext::key_of(closed.key);
        let inside = connection.encrypted_since.is_some() || self.connections.contains(key) || self.early.is_of(closed.key);
        // in a capture nothing comes after the close
        let more_may_come = connection.host.is_some() && !connection.is_silent();
        if more_may_come || inside {
            connection.closing.get_or_insert(*closed);
            self.connections.put(connection);
        } else {
            self.finish(connection, closed.at_ns, closed.totals);
        }
    }

    pub(super) fn finish(&mut self, mut connection: Box<Connection>, at_ns: u64, totals: Option<Totals>) {
        let plain = match plaintext::is_plain(connection.key) {
            true => None,
            false => self.connections.take(plaintext::key_of(connection.key)),
        };
        if let Some(plain) = plain {
            connection.protocol = plain.protocol.or(connection.protocol);
            self.finish(plain, at_ns, None);
        }
        connection.held_until_ns = None;
        self.give_up_missing(&mut connection, None);
        self.end_inside(&mut connection, None);
        if matches!(connection.phase, Phase::Detecting(_)) {
            self.classify(&mut connection, at_ns, false);
        }
        let at = Moment { mono_ns: at_ns, thread_id: 0 };
        self.with_parser(&mut connection, |parser, out| parser.close(at, out));
        if !plaintext::is_plain(connection.key) {
            self.report(&connection, at_ns, true, totals);
            self.note_unseen(&connection, at_ns, totals);
            self.pairs.remove(&connection);
        }
        if connection.decision.is_some()
            && let Some(policies) = &mut self.policies
        {
            policies.forget(connection.key);
        }
    }

    fn report(&mut self, connection: &Connection, at_ns: u64, closed: bool, totals: Option<Totals>) {
        let told = Told { at_ns, closed, totals };
        let inside = self.connections.get(plaintext::key_of(connection.key)).and_then(|plain| plain.protocol);
        report(connection, inside, &told, self.context.clock, &self.context.host, &mut self.writer);
    }

    /// The one that was silent longest makes room.
    fn evict(&mut self) {
        let bases = self.connections.iter().filter(|c| !plaintext::is_plain(c.key));
        let Some(key) = bases.min_by_key(|c| c.last_ns).map(|c| c.key) else { return };
        if let Some(connection) = self.connections.take(key) {
            // what it says from here on is no longer told
            self.writer.losses.add("connect", "too_many_connections", "message", 1, 0);
            let now_ns = self.now_ns;
            self.finish(connection, now_ns, None);
        }
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
            Event::Plain(plain) => {
                self.now_ns = self.now_ns.max(plain.data.at.mono_ns);
                self.plain(&plain);
            }
            Event::End(end) => self.end(&end),
            Event::Closed(closed) => self.closed(&closed),
        }
    }

    fn lost(&mut self, stage: &'static str, reason: &'static str, events: u64, bytes: u64) {
        self.writer.losses.add(stage, reason, "kernel_event", events, bytes);
    }
}

//! Both directions of a connection: which record belongs to which handshake, and when nothing more is wanted.
//!
//! In: segments. Out: a row when a handshake ends, or when it is known that its end will not be seen.

use super::alert;
use super::certificate;
use super::frame::{ALERT, APPLICATION_DATA, HANDSHAKE, Hole, OLD_HELLO, Record, Records, Seen};
use super::handshake::{Handshake, Outcome};
use super::hello::{ClientHello, ServerHello};
use super::limits::{MALFORMED_BYTES_MAX, SURE_RECORDS};
use super::message::{CERTIFICATE, CLIENT_HELLO, HELLO_RETRY_REQUEST, Message, Messages, SERVER_HELLO};
use crate::{Confidence, Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Transport, Wanted};

pub fn parser(_: &Settings, _: Transport, from_start: bool) -> Box<dyn Parser> {
    Box::new(Connection {
        to_server: Direction::new(from_start, true),
        to_client: Direction::new(from_start, false),
        phase: Phase::Hello,
        confidence: if from_start { Confidence::Certain } else { Confidence::Likely },
        gap: false,
        told: false,
        data_records: 0,
        misfit: false,
    })
}

#[derive(Debug)]
struct Direction {
    records: Records,
    messages: Messages,
    /// The record that is being received holds messages in clear.
    in_clear: bool,
    alerts: [u8; alert::CLEAR_BYTES_MAX],
    alert_bytes: usize,
    /// Bytes of records that a hello began in, while it is not whole.
    before: u64,
    /// Whether any record was seen.
    begun: bool,
    /// The place of every record so far was known: what does not fit then is another protocol.
    sure: bool,
    malformed: u64,
}

impl Direction {
    fn new(from_start: bool, old_hello: bool) -> Self {
        Self {
            records: Records::new(from_start, from_start && old_hello),
            messages: Messages::default(),
            in_clear: false,
            alerts: [0; alert::CLEAR_BYTES_MAX],
            alert_bytes: 0,
            before: 0,
            begun: false,
            sure: from_start,
            malformed: 0,
        }
    }

    /// What was seen of alerts in clear; `None` when the record that ended is too long to be that.
    fn alerts(&self, record: &Record) -> Option<&[u8]> {
        (usize::from(record.length) <= self.alerts.len()).then(|| &self.alerts[..self.alert_bytes])
    }

    fn keep_alerts(&mut self, bytes: &[u8]) {
        let room = &mut self.alerts[self.alert_bytes..];
        let kept = bytes.len().min(room.len());
        room[..kept].copy_from_slice(&bytes[..kept]);
        self.alert_bytes += kept;
    }
}

#[derive(Debug)]
enum Phase {
    /// No hello was seen yet.
    Hello,
    Handshake(Box<Handshake>),
    /// Everything is encrypted.
    Encrypted,
}

#[derive(Debug)]
struct Connection {
    to_server: Direction,
    to_client: Direction,
    phase: Phase,
    confidence: Confidence,
    /// Bytes before what comes now were not seen.
    gap: bool,
    /// A handshake was seen to its end.
    told: bool,
    data_records: u32,
    misfit: bool,
}

impl Connection {
    fn direction(&mut self, flow: Flow) -> &mut Direction {
        match flow {
            Flow::ToServer => &mut self.to_server,
            Flow::ToClient => &mut self.to_client,
        }
    }

    /// The beginning of a record, whose header was seen.
    fn begin_record(&mut self, flow: Flow, record: &Record) {
        let (in_clear, whole_hello) = match &self.phase {
            Phase::Hello => (true, None),
            Phase::Handshake(handshake) => (handshake.in_clear(flow), None),
            // another handshake is encrypted as everything is, unless it says plainly that it is not
            Phase::Encrypted => (flow == Flow::ToServer, Some(record.length)),
        };
        let direction = self.direction(flow);
        direction.begun = true;
        direction.in_clear = in_clear;
        direction.alert_bytes = 0;
        if record.kind == HANDSHAKE && in_clear {
            direction.messages.begin_record(whole_hello);
        }
    }

    fn payload(&mut self, flow: Flow, record: &Record, bytes: &[u8], out: &mut dyn Output) {
        match record.kind {
            ALERT => self.direction(flow).keep_alerts(bytes),
            HANDSHAKE => {
                let mut used = 0;
                while used < bytes.len() && self.direction(flow).in_clear {
                    let (n, message) = self.direction(flow).messages.next(&bytes[used..], record.started);
                    used += n;
                    if let Some(message) = message {
                        self.message(flow, message, out);
                    }
                }
            }
            _ => {}
        }
    }

    fn message(&mut self, flow: Flow, message: Message, out: &mut dyn Output) {
        match (flow, message.kind) {
            (Flow::ToServer, CLIENT_HELLO) => {
                let hello = ClientHello::read(&message.body);
                // what looks like one among encrypted messages has to be one
                if hello.whole || !matches!(self.phase, Phase::Encrypted) {
                    self.client_hello(message.started, hello, out);
                }
            }
            (Flow::ToClient, SERVER_HELLO) => match ServerHello::read(&message.body) {
                Some(ServerHello::Retry) => self.answered(message.started, Handshake::retry),
                Some(ServerHello::Selected(selected)) => self.answered(message.started, |h| h.select(selected)),
                None => {}
            },
            (Flow::ToClient, HELLO_RETRY_REQUEST) => self.answered(message.started, Handshake::retry),
            (Flow::ToClient, CERTIFICATE) => {
                if let Phase::Handshake(handshake) = &mut self.phase {
                    handshake.certificate(certificate::first(&message.body));
                }
            }
            _ => return,
        }
        let told = matches!(message.kind, CLIENT_HELLO | SERVER_HELLO);
        if told
            && message.cut
            && let Phase::Handshake(handshake) = &mut self.phase
        {
            handshake.truncate();
        }
    }

    fn client_hello(&mut self, started: Moment, hello: ClientHello, out: &mut dyn Output) {
        if let Phase::Handshake(handshake) = &mut self.phase {
            if handshake.takes_another_hello() {
                return handshake.another_hello(started, hello);
            }
            // nobody does this: the first one is not answered
            handshake.write(None, None, false, out);
        }
        self.begin(started, Some(hello));
    }

    /// The server answers a hello, perhaps one that was not seen.
    fn answered(&mut self, started: Moment, says: impl FnOnce(&mut Handshake)) {
        if !matches!(self.phase, Phase::Handshake(_)) {
            self.begin(started, None);
        }
        if let Phase::Handshake(handshake) = &mut self.phase {
            says(handshake);
        }
    }

    fn begin(&mut self, started: Moment, hello: Option<ClientHello>) {
        let gap = std::mem::take(&mut self.gap);
        let confidence = if gap { Confidence::Guessed } else { self.confidence };
        let mut handshake = Handshake::new(started, hello, confidence, gap);
        for flow in [Flow::ToServer, Flow::ToClient] {
            handshake.count(flow, std::mem::take(&mut self.direction(flow).before));
        }
        self.phase = Phase::Handshake(Box::new(handshake));
    }

    fn end_record(&mut self, flow: Flow, record: &Record, at: Moment, out: &mut dyn Output) {
        if record.kind == APPLICATION_DATA {
            self.data_records = self.data_records.saturating_add(1);
        }
        if record.kind == OLD_HELLO && matches!(self.phase, Phase::Hello) {
            self.begin(record.started, Some(ClientHello::default()));
        }
        let direction = if flow == Flow::ToServer { &mut self.to_server } else { &mut self.to_client };
        match &mut self.phase {
            Phase::Handshake(handshake) => {
                let outcome = handshake.ended(flow, record, direction.in_clear, direction.alerts(record));
                if outcome.is_some() {
                    self.finish(outcome, Some(at), false, out);
                    self.told = true;
                }
            }
            Phase::Hello if record.kind == APPLICATION_DATA => self.encrypted(),
            _ if record.kind == HANDSHAKE && direction.messages.pending() => direction.before += record.bytes(),
            _ => direction.before = 0,
        }
    }

    fn finish(&mut self, outcome: Option<Outcome>, ended: Option<Moment>, broken: bool, out: &mut dyn Output) {
        if let Phase::Handshake(handshake) = &self.phase {
            handshake.write(outcome, ended, broken, out);
            self.encrypted();
        }
    }

    fn encrypted(&mut self) {
        self.phase = Phase::Encrypted;
        for flow in [Flow::ToServer, Flow::ToClient] {
            let direction = self.direction(flow);
            direction.messages.clear();
            direction.in_clear = false;
            direction.before = 0;
        }
    }

    fn seen(&mut self, flow: Flow, seen: Seen<'_>, used: usize, at: Moment, out: &mut dyn Output) {
        match seen {
            Seen::Part => {}
            Seen::Piece { record, bytes, first, last } => {
                if first {
                    self.begin_record(flow, &record);
                }
                self.payload(flow, &record, bytes, out);
                if last {
                    self.direction(flow).malformed = 0;
                    self.end_record(flow, &record, at, out);
                }
            }
            Seen::Foreign(bytes) => {
                let handshake = matches!(self.phase, Phase::Handshake(_));
                let direction = self.direction(flow);
                // a server that does not know TLS answers a hello in its own language; the handshake fails
                let another_language = flow == Flow::ToClient && !direction.begun && handshake;
                let misfit = direction.sure && !another_language;
                direction.sure = false;
                self.misfit |= misfit;
                self.passed(flow, Skipped::Malformed, bytes as u64, out);
            }
            Seen::Passed(why) => self.passed(flow, why, used as u64, out),
        }
    }

    fn passed(&mut self, flow: Flow, why: Skipped, bytes: u64, out: &mut dyn Output) {
        let wanted = !self.told || !matches!(self.phase, Phase::Encrypted);
        if bytes == 0 || !wanted {
            return;
        }
        out.skipped(why, 0, bytes);
        let direction = self.direction(flow);
        direction.malformed = direction.malformed.saturating_add(bytes);
        self.misfit |= self.direction(flow).malformed > MALFORMED_BYTES_MAX;
    }

    /// Bytes that were not seen hide where records begin.
    fn lost(&mut self, flow: Flow, held: usize, len: u64, out: &mut dyn Output) {
        let direction = self.direction(flow);
        direction.sure = false;
        direction.messages.clear();
        direction.before = 0;
        match &mut self.phase {
            Phase::Hello => self.gap = true,
            Phase::Handshake(handshake) => {
                handshake.hole();
                handshake.uncount(flow);
            }
            // nothing of it is wanted
            Phase::Encrypted => return,
        }
        out.skipped(Skipped::Gap, 0, len.saturating_add(held as u64));
    }
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        let Segment { flow, bytes, at, .. } = segment;
        self.direction(flow).records.begin_segment(bytes);
        let mut used = 0;
        while used < bytes.len() && !self.misfit {
            let (n, seen) = self.direction(flow).records.next(&bytes[used..], at);
            used += n;
            self.seen(flow, seen, n, at, out);
        }
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        if len == 0 || self.misfit {
            return;
        }
        match self.direction(flow).records.hole(len) {
            Hole::Inside { record, first, last } => {
                if first {
                    self.begin_record(flow, &record);
                }
                if record.kind == HANDSHAKE && self.direction(flow).in_clear {
                    let message = self.direction(flow).messages.hole(usize::try_from(len).unwrap_or(usize::MAX));
                    if let Some(message) = message {
                        self.message(flow, message, out);
                    }
                    if self.direction(flow).messages.lost()
                        && let Phase::Handshake(handshake) = &mut self.phase
                    {
                        handshake.hole();
                    }
                }
                if last {
                    self.end_record(flow, &record, at, out);
                }
            }
            Hole::Beyond { held } => self.lost(flow, held, len, out),
        }
    }

    fn end(&mut self, _: Flow, _: Moment, _: &mut dyn Output) {}

    fn close(&mut self, _: Moment, out: &mut dyn Output) {
        if let Phase::Handshake(handshake) = &self.phase {
            let outcome = handshake.broken_off();
            self.finish(outcome, None, true, out);
        }
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        if self.waiting_since().is_some_and(|since| since < before_ns) {
            self.finish(None, None, false, out);
        }
    }

    fn waiting_since(&self) -> Option<u64> {
        match &self.phase {
            Phase::Handshake(handshake) => Some(handshake.started_ns()),
            _ => None,
        }
    }

    fn state(&self) -> State {
        if self.misfit { State::NotMine } else { State::Working }
    }

    fn wanted(&self) -> Wanted {
        let encrypted = matches!(self.phase, Phase::Encrypted);
        if encrypted && (self.told || self.data_records >= SURE_RECORDS) { Wanted::Counters } else { Wanted::Full }
    }

    fn heap_bytes(&self) -> usize {
        let handshake = match &self.phase {
            Phase::Handshake(handshake) => handshake.heap_bytes(),
            _ => 0,
        };
        size_of::<Self>() + handshake + self.to_server.messages.heap_bytes() + self.to_client.messages.heap_bytes()
    }
}

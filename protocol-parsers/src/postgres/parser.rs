//! One connection: takes both directions apart and tells the session what was said, in the order in which it was said.

use super::frame::{Frames, Hole, Seen};
use super::opening::{Opening, Packet, Progress};
use super::pair::{Kind, Waiting};
use super::session::Session;
use crate::{Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Successor, tls};

/// So many times in a row what came was no message: this is another protocol.
const FALLS_MAX: u32 = 4;
/// So many bytes were passed over since the last message, looking for the next.
const PASSED_BYTES_MAX: u64 = 1 << 20;

pub struct Connection {
    up: Frames,
    down: Frames,
    session: Session,
    /// The packets before the login; `None` once it has begun.
    opening: Option<Opening>,
    /// Requests for encryption that wait for their answer of one byte.
    asked_encryption: u32,
    /// The connection goes on encrypted.
    handed_over: bool,
    /// With TLS, and not another encryption.
    successor: Option<Successor>,
    foreign: bool,
    last_flow: Option<Flow>,
    /// Why bytes in search of a message's beginning are passed over.
    passing: Skipped,
    falls: u32,
    passed_bytes: u64,
}

impl Connection {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        Self {
            up: Frames::new(Flow::ToServer, !from_start),
            down: Frames::new(Flow::ToClient, !from_start),
            session: Session::new(settings, from_start),
            opening: Some(Opening::default()),
            asked_encryption: 0,
            handed_over: false,
            successor: None,
            foreign: false,
            last_flow: None,
            passing: if from_start { Skipped::Malformed } else { Skipped::JoinedMidMessage },
            falls: 0,
            passed_bytes: 0,
        }
    }

    // ---- to the server

    fn take_requests(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let mut used = 0;
        if self.opening.is_some() {
            used = self.open(bytes, at, out);
        }
        while used < bytes.len() && !self.foreign {
            let lost = self.up.lost;
            let (n, seen) = self.up.next(&bytes[used..], at);
            used += n;
            match seen {
                Seen::Part => {}
                Seen::Passed(passed) => self.passed(passed, lost, out),
                Seen::Message(message) => {
                    let bytes = message.bytes;
                    let sound = self.session.asked(&message, out);
                    self.judge(Flow::ToServer, sound, bytes, out);
                }
            }
        }
    }

    /// The packets before the login; how many bytes were used.
    fn open(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let Some(opening) = &mut self.opening else { break };
            // a joined connection is mostly past its login
            if self.session.joined && opening.waiting() == 0 && bytes[used] != 0 {
                self.opening = None;
                break;
            }
            let (n, progress) = opening.next(&bytes[used..], at);
            used += n;
            match progress {
                Progress::Part => {}
                Progress::Foreign => self.foreign = true,
                Progress::Whole(packet, length) => {
                    let started = opening.started;
                    match packet {
                        Packet::Encryption => self.asked_encryption += 1,
                        Packet::Cancel => {}
                        Packet::Login { .. } => self.opening = None,
                    }
                    self.session.opened(packet, started, length, out);
                }
            }
            if self.foreign {
                break;
            }
        }
        used
    }

    // ---- to the client

    fn take_responses(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let mut used = 0;
        while used < bytes.len() && self.asked_encryption > 0 && !self.handed_over {
            match bytes[used] {
                answer @ (b'S' | b'G') => {
                    self.handed_over = true;
                    self.successor = (answer == b'S').then(tls::begun);
                }
                b'N' => self.asked_encryption -= 1,
                // a server that does not know the request answers with an error
                _ => {
                    self.asked_encryption = 0;
                    break;
                }
            }
            used += 1;
        }
        if let Some(next) = &mut self.successor
            && used < bytes.len()
        {
            let bytes = &bytes[used..];
            next.parser.bytes(Segment { flow: Flow::ToClient, bytes, at, remote: None }, out);
        }
        while used < bytes.len() && !self.handed_over && !self.foreign {
            let lost = self.down.lost;
            let (n, seen) = self.down.next(&bytes[used..], at);
            used += n;
            match seen {
                Seen::Part => {}
                Seen::Passed(passed) => {
                    if !lost {
                        self.replies_lost(0);
                    }
                    self.passed(passed, lost, out);
                }
                Seen::Message(message) => {
                    let bytes = message.bytes;
                    let sound = self.session.answered(&message, at, out);
                    self.judge(Flow::ToClient, sound, bytes, out);
                }
            }
        }
    }

    /// A message came, which may have turned out to be none.
    #[inline]
    fn judge(&mut self, flow: Flow, sound: bool, bytes: u64, out: &mut dyn Output) {
        if sound {
            (self.falls, self.passed_bytes) = (0, 0);
            return;
        }
        match flow {
            Flow::ToServer => self.up.lose(),
            Flow::ToClient => {
                self.down.lose();
                self.replies_lost(0);
            }
        }
        self.passed(bytes, false, out);
    }

    // ---- what is missing

    fn passed(&mut self, bytes: u64, was_lost: bool, out: &mut dyn Output) {
        if !was_lost {
            self.falls += 1;
        }
        self.passed_bytes += bytes;
        if bytes > 0 {
            out.skipped(self.passing, u64::from(!was_lost), bytes);
        }
        if !was_lost && self.falls > 1 {
            self.passing = Skipped::Malformed;
        }
    }

    /// Some of what the server said is not known.
    fn replies_lost(&mut self, bytes: u64) {
        let session = &mut self.session;
        (session.unaligned, session.holed, session.replies_lost) = (true, true, true);
        session.outcome.gap_before = true;
        session.idle = false;
        if let Some(stream) = &mut session.replication {
            stream.gap = true;
        }
        session.outcome.bytes += bytes;
    }

    /// The direction changed: what was being looked for may begin here.
    fn turn(&mut self, flow: Flow, out: &mut dyn Output) {
        if self.last_flow.replace(flow) == Some(flow) {
            return;
        }
        let passed = match flow {
            Flow::ToServer => {
                self.session.settle(out);
                self.up.turn()
            }
            Flow::ToClient => self.down.turn(),
        };
        self.passed(passed, true, out);
    }

    fn requests_unseen(&mut self, len: u64, out: &mut dyn Output) {
        if let Some(opening) = self.opening.take() {
            let bytes = opening.waiting();
            if bytes > 0 {
                out.skipped(Skipped::Gap, 1, bytes);
            }
        }
        match self.up.unseen(len) {
            Hole::Inside => {
                let session = &mut self.session;
                if let Some(message) = self.up.completed() {
                    let bytes = message.bytes;
                    let sound = session.asked(&message, out);
                    self.judge(Flow::ToServer, sound, bytes, out);
                }
                return;
            }
            Hole::Beyond { bytes, .. } if bytes > 0 => out.skipped(Skipped::Gap, 1, bytes),
            Hole::Beyond { .. } => {}
        }
        out.skipped(Skipped::Gap, 0, len);
        self.passing = Skipped::Gap;
        let session = &mut self.session;
        session.holed = true;
        if session.copy_unseen(len) {
            return;
        }
        (session.unaligned, session.gap_to_server) = (true, true);
        session.queue.push(Waiting::new(Kind::Unknown, Moment::default(), 0), out);
        session.statements.doubt();
    }

    fn responses_unseen(&mut self, len: u64, at: Moment, out: &mut dyn Output) {
        if self.asked_encryption > 0 {
            self.asked_encryption = 0;
        }
        match self.down.unseen(len) {
            Hole::Inside => {
                let session = &mut self.session;
                if let Some(message) = self.down.completed() {
                    let bytes = message.bytes;
                    let sound = session.answered(&message, at, out);
                    self.judge(Flow::ToClient, sound, bytes, out);
                }
                return;
            }
            Hole::Beyond { bytes, .. } => self.replies_lost(len.saturating_add(bytes)),
        }
        out.skipped(Skipped::Gap, 0, len);
        self.passing = Skipped::Gap;
    }
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        if self.handed_over || self.foreign || segment.bytes.is_empty() {
            return;
        }
        self.turn(segment.flow, out);
        match segment.flow {
            Flow::ToServer => self.take_requests(segment.bytes, segment.at, out),
            Flow::ToClient => self.take_responses(segment.bytes, segment.at, out),
        }
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        if self.handed_over || self.foreign || len == 0 {
            return;
        }
        self.turn(flow, out);
        match flow {
            Flow::ToServer => self.requests_unseen(len, out),
            Flow::ToClient => self.responses_unseen(len, at, out),
        }
    }

    fn end(&mut self, flow: Flow, _: Moment, out: &mut dyn Output) {
        if self.handed_over || self.foreign || flow == Flow::ToClient {
            return;
        }
        let opened = self.opening.take().map_or(0, |o| o.waiting());
        if opened > 0 {
            out.skipped(self.passing, 1, opened);
        }
        if let Some((_, bytes)) = self.up.rest() {
            out.skipped(self.passing, 1, bytes);
            self.up.lose();
        }
    }

    fn close(&mut self, at: Moment, out: &mut dyn Output) {
        self.end(Flow::ToServer, at, out);
        if let Some((_, bytes)) = self.down.rest() {
            self.session.outcome.bytes += bytes;
        }
        self.session.give_up(true, out);
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        self.session.expire(before_ns, out);
    }

    fn waiting_since(&self) -> Option<u64> {
        self.session.queue.waiting_since()
    }

    fn state(&self) -> State {
        if self.handed_over {
            return State::HandedOver;
        }
        let foreign = self.foreign || self.falls >= FALLS_MAX || self.passed_bytes >= PASSED_BYTES_MAX;
        if foreign { State::NotMine } else { State::Working }
    }

    fn successor(&mut self) -> Option<Successor> {
        self.successor.take()
    }

    fn passes_over(&self, flow: Flow) -> u64 {
        match flow {
            _ if self.handed_over || self.opening.is_some() => 0,
            Flow::ToServer => self.up.passes_over(),
            Flow::ToClient => self.down.passes_over(),
        }
    }

    fn heap_bytes(&self) -> usize {
        let opening = self.opening.as_ref().map_or(0, Opening::heap_bytes);
        self.up.heap_bytes() + self.down.heap_bytes() + self.session.heap_bytes() + opening
    }
}

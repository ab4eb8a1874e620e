//! One connection: finds packets in both directions, keeps them aligned, and hands them to the session.
//!
//! The protocol is half-duplex but for a few pipelining clients: when a place in the bytes is lost, the next command begins
//! where the client speaks after the server has, and its response where the server speaks next, with the sequence number that
//! follows the command's.

mod packed;

use super::command::plausible;
use super::compress::Frames;
use super::frame::{HEADER_BYTES, Hole, Packets, Seen};
use super::limits::{FALLS_MAX, LOGIN_BYTES_MAX, PASSED_BYTES_MAX, RESPONSE_PACKET_BYTES_MAX};
use super::meter::Meter;
use super::read::length;
use super::session::{Phase, Session};
use crate::{Flow, Moment, Output, Parser, Segment, Settings, Skipped, State, Successor, tls};

/// A header and the byte of the command.
const PROBE_BYTES: usize = HEADER_BYTES + 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sync {
    /// The next byte belongs to the packet that is expected.
    Sound,
    /// The next byte begins a packet, if it looks like one.
    Trying,
    /// Bytes are passed over until the direction changes.
    Lost,
}

pub struct Connection {
    up: Packets,
    down: Packets,
    up_sync: Sync,
    down_sync: Sync,
    /// First bytes that may be a command, and when they were seen.
    probe: [u8; PROBE_BYTES],
    probe_len: usize,
    probe_at: Moment,
    /// Of a connection that was joined, what the client says first: kept until it is known whether it is compressed.
    first: Option<Vec<u8>>,
    first_at: Moment,
    /// The compressed protocol of both directions.
    up_frames: Option<Box<Frames>>,
    down_frames: Option<Box<Frames>>,
    up_meter: Meter,
    down_meter: Meter,
    session: Session,
    /// After an SSLRequest.
    successor: Option<Successor>,
    last_flow: Option<Flow>,
    /// Why bytes in search of a packet are passed over.
    passing: Skipped,
    falls: u32,
    passed_bytes: u64,
}

impl Connection {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        let (sync, passing) =
            if from_start { (Sync::Sound, Skipped::Malformed) } else { (Sync::Trying, Skipped::JoinedMidMessage) };
        Self {
            up: Packets::new(settings.body_bytes_max),
            down: Packets::new(RESPONSE_PACKET_BYTES_MAX),
            up_sync: sync,
            down_sync: if from_start { Sync::Sound } else { Sync::Lost },
            probe: [0; PROBE_BYTES],
            probe_len: 0,
            probe_at: Moment::default(),
            first: (!from_start).then(Vec::new),
            first_at: Moment::default(),
            up_frames: None,
            down_frames: None,
            up_meter: Meter::default(),
            down_meter: Meter::default(),
            session: Session::new(settings, from_start),
            successor: None,
            last_flow: None,
            passing,
            falls: 0,
            passed_bytes: 0,
        }
    }

    // ---- bytes to the server

    fn bytes_up(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        match self.up_frames.take() {
            None => self.take_up(bytes, at, out),
            Some(frames) => self.packed_up(frames, bytes, at, out),
        }
    }

    fn take_up(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let mut used = 0;
        while used < bytes.len() && !self.session.tls {
            let rest = &bytes[used..];
            used += match self.up_sync {
                Sync::Lost => {
                    self.pass(rest.len(), out);
                    return;
                }
                Sync::Trying => self.try_up(rest, at, out),
                Sync::Sound => self.packet_up(rest, at, out),
            };
        }
        if self.session.tls {
            let mut next = tls::begun();
            next.parser.bytes(Segment { flow: Flow::ToServer, bytes: &bytes[used..], at, remote: None }, out);
            self.successor = Some(next);
        }
    }

    fn packet_up(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) -> usize {
        let session = &mut self.session;
        let compressed = self.up_frames.is_some();
        let (used, seen) = self.up.next(bytes, at, |seq, length| compressed || session.accepts_up(seq, length));
        if compressed {
            self.up_meter.measure(used as u64);
        }
        match seen {
            Seen::Part => {}
            Seen::Whole(mut packet) => {
                if compressed {
                    packet.bytes = self.up_meter.take();
                }
                let understood = session.packet_up(&packet, out);
                let bytes = packet.bytes;
                self.heard(understood, bytes, out);
            }
            Seen::Refused => {
                self.up_meter.clear();
                session.refused();
                self.fall(HEADER_BYTES as u64, out);
                self.up_sync = Sync::Lost;
            }
        }
        used
    }

    /// What the session made of the client's packet.
    fn heard(&mut self, understood: bool, bytes: u64, out: &mut dyn Output) {
        if !understood {
            self.fall(bytes, out);
            return self.up_sync = Sync::Lost;
        }
        (self.falls, self.passed_bytes) = (0, 0);
        self.up_sync = Sync::Sound;
        if self.session.joined_late() {
            // it did not begin with a greeting
            (self.down_sync, self.passing) = (Sync::Lost, Skipped::JoinedMidMessage);
        }
        if self.down_sync == Sync::Lost && self.session.awaits_first() {
            self.down_sync = Sync::Trying;
        }
    }

    /// Whether what comes begins with a command: its header and first byte say so.
    fn try_up(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) -> usize {
        if self.probe_len == 0 {
            self.probe_at = at;
        }
        let n = (PROBE_BYTES - self.probe_len).min(bytes.len());
        self.probe[self.probe_len..self.probe_len + n].copy_from_slice(&bytes[..n]);
        self.probe_len += n;
        if self.up_frames.is_some() {
            self.up_meter.probed(n);
        }
        if self.probe_len < PROBE_BYTES {
            return n;
        }
        self.probe_len = 0;
        let [a, b, c, seq, code] = self.probe;
        let length = length(&[a, b, c, seq]);
        let login = self.session.may_log_in() && matches!(seq, 1 | 2) && (33..=LOGIN_BYTES_MAX).contains(&length);
        if login {
            self.session.phase = Phase::Login;
        } else if seq != 0 || !plausible(code, length) {
            self.up_meter.clear();
            self.up_sync = Sync::Lost;
            self.pass(PROBE_BYTES, out);
            return n;
        }
        self.up_sync = Sync::Sound;
        self.up.reset();
        let (probe, probe_at) = (self.probe, self.probe_at);
        self.packet_up(&probe, probe_at, out);
        n
    }

    // ---- bytes to the client

    /// How many bytes are used: not those after the packet with which compression begins.
    fn take_down(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            if self.down_sync == Sync::Lost {
                self.pass(bytes.len() - used, out);
                return bytes.len();
            }
            used += self.packet_down(&bytes[used..], at, out);
            // what looks like another login in what is compressed already begins nothing
            if std::mem::take(&mut self.session.compression_begins) && self.down_frames.is_none() {
                self.up_frames = Some(Box::default());
                self.down_frames = Some(Box::default());
                return used;
            }
        }
        used
    }

    #[inline]
    fn packet_down(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) -> usize {
        let session = &mut self.session;
        let compressed = self.down_frames.is_some();
        let (used, seen) = self.down.next(bytes, at, |seq, length| compressed || session.accepts_down(seq, length));
        if compressed {
            self.down_meter.measure(used as u64);
        }
        match seen {
            Seen::Part => {}
            Seen::Whole(mut packet) => {
                if compressed {
                    packet.bytes = self.down_meter.take();
                }
                if session.packet_down(&packet, at, out) {
                    (self.falls, self.passed_bytes, self.down_sync) = (0, 0, Sync::Sound);
                } else {
                    if session.joined_late() {
                        (self.up_sync, self.passing) = (Sync::Trying, Skipped::JoinedMidMessage);
                    }
                    let bytes = packet.bytes;
                    self.fall(bytes, out);
                    self.down_sync = Sync::Lost;
                }
            }
            Seen::Refused => {
                self.down_meter.clear();
                if session.refused() {
                    self.up_sync = Sync::Trying;
                }
                self.fall(HEADER_BYTES as u64, out);
                self.down_sync = Sync::Lost;
                self.session.response_lost(out);
            }
        }
        used
    }

    // ---- what is missing or no packet

    fn pass(&mut self, bytes: usize, out: &mut dyn Output) {
        self.passed_bytes += bytes as u64;
        out.skipped(self.passing, 0, bytes as u64);
    }

    /// `bytes` are no packet that belongs here.
    fn fall(&mut self, bytes: u64, out: &mut dyn Output) {
        self.falls += 1;
        self.passed_bytes += bytes;
        out.skipped(self.passing, 0, bytes);
        if self.passing == Skipped::JoinedMidMessage {
            self.passing = Skipped::Malformed;
        }
    }

    /// The direction changed: what was being looked for may begin here.
    fn turn(&mut self, flow: Flow, out: &mut dyn Output) {
        if self.last_flow.replace(flow) == Some(flow) {
            return;
        }
        let frames = if flow == Flow::ToServer { &mut self.up_frames } else { &mut self.down_frames };
        if let Some(frames) = frames
            && frames.lost
        {
            frames.reset();
        }
        if flow == Flow::ToServer {
            self.session.client_turns(out);
            if self.up_sync == Sync::Lost {
                self.up_sync = Sync::Trying;
            }
        }
    }

    fn up_unseen(&mut self, len: u64, at: Moment, out: &mut dyn Output) {
        let hole = if self.up_sync == Sync::Sound { self.up.unseen(len) } else { Hole::Between };
        if hole == Hole::Inside {
            self.packet_up(&[], at, out);
            return;
        }
        out.skipped(Skipped::Gap, 0, len);
        self.up_lost(hole, out);
    }

    /// Where packets begin in this direction is not known any more.
    fn up_lost(&mut self, hole: Hole, out: &mut dyn Output) {
        let mut cut = (hole == Hole::Cut).then(|| self.up.packet());
        if let Some(packet) = cut.as_mut().filter(|_| self.up_frames.is_some()) {
            packet.bytes = self.up_meter.take();
        }
        self.session.up_gap(cut.as_ref(), out);
        self.up_meter.clear();
        if self.down_sync == Sync::Lost && self.session.awaits_first() {
            self.down_sync = Sync::Trying;
        }
        self.up.reset();
        (self.up_sync, self.probe_len, self.passing) = (Sync::Trying, 0, Skipped::Gap);
    }

    fn down_unseen(&mut self, len: u64, at: Moment, out: &mut dyn Output) {
        let hole = if self.down_sync == Sync::Lost { Hole::Between } else { self.down.unseen(len) };
        if hole == Hole::Inside {
            self.packet_down(&[], at, out);
            return;
        }
        out.skipped(Skipped::Gap, 0, len);
        self.down_lost(out);
    }

    fn down_lost(&mut self, out: &mut dyn Output) {
        self.session.down_gap(out);
        self.down.reset();
        self.down_meter.clear();
        (self.down_sync, self.passing) = (Sync::Lost, Skipped::Gap);
    }
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        if self.session.tls || segment.bytes.is_empty() {
            return;
        }
        self.turn(segment.flow, out);
        let (mut bytes, at) = (segment.bytes, segment.at);
        if segment.flow == Flow::ToClient {
            self.decide_first(true, out);
        }
        match segment.flow {
            Flow::ToServer if self.first.is_some() => self.keep_first(bytes, at, out),
            Flow::ToServer => self.bytes_up(bytes, at, out),
            Flow::ToClient => {
                if self.down_frames.is_none() {
                    let used = self.take_down(bytes, at, out);
                    bytes = &bytes[used..];
                }
                if let Some(frames) = self.down_frames.take_if(|_| !bytes.is_empty()) {
                    self.packed_down(frames, bytes, at, out);
                }
            }
        }
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        if self.session.tls || len == 0 {
            return;
        }
        self.decide_first(true, out);
        match flow {
            Flow::ToServer => match self.up_frames.take() {
                None => self.up_unseen(len, at, out),
                Some(frames) => self.packed_up_unseen(frames, len, out),
            },
            Flow::ToClient => match self.down_frames.take() {
                None => self.down_unseen(len, at, out),
                Some(frames) => self.packed_down_unseen(frames, len, at, out),
            },
        }
    }

    fn end(&mut self, flow: Flow, _: Moment, out: &mut dyn Output) {
        self.decide_first(true, out);
        if flow == Flow::ToServer && !self.session.tls {
            let bytes = if self.up_sync == Sync::Sound { self.up.pending_bytes() } else { self.probe_len as u64 };
            if bytes > 0 {
                out.skipped(self.passing, 0, bytes);
            }
            self.up.reset();
            self.probe_len = 0;
        }
    }

    fn close(&mut self, at: Moment, out: &mut dyn Output) {
        self.end(Flow::ToServer, at, out);
        let pending = match (self.down_sync, &self.down_frames) {
            (Sync::Lost, _) => 0,
            (_, Some(_)) => self.down_meter.take(),
            _ => self.down.pending_bytes(),
        };
        self.session.close(pending, out);
        self.down.reset();
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        self.session.expire(before_ns, out);
    }

    fn waiting_since(&self) -> Option<u64> {
        self.session.waiting_since()
    }

    fn state(&self) -> State {
        if self.session.tls {
            State::HandedOver
        } else if self.falls >= FALLS_MAX || self.passed_bytes >= PASSED_BYTES_MAX {
            State::NotMine
        } else {
            State::Working
        }
    }

    fn successor(&mut self) -> Option<Successor> {
        self.successor.take()
    }

    fn heap_bytes(&self) -> usize {
        let frames = |f: &Option<Box<Frames>>| f.as_ref().map_or(0, |f| f.heap_bytes());
        self.first.as_ref().map_or(0, Vec::capacity)
            + self.up.heap_bytes()
            + self.down.heap_bytes()
            + self.session.heap_bytes()
            + frames(&self.up_frames)
            + frames(&self.down_frames)
    }
}

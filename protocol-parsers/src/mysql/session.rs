//! What is said on a connection: packets of both directions, already found, become commands, responses and rows.

mod missing;
mod reading;

use std::sync::Arc;

use super::command::{self, Code, Reply, reply};
use super::execute::Room;
use super::frame::Packet;
use super::limits::LOGIN_BYTES_MAX;
use super::login::{self, Dialect, Names, flag, greeting, name};
use super::queue::{Queue, Waiting};
use super::response::{Progress, Response, ends_late};
use super::row::{Answer, emit};
use super::statements::{Statement, Statements};
use super::text::used_database;
use crate::{Confidence, Moment, Output, Settings, Skipped};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The server's greeting is to come.
    Greeting,
    /// The client's answer to it is to come.
    Login,
    Commands,
}

/// First byte of what a replica sends while it gets events.
const REPLICA_ACKNOWLEDGES: u8 = 0xef;

#[derive(Debug)]
pub struct Session {
    pub phase: Phase,
    /// Everything that follows is TLS.
    pub tls: bool,
    /// What follows is compressed.
    pub compression_begins: bool,
    /// Flags of the greeting; `None` when it was not seen.
    server_flags: Option<u32>,
    compression_agreed: bool,
    dialect: Dialect,
    names: Names,
    statements: Statements,
    queue: Queue,
    /// The response to the first waiting command, as far as it came.
    response: Response,
    /// The client was asked for a file, and sends it.
    infile: bool,
    /// The client sends what was not seen to be asked for.
    answering: bool,
    up_seq: u8,
    /// Sequence number that the server's next packet has, where that is known.
    down_seq: Option<u8>,
    /// The response before may still get its EOF packet, with this sequence number.
    late_eof_seq: Option<u8>,
    joined: bool,
    /// The connection proved to be joined only now.
    joined_late: bool,
    /// Bytes were not seen.
    holed: bool,
    /// Since a gap it is not known which command a response belongs to.
    unaligned: bool,
    /// Responses were lost in it, so that commands may wait in vain.
    responses_lost: bool,
    gap_up: bool,
    gap_down: bool,
    room: Room,
}

impl Session {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        Self {
            phase: if from_start { Phase::Greeting } else { Phase::Commands },
            tls: false,
            compression_begins: false,
            server_flags: None,
            compression_agreed: false,
            dialect: Dialect::default(),
            names: Names::default(),
            statements: Statements::default(),
            queue: Queue::default(),
            response: Response::default(),
            infile: false,
            answering: false,
            up_seq: 0,
            down_seq: None,
            late_eof_seq: None,
            joined: !from_start,
            joined_late: false,
            holed: false,
            unaligned: false,
            responses_lost: false,
            gap_up: false,
            gap_down: false,
            room: Room { value_bytes_max: settings.argument_bytes_max, list_bytes_max: settings.body_bytes_max },
        }
    }

    fn confidence(&self) -> Confidence {
        match (self.unaligned || self.gap_up, self.joined || self.holed) {
            (true, _) => Confidence::Guessed,
            (_, true) => Confidence::Likely,
            _ => Confidence::Certain,
        }
    }

    /// Whether a connection that was joined may have been joined before the login.
    pub fn may_log_in(&self) -> bool {
        self.joined && self.phase == Phase::Commands && self.queue.is_empty() && self.statements.heap_bytes() == 0
    }

    /// Whether it just proved that the connection did not begin with a greeting.
    pub fn joined_late(&mut self) -> bool {
        std::mem::take(&mut self.joined_late)
    }

    /// The first waiting command has nothing of its response.
    pub fn awaits_first(&self) -> bool {
        self.response.is_empty() && !self.queue.is_empty()
    }

    // ---- packets to the server

    /// Whether a packet with this header may come from the client.
    pub fn accepts_up(&self, seq: u8, length: u32) -> bool {
        if self.phase != Phase::Commands {
            return seq <= 2 && length <= LOGIN_BYTES_MAX;
        }
        let authenticates = || self.queue.front().is_some_and(|w| w.reply == Reply::Login);
        // the server's request for more has the number between
        let answers = || seq == self.up_seq.wrapping_add(2) || (self.answering && seq == self.up_seq.wrapping_add(1));
        seq == 0 || self.infile || answers() || authenticates()
    }

    /// A header that belongs to nothing; `true` when it shows that the connection did not begin with a greeting.
    pub fn refused(&mut self) -> bool {
        let late = self.phase != Phase::Commands;
        if late {
            (self.phase, self.joined) = (Phase::Commands, true);
        }
        late
    }

    /// `false` when the packet is none that belongs here.
    pub fn packet_up(&mut self, packet: &Packet<'_>, out: &mut dyn Output) -> bool {
        let before = std::mem::replace(&mut self.up_seq, packet.last_seq);
        if self.phase != Phase::Commands {
            if packet.first_seq != 0 {
                return self.login(packet, out);
            }
            (self.phase, self.joined, self.joined_late) = (Phase::Commands, true, true);
        }
        let wrapped = before == u8::MAX && (self.infile || self.answering);
        if packet.first_seq != 0 || wrapped {
            self.answered(packet);
            return true;
        }
        (self.infile, self.answering) = (false, false);
        self.command(packet, out)
    }

    /// A part of a file, an answer in an authentication: it belongs to the command that waits.
    fn answered(&mut self, packet: &Packet<'_>) {
        let authenticates = self.queue.front().is_some_and(|w| w.reply == Reply::Login);
        if let Some(waiting) = self.queue.front_mut() {
            waiting.bytes = waiting.bytes.map(|bytes| bytes + packet.bytes);
        }
        self.down_seq = None;
        if !authenticates {
            // a file ends with a packet without payload
            let ended = packet.length == 0;
            self.answering = !ended;
            self.infile &= !ended;
        }
    }

    fn login(&mut self, packet: &Packet<'_>, out: &mut dyn Output) -> bool {
        let Some(response) = login::response(packet.payload) else {
            (self.phase, self.joined, self.joined_late) = (Phase::Commands, true, true);
            return false;
        };
        let (flags, names) = match response {
            login::Response::Tls => {
                self.tls = true;
                return true;
            }
            login::Response::Login { flags, names } => (flags & self.server_flags.unwrap_or(u32::MAX), names),
        };
        self.dialect = Dialect {
            deprecate_eof: Some(flags & flag::DEPRECATE_EOF != 0),
            session_track: Some(flags & flag::SESSION_TRACK != 0),
            query_attributes: Some(flags & flag::QUERY_ATTRIBUTES != 0),
        };
        self.compression_agreed = flags & (flag::COMPRESS | flag::ZSTD) != 0;
        self.phase = Phase::Commands;
        let mut waiting = Waiting::new(Code::Login, Reply::Login, Vec::new(), packet.started);
        waiting.names = Some(Box::new(names));
        self.wait(waiting, packet, out);
        true
    }

    fn command(&mut self, packet: &Packet<'_>, out: &mut dyn Output) -> bool {
        let Some(&code) = packet.payload.first() else {
            if packet.length > 0 {
                // the hole hides which command it is
                self.unknown_command(packet.bytes, out);
            }
            return packet.length > 0;
        };
        if code == REPLICA_ACKNOWLEDGES && self.queue.front().is_some_and(|w| w.reply == Reply::Stream) {
            return true;
        }
        let buffer = self.queue.buffer();
        let mut waiting = Waiting::new(Code::Command(code), reply(code), buffer, packet.started);
        self.read(code, packet, &mut waiting);
        self.wait(waiting, packet, out);
        true
    }

    /// A command waits, or, when nothing answers it, is a row at once.
    fn wait(&mut self, mut waiting: Waiting, packet: &Packet<'_>, out: &mut dyn Output) {
        waiting.bytes = Some(packet.bytes);
        waiting.last_seq = packet.last_seq;
        waiting.confidence = self.confidence();
        waiting.gap_before = std::mem::take(&mut self.gap_up);
        if waiting.reply == Reply::Nothing {
            emit(&waiting, None, false, &self.names, out);
            self.queue.recycle(waiting.buffer);
            return;
        }
        if self.queue.is_empty() {
            self.down_seq = Some(packet.last_seq.wrapping_add(1));
        }
        if !self.queue.push(waiting) {
            out.skipped(Skipped::OverLimit, 1, packet.bytes);
        }
    }

    /// A command of which nothing is known waits silently.
    fn unknown_command(&mut self, bytes: u64, out: &mut dyn Output) {
        out.skipped(Skipped::Gap, 1, bytes);
        let mut waiting = Waiting::new(Code::Command(command::QUERY), Reply::Result, Vec::new(), Moment::default());
        waiting.silent = true;
        self.queue.push(waiting);
        (self.down_seq, self.holed) = (None, true);
    }

    // ---- packets to the client

    /// Whether a packet with this header may come from the server.
    #[inline]
    pub fn accepts_down(&self, seq: u8, length: u32) -> bool {
        if self.phase == Phase::Greeting {
            return seq == 0 && length <= LOGIN_BYTES_MAX;
        }
        self.down_seq.is_none_or(|expected| expected == seq)
    }

    /// `false` when the packet is none that belongs here.
    #[inline]
    pub fn packet_down(&mut self, packet: &Packet<'_>, at: Moment, out: &mut dyn Output) -> bool {
        if self.phase != Phase::Commands {
            return self.greeted(packet, at, out);
        }
        if let Some(seq) = self.late_eof_seq.take() {
            let late = packet.first_seq == seq && ends_late(packet);
            self.dialect.deprecate_eof.get_or_insert(!late);
            if late {
                return true;
            }
        }
        let Some(front) = self.queue.front() else { return self.unasked(packet, out) };
        let (reply, began) = (front.reply, !self.response.is_empty());
        match self.response.packet(packet, reply, &mut self.dialect) {
            Progress::More => self.down_seq = (reply != Reply::Login).then(|| packet.last_seq.wrapping_add(1)),
            Progress::Infile => (self.infile, self.down_seq) = (true, None),
            Progress::Whole => self.finish(packet.last_seq, at, out),
            Progress::Malformed => {
                self.response.bytes -= packet.bytes;
                self.response.begun = began;
                self.response_lost(out);
                return false;
            }
        }
        true
    }

    /// The greeting, or an error instead of it.
    fn greeted(&mut self, packet: &Packet<'_>, at: Moment, out: &mut dyn Output) -> bool {
        if packet.payload.first() == Some(&0xff) {
            self.phase = Phase::Commands;
            let mut waiting = Waiting::new(Code::Login, Reply::Login, Vec::new(), packet.started);
            waiting.confidence = self.confidence();
            self.queue.push(waiting);
            self.response.packet(packet, Reply::Login, &mut self.dialect);
            self.finish(packet.last_seq, at, out);
            return true;
        }
        if self.phase == Phase::Greeting
            && let Some(flags) = greeting(packet.payload)
        {
            (self.phase, self.server_flags) = (Phase::Login, Some(flags));
            return true;
        }
        (self.phase, self.joined, self.joined_late) = (Phase::Commands, true, true);
        false
    }

    /// The server speaks although nothing was asked: it says why it closes, or ends what was given up.
    fn unasked(&mut self, packet: &Packet<'_>, out: &mut dyn Output) -> bool {
        self.down_seq = None;
        if packet.payload.first() != Some(&0xff) {
            let why = if self.joined || self.holed { Skipped::JoinedMidMessage } else { Skipped::Malformed };
            out.skipped(why, 0, packet.bytes);
        }
        true
    }

    /// The response to the first waiting command is whole.
    fn finish(&mut self, last_seq: u8, at: Moment, out: &mut dyn Output) {
        self.late_eof_seq = self.response.perhaps_eof.then(|| last_seq.wrapping_add(1));
        self.infile = false;
        let repeated = self.queue.front_mut().is_some_and(|front| {
            front.replies -= 1;
            front.replies > 0
        });
        if !repeated && let Some(mut waiting) = self.queue.pop() {
            self.obey(&mut waiting);
            if self.unaligned {
                waiting.confidence = Confidence::Guessed;
            }
            let answer = Answer {
                response: &self.response,
                ended_ns: Some(at.mono_ns),
                cut: false,
                gap_before: std::mem::take(&mut self.gap_down),
            };
            emit(&waiting, Some(answer), false, &self.names, out);
            self.succeed(&mut waiting);
            self.queue.recycle(waiting.buffer);
        }
        self.response.reset();
        self.await_next();
    }

    /// The next packet of the server answers the command that is now the first.
    fn await_next(&mut self) {
        let next = self.queue.front().filter(|w| !w.silent || w.replies == 1);
        self.down_seq = next.map(|w| w.last_seq.wrapping_add(1)).filter(|_| !self.unaligned);
    }

    /// What has to be known before the row is written.
    fn obey(&mut self, waiting: &mut Waiting) {
        if waiting.unread {
            waiting.unread = false;
            let (payload, cut) = (std::mem::take(&mut waiting.buffer), std::mem::take(&mut waiting.truncated));
            self.bind(&payload, cut, waiting);
        }
        if let (Some(prepared), Some(query)) = (self.response.prepared, waiting.query()) {
            let statement = Statement::new(Arc::from(query), waiting.truncated, prepared.parameters);
            self.statements.insert(prepared.id, statement);
        }
    }

    /// What a command changes for those that follow.
    fn succeed(&mut self, waiting: &mut Waiting) {
        if self.response.error_code.is_some() {
            return;
        }
        if let Some(names) = waiting.names.take() {
            self.names = *names;
        }
        match waiting.code {
            Code::Login => self.compression_begins = self.compression_agreed,
            Code::Command(command::CHANGE_USER | command::RESET_CONNECTION) => self.statements.clear(),
            Code::Command(command::QUERY) if self.response.database.is_none() => {
                if let Some(database) = waiting.query().and_then(used_database) {
                    self.names.database = name(database);
                }
            }
            _ => {}
        }
        if let Some(database) = self.response.database.take() {
            self.names.database = database;
        }
    }

    pub fn waiting_since(&self) -> Option<u64> {
        self.queue.waiting_since()
    }

    pub fn heap_bytes(&self) -> usize {
        self.queue.heap_bytes() + self.statements.heap_bytes() + self.response.heap_bytes() + self.names.heap_bytes()
    }
}

//! One connection: feeds both directions, follows what changes the order of replies, and pairs.
//!
//! What changes it: subscriptions (several replies to one command, and messages between replies), `CLIENT REPLY`, `MONITOR`,
//! replication, gaps.

use super::command::{Command, Commands, Hole, Seen};
use super::pair::{Answer, Expect, Queue, Waiting, emit};
use super::reply::{Kind, Replies};
use super::replying::Replying;
use super::subscribe::{Gathered, Subscriptions, Topic};
use crate::{Confidence, Flow, Moment, Output, Parser, Segment, Settings, Skipped, State};

/// So many times in a row what came was neither a command nor a reply: this is another protocol.
const FALLS_MAX: u32 = 4;
/// So many bytes were passed over since the last command or reply, looking for the next.
const PASSED_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug)]
pub struct Connection {
    commands: Commands,
    replies: Replies,
    queue: Queue,
    subscriptions: Subscriptions,
    /// Confirmations of the first waiting command, when it has several.
    gathered: Gathered,
    replying: Replying,
    monitoring: bool,
    replicating: bool,
    joined: bool,
    /// Bytes were not seen.
    holed: bool,
    /// Since a gap it is not known which command a reply belongs to.
    unaligned: bool,
    /// Replies were lost in it, so that commands may wait in vain.
    replies_lost: bool,
    gap_to_server: bool,
    gap_to_client: bool,
    last_flow: Flow,
    /// Why bytes in search of a message's beginning are passed over.
    passing: Skipped,
    falls: u32,
    passed_bytes: u64,
    body_bytes_max: usize,
}

impl Connection {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        Self {
            commands: Commands::new(settings, from_start),
            replies: Replies::new(settings, from_start),
            queue: Queue::default(),
            subscriptions: Subscriptions::new(from_start),
            gathered: Gathered::default(),
            replying: Replying::default(),
            monitoring: false,
            replicating: false,
            joined: !from_start,
            holed: false,
            unaligned: false,
            replies_lost: false,
            gap_to_server: false,
            gap_to_client: false,
            last_flow: Flow::ToServer,
            passing: if from_start { Skipped::Malformed } else { Skipped::JoinedMidMessage },
            falls: 0,
            passed_bytes: 0,
            body_bytes_max: settings.body_bytes_max,
        }
    }

    fn confidence(&self) -> Confidence {
        match (self.unaligned, self.joined || self.holed) {
            (true, _) => Confidence::Guessed,
            (_, true) => Confidence::Likely,
            _ => Confidence::Certain,
        }
    }

    // ---- commands

    fn take_commands(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let mut used = 0;
        while used < bytes.len() && !self.replicating {
            let lost = self.commands.lost;
            let (n, seen) = self.commands.next(&bytes[used..], at);
            used += n;
            self.heard(seen, lost, out);
        }
    }

    fn heard(&mut self, seen: Seen, was_lost: bool, out: &mut dyn Output) {
        match seen {
            Seen::Part => {}
            Seen::Passed(bytes) => self.passed(bytes, was_lost, out),
            Seen::Whole => {
                (self.falls, self.passed_bytes) = (0, 0);
                self.command(out);
            }
        }
    }

    /// A whole command.
    fn command(&mut self, out: &mut dyn Output) {
        let mut next = Command::default();
        next.reset(self.queue.buffer());
        let command = std::mem::replace(&mut self.commands.command, next);
        if command.word() == b"REPLCONF" && command.argument_is(0, "ACK") {
            // only a replica sends this, and never gets an answer
            self.replicating = true;
            self.queue.recycle(command.text);
            return;
        }
        let answered = self.replying.answers(&command);
        let (expect, replies) = self.expected(&command);
        let mut waiting = Waiting::new(command, expect, replies);
        waiting.confidence = self.confidence();
        waiting.gap_before = std::mem::take(&mut self.gap_to_server);
        if answered {
            self.queue.push(waiting, out);
        } else {
            emit(&waiting, None, false, out);
            self.queue.recycle(waiting.command.text);
        }
    }

    fn expected(&self, command: &Command) -> (Expect, u64) {
        match command.word() {
            b"SUBSCRIBE" | b"PSUBSCRIBE" | b"SSUBSCRIBE" => (Expect::Confirmations, command.args_count.max(1)),
            b"UNSUBSCRIBE" | b"PUNSUBSCRIBE" | b"SUNSUBSCRIBE" => match command.args_count {
                0 => (Expect::AllConfirmations, 1),
                n => (Expect::Confirmations, n),
            },
            b"PSYNC" | b"SYNC" => (Expect::Replication, 1),
            _ => (Expect::Any, 1),
        }
    }

    // ---- replies

    fn take_replies(&mut self, bytes: &[u8], at: Moment, out: &mut dyn Output) {
        let mut used = 0;
        while used < bytes.len() && !self.replicating {
            if self.dump_begins(bytes[used], at, out) {
                return;
            }
            let lost = self.replies.lost;
            let (n, seen) = self.replies.next(&bytes[used..]);
            used += n;
            self.said(seen, lost, at, out);
        }
    }

    fn said(&mut self, seen: Seen, was_lost: bool, at: Moment, out: &mut dyn Output) {
        match seen {
            Seen::Part => {}
            Seen::Passed(bytes) => {
                if !was_lost {
                    // it was some reply, and what follows may still be part of it
                    (self.unaligned, self.holed, self.replies_lost) = (true, true, true);
                    self.cut_reply(true, false, out);
                }
                self.passed(bytes, was_lost, out);
            }
            Seen::Whole => {
                (self.falls, self.passed_bytes) = (0, 0);
                self.reply(at, out);
                self.replies.reset();
            }
        }
    }

    /// SYNC is answered by a dump at once, with no reply before it.
    fn dump_begins(&mut self, first: u8, at: Moment, out: &mut dyn Output) -> bool {
        let idle = self.replies.reply.bytes == 0;
        let expected = self.queue.front().is_some_and(|w| w.expect == Expect::Replication);
        if !idle || !expected || first != b'$' {
            return false;
        }
        if let Some(waiting) = self.queue.pop() {
            let ended_ns = Some(at.mono_ns);
            let answer =
                Answer { kind: None, text: b"", bytes: None, ended_ns, truncated: true, gap_before: self.gap_to_client };
            emit(&waiting, Some(answer), false, out);
        }
        self.replicating = true;
        true
    }

    /// A whole reply, or what the server sends on its own.
    fn reply(&mut self, at: Moment, out: &mut dyn Output) {
        let reply = self.replies.reply;
        let front = self.queue.front().map(|w| w.expect);
        let confirmable = matches!(front, Some(Expect::Confirmations | Expect::AllConfirmations));
        let topic = self.subscriptions.topic(&reply, front.is_some() && !confirmable);
        match topic {
            Topic::Message => return self.subscriptions.messaged(),
            Topic::Confirmation if confirmable => return self.confirmation(at, out),
            Topic::Confirmation => {
                self.subscriptions.confirmed(&reply);
                return;
            }
            _ if reply.kind == Some(Kind::Push) => return,
            Topic::Other if self.monitoring && is_monitor_line(&reply.kind, &self.replies.render.text) => return,
            Topic::Other => {}
        }
        if front.is_none() {
            self.replying.answered_unasked();
        }
        let Some(expect) = front else { return };
        if expect == Expect::AllConfirmations && self.gathered.bytes > 0 && reply.kind != Some(Kind::Error) {
            // that command has had all its confirmations, and this is the next command's reply
            self.finish_confirmations(at.mono_ns, out);
            return self.reply(at, out);
        }
        self.answer(reply.kind, at, out);
    }

    /// A reply to the first waiting command.
    fn answer(&mut self, kind: Option<Kind>, at: Moment, out: &mut dyn Output) {
        let Some(front) = self.queue.front() else { return };
        if front.expect == Expect::Any && front.replies > 1 {
            front.replies -= 1;
            return;
        }
        let text = &self.replies.render.text;
        match (front.command.word(), kind) {
            (b"MONITOR", Some(Kind::Simple)) => self.monitoring = text != b"QUEUED",
            (b"RESET", Some(Kind::Simple)) => {
                self.monitoring = false;
                self.subscriptions = Subscriptions::new(true);
            }
            _ => {}
        }
        self.replicating =
            front.expect == Expect::Replication && (text.starts_with(b"FULLRESYNC") || text.starts_with(b"CONTINUE"));
        let answer = Answer {
            kind,
            text: &self.replies.render.text,
            bytes: Some(self.replies.reply.bytes),
            ended_ns: Some(at.mono_ns),
            truncated: self.replies.render.truncated,
            gap_before: std::mem::take(&mut self.gap_to_client),
        };
        let Some(mut waiting) = self.queue.pop() else { return };
        if self.unaligned {
            waiting.confidence = Confidence::Guessed;
        }
        emit(&waiting, Some(answer), false, out);
        self.queue.recycle(waiting.command.text);
    }

    /// One of the confirmations that the first waiting command gets.
    fn confirmation(&mut self, at: Moment, out: &mut dyn Output) {
        let reply = self.replies.reply;
        let remaining = self.subscriptions.confirmed(&reply);
        let Some(front) = self.queue.front() else { return };
        if front.expect == Expect::AllConfirmations && self.gathered.bytes == 0 {
            front.replies = remaining + 1;
        }
        front.replies -= 1;
        let last = front.replies == 0 || (reply.second_is_null && front.expect == Expect::AllConfirmations);
        let silent = front.silent;
        if last && self.gathered.bytes == 0 {
            return self.answer_confirmed(reply.kind, at, out);
        }
        if !silent {
            self.gathered.add(&self.replies.render, self.body_bytes_max);
        }
        self.gathered.bytes += reply.bytes;
        if last {
            self.finish_confirmations(at.mono_ns, out);
        }
    }

    /// The only confirmation is the reply.
    fn answer_confirmed(&mut self, kind: Option<Kind>, at: Moment, out: &mut dyn Output) {
        if let Some(front) = self.queue.front() {
            front.replies = 1;
        }
        self.answer(kind, at, out);
    }

    fn finish_confirmations(&mut self, ended_ns: u64, out: &mut dyn Output) {
        let gathered = std::mem::take(&mut self.gathered).finish();
        let answer = Answer {
            kind: Some(self.replies.reply.kind.filter(|k| *k == Kind::Push).unwrap_or(Kind::Array)),
            text: &gathered.text,
            bytes: Some(gathered.bytes),
            ended_ns: Some(ended_ns),
            truncated: gathered.truncated,
            gap_before: std::mem::take(&mut self.gap_to_client),
        };
        if let Some(waiting) = self.queue.pop() {
            emit(&waiting, Some(answer), false, out);
            self.queue.recycle(waiting.command.text);
        }
    }

    // ---- what is missing

    fn passed(&mut self, bytes: u64, was_lost: bool, out: &mut dyn Output) {
        if !was_lost {
            self.passing = Skipped::Malformed;
            self.falls += 1;
        }
        self.passed_bytes += bytes;
        if bytes > 0 {
            out.skipped(self.passing, u64::from(!was_lost), bytes);
        }
    }

    /// The direction changed: what was being looked for may begin here.
    fn turn(&mut self, flow: Flow, out: &mut dyn Output) {
        if std::mem::replace(&mut self.last_flow, flow) == flow {
            return;
        }
        let passed = match flow {
            Flow::ToServer => {
                self.settle(out);
                self.commands.turn()
            }
            Flow::ToClient => self.replies.turn(),
        };
        self.passed(passed, true, out);
    }

    /// The client speaks again after the server has: after lost replies, what still waits waits in vain.
    fn settle(&mut self, out: &mut dyn Output) {
        if std::mem::take(&mut self.replies_lost) {
            self.give_up(false, out);
        }
        if self.queue.is_empty() {
            self.unaligned = false;
        }
    }

    /// Rows of all waiting commands, without replies.
    fn give_up(&mut self, broken: bool, out: &mut dyn Output) {
        while let Some(mut waiting) = self.queue.pop() {
            if self.unaligned {
                waiting.confidence = Confidence::Guessed;
            }
            emit(&waiting, None, broken, out);
            self.queue.recycle(waiting.command.text);
        }
        self.gathered = Gathered::default();
    }

    fn commands_unseen(&mut self, len: u64, at: Moment, out: &mut dyn Output) {
        let hole = self.commands.unseen(len);
        match hole {
            Hole::Inside => {
                let (_, seen) = self.commands.next(&[], at);
                return self.heard(seen, false, out);
            }
            Hole::Cut => self.command(out),
            Hole::Unknown(bytes) => {
                out.skipped(Skipped::Gap, 1, bytes);
                self.queue.push_silent(Waiting::new(Command::default(), Expect::Any, 1));
            }
            Hole::Between => {}
        }
        out.skipped(Skipped::Gap, 0, len);
        (self.passing, self.holed, self.unaligned, self.gap_to_server) = (Skipped::Gap, true, true, true);
    }

    fn replies_unseen(&mut self, len: u64, at: Moment, out: &mut dyn Output) {
        let hole = self.replies.unseen(len);
        if hole == Hole::Inside {
            let (_, seen) = self.replies.next(&[]);
            return self.said(seen, false, at, out);
        }
        out.skipped(Skipped::Gap, 0, len);
        (self.passing, self.holed, self.unaligned, self.gap_to_client) = (Skipped::Gap, true, true, true);
        if self.replies.reply.kind != Some(Kind::Push) {
            self.cut_reply(false, false, out);
        }
        self.replies.reset();
        self.replies_lost = true;
    }

    /// The first waiting command gets what there is of its reply, unless that is `lost`. `broken`: the connection ended.
    fn cut_reply(&mut self, lost: bool, broken: bool, out: &mut dyn Output) {
        let Some(mut waiting) = self.queue.pop() else { return };
        let bytes = self.replies.reply.bytes;
        let began = bytes > 0 && !lost;
        let answer = Answer {
            kind: self.replies.reply.kind.filter(|_| !lost),
            text: &self.replies.render.text,
            bytes: (broken && began).then_some(bytes),
            ended_ns: None,
            truncated: true,
            gap_before: self.gap_to_client,
        };
        if self.unaligned {
            waiting.confidence = Confidence::Guessed;
        }
        emit(&waiting, (began || !broken).then_some(answer), broken, out);
        self.queue.recycle(waiting.command.text);
    }
}

/// `1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`
fn is_monitor_line(kind: &Option<Kind>, text: &[u8]) -> bool {
    let digits = text.iter().position(|b| !b.is_ascii_digit() && *b != b'.').unwrap_or(0);
    *kind == Some(Kind::Simple) && digits > 0 && text[digits..].starts_with(b" [")
}

impl Parser for Connection {
    fn bytes(&mut self, segment: Segment<'_>, out: &mut dyn Output) {
        if self.replicating || segment.bytes.is_empty() {
            return;
        }
        self.turn(segment.flow, out);
        match segment.flow {
            Flow::ToServer => self.take_commands(segment.bytes, segment.at, out),
            Flow::ToClient => self.take_replies(segment.bytes, segment.at, out),
        }
    }

    fn unseen(&mut self, flow: Flow, len: u64, at: Moment, out: &mut dyn Output) {
        if self.replicating || len == 0 {
            return;
        }
        match flow {
            Flow::ToServer => self.commands_unseen(len, at, out),
            Flow::ToClient => self.replies_unseen(len, at, out),
        }
    }

    fn end(&mut self, flow: Flow, _: Moment, out: &mut dyn Output) {
        if flow == Flow::ToServer && !self.replicating {
            let lost = self.commands.lost;
            let bytes = self.commands.abandon();
            if bytes > 0 {
                out.skipped(self.passing, u64::from(!lost), bytes);
            }
        }
    }

    fn close(&mut self, at: Moment, out: &mut dyn Output) {
        self.end(Flow::ToServer, at, out);
        let lost = self.replies.lost;
        self.replies.cut_off();
        if self.replies.reply.bytes > 0 && !lost && self.replies.reply.kind != Some(Kind::Push) && !self.replicating {
            self.cut_reply(lost, true, out);
        }
        self.replies.reset();
        self.give_up(true, out);
    }

    fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        self.queue.expire(before_ns, out);
    }

    fn waiting_since(&self) -> Option<u64> {
        self.queue.waiting_since()
    }

    fn state(&self) -> State {
        let foreign = self.falls >= FALLS_MAX || self.passed_bytes >= PASSED_BYTES_MAX;
        if foreign { State::NotMine } else { State::Working }
    }

    fn passes_over(&self, flow: Flow) -> u64 {
        match flow {
            _ if self.replicating => 0,
            Flow::ToServer => self.commands.passes_over(),
            Flow::ToClient => self.replies.passes_over(),
        }
    }

    fn heap_bytes(&self) -> usize {
        self.commands.heap_bytes() + self.replies.heap_bytes() + self.queue.heap_bytes() + self.gathered.text.capacity()
    }
}

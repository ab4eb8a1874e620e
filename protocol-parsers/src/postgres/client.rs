//! What the client sends: requests wait for their answers, statements and portals get names.

use std::sync::Arc;

use super::bind;
use super::frame::Message;
use super::message;
use super::opening::Packet;
use super::pair::{Kind, Waiting};
use super::session::{Copying, End, Session};
use super::statement::{Bound, Portal, Statement};
use crate::{Confidence, Moment, Output};

impl Session {
    /// A login or a cancellation.
    pub fn opened(&mut self, packet: Packet, started: Moment, bytes: u64, out: &mut dyn Output) {
        match packet {
            Packet::Encryption => {}
            Packet::Cancel => {
                let mut waiting = Waiting::new(Kind::Startup, started, bytes);
                waiting.confidence = self.confidence();
                self.write_as("Cancel", &waiting, None, End::Unanswered, out);
            }
            Packet::Login { user, database } => {
                (self.user, self.database) = (user, database);
                let waiting = self.waiting(Kind::Startup, started, bytes);
                self.queue.push(waiting, out);
            }
        }
    }

    /// One message; `false` when it is none.
    #[inline]
    pub fn asked(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        match message.tag {
            b'Q' => self.query(message, out),
            b'P' => self.parse(message, out),
            b'B' => self.bind(message, out),
            b'E' => self.execute(message, out),
            b'D' => self.describe(message, out),
            b'C' => self.close(message, out),
            b'S' => self.sync(message, out),
            b'F' => self.function_call(message, out),
            b'd' => self.copy_data_in(message),
            b'c' | b'f' => self.copy_done(message),
            b'p' => self.secret(message),
            // Flush, Terminate
            _ => true,
        }
    }

    fn waiting(&mut self, kind: Kind, started: Moment, bytes: u64) -> Waiting {
        let mut waiting = Waiting::new(kind, started, bytes);
        waiting.confidence = self.confidence();
        waiting.gap_before = std::mem::take(&mut self.gap_to_server);
        waiting
    }

    /// A message of the extended protocol waits, unless the server passes it over.
    fn push(&mut self, waiting: Waiting, out: &mut dyn Output) {
        if !self.skipping {
            return self.queue.push(waiting, out);
        }
        if waiting.kind == Kind::Execute
            && let Some(refused) = self.refused.take()
        {
            let mut waiting = waiting;
            waiting.started = refused.started;
            let end = refused.outcome.error_ns.map_or(End::Unanswered, End::At);
            self.write(&waiting, Some(&refused.outcome), end, out);
            return;
        }
        self.passed_over(&waiting, out);
    }

    /// The server does not obey a message after an error.
    pub fn passed_over(&mut self, waiting: &Waiting, out: &mut dyn Output) {
        if waiting.kind == Kind::Parse
            && let Some(statement) = &waiting.statement
        {
            self.statements.refused(&waiting.name, statement, waiting.previous.clone());
        }
        if waiting.kind.has_row() {
            self.write(waiting, None, End::Unanswered, out);
        }
    }

    fn query(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let Some(text) = message::query(message) else { return false };
        self.skipping = false;
        let mut waiting = self.waiting(Kind::Query, message.started, message.bytes);
        waiting.statement = Some(Arc::new(Statement::new(text.text, text.cut, &[], self.text_bytes_max)));
        self.queue.push(waiting, out);
        true
    }

    fn parse(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let Some(parse) = message::parse(message) else { return self.unreadable(Kind::Parse, message, out) };
        let text = parse.text;
        let statement = Arc::new(Statement::new(text.text, text.cut, parse.types, self.text_bytes_max));
        let previous = self.statements.put(parse.name, statement.clone());
        let mut waiting = self.waiting(Kind::Parse, message.started, message.bytes);
        (waiting.statement, waiting.name) = (Some(statement), parse.name.to_vec());
        if !parse.name.is_empty() {
            waiting.previous = previous;
        }
        self.push(waiting, out);
        true
    }

    fn bind(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let Some(bind) = bind::bind(message) else { return self.unreadable(Kind::Bind, message, out) };
        let waiting = self.waiting(Kind::Bind, message.started, message.bytes);
        let statement = self.statements.get(bind.statement).cloned();
        let types = statement.as_ref().map_or(&[][..], |s| &s.types);
        let parameters = bind.parameters(types, self.parameter_bytes_max, self.text_bytes_max);
        let portal = Portal {
            statement,
            truncated: message.cut || parameters.as_ref().is_some_and(|p| p.truncated),
            parameters: parameters.map(|p| p.json),
            doubtful: self.statements.is_doubtful(bind.statement),
        };
        let bound = Bound { started: message.started, bytes: message.bytes, gap_before: waiting.gap_before };
        self.statements.bind(bind.portal, Arc::new(portal), bound);
        self.push(waiting, out);
        true
    }

    /// The Bind that made the portal is part of the request, unless an earlier Execute has had it.
    fn execute(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let Some(name) = message::execute(message) else { return self.unreadable(Kind::Execute, message, out) };
        let mut waiting = self.waiting(Kind::Execute, message.started, message.bytes);
        if let Some(portal) = self.statements.portal(name) {
            waiting.statement = portal.statement.clone();
            waiting.portal = Some(portal.clone());
            if portal.doubtful {
                waiting.confidence = Confidence::Guessed;
            }
            if let Some(bound) = self.statements.take_bound(name) {
                waiting.started = bound.started;
                waiting.request_bytes += bound.bytes;
                waiting.gap_before |= bound.gap_before;
            }
        }
        self.push(waiting, out);
        true
    }

    fn describe(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let Some((kind, name)) = message::named(message) else {
            return self.unreadable(Kind::Describe, message, out);
        };
        let mut waiting = self.waiting(Kind::Describe, message.started, message.bytes);
        if kind == b'S' {
            (waiting.statement, waiting.name) = (self.statements.get(name).cloned(), name.to_vec());
        } else {
            self.statements.described(name, message.bytes);
        }
        self.push(waiting, out);
        true
    }

    fn close(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let Some((kind, name)) = message::named(message) else { return self.unreadable(Kind::Close, message, out) };
        let mut waiting = self.waiting(Kind::Close, message.started, message.bytes);
        if kind == b'S' {
            (waiting.statement, waiting.name) = (self.statements.get(name).cloned(), name.to_vec());
        } else if !self.skipping {
            self.statements.close_portal(name);
        }
        self.push(waiting, out);
        true
    }

    /// A message so damaged by a hole or a limit that not even its name is known; `false` when it is none at all.
    fn unreadable(&mut self, kind: Kind, message: &Message<'_>, out: &mut dyn Output) -> bool {
        if message.cut {
            match kind {
                Kind::Parse => self.statements.forget(b""),
                Kind::Bind => self.statements.close_portal(b""),
                _ => {}
            }
            let waiting = self.waiting(kind, message.started, message.bytes);
            self.push(waiting, out);
        }
        message.cut
    }

    fn sync(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        if self.copying == Some(Copying::In) {
            // the server ignores it while it takes COPY data
            return true;
        }
        self.skipping = false;
        self.orphan(out);
        let waiting = Waiting::new(Kind::Sync, message.started, message.bytes);
        self.queue.push(waiting, out);
        true
    }

    fn function_call(&mut self, message: &Message<'_>, out: &mut dyn Output) -> bool {
        let waiting = self.waiting(Kind::FunctionCall, message.started, message.bytes);
        self.queue.push(waiting, out);
        true
    }

    fn copy_data_in(&mut self, message: &Message<'_>) -> bool {
        if let Some(stream) = &mut self.replication {
            stream.request_bytes += message.bytes;
        } else if self.copying == Some(Copying::In)
            && let Some(front) = self.queue.front_mut()
        {
            front.request_bytes += message.bytes;
            self.outcome.copy.get_or_insert_default().add(message.bytes);
        }
        true
    }

    fn copy_done(&mut self, message: &Message<'_>) -> bool {
        if let Some(stream) = &mut self.replication {
            stream.request_bytes += message.bytes;
        } else if self.copying == Some(Copying::In) {
            self.copying = None;
            if let Some(front) = self.queue.front_mut() {
                front.request_bytes += message.bytes;
            }
        }
        true
    }

    /// A password or another answer to an authentication request: only its length is known here.
    fn secret(&mut self, message: &Message<'_>) -> bool {
        if let Some(front) = self.queue.front_mut().filter(|w| w.kind == Kind::Startup) {
            front.request_bytes += message.bytes;
        }
        true
    }
}

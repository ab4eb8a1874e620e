//! What the server sends: answers to the request that waits longest, and what it sends on its own.

use super::frame::Message;
use super::message;
use super::pair::{Kind, Waiting};
use super::session::{Copying, End, Refused, Replication, Session};
use crate::{Moment, Output};

impl Session {
    /// One message whose last byte was seen at `at`; `false` when it is none.
    #[inline]
    pub fn answered(&mut self, message: &Message<'_>, at: Moment, out: &mut dyn Output) -> bool {
        // what the server may say at any time tells nothing
        if !matches!(message.tag, b'A' | b'N' | b'S') {
            self.idle = message.tag == b'Z';
        }
        // a notification belongs to no request, nor does what is said while nothing is asked
        if message.tag != b'A' && self.queue.front().is_some() {
            self.outcome.bytes += message.bytes;
        }
        match message.tag {
            b'D' => self.data_row(),
            b'C' => return self.complete(message, at, out),
            b'Z' => return self.ready(message, at, out),
            b'1' => self.parsed(at, out),
            b'2' => self.done(Kind::Bind, out),
            b'3' => self.closed(out),
            b'n' | b'T' => self.described(out),
            b't' => self.typed(message),
            b'I' => self.empty(at, out),
            b's' => self.suspended(at, out),
            b'E' => return self.failed(message, at, out),
            b'd' => self.copy_data_out(message),
            b'G' => self.copy_in(),
            b'H' => self.copy_out(),
            b'W' => self.copy_both(at, out),
            b'V' => self.outcome.begun = true,
            // authentication, key, parameter, notice, end of COPY data
            _ => {}
        }
        true
    }

    #[inline]
    fn data_row(&mut self) {
        self.outcome.data_rows += 1;
        self.outcome.begun = true;
    }

    /// Takes the first request of this kind that this response can belong to; those before it were not answered.
    #[inline]
    fn take(&mut self, kind: Kind, out: &mut dyn Output) -> Option<Waiting> {
        if self.queue.front()?.kind != kind {
            for _ in 0..self.queue.find(kind)? {
                if let Some(waiting) = self.queue.pop() {
                    self.passed_over_unseen(&waiting, out);
                }
            }
        }
        self.queue.pop()
    }

    /// A request whose answer was not seen.
    fn passed_over_unseen(&self, waiting: &Waiting, out: &mut dyn Output) {
        if waiting.kind.has_row() {
            self.write(waiting, None, End::Unanswered, out);
        }
    }

    fn answers_query(&self) -> bool {
        self.queue.front().is_some_and(|w| w.kind == Kind::Query)
    }

    /// The response to the request is whole.
    fn finish(&mut self, waiting: &Waiting, at: Moment, out: &mut dyn Output) {
        self.write(waiting, Some(&self.outcome), End::At(at.mono_ns), out);
        self.outcome = Default::default();
    }

    fn parsed(&mut self, at: Moment, out: &mut dyn Output) {
        if let Some(waiting) = self.take(Kind::Parse, out) {
            self.finish(&waiting, at, out);
        }
    }

    fn done(&mut self, kind: Kind, out: &mut dyn Output) {
        self.take(kind, out);
    }

    fn closed(&mut self, out: &mut dyn Output) {
        if let Some(waiting) = self.take(Kind::Close, out)
            && let Some(statement) = &waiting.statement
        {
            self.statements.closed(&waiting.name, statement);
        }
    }

    fn described(&mut self, out: &mut dyn Output) {
        if self.answers_query() {
            self.outcome.begun = true;
        } else {
            self.done(Kind::Describe, out);
        }
    }

    /// The types of a statement's parameters.
    fn typed(&mut self, message: &Message<'_>) {
        let described = self.queue.front().filter(|w| w.kind == Kind::Describe && !message.cut);
        if let Some((waiting, statement)) = described.and_then(|w| Some((w, w.statement.as_ref()?)))
            && let Some((_, types)) = message.body.split_first_chunk::<2>()
        {
            self.statements.typed(&waiting.name, statement, types);
        }
    }

    fn complete(&mut self, message: &Message<'_>, at: Moment, out: &mut dyn Output) -> bool {
        let tag = message::tag(message);
        if tag.is_none() && !message.cut {
            return false;
        }
        if self.replication.is_some() {
            return true;
        }
        if self.answers_query() {
            self.outcome.begun = true;
            self.outcome.complete(tag);
        } else if let Some(waiting) = self.take(Kind::Execute, out) {
            self.outcome.complete(tag);
            self.copying = None;
            self.finish(&waiting, at, out);
        }
        true
    }

    /// The answer to a query without a statement.
    fn empty(&mut self, at: Moment, out: &mut dyn Output) {
        if self.answers_query() {
            self.outcome.begun = true;
        } else if let Some(waiting) = self.take(Kind::Execute, out) {
            self.finish(&waiting, at, out);
        }
    }

    /// The portal has more rows than the Execute asked for.
    fn suspended(&mut self, at: Moment, out: &mut dyn Output) {
        if let Some(waiting) = self.take(Kind::Execute, out) {
            self.outcome.rows = Some(self.outcome.data_rows).filter(|_| !self.outcome.gap_before);
            self.finish(&waiting, at, out);
        }
    }

    /// ReadyForQuery: what waits up to the next request that it ends is done.
    fn ready(&mut self, message: &Message<'_>, at: Moment, out: &mut dyn Output) -> bool {
        let Some(status) = message.body.first().filter(|s| matches!(s, b'I' | b'T' | b'E')) else { return message.cut };
        let ended_ns = Some(at.mono_ns);
        self.end_replication(ended_ns, false, out);
        self.copying = None;
        let early = self.queue.front().is_some_and(|w| w.kind == Kind::Query && !w.silent) && !self.outcome.begun;
        if early && !self.outcome.failed() && !self.replies_lost {
            // it ends a request that was not seen
            self.outcome = Default::default();
            return true;
        }
        self.outcome.transaction = Some(*status);
        while let Some(waiting) = self.queue.pop() {
            match waiting.kind {
                Kind::Query | Kind::FunctionCall | Kind::Startup => {
                    self.outcome.data_rows = 0;
                    self.finish(&waiting, at, out);
                    return true;
                }
                Kind::Sync | Kind::Unknown => {
                    self.outcome = Default::default();
                    return true;
                }
                _ => self.passed_over_unseen(&waiting, out),
            }
        }
        self.queue.pop_beyond();
        self.outcome = Default::default();
        true
    }

    fn failed(&mut self, message: &Message<'_>, at: Moment, out: &mut dyn Output) -> bool {
        let Some(fields) = message::error(message) else { return false };
        self.copying = None;
        let Some(front) = self.queue.front() else {
            // it ends the connection, or belongs to a request that was not seen
            self.outcome = Default::default();
            return true;
        };
        let kind = front.kind;
        self.outcome.fail(fields, self.parameter_bytes_max, at.mono_ns);
        match kind {
            Kind::Query | Kind::FunctionCall => self.outcome.begun = true,
            Kind::Unknown => {}
            Kind::Startup => {
                if let Some(waiting) = self.queue.pop() {
                    self.finish(&waiting, at, out);
                }
            }
            // the transaction could not be committed
            Kind::Sync => {
                let (started, request_bytes) = (front.started, front.request_bytes);
                self.refuse(kind, started, request_bytes);
                self.orphan(out);
            }
            _ => self.failed_extended(at, out),
        }
        true
    }

    /// An error in the extended protocol: it is that of the first Parse, else of the next Execute, and the server passes over
    /// all else until Sync.
    fn failed_extended(&mut self, at: Moment, out: &mut dyn Output) {
        let Some(front) = self.queue.front() else { return };
        let (kind, started, request_bytes) = (front.kind, front.started, front.request_bytes);
        let owner = if kind == Kind::Parse { Some(0) } else { self.queue.find(Kind::Execute) };
        self.skipping = !self.queue.has_end();
        let mut i = 0;
        while self.queue.front().is_some_and(|w| !w.kind.ends()) {
            let Some(waiting) = self.queue.pop() else { break };
            if owner == Some(i) {
                if let Some(statement) = waiting.statement.as_ref().filter(|_| kind == Kind::Parse) {
                    self.statements.refused(&waiting.name, statement, waiting.previous.clone());
                }
                self.finish(&waiting, at, out);
            } else {
                self.passed_over(&waiting, out);
            }
            i += 1;
        }
        if owner.is_none() {
            self.refuse(kind, started, request_bytes);
            if !self.skipping {
                self.orphan(out);
            }
        }
    }

    fn refuse(&mut self, kind: Kind, started: Moment, request_bytes: u64) {
        let outcome = std::mem::take(&mut self.outcome);
        self.refused = Some(Box::new(Refused { kind, started, request_bytes, outcome }));
    }

    fn copy_data_out(&mut self, message: &Message<'_>) {
        if let Some(stream) = &mut self.replication {
            stream.response_bytes += message.bytes;
            if message.body.first() == Some(&b'w') {
                stream.wal.add(message.bytes);
            }
        } else if self.copying == Some(Copying::Out) {
            self.outcome.copy.get_or_insert_default().add(message.bytes);
        }
    }

    fn copies(&self) -> bool {
        self.queue.front().is_some_and(|w| matches!(w.kind, Kind::Query | Kind::Execute))
    }

    fn copy_in(&mut self) {
        if self.copies() {
            (self.copying, self.outcome.begun) = (Some(Copying::In), true);
            if !self.answers_query() {
                // the server has taken no notice of a Sync before the data
                self.queue.drop_syncs();
            }
        }
    }

    fn copy_out(&mut self) {
        if self.copies() {
            (self.copying, self.outcome.begun) = (Some(Copying::Out), true);
        }
    }

    /// A replication stream begins: that answers the command, and the stream gets a row of its own when it ends.
    fn copy_both(&mut self, at: Moment, out: &mut dyn Output) {
        let Some(front) = self.queue.front().filter(|w| w.kind == Kind::Query) else { return };
        self.write(front, Some(&self.outcome), End::At(at.mono_ns), out);
        self.replication = Some(Box::new(Replication {
            statement: front.statement.clone(),
            started: at,
            confidence: front.confidence,
            wal: Default::default(),
            gap: false,
            request_bytes: 0,
            response_bytes: 0,
        }));
        self.copying = Some(Copying::Both);
        self.queue.silence_front();
        self.outcome = Default::default();
    }
}

//! What is known of a connection between its two directions, and the rows that come of it.
//!
//! `client` tells it what was asked, `server` what was answered; here is what both need.

use std::sync::Arc;

use super::PostgresEvent;
use super::outcome::{Copied, Outcome};
use super::pair::{Kind, Queue, Waiting};
use super::statement::{Statement, Statements};
use crate::{Confidence, Exchange, Moment, Output, Settings};

/// Which way COPY data flows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copying {
    In,
    Out,
    /// A replication stream.
    Both,
}

/// An error that came before the Execute that it belongs to.
#[derive(Debug)]
pub struct Refused {
    pub kind: Kind,
    pub started: Moment,
    pub request_bytes: u64,
    pub outcome: Outcome,
}

/// A replication stream.
#[derive(Debug)]
pub struct Replication {
    pub statement: Option<Arc<Statement>>,
    pub started: Moment,
    pub confidence: Confidence,
    pub wal: Copied,
    pub gap: bool,
    pub request_bytes: u64,
    pub response_bytes: u64,
}

#[derive(Debug)]
pub struct Session {
    pub user: Option<Vec<u8>>,
    pub database: Option<Vec<u8>>,
    pub queue: Queue,
    pub statements: Statements,
    pub outcome: Outcome,
    pub copying: Option<Copying>,
    /// After an error the server passes over all messages until Sync.
    pub skipping: bool,
    pub refused: Option<Box<Refused>>,
    pub replication: Option<Box<Replication>>,
    pub joined: bool,
    /// Bytes were not seen.
    pub holed: bool,
    /// Since a gap it is not known which request a response belongs to.
    pub unaligned: bool,
    /// Responses were lost in it, so that requests may wait in vain.
    pub replies_lost: bool,
    /// The last that the server said is that it is ready.
    pub idle: bool,
    /// The next request follows a gap.
    pub gap_to_server: bool,
    pub text_bytes_max: usize,
    pub parameter_bytes_max: usize,
}

/// What became of a request when its row is written.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// The response is whole.
    At(u64),
    /// The response was not seen, or there was none.
    Unanswered,
    /// The connection ended before the response was whole.
    Broken,
}

impl Session {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        Self {
            user: None,
            database: None,
            queue: Queue::default(),
            statements: Statements::default(),
            outcome: Outcome::default(),
            copying: None,
            skipping: false,
            refused: None,
            replication: None,
            joined: !from_start,
            holed: false,
            unaligned: false,
            replies_lost: false,
            idle: false,
            gap_to_server: false,
            text_bytes_max: settings.body_bytes_max,
            parameter_bytes_max: settings.argument_bytes_max,
        }
    }

    #[inline]
    pub fn confidence(&self) -> Confidence {
        match (self.unaligned, self.joined || self.holed) {
            (true, _) => Confidence::Guessed,
            (_, true) => Confidence::Likely,
            _ => Confidence::Certain,
        }
    }

    /// Writes a request's row; `outcome` is what was answered, `None` when nothing was.
    pub fn write(&self, waiting: &Waiting, outcome: Option<&Outcome>, end: End, out: &mut dyn Output) {
        if !waiting.silent {
            self.write_as(waiting.kind.as_str(), waiting, outcome, end, out);
        }
    }

    pub fn write_as(&self, command: &str, waiting: &Waiting, outcome: Option<&Outcome>, end: End, out: &mut dyn Output) {
        let statement = waiting.statement.as_deref();
        let portal = waiting.portal.as_deref();
        // what passed in a gap was not counted
        let copy = outcome.filter(|o| !o.gap_before).and_then(|o| o.copy);
        let row = PostgresEvent {
            command: Some(command.as_bytes()),
            query: statement.map(|s| s.text.as_slice()),
            operation: statement.and_then(Statement::operation),
            parameters: portal.and_then(|p| p.parameters.as_deref()),
            command_tag: outcome.and_then(Outcome::tag),
            rows: outcome.and_then(|o| o.rows).map(|n| n as i64),
            error_code: outcome.and_then(Outcome::code),
            error_message: outcome.and_then(Outcome::message),
            user_name: self.user.as_deref(),
            database_name: self.database.as_deref(),
            transaction_status: outcome.and_then(|o| o.transaction).and_then(transaction_status),
            copy_messages: copy.map(|c| c.messages as i64),
            copy_bytes: copy.map(|c| c.bytes as i64),
            ..PostgresEvent::default()
        };
        let trace = statement.and_then(Statement::trace);
        let ended_ns = match end {
            End::At(ns) => Some(ns.max(waiting.started.mono_ns)),
            End::Unanswered | End::Broken => None,
        };
        let cut_short = ended_ns.is_none() && outcome.is_some_and(Outcome::is_partial);
        let truncated = statement.is_some_and(|s| s.truncated) || portal.is_some_and(|p| p.truncated);
        let confidence = if self.unaligned { Confidence::Guessed } else { waiting.confidence };
        let exchange = Exchange {
            started: waiting.started,
            ended_ns,
            request_bytes: Some(waiting.request_bytes),
            response_bytes: outcome.map(|o| o.bytes).filter(|bytes| *bytes > 0),
            truncated: truncated || cut_short || outcome.is_some_and(|o| o.truncated),
            gap_before: waiting.gap_before || outcome.is_some_and(|o| o.gap_before),
            broken: matches!(end, End::Broken),
            confidence,
            trace_id: trace.map(|t| t.trace_id),
            span_id: trace.and_then(|t| t.span_id),
            ..Exchange::default()
        };
        out.row(&row, &exchange);
    }

    /// Rows of all waiting requests; the first gets what there is of its response.
    pub fn give_up(&mut self, broken: bool, out: &mut dyn Output) {
        let end = if broken { End::Broken } else { End::Unanswered };
        let mut outcome = std::mem::take(&mut self.outcome);
        while let Some(waiting) = self.queue.pop() {
            if !waiting.kind.has_row() {
                if waiting.kind.ends() {
                    outcome = Outcome::default();
                }
                continue;
            }
            match (std::mem::take(&mut outcome), waiting.kind) {
                // an error is the end of what there is to be said
                (mut outcome, _) if outcome.failed() => {
                    let end = outcome.error_ns.map_or(end, End::At);
                    outcome.data_rows = 0;
                    self.write(&waiting, Some(&outcome), end, out);
                }
                (mut outcome, Kind::Query | Kind::Execute | Kind::FunctionCall) if outcome.begun => {
                    let rows = outcome.rows.unwrap_or_default() + outcome.data_rows;
                    outcome.rows = (outcome.rows.is_some() || rows > 0).then_some(rows);
                    self.write(&waiting, Some(&outcome), end, out);
                }
                (outcome, _) => self.write(&waiting, Some(&outcome).filter(|o| o.gap_before), end, out),
            }
        }
        self.queue.clear_beyond();
        self.end_replication(None, broken, out);
        self.orphan(out);
        (self.skipping, self.copying) = (false, None);
    }

    /// The row of a replication stream that has ended.
    pub fn end_replication(&mut self, ended_ns: Option<u64>, broken: bool, out: &mut dyn Output) {
        let Some(stream) = self.replication.take() else { return };
        let mut outcome = Outcome::default();
        (outcome.copy, outcome.bytes, outcome.gap_before) = (Some(stream.wal), stream.response_bytes, stream.gap);
        let mut waiting = Waiting::new(Kind::Query, stream.started, stream.request_bytes);
        (waiting.statement, waiting.confidence) = (stream.statement, stream.confidence);
        let end = match (ended_ns, broken) {
            (Some(ns), _) => End::At(ns),
            (None, true) => End::Broken,
            (None, false) => End::Unanswered,
        };
        self.write_as("Copy", &waiting, Some(&outcome), end, out);
    }

    /// The row of an error to which no Execute came.
    pub fn orphan(&mut self, out: &mut dyn Output) {
        let Some(refused) = self.refused.take() else { return };
        let mut waiting = Waiting::new(refused.kind, refused.started, refused.request_bytes);
        waiting.confidence = self.confidence();
        let end = refused.outcome.error_ns.map_or(End::Unanswered, End::At);
        self.write_as(refused.kind.as_str(), &waiting, Some(&refused.outcome), end, out);
    }

    /// The client speaks again after the server has: after a gap, what still waits waits in vain, since responses were lost or
    /// the server is ready for the next request.
    pub fn settle(&mut self, out: &mut dyn Output) {
        let ready = self.unaligned && self.idle;
        if std::mem::take(&mut self.replies_lost) || ready {
            self.give_up(false, out);
        }
        if self.queue.is_empty() {
            self.unaligned = false;
        }
    }

    /// Bytes were not seen of COPY data that the client sends, or of a replication stream; `false` when none is under way.
    pub fn copy_unseen(&mut self, len: u64) -> bool {
        if let Some(stream) = &mut self.replication {
            stream.gap = true;
            stream.request_bytes = stream.request_bytes.saturating_add(len);
            return true;
        }
        let Some(front) = self.queue.front_mut().filter(|_| self.copying == Some(Copying::In)) else { return false };
        front.request_bytes = front.request_bytes.saturating_add(len);
        self.outcome.gap_before = true;
        true
    }

    pub fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.expire(before_ns, |waiting| self.write(waiting, None, End::Unanswered, out));
        self.queue = queue;
    }

    pub fn heap_bytes(&self) -> usize {
        let names = [&self.user, &self.database].into_iter().flatten().map(Vec::capacity).sum::<usize>();
        self.queue.heap_bytes() + self.statements.heap_bytes() + self.outcome.heap_bytes() + names
    }
}

fn transaction_status(status: u8) -> Option<&'static [u8]> {
    match status {
        b'I' => Some(b"idle"),
        b'T' => Some(b"active"),
        b'E' => Some(b"failed"),
        _ => None,
    }
}

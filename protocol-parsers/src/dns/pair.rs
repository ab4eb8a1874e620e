//! Which query a response answers: by id, name and type, since several queries may wait under one id.
//!
//! In: messages with their moments. Out: rows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::DnsEvent;
use super::frame::{Message, Question};
use super::names;
use super::record::Answers;
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};
use crate::{Confidence, Exchange, Flow, Moment, Output, Settings, Skipped, Transport};

const IXFR: u16 = 251;
const AXFR: u16 = 252;

/// One message and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub bytes: &'a [u8],
    /// On the connection: with the length before it over TCP.
    pub wire_bytes: u64,
    /// Moments of its first and last byte.
    pub began: Moment,
    pub ended: Moment,
    pub remote: Option<SocketAddr>,
    /// Its end was not seen.
    pub cut: bool,
}

#[derive(Debug)]
struct Query {
    id: u16,
    question: Option<Question>,
    started: Moment,
    request_bytes: u64,
    remote: Option<SocketAddr>,
    truncated: bool,
    gap_before: bool,
    /// What came of an answer that has several messages.
    transfer: Option<Box<Transfer>>,
}

#[derive(Debug)]
struct Transfer {
    answers: Answers,
    response_bytes: u64,
    rcode: u8,
}

/// How a response's row came about.
#[derive(Debug)]
struct Outcome<'a> {
    rcode: u8,
    answers: &'a [u8],
    answer_count: u64,
    response_bytes: u64,
    /// `None` when the response's end was not seen.
    ended_ns: Option<u64>,
    truncated: bool,
    confidence: Confidence,
    remote: Option<SocketAddr>,
}

#[derive(Debug)]
pub struct Pairing {
    transport: Transport,
    body_bytes_max: usize,
    /// By the order in which they came.
    waiting: BTreeMap<u64, Query>,
    by_id: BTreeSet<(u16, u64)>,
    next: u64,
    name_bytes: usize,
    /// The beginning of the connection or bytes of it were not seen.
    pub doubtful: bool,
    /// Bytes were not seen since the last query.
    pub gap: bool,
}

impl Pairing {
    pub fn new(settings: &Settings, transport: Transport) -> Self {
        Self {
            transport,
            body_bytes_max: settings.body_bytes_max,
            waiting: BTreeMap::new(),
            by_id: BTreeSet::new(),
            next: 0,
            name_bytes: 0,
            doubtful: false,
            gap: false,
        }
    }

    /// Takes one message; `false` when it is none.
    pub fn message(&mut self, flow: Flow, arrival: Arrival<'_>, out: &mut dyn Output) -> bool {
        let Some(message) = Message::read(arrival.bytes) else { return false };
        match (flow, message.header.response()) {
            (Flow::ToServer, false) => self.query(message, arrival, out),
            (Flow::ToClient, true) => self.response(&message, arrival, out),
            // a name server may ask and answer on one socket: the other way round it is another's query
            _ => {}
        }
        true
    }

    fn query(&mut self, message: Message, arrival: Arrival<'_>, out: &mut dyn Output) {
        let id = message.header.id;
        let again = self.with_id(id).any(|(_, q)| q.question == message.question && same_end(q.remote, arrival.remote));
        if again {
            return;
        }
        if self.waiting.len() >= PENDING_REQUESTS_MAX || self.name_bytes >= PENDING_BYTES_MAX {
            out.skipped(Skipped::OverLimit, 1, arrival.wire_bytes);
            return;
        }
        let query = Query {
            id,
            question: message.question,
            started: arrival.began,
            request_bytes: arrival.wire_bytes,
            remote: arrival.remote,
            truncated: arrival.cut,
            gap_before: std::mem::take(&mut self.gap),
            transfer: None,
        };
        self.name_bytes += query.question.as_ref().map_or(0, |q| q.name.capacity());
        self.waiting.insert(self.next, query);
        self.by_id.insert((id, self.next));
        self.next += 1;
    }

    fn with_id(&self, id: u16) -> impl Iterator<Item = (u64, &Query)> {
        self.by_id.range((id, 0)..=(id, u64::MAX)).filter_map(|(_, n)| Some((*n, self.waiting.get(n)?)))
    }

    /// The query that a response answers, and whether that is by more than the id.
    fn answered(&self, message: &Message, remote: Option<SocketAddr>) -> Option<(u64, bool)> {
        let mut candidates = self.with_id(message.header.id).filter(|(_, q)| same_end(q.remote, remote));
        if let Some(asked) = &message.question {
            let answered = candidates.find(|(_, q)| q.question.as_ref().is_some_and(|a| a.same(asked)));
            return answered.map(|(number, _)| (number, true));
        }
        let first = candidates.next()?;
        // the later messages of a transfer have no question
        let sure = first.1.question.is_none() || first.1.transfer.is_some();
        candidates.next().is_none().then_some((first.0, sure))
    }

    fn response(&mut self, message: &Message, arrival: Arrival<'_>, out: &mut dyn Output) {
        let Some((number, sure)) = self.answered(message, arrival.remote) else { return };
        let Some(query) = self.waiting.get_mut(&number) else { return };
        let record_type = query.question.as_ref().map_or(0, |q| q.record_type);
        let (mut answers, mut response_bytes, mut rcode) = match query.transfer.take() {
            Some(transfer) => (transfer.answers, transfer.response_bytes, transfer.rcode),
            None => (Answers::default(), 0, message.header.rcode()),
        };
        answers.add(arrival.bytes, message, self.body_bytes_max);
        response_bytes += arrival.wire_bytes;
        if message.header.rcode() != 0 {
            rcode = message.header.rcode();
        }
        let transfers = self.transport == Transport::Stream && matches!(record_type, IXFR | AXFR);
        if transfers && rcode == 0 && !transferred(record_type, &answers) {
            query.transfer = Some(Box::new(Transfer { answers, response_bytes, rcode }));
            return;
        }
        let Some(query) = self.take(number) else { return };
        let confidence = match (sure, self.doubtful) {
            (false, _) => Confidence::Guessed,
            (_, true) => Confidence::Likely,
            _ => Confidence::Certain,
        };
        let (answer_count, truncated) = (answers.count, answers.truncated || arrival.cut);
        let outcome = Outcome {
            rcode,
            answers: answers.finish(),
            answer_count,
            response_bytes,
            ended_ns: (!arrival.cut).then_some(arrival.ended.mono_ns),
            truncated,
            confidence,
            remote: arrival.remote,
        };
        self.emit(&query, Some(outcome), false, out);
        if let Some(question) = query.question.as_ref().filter(|_| rcode == 0) {
            answers.addresses.iter().for_each(|address| out.resolved(&question.name, *address));
        }
    }

    fn take(&mut self, number: u64) -> Option<Query> {
        let query = self.waiting.remove(&number)?;
        self.by_id.remove(&(query.id, number));
        self.name_bytes -= query.question.as_ref().map_or(0, |q| q.name.capacity());
        Some(query)
    }

    fn emit(&self, query: &Query, outcome: Option<Outcome<'_>>, broken: bool, out: &mut dyn Output) {
        let question = query.question.as_ref();
        let query_type = question.map(|q| names::record_type(q.record_type));
        let rcode = outcome.as_ref().map(|o| names::response_code(o.rcode));
        let row = DnsEvent {
            transport: Some(if self.transport == Transport::Stream { b"tcp" } else { b"udp" }),
            query_id: Some(i32::from(query.id)),
            query_name: question.map(|q| q.name.as_slice()),
            query_type: query_type.as_deref().map(str::as_bytes),
            rcode: rcode.as_deref().map(str::as_bytes),
            answers: outcome.as_ref().map(|o| o.answers),
            answer_count: outcome.as_ref().map(|o| o.answer_count as i64),
            ..DnsEvent::default()
        };
        let likely = if self.doubtful { Confidence::Likely } else { Confidence::Certain };
        let exchange = Exchange {
            started: query.started,
            ended_ns: outcome.as_ref().and_then(|o| o.ended_ns),
            request_bytes: Some(query.request_bytes),
            response_bytes: outcome.as_ref().map(|o| o.response_bytes),
            truncated: query.truncated || outcome.as_ref().is_some_and(|o| o.truncated),
            gap_before: query.gap_before,
            broken,
            confidence: outcome.as_ref().map_or(likely, |o| o.confidence),
            remote: query.remote.or(outcome.as_ref().and_then(|o| o.remote)),
            ..Exchange::default()
        };
        out.row(&row, &exchange);
    }

    /// The connection is gone: what waits becomes rows.
    pub fn close(&mut self, out: &mut dyn Output) {
        self.by_id.clear();
        self.name_bytes = 0;
        for mut query in std::mem::take(&mut self.waiting).into_values() {
            self.give_up(&mut query, true, out);
        }
    }

    /// A row without a response, or with what came of it.
    fn give_up(&self, query: &mut Query, broken: bool, out: &mut dyn Output) {
        match query.transfer.take() {
            Some(mut transfer) => self.emit(query, Some(cut_transfer(&mut transfer)), broken, out),
            None => self.emit(query, None, broken, out),
        }
    }

    /// Queries that began before `before_ns` become rows without a response, or with what came of it.
    pub fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        while let Some((&number, query)) = self.waiting.first_key_value() {
            if query.started.mono_ns >= before_ns {
                return;
            }
            let Some(mut query) = self.take(number) else { return };
            self.give_up(&mut query, false, out);
        }
    }

    pub fn waiting_since(&self) -> Option<u64> {
        self.waiting.first_key_value().map(|(_, q)| q.started.mono_ns)
    }

    pub fn heap_bytes(&self) -> usize {
        // a tree's nodes are about two thirds full
        let entry = size_of::<Query>() + size_of::<(u64, u16, u64)>();
        let transfers: usize = self.waiting.values().filter_map(|q| q.transfer.as_ref()).map(|t| t.answers.heap_bytes()).sum();
        self.waiting.len() * entry * 3 / 2 + self.name_bytes + transfers
    }
}

/// Whether both may be the same end; one that is not known may be any.
fn same_end(one: Option<SocketAddr>, other: Option<SocketAddr>) -> bool {
    one.is_none() || other.is_none() || one == other
}

/// Whether a zone transfer is at its end (RFC 5936 section 2.2, RFC 1995 section 4).
fn transferred(record_type: u16, answers: &Answers) -> bool {
    let single = record_type == IXFR && answers.count == 1;
    single || answers.count == 0 || (answers.ends_with_soa && answers.soa_count >= 2)
}

fn cut_transfer(transfer: &mut Transfer) -> Outcome<'_> {
    let answer_count = transfer.answers.count;
    Outcome {
        rcode: transfer.rcode,
        answers: transfer.answers.finish(),
        answer_count,
        response_bytes: transfer.response_bytes,
        ended_ns: None,
        truncated: true,
        confidence: Confidence::Likely,
        remote: None,
    }
}

//! The requests that wait for their responses, in order, under limits; and the memory of messages, to be used again.

use std::collections::VecDeque;

use super::head::Head;
use super::limits::{PLACEHOLDERS_MAX, SPARE_MESSAGES_MAX};
use super::message::Message;
use crate::Confidence;
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};

/// What of a request decides how its response is framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Head,
    Connect,
    Upgrade,
    Other,
}

impl Kind {
    pub fn of(head: &Head) -> Self {
        match head.method() {
            Some(b"HEAD") => Kind::Head,
            Some(b"CONNECT") => Kind::Connect,
            _ if head.upgrade => Kind::Upgrade,
            _ => Kind::Other,
        }
    }

    pub fn may_upgrade(self) -> bool {
        matches!(self, Kind::Connect | Kind::Upgrade)
    }
}

#[derive(Debug)]
struct Waiting {
    kind: Kind,
    /// `None` is a placeholder: the request is a row already, or was over a limit.
    request: Option<Box<Message>>,
    /// Its response may have been lost.
    doubtful: bool,
    /// It asked whether to send its body, and was not told to.
    asks: bool,
    /// What is counted for it.
    bytes: usize,
}

#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The last one's body is being received.
    receiving: bool,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Not even placeholders have room.
    pub fn is_overfull(&self) -> bool {
        self.waiting.len() >= PLACEHOLDERS_MAX
    }

    pub fn heap_bytes(&self) -> usize {
        let receiving = if self.receiving { self.waiting.back().and_then(|w| w.request.as_ref()) } else { None };
        self.bytes + receiving.map_or(0, |r| r.heap_bytes()) + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// Adds a request whose body comes next; gives it back when a limit left room for its placeholder only.
    pub fn push(&mut self, kind: Kind, request: Box<Message>) -> Option<Box<Message>> {
        let room = self.waiting.len() < PENDING_REQUESTS_MAX && self.bytes < PENDING_BYTES_MAX;
        let asks = request.head.expects_continue;
        let (request, refused) = if room { (Some(request), None) } else { (None, Some(request)) };
        self.waiting.push_back(Waiting { kind, request, doubtful: false, asks, bytes: 0 });
        self.receiving = true;
        refused
    }

    /// The request whose body is being received.
    pub fn receiving(&mut self) -> Option<&mut Message> {
        if !self.receiving {
            return None;
        }
        self.waiting.back_mut()?.request.as_deref_mut()
    }

    /// Whether more of the body that is being received would be kept.
    pub fn keeps_body(&self) -> bool {
        let last = if self.receiving { self.waiting.back() } else { None };
        last.and_then(|last| last.request.as_ref()).is_some_and(|request| !request.body_cut)
    }

    /// The last request is received, or what there is of it. Answers its kind while it waits.
    pub fn received(&mut self, bytes: u64, last_ns: u64, whole: bool) -> Option<Kind> {
        if !std::mem::take(&mut self.receiving) {
            return None;
        }
        let last = self.waiting.back_mut()?;
        if let Some(request) = &mut last.request {
            request.bytes = bytes;
            request.last_ns = last_ns;
            request.whole = whole;
            request.body_cut |= !whole;
            last.bytes = request.heap_bytes();
            self.bytes += last.bytes;
        }
        Some(last.kind)
    }

    /// Notes the size so far of the request that is being received, which is answered before its end; a body
    /// that is `refused` is not cut.
    pub fn measure(&mut self, bytes: u64, last_ns: u64, refused: bool) {
        if let Some(request) = self.receiving() {
            request.bytes = bytes;
            request.last_ns = last_ns;
            request.body_cut |= !refused;
        }
    }

    /// Takes the first; `Some(None)` is a placeholder.
    pub fn pop(&mut self) -> Option<Option<Box<Message>>> {
        let first = self.waiting.pop_front()?;
        self.bytes -= first.bytes;
        if self.waiting.is_empty() {
            self.receiving = false;
            // what a flood needed is given back
            if self.waiting.capacity() > 64 {
                self.waiting = VecDeque::new();
            }
        }
        Some(first.request)
    }

    pub fn front_kind(&self) -> Kind {
        self.waiting.front().map_or(Kind::Other, |w| w.kind)
    }

    pub fn front_is_receiving(&self) -> bool {
        self.receiving && self.waiting.len() == 1
    }

    /// Whether the request being received asked whether to send its body and was not told to.
    pub fn awaits_agreement(&self) -> bool {
        self.receiving && self.waiting.back().is_some_and(|w| w.asks && w.request.as_ref().is_none_or(|r| r.body_bytes == 0))
    }

    /// The server has sent an interim response to the first.
    pub fn agreed_to_body(&mut self) {
        if let Some(first) = self.waiting.front_mut() {
            first.asks = false;
        }
    }

    /// Whether a whole request waits whose response has not been lost.
    pub fn waits_surely(&self) -> bool {
        !self.receiving && self.waiting.back().is_some_and(|w| !w.doubtful)
    }

    /// The responses of all may have been lost.
    pub fn doubt(&mut self) {
        for waiting in &mut self.waiting {
            waiting.doubtful = true;
            if let Some(request) = &mut waiting.request {
                request.confidence = Confidence::Guessed;
            }
        }
    }

    /// Whether the first's response was lost, since the next one was sent before this response.
    pub fn skips_front(&self, response_ns: u64) -> bool {
        let next = self.waiting.get(1).and_then(|w| w.request.as_ref());
        self.waiting.front().is_some_and(|w| w.doubtful) && next.is_some_and(|r| r.started.mono_ns <= response_ns)
    }

    pub fn front_is_younger(&self, response_ns: u64) -> bool {
        let first = self.waiting.front().and_then(|w| w.request.as_ref());
        first.is_some_and(|r| r.started.mono_ns > response_ns)
    }

    /// Takes the next request that began before, leaving a placeholder; the first `answered` have their response. One that
    /// is still being received has not been waiting yet.
    pub fn expire(&mut self, answered: usize, before_ns: u64) -> Option<Box<Message>> {
        let index = answered + self.waiting.iter().skip(answered).position(|w| w.request.is_some())?;
        let receiving = self.receiving && index + 1 == self.waiting.len();
        let waiting = self.waiting.get_mut(index)?;
        if receiving || waiting.request.as_ref()?.started.mono_ns >= before_ns {
            return None;
        }
        self.bytes -= std::mem::take(&mut waiting.bytes);
        waiting.request.take()
    }

    /// When the first began that has no response.
    pub fn waiting_since(&self, answered: usize) -> Option<u64> {
        self.waiting.iter().skip(answered).find_map(|w| w.request.as_ref()).map(|r| r.started.mono_ns)
    }
}

/// Messages that are not in use.
#[derive(Debug, Default)]
pub struct Spare([Option<Box<Message>>; SPARE_MESSAGES_MAX]);

impl Spare {
    pub fn take(&mut self) -> Box<Message> {
        self.0.iter_mut().find_map(Option::take).unwrap_or_default()
    }

    pub fn put(&mut self, mut message: Box<Message>) {
        if let Some(free) = self.0.iter_mut().find(|place| place.is_none()) {
            message.clear();
            *free = Some(message);
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.0.iter().flatten().map(|m| m.heap_bytes()).sum()
    }
}

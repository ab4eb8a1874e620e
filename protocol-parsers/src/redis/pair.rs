//! Which command a reply answers: commands wait in the order in which they came.
//!
//! In: whole commands and whole replies. Out: rows. A command whose row is written or given up still waits, silently, so that
//! its reply is not taken for another's.

use std::collections::VecDeque;

use super::RedisEvent;
use super::command::Command;
use super::reply::Kind;
use crate::limits::{PENDING_BYTES_MAX, PENDING_REQUESTS_MAX};
use crate::{Confidence, Exchange, Output, Skipped};

/// How many command buffers are kept to be used again, and how large one of them may be.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BUFFER_BYTES_MAX: usize = 4096;

/// What a command's replies look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    Any,
    /// One confirmation for each channel or pattern.
    Confirmations,
    /// As many confirmations as there are subscriptions.
    AllConfirmations,
    /// Perhaps followed by a dump and a stream of commands.
    Replication,
}

#[derive(Debug)]
pub struct Waiting {
    pub command: Command,
    pub expect: Expect,
    /// Replies that are still to come.
    pub replies: u64,
    /// It gets no row any more.
    pub silent: bool,
    pub gap_before: bool,
    pub confidence: Confidence,
}

impl Waiting {
    pub fn new(command: Command, expect: Expect, replies: u64) -> Self {
        Self { command, expect, replies, silent: false, gap_before: false, confidence: Confidence::Certain }
    }
}

/// What is known of a reply when its row is written.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub kind: Option<Kind>,
    pub text: &'a [u8],
    pub bytes: Option<u64>,
    /// `None` when its last byte was not seen.
    pub ended_ns: Option<u64>,
    pub truncated: bool,
    pub gap_before: bool,
}

#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    /// Bytes of the waiting commands' buffers.
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn front(&mut self) -> Option<&mut Waiting> {
        self.waiting.front_mut()
    }

    /// An empty buffer for the next command.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// A command waits; one that is over the limits gets no row.
    pub fn push(&mut self, mut waiting: Waiting, out: &mut dyn Output) {
        if self.waiting.len() < PENDING_REQUESTS_MAX && self.bytes < PENDING_BYTES_MAX {
            self.bytes += waiting.command.text.capacity();
            self.waiting.push_back(waiting);
            return;
        }
        out.skipped(Skipped::OverLimit, 1, waiting.command.bytes);
        self.silence(&mut waiting);
        self.push_silent(waiting);
    }

    /// A command without a row waits. Plain ones in a row are one entry, so that any number of them takes no memory.
    pub fn push_silent(&mut self, mut waiting: Waiting) {
        waiting.silent = true;
        match self.waiting.back_mut() {
            Some(back) if back.silent && back.expect == waiting.expect && waiting.expect != Expect::AllConfirmations => {
                back.replies += waiting.replies;
            }
            _ => self.waiting.push_back(waiting),
        }
    }

    /// The first command has all its replies.
    pub fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        if !waiting.silent {
            self.bytes -= waiting.command.text.capacity();
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 256 {
            self.waiting = VecDeque::new();
        }
        Some(waiting)
    }

    /// Takes a command's buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS_MAX && (1..=SPARE_BUFFER_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn silence(&mut self, waiting: &mut Waiting) {
        waiting.silent = true;
        let buffer = std::mem::take(&mut waiting.command.text);
        waiting.command.word_bytes = 0;
        waiting.command.args_bytes = 0;
        waiting.command.key = false;
        self.recycle(buffer);
    }

    /// Commands that began before `before_ns` become rows without a reply; their replies are still awaited.
    pub fn expire(&mut self, before_ns: u64, out: &mut dyn Output) {
        let mut buffers = Vec::new();
        for waiting in &mut self.waiting {
            if waiting.command.started.mono_ns >= before_ns {
                break;
            }
            if waiting.silent {
                continue;
            }
            emit(waiting, None, false, out);
            waiting.silent = true;
            let command = &mut waiting.command;
            (command.word_bytes, command.args_bytes, command.key) = (0, 0, false);
            buffers.push(std::mem::take(&mut command.text));
        }
        for buffer in buffers {
            self.bytes -= buffer.capacity();
            self.recycle(buffer);
        }
    }

    /// When the oldest command that may still get a row began.
    pub fn waiting_since(&self) -> Option<u64> {
        self.waiting.iter().find(|w| !w.silent).map(|w| w.command.started.mono_ns)
    }

    pub fn heap_bytes(&self) -> usize {
        let spare: usize = self.spare.iter().map(Vec::capacity).sum();
        self.bytes + spare + self.waiting.capacity() * size_of::<Waiting>()
    }
}

/// Writes a command's row.
pub fn emit(waiting: &Waiting, answer: Option<Answer<'_>>, broken: bool, out: &mut dyn Output) {
    if waiting.silent {
        return;
    }
    let command = &waiting.command;
    let kind = answer.and_then(|a| a.kind);
    let text = answer.map(|a| a.text);
    let row = RedisEvent {
        command: Some(command.word()),
        key: command.key(),
        args: Some(command.args()),
        args_count: Some(command.args_count as i64),
        response: text.filter(|_| !matches!(kind, None | Some(Kind::Null | Kind::Error))),
        response_type: kind.map(|k| k.as_str().as_bytes()),
        error: text.filter(|_| kind == Some(Kind::Error)),
        ..RedisEvent::default()
    };
    let exchange = Exchange {
        started: command.started,
        ended_ns: answer.and_then(|a| a.ended_ns),
        request_bytes: (!command.open).then_some(command.bytes),
        response_bytes: answer.and_then(|a| a.bytes),
        truncated: command.truncated || answer.is_some_and(|a| a.truncated),
        gap_before: waiting.gap_before || answer.is_some_and(|a| a.gap_before),
        broken,
        confidence: waiting.confidence,
        ..Exchange::default()
    };
    out.row(&row, &exchange);
}

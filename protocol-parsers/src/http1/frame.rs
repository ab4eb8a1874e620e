//! One direction of a connection: heads, bodies and chunks (RFC 9112), and the way back to a start line after a loss.
//!
//! In: bytes in any portions. Out: events, in order. Holds an incomplete head and nothing else: bodies pass through.
//! Does not know which response belongs to which request; who does says how a body is framed.

use super::chunk::{self, CHUNK_START, Chunk};
use super::head::{Head, Headers};
use super::limits::{HEAD_BYTES_MAX, MALFORMED_BYTES_MAX, START_LINE_BYTES_MAX, UNTIL_END_STEP_BYTES};
use super::line;
use super::message::Message;
use crate::{Flow, Moment, Skipped};

#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A head is complete: to be taken with `take_head`, and `begin_body` to be called.
    Head,
    Body(&'a [u8]),
    /// The message is whole.
    End,
    /// The message cannot be followed to its end.
    Lost,
    Skipped {
        why: Skipped,
        messages: u64,
        bytes: u64,
    },
}

/// Where a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// After this many bytes.
    Length(u64),
    Chunked,
    /// With the connection.
    UntilEnd,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// A start line comes next, or is sought.
    Start,
    Headers,
    Length(u64),
    Chunk(Chunk),
    UntilEnd,
}

/// The search for a start line.
#[derive(Debug)]
struct Search {
    why: Skipped,
    /// Skipped and not yet told.
    untold: u64,
    /// Skipped since the last message.
    total: u64,
    /// The next byte begins a line, or may.
    line_start: bool,
}

impl Search {
    fn new(why: Skipped, line_start: bool) -> Self {
        Self { why, untold: 0, total: 0, line_start }
    }
}

#[derive(Debug)]
pub struct Reader {
    flow: Flow,
    phase: Phase,
    search: Search,
    head: Head,
    last_headers: Headers,
    /// Length of the start line in `head`.
    line_bytes: usize,
    /// Bytes of the current header line that came in earlier segments, and the last of them.
    carried: usize,
    carried_last: u8,
    first: Moment,
    /// The moment of the last byte of the current message.
    pub last: Moment,
    /// Bytes of the current message so far.
    pub bytes: u64,
    gap: bool,
    /// A start line may come in place of the body.
    doubted: bool,
    /// Once a message was found.
    found: bool,
    /// What comes is not HTTP, or comes from the other end.
    pub misfit: bool,
}

impl Reader {
    pub fn new(flow: Flow, from_start: bool) -> Self {
        let why = if from_start { Skipped::Malformed } else { Skipped::JoinedMidMessage };
        Self {
            flow,
            phase: Phase::Start,
            search: Search::new(why, true),
            head: Head::default(),
            last_headers: Headers::default(),
            line_bytes: 0,
            carried: 0,
            carried_last: 0,
            first: Moment::default(),
            last: Moment::default(),
            bytes: 0,
            gap: false,
            doubted: false,
            found: false,
            misfit: false,
        }
    }

    /// Whether it is known where messages begin and end.
    pub fn synchronised(&self) -> bool {
        self.phase != Phase::Start || self.search.why == Skipped::Malformed && self.search.total == 0
    }

    /// Whether a message ended and the next has not begun.
    pub fn between_messages(&self) -> bool {
        self.phase == Phase::Start && self.synchronised() && self.head.bytes.is_empty()
    }

    pub fn heap_bytes(&self) -> usize {
        self.head.heap_bytes() + self.last_headers.heap_bytes()
    }

    /// Moves the head that is complete into `message`, which is clear.
    pub fn take_head(&mut self, message: &mut Message) {
        std::mem::swap(&mut self.head, &mut message.head);
        self.head.clear();
        message.started = self.first;
        message.gap_before = std::mem::take(&mut self.gap);
    }

    pub fn begin_body(&mut self, framing: Framing) {
        self.phase = match framing {
            Framing::Length(len) => Phase::Length(len),
            Framing::Chunked => Phase::Chunk(CHUNK_START),
            Framing::UntilEnd => Phase::UntilEnd,
        };
    }

    /// A segment begins. Messages mostly do so with a segment, which helps where the line's start is not known.
    pub fn begin_segment(&mut self, bytes: &[u8]) -> Option<Event<'static>> {
        if self.phase != Phase::Start || self.search.why == Skipped::Malformed {
            return None;
        }
        if self.head.bytes.is_empty() {
            self.search.line_start = true;
            return None;
        }
        let end = memchr::memchr(b'\n', bytes)?;
        line::complete(self.flow, &bytes[..=end])?;
        self.refuse_candidate();
        self.search.line_start = true;
        self.tell()
    }

    /// The next event; `None` when all of `rest` is consumed.
    pub fn next<'a>(&mut self, rest: &mut &'a [u8], at: Moment) -> Option<Event<'a>> {
        if self.doubted {
            return self.doubted_body(rest, at);
        }
        let before = rest.len();
        let in_message = !matches!(self.phase, Phase::Start);
        let event = match self.phase {
            Phase::Start => return self.start(rest, at),
            Phase::Headers => self.headers(rest),
            Phase::Length(0) => self.ended(),
            Phase::Length(left) => {
                let body = take(rest, left);
                self.phase = Phase::Length(left - body.len() as u64);
                some_body(body)
            }
            Phase::UntilEnd => some_body(take(rest, u64::MAX)),
            Phase::Chunk(chunk) => self.chunk(chunk, rest),
        };
        if in_message && rest.len() < before {
            self.bytes += (before - rest.len()) as u64;
            self.last = at;
        }
        event
    }

    fn ended<'a>(&mut self) -> Option<Event<'a>> {
        self.phase = Phase::Start;
        Some(Event::End)
    }

    fn lost<'a>(&mut self, why: Skipped) -> Option<Event<'a>> {
        self.phase = Phase::Start;
        self.search = Search::new(why, false);
        Some(Event::Lost)
    }

    fn start<'a>(&mut self, rest: &mut &'a [u8], at: Moment) -> Option<Event<'a>> {
        while !rest.is_empty() {
            let line_end = memchr::memchr(b'\n', rest).map(|end| end + 1);
            let line = &rest[..line_end.unwrap_or(rest.len())];
            *rest = &rest[line.len()..];
            if !self.search.line_start {
                self.search.line_start = line_end.is_some();
                self.skip(line.len());
                continue;
            }
            if self.head.bytes.is_empty() {
                self.first = at;
            }
            if self.head.bytes.len() + line.len() > START_LINE_BYTES_MAX {
                self.too_long(line);
                self.refuse(line, line_end.is_some());
            } else if line_end.is_some() {
                if self.line(line) {
                    self.last = at;
                    return self.tell().or_else(|| self.next(rest, at));
                }
            } else {
                self.candidate(line);
            }
        }
        self.tell()
    }

    /// Takes a whole line, or the end of one. Answers whether it is a start line.
    fn line(&mut self, bytes: &[u8]) -> bool {
        self.head.bytes.extend_from_slice(bytes);
        let line = &self.head.bytes;
        // an empty line before a message is to be ignored (RFC 9112, section 2.2)
        if line::without_end(line).is_empty() && self.synchronised() {
            self.head.bytes.clear();
            return false;
        }
        let simple = || if self.flow == Flow::ToServer && self.synchronised() { line::simple_request(line) } else { None };
        let Some(start_line) = line::complete(self.flow, line).or_else(simple) else {
            self.misfit |= !self.found && line::complete(self.flow.other(), line).is_some();
            self.refuse(&[], true);
            return false;
        };
        self.head.line = start_line;
        self.line_bytes = self.head.bytes.len();
        self.bytes = self.line_bytes as u64;
        self.carried = 0;
        self.phase = Phase::Headers;
        self.found = true;
        self.misfit = false;
        true
    }

    /// A line is too long to be held. Only if it could be a start line it is the limit that loses it.
    fn too_long(&mut self, line: &[u8]) {
        let beginning = if self.head.bytes.is_empty() { line } else { &self.head.bytes };
        if self.search.why == Skipped::Malformed && line::possible(self.flow, beginning) {
            self.search.why = Skipped::OverLimit;
        }
    }

    /// Takes the beginning of a line.
    fn candidate(&mut self, bytes: &[u8]) {
        self.head.bytes.extend_from_slice(bytes);
        let line = &self.head.bytes;
        let empty_line = line == b"\r" && self.synchronised();
        if !empty_line && !line::possible(self.flow, line) {
            self.refuse(&[], false);
        }
    }

    /// What is held, and `more`, is no start line.
    fn refuse(&mut self, more: &[u8], line_start: bool) {
        self.refuse_candidate();
        self.skip(more.len());
        self.search.line_start = line_start;
    }

    fn refuse_candidate(&mut self) {
        self.skip(self.head.bytes.len());
        self.head.bytes.clear();
        self.head.shrink(HEAD_BYTES_MAX / 16);
    }

    fn skip(&mut self, bytes: usize) {
        self.search.untold += bytes as u64;
        self.search.total += bytes as u64;
        self.misfit |= self.search.why == Skipped::Malformed && self.search.total > MALFORMED_BYTES_MAX;
    }

    /// Tells what was skipped; the search is over when a start line has been found.
    fn tell<'a>(&mut self) -> Option<Event<'a>> {
        let (why, bytes) = (self.search.why, std::mem::take(&mut self.search.untold));
        if self.phase == Phase::Headers {
            self.search = Search::new(Skipped::Malformed, true);
        }
        (bytes > 0).then_some(Event::Skipped { why, messages: 0, bytes })
    }

    fn headers<'a>(&mut self, rest: &mut &'a [u8]) -> Option<Event<'a>> {
        if self.carried == 0 && self.head.bytes.len() == self.line_bytes && self.last_headers.begin(rest) {
            let len = self.last_headers.give(&mut self.head);
            *rest = &rest[len..];
            return Some(Event::Head);
        }
        let mut end = 0;
        let mut complete = false;
        while let Some(at) = memchr::memchr(b'\n', &rest[end..]) {
            let last = if at > 0 { rest[end + at - 1] } else { self.carried_last };
            complete = match self.carried + at {
                0 => true,
                1 => last == b'\r',
                _ => false,
            };
            self.carried = 0;
            end += at + 1;
            if complete {
                break;
            }
        }
        if !complete {
            self.carried += rest.len() - end;
            self.carried_last = rest.last().copied().unwrap_or(self.carried_last);
            end = rest.len();
        }
        let kept = end.min(HEAD_BYTES_MAX - self.head.bytes.len());
        self.head.bytes.extend_from_slice(&rest[..kept]);
        self.head.cut_bytes += (end - kept) as u64;
        *rest = &rest[end..];
        if !complete {
            return None;
        }
        if self.head.cut_bytes > 0 {
            let whole_lines = memchr::memrchr(b'\n', &self.head.bytes).map_or(0, |at| at + 1);
            self.head.bytes.truncate(whole_lines);
        }
        self.head.parse(self.line_bytes);
        self.last_headers.take(&mut self.head);
        Some(Event::Head)
    }

    fn chunk<'a>(&mut self, chunk: Chunk, rest: &mut &'a [u8]) -> Option<Event<'a>> {
        let mut chunk = chunk;
        if let Chunk::Data(left) = chunk {
            let body = take(rest, left);
            let left = left - body.len() as u64;
            self.phase = Phase::Chunk(if left == 0 { Chunk::DataEnd } else { Chunk::Data(left) });
            return some_body(body);
        }
        while let [byte, after @ ..] = *rest {
            let next = match chunk {
                Chunk::Size { .. } => chunk::size(chunk, *byte),
                Chunk::DataEnd if *byte == b'\r' => Ok(chunk),
                Chunk::DataEnd if *byte == b'\n' => Ok(CHUNK_START),
                Chunk::DataEnd | Chunk::Data(_) => Err(Skipped::Malformed),
                Chunk::Trailer { text_bytes: 0, .. } if *byte == b'\n' => {
                    *rest = after;
                    return self.ended();
                }
                Chunk::Trailer { text_bytes, total_bytes } => chunk::trailer(text_bytes, total_bytes, *byte),
            };
            chunk = match next {
                Ok(next) => next,
                Err(why) => return self.lost(why),
            };
            *rest = after;
            self.phase = Phase::Chunk(chunk);
            if matches!(chunk, Chunk::Data(_)) {
                return self.chunk(chunk, rest);
            }
        }
        None
    }

    /// The body that comes next may be left out: a start line in its place begins the next message.
    pub fn doubt_body(&mut self) {
        self.doubted = matches!(self.phase, Phase::Length(1..)) || self.phase == Phase::Chunk(CHUNK_START);
    }

    /// Decides by its first line whether the body comes or the next message.
    fn doubted_body<'a>(&mut self, rest: &mut &'a [u8], at: Moment) -> Option<Event<'a>> {
        if rest.is_empty() {
            return None;
        }
        if self.head.bytes.is_empty() {
            self.first = at;
        }
        let line_end = memchr::memchr(b'\n', rest).map(|end| end + 1);
        let line = &rest[..line_end.unwrap_or(rest.len()).min(START_LINE_BYTES_MAX - self.head.bytes.len())];
        *rest = &rest[line.len()..];
        self.head.bytes.extend_from_slice(line);
        let held = &self.head.bytes;
        // a text may look like a start line; that has no other spaces
        let spaces = held.iter().filter(|&&b| b == b' ').count();
        if line_end.is_some() && spaces == 2 && line::complete(self.flow, held).is_some() {
            self.doubted = false;
            self.phase = Phase::Start;
            self.last = at;
            self.line(&[]);
        } else if line_end.is_some() || held.len() == START_LINE_BYTES_MAX || !line::possible(self.flow, held) {
            self.trust_body(at);
        }
        self.next(rest, at)
    }

    /// The body comes after all, and what is held of it goes its way. Its message is told already.
    fn trust_body(&mut self, at: Moment) {
        if !std::mem::take(&mut self.doubted) {
            return;
        }
        let held = std::mem::take(&mut self.head.bytes);
        let (mut rest, mut skipped) = (held.as_slice(), 0);
        while let Some(event) = self.next(&mut rest, at) {
            if let Event::Skipped { bytes, .. } = event {
                skipped += bytes;
            }
        }
        self.search.untold += skipped;
    }

    /// The body is not sent after all.
    pub fn abandon_body(&mut self) {
        self.phase = Phase::Start;
    }

    /// `len` bytes were not seen. Answers how many of them are body for certain.
    pub fn hole(&mut self, len: u64, at: Moment) -> u64 {
        self.trust_body(at);
        let absorbed = match &mut self.phase {
            Phase::Length(left) => {
                let n = len.min(*left);
                *left -= n;
                n
            }
            Phase::Chunk(chunk) => match chunk {
                Chunk::Data(left) => {
                    let n = len.min(*left);
                    *chunk = if n == *left { Chunk::DataEnd } else { Chunk::Data(*left - n) };
                    n
                }
                _ => 0,
            },
            Phase::UntilEnd => len,
            Phase::Start | Phase::Headers => 0,
        };
        if absorbed > 0 {
            self.bytes += absorbed;
            self.last = at;
        }
        absorbed
    }

    /// How many of the next bytes are body for certain.
    pub fn body_left(&self) -> u64 {
        match self.phase {
            _ if self.doubted => 0,
            Phase::Length(left) | Phase::Chunk(Chunk::Data(left)) => left,
            Phase::UntilEnd => UNTIL_END_STEP_BYTES,
            Phase::Start | Phase::Headers | Phase::Chunk(_) => 0,
        }
    }

    /// Bytes were not seen, and with them where messages begin.
    pub fn gap(&mut self) -> Option<Event<'static>> {
        let event = self.abandon(Skipped::Gap);
        self.search = Search::new(Skipped::Gap, true);
        self.gap = true;
        event
    }

    /// No byte follows.
    pub fn end(&mut self) -> Option<Event<'static>> {
        match self.phase {
            Phase::UntilEnd => self.ended(),
            _ => self.abandon(Skipped::Malformed),
        }
    }

    /// Gives up what is incomplete.
    fn abandon(&mut self, why: Skipped) -> Option<Event<'static>> {
        if std::mem::take(&mut self.doubted) {
            self.head.clear();
        }
        match std::mem::replace(&mut self.phase, Phase::Start) {
            Phase::Start | Phase::Headers => {
                let bytes = self.head.bytes.len() as u64 + self.head.cut_bytes;
                self.head.clear();
                // a request that is lost is a row that is missing; a response's request has its row
                let messages = u64::from(self.flow == Flow::ToServer);
                (bytes > 0).then_some(Event::Skipped { why, messages, bytes })
            }
            _ => Some(Event::Lost),
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], most: u64) -> &'a [u8] {
    let (taken, left) = rest.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(rest.len()));
    *rest = left;
    taken
}

fn some_body(body: &[u8]) -> Option<Event<'_>> {
    (!body.is_empty()).then_some(Event::Body(body))
}

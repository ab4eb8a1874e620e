//! What the server says: replies and pushes, RESP2 and RESP3.
//!
//! In: bytes as they come. Out: one [`Reply`] after the other, with its text. Knows nothing of commands.

use super::command::{Hole, Seen};
use super::frame::{Bulk, ELEMENTS_MAX, Line, Lines, length, number};
use super::render::{NESTING_DEPTH_MAX, Render};
use crate::Settings;

/// The type of a value, by its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    #[default]
    Null,
    Simple,
    Error,
    Integer,
    Bulk,
    Array,
    Map,
    Set,
    Push,
    Double,
    Boolean,
    BigNumber,
    Verbatim,
    Attribute,
}

impl Kind {
    /// As in the column `response_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Simple => "simple",
            Kind::Error => "error",
            Kind::Integer => "integer",
            Kind::Bulk => "bulk",
            Kind::Array => "array",
            Kind::Map => "map",
            Kind::Set => "set",
            Kind::Push => "push",
            Kind::Double => "double",
            Kind::Boolean => "boolean",
            Kind::BigNumber => "big_number",
            Kind::Verbatim => "verbatim",
            Kind::Attribute => "attribute",
        }
    }
}

/// Longest first element that tells what an array is: 'punsubscribe' has 12 bytes.
const TOPIC_BYTES_MAX: usize = 16;

/// A reply beside its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply {
    /// `None` until its first value is known.
    pub kind: Option<Kind>,
    /// How many values an array has.
    pub elements: u64,
    topic: [u8; TOPIC_BYTES_MAX],
    topic_bytes: usize,
    /// Whether the second element is nil: what `UNSUBSCRIBE` answers when there was no subscription.
    pub second_is_null: bool,
    /// The last integer directly inside an array: the number of subscriptions.
    pub last_integer: Option<i64>,
    /// On the connection, bytes inside values that were not seen included.
    pub bytes: u64,
}

impl Reply {
    /// The first element of an array when it is a short text, else empty.
    pub fn topic(&self) -> &[u8] {
        &self.topic[..self.topic_bytes]
    }
}

#[derive(Debug)]
pub struct Replies {
    lines: Lines,
    /// The value that is coming, and its type.
    bulk: Option<(Bulk, Kind)>,
    kept: Vec<u8>,
    /// What came of a text that comes in chunks, and whether some was left out.
    chunks: Option<(Vec<u8>, bool)>,
    /// Where the next reply begins is not known.
    pub lost: bool,
    pub reply: Reply,
    pub render: Render,
}

impl Replies {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        Self {
            lines: Lines::default(),
            bulk: None,
            kept: Vec::new(),
            chunks: None,
            lost: !from_start,
            reply: Reply::default(),
            render: Render::new(settings.body_bytes_max),
        }
    }

    /// How many of the bytes were used, and what they were. After `Whole`, `reset` is to be called.
    #[inline]
    pub fn next(&mut self, data: &[u8]) -> (usize, Seen) {
        if self.bulk.is_some() { self.value(data) } else { self.line(data) }
    }

    fn value(&mut self, data: &[u8]) -> (usize, Seen) {
        let Some((bulk, kind)) = &mut self.bulk else { return (0, Seen::Part) };
        let kind = *kind;
        let mut kept = std::mem::take(&mut self.kept);
        let (used, value) = bulk.next(&mut kept, data);
        self.reply.bytes += used as u64;
        let seen = match value {
            None => Seen::Part,
            Some(value) => {
                self.bulk = None;
                match (&mut self.chunks, value.sound) {
                    (_, false) => self.fall(),
                    (Some((text, cut)), _) => {
                        text.extend_from_slice(value.kept);
                        *cut |= value.cut;
                        Seen::Part
                    }
                    (None, _) => self.scalar(kind, value.kept, value.cut),
                }
            }
        };
        self.kept = kept;
        (used, seen)
    }

    fn line(&mut self, data: &[u8]) -> (usize, Seen) {
        let mut lines = std::mem::take(&mut self.lines);
        let (used, line) = lines.next(data);
        self.reply.bytes += used as u64;
        let seen = match line {
            None => Seen::Part,
            Some(line) => self.resynchronised(line),
        };
        self.lines = lines;
        (used, seen)
    }

    /// A line that is no part of the reply in progress may begin another.
    fn resynchronised(&mut self, line: Line<'_>) -> Seen {
        let used = line.bytes;
        let passed = self.reply.bytes - used;
        match self.header(line) {
            Seen::Passed(_) if passed > 0 => {
                self.reply.bytes = used;
                match self.header(line) {
                    Seen::Passed(more) => Seen::Passed(passed + more),
                    // one line that is whole by itself would be a second result of this call
                    Seen::Whole => {
                        self.fall();
                        Seen::Passed(passed + used)
                    }
                    Seen::Part => Seen::Passed(passed),
                }
            }
            seen => seen,
        }
    }

    fn header(&mut self, line: Line<'_>) -> Seen {
        let Some((&first, rest)) = line.text.split_first() else {
            // a master sends empty lines while its replica waits
            if self.render.depth() == 0 && self.chunks.is_none() && !self.lost {
                self.reset();
                return Seen::Part;
            }
            return self.fall();
        };
        if self.chunks.is_some() != (first == b';') || (line.cut && !matches!(first, b'+' | b'-')) {
            return self.fall();
        }
        match first {
            b'+' if self.plausible(rest) => self.scalar(Kind::Simple, rest, line.cut),
            b'-' if self.plausible(rest) => self.scalar(Kind::Error, rest, line.cut),
            b':' if number(rest).is_some() => self.scalar(Kind::Integer, rest, false),
            b',' if double(rest) => self.scalar(Kind::Double, rest, false),
            b'(' if big_number(rest) => self.scalar(Kind::BigNumber, rest, false),
            b'#' if rest == b"t" => self.scalar(Kind::Boolean, b"true", false),
            b'#' if rest == b"f" => self.scalar(Kind::Boolean, b"false", false),
            b'_' if rest.is_empty() => self.scalar(Kind::Null, b"", false),
            b'$' | b'*' if rest == b"-1" => self.scalar(Kind::Null, b"", false),
            b'$' if rest == b"?" => {
                self.lost = false;
                self.chunks = Some((Vec::new(), false));
                Seen::Part
            }
            b'$' => self.bulk(Kind::Bulk, rest),
            b'=' => self.bulk(Kind::Verbatim, rest),
            b'!' => self.bulk(Kind::Error, rest),
            b';' => self.chunk(rest),
            b'*' => self.aggregate(Kind::Array, rest, 1),
            b'~' => self.aggregate(Kind::Set, rest, 1),
            b'>' => self.aggregate(Kind::Push, rest, 1),
            b'%' => self.aggregate(Kind::Map, rest, 2),
            b'|' => self.aggregate(Kind::Attribute, rest, 2),
            b'.' if rest.is_empty() => match self.render.close() {
                Some(whole) => self.ended(whole),
                None => self.fall(),
            },
            _ => self.fall(),
        }
    }

    /// A simple text may be anything, but not when it is to tell where replies begin.
    fn plausible(&self, text: &[u8]) -> bool {
        !self.lost || text.iter().all(|b| (b' '..0x7f).contains(b))
    }

    fn bulk(&mut self, kind: Kind, text: &[u8]) -> Seen {
        let Some(length) = length(text) else { return self.fall() };
        self.lost = false;
        // a verbatim text's first four bytes name its format
        let keep_max = self.render.room().max(TOPIC_BYTES_MAX) + if kind == Kind::Verbatim { 4 } else { 0 };
        self.bulk = Some((Bulk::new(length, keep_max, &mut self.kept), kind));
        Seen::Part
    }

    fn chunk(&mut self, text: &[u8]) -> Seen {
        match (length(text), self.chunks.take()) {
            (Some(0), Some((text, cut))) => self.scalar(Kind::Bulk, &text, cut),
            (Some(length), Some(chunks)) => {
                let room = self.render.room().saturating_sub(chunks.0.len());
                self.bulk = Some((Bulk::new(length, room, &mut self.kept), Kind::Bulk));
                self.chunks = Some(chunks);
                Seen::Part
            }
            _ => self.fall(),
        }
    }

    fn aggregate(&mut self, kind: Kind, text: &[u8], values_each: u64) -> Seen {
        let count = match text {
            b"?" => None,
            _ => match number(text).and_then(|n| u64::try_from(n).ok()) {
                Some(n) if n <= ELEMENTS_MAX => Some(n * values_each),
                _ => return self.fall(),
            },
        };
        if self.render.depth() == NESTING_DEPTH_MAX {
            return self.fall();
        }
        self.lost = false;
        if self.render.depth() == 0 && kind != Kind::Attribute {
            self.reply.kind = Some(kind);
            self.reply.elements = count.unwrap_or(0);
        }
        let whole = self.render.open(kind, count);
        self.ended(whole)
    }

    fn scalar(&mut self, kind: Kind, value: &[u8], cut: bool) -> Seen {
        self.lost = false;
        let (mut value, mut cut) = (value, cut);
        if kind == Kind::Verbatim && value.get(3) == Some(&b':') {
            value = &value[4..];
        }
        match self.render.depth() {
            0 => self.reply.kind = Some(kind),
            1 if self.reply.kind.is_some() => self.element(kind, value),
            _ => {}
        }
        let room = self.render.room();
        // half a number would be another number
        let text = matches!(kind, Kind::Simple | Kind::Bulk | Kind::Verbatim | Kind::Error);
        if text && value.len() > room {
            value = &value[..room];
            cut = true;
        }
        let whole = self.render.scalar(kind, value, cut);
        self.ended(whole)
    }

    /// A value directly inside the reply.
    fn element(&mut self, kind: Kind, value: &[u8]) {
        match (self.render.count(), kind) {
            (0, Kind::Bulk | Kind::Simple) if value.len() <= TOPIC_BYTES_MAX => {
                self.reply.topic[..value.len()].copy_from_slice(value);
                self.reply.topic_bytes = value.len();
            }
            (1, Kind::Null) => self.reply.second_is_null = true,
            (_, Kind::Integer) => self.reply.last_integer = number(value),
            _ => {}
        }
    }

    fn ended(&mut self, whole: bool) -> Seen {
        if whole { Seen::Whole } else { Seen::Part }
    }

    fn fall(&mut self) -> Seen {
        let bytes = self.reply.bytes;
        self.reset();
        self.lost = true;
        Seen::Passed(bytes)
    }

    /// Ready for the next reply.
    pub fn reset(&mut self) {
        self.reply = Reply::default();
        self.render.reset();
        self.bulk = None;
        self.chunks = None;
    }

    /// `len` bytes that were not seen. After `Inside`, `next` is to be called without bytes. After `Cut`, what there is of
    /// the reply is to be taken.
    /// How many of the next bytes are not kept.
    pub fn passes_over(&self) -> u64 {
        self.bulk.as_ref().filter(|_| !self.lost).map_or(0, |(bulk, _)| bulk.passes_over())
    }

    pub fn unseen(&mut self, len: u64) -> Hole {
        if let Some((bulk, _)) = &mut self.bulk
            && bulk.unseen(len)
        {
            self.reply.bytes += len;
            return Hole::Inside;
        }
        let began = self.reply.bytes > 0 && !self.lost;
        self.cut_off();
        self.lost = true;
        match (began, self.reply.kind) {
            (false, _) => Hole::Between,
            (true, Some(_)) => Hole::Cut,
            (true, None) => Hole::Unknown(self.reply.bytes),
        }
    }

    /// Makes what there is of a reply presentable: its end does not come.
    pub fn cut_off(&mut self) {
        self.lines.forget();
        if let Some((_, kind)) = self.bulk.take()
            && self.render.depth() == 0
            && self.chunks.is_none()
        {
            let kept = std::mem::take(&mut self.kept);
            self.scalar(kind, &kept, true);
        } else if let Some((text, _)) = self.chunks.take()
            && self.render.depth() == 0
        {
            self.scalar(Kind::Bulk, &text, true);
        }
        self.render.finish();
    }

    /// The next byte may begin a reply, whatever came before: a command went out. How many bytes are passed over.
    pub fn turn(&mut self) -> u64 {
        if !self.lost {
            return 0;
        }
        self.lines.forget();
        std::mem::take(&mut self.reply.bytes)
    }

    pub fn heap_bytes(&self) -> usize {
        let chunks = self.chunks.as_ref().map_or(0, |c| c.0.capacity());
        self.lines.heap_bytes() + self.kept.capacity() + self.render.heap_bytes() + chunks
    }
}

/// `-1.5e3`, `inf`, `nan` (RESP3's double).
fn double(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() < 64
        && (matches!(text, b"inf" | b"-inf" | b"nan" | b"-nan")
            || text.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')))
}

fn big_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

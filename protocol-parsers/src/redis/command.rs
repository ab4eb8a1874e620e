//! What the client says: commands, as arrays of values or inline.
//!
//! In: bytes as they come. Out: one [`Command`] after the other, built in a buffer that is used again. Where the beginning of a
//! command is not known (joined in mid-connection, after a gap, after nonsense) it looks for the next line that begins one.

use super::frame::{Bulk, ELEMENTS_MAX, Lines, Value, length, number, whole_characters};
use super::inline;
use super::key::{self, Place};
use crate::{Moment, Settings, json};

/// How much of a command's first word is kept; the longest command has 20 bytes.
const COMMAND_BYTES_MAX: usize = 64;

/// A command as it is built, and as it waits for its reply.
#[derive(Debug, Default)]
pub struct Command {
    /// First word, the other words as a JSON list, the key: one after the other.
    pub text: Vec<u8>,
    pub word_bytes: usize,
    pub args_bytes: usize,
    pub key: bool,
    /// Words after the first.
    pub args_count: u64,
    pub started: Moment,
    /// Bytes on the connection, those inside values that were not seen included.
    pub bytes: u64,
    /// Its end was not seen, so that `bytes` is not its size.
    pub open: bool,
    pub truncated: bool,
}

impl Command {
    pub fn word(&self) -> &[u8] {
        &self.text[..self.word_bytes]
    }

    pub fn args(&self) -> &[u8] {
        &self.text[self.word_bytes..self.word_bytes + self.args_bytes]
    }

    pub fn key(&self) -> Option<&[u8]> {
        self.key.then(|| &self.text[self.word_bytes + self.args_bytes..])
    }

    /// Whether an argument is this word, in any case. Only for arguments before which there are none with quotes or commas.
    pub fn argument_is(&self, index: usize, word: &str) -> bool {
        let list = self.args().strip_prefix(b"[").unwrap_or_default();
        let argument = list.split(|b| *b == b',' || *b == b']').nth(index).unwrap_or_default();
        let text = argument.strip_prefix(b"\"").and_then(|a| a.strip_suffix(b"\""));
        text.is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Empty again, with `text` as its buffer.
    pub fn reset(&mut self, mut text: Vec<u8>) {
        text.clear();
        *self = Self { text, ..Self::default() };
    }
}

/// What some bytes of one direction were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Part of a message whose end has not come.
    Part,
    /// A message is whole: take it before going on.
    Whole,
    /// So many bytes, these and some before them, belong to no message.
    Passed(u64),
}

/// What bytes that were not seen did to the message in which they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hole {
    /// They are inside a value: the message goes on.
    Inside,
    /// The message's end is not known.
    Cut,
    /// Of the message not even the kind is known; so many of its bytes were seen.
    Unknown(u64),
    /// There was no message.
    Between,
}

#[derive(Debug)]
pub struct Commands {
    lines: Lines,
    /// The value that is coming.
    bulk: Option<Bulk>,
    kept: Vec<u8>,
    /// Values that are still to come after the one that is coming.
    left: u64,
    /// Values that came.
    words: u64,
    /// Where the next command begins is not known.
    pub lost: bool,
    /// Nothing came yet.
    untouched: bool,
    place: Place,
    key: Vec<u8>,
    pub command: Command,
    argument_bytes_max: usize,
    args_bytes_max: usize,
}

impl Commands {
    pub fn new(settings: &Settings, from_start: bool) -> Self {
        Self {
            lines: Lines::default(),
            bulk: None,
            kept: Vec::new(),
            left: 0,
            words: 0,
            lost: !from_start,
            untouched: true,
            place: Place::Nowhere,
            key: Vec::new(),
            command: Command::default(),
            argument_bytes_max: settings.argument_bytes_max.max(1),
            args_bytes_max: settings.body_bytes_max,
        }
    }

    /// How many of the bytes were used, and what they were.
    #[inline]
    pub fn next(&mut self, data: &[u8], at: Moment) -> (usize, Seen) {
        if self.command.bytes == 0 {
            self.command.started = at;
        }
        if self.bulk.is_some() { self.value(data) } else { self.line(data) }
    }

    fn value(&mut self, data: &[u8]) -> (usize, Seen) {
        let Some(bulk) = &mut self.bulk else { return (0, Seen::Part) };
        let mut kept = std::mem::take(&mut self.kept);
        let (used, value) = bulk.next(&mut kept, data);
        self.command.bytes += used as u64;
        let seen = match value {
            None => Seen::Part,
            Some(value) => {
                self.bulk = None;
                self.word(value)
            }
        };
        self.kept = kept;
        (used, seen)
    }

    /// A value that is whole.
    fn word(&mut self, value: Value<'_>) -> Seen {
        if !value.sound || (self.lost && self.words == 0 && !value.kept.iter().all(u8::is_ascii_graphic)) {
            return self.fall();
        }
        self.lost = false;
        self.add(value.kept, value.cut);
        if self.left > 0 {
            return Seen::Part;
        }
        self.close();
        Seen::Whole
    }

    fn line(&mut self, data: &[u8]) -> (usize, Seen) {
        let mut lines = std::mem::take(&mut self.lines);
        let (used, line) = lines.next(data);
        self.command.bytes += used as u64;
        let seen = match line {
            None => Seen::Part,
            Some(line) if self.left > 0 && !line.cut => self.header(line.text, line.bytes),
            Some(line) => self.first(line.text, line.cut),
        };
        self.lines = lines;
        (used, seen)
    }

    /// The line before a value.
    fn header(&mut self, line: &[u8], used: u64) -> Seen {
        if let Some(length) = line.strip_prefix(b"$").and_then(length) {
            self.left -= 1;
            let keep_max = match self.words {
                0 => COMMAND_BYTES_MAX,
                _ if self.command.text.len() >= self.args_bytes_max => 0,
                _ => self.argument_bytes_max,
            };
            self.bulk = Some(Bulk::new(length, keep_max, &mut self.kept));
            return Seen::Part;
        }
        let passed = self.command.bytes - used;
        let started = self.command.started;
        self.fall();
        // the line itself may begin a command
        self.command.bytes = used;
        self.command.started = started;
        match self.first(line, false) {
            Seen::Passed(more) => Seen::Passed(passed + more),
            _ => Seen::Passed(passed),
        }
    }

    /// The first line of a command.
    fn first(&mut self, line: &[u8], cut: bool) -> Seen {
        let untouched = std::mem::replace(&mut self.untouched, false);
        if cut {
            return self.fall();
        }
        if let Some(rest) = line.strip_prefix(b"*") {
            return match number(rest) {
                // redis passes over empty commands without a reply
                Some(..=0) if !self.lost => self.nothing(),
                Some(n @ 1..) if (n as u64) < ELEMENTS_MAX => {
                    self.left = n as u64;
                    Seen::Part
                }
                _ => self.fall(),
            };
        }
        if line.is_empty() && !self.lost {
            return self.nothing();
        }
        self.inline(line, untouched)
    }

    fn inline(&mut self, line: &[u8], untouched: bool) -> Seen {
        let printable = line.iter().all(|b| !b.is_ascii_control() || *b == b'\t');
        if !printable || (self.lost && !(untouched && begins_with_command(line))) {
            return self.fall();
        }
        match inline::words(line) {
            None => self.fall(),
            Some(words) if words.is_empty() => self.nothing(),
            Some(words) => {
                self.lost = false;
                for word in &words {
                    let max = if self.words == 0 { COMMAND_BYTES_MAX } else { self.argument_bytes_max };
                    self.add(&word[..word.len().min(max)], word.len() > max);
                }
                self.close();
                Seen::Whole
            }
        }
    }

    fn add(&mut self, word: &[u8], cut: bool) {
        let command = &mut self.command;
        let word = if cut { whole_characters(word) } else { word };
        command.truncated |= cut;
        self.words += 1;
        if self.words == 1 {
            command.text.extend(word.iter().map(u8::to_ascii_uppercase));
            command.word_bytes = command.text.len();
            self.place = key::place(&command.text);
            command.text.push(b'[');
            return;
        }
        let index = self.words - 2;
        if !command.key {
            self.place = match self.place {
                Place::Word(at) if at == index => {
                    command.key = true;
                    self.key.clear();
                    self.key.extend_from_slice(word);
                    Place::Nowhere
                }
                Place::Counted(at) if at == index && word != b"0" => Place::Word(at + 1),
                Place::AfterStreams if word.eq_ignore_ascii_case(b"STREAMS") => Place::Word(index + 1),
                place => place,
            };
        }
        if command.text.len() >= self.args_bytes_max {
            command.truncated = true;
            return;
        }
        if index > 0 {
            command.text.push(b',');
        }
        json::value(&mut command.text, word);
    }

    /// Ends the lists of the command that came.
    fn close(&mut self) {
        let command = &mut self.command;
        command.args_count = self.words - 1 + self.left + u64::from(self.bulk.is_some());
        command.text.push(b']');
        command.args_bytes = command.text.len() - command.word_bytes;
        if command.key {
            command.text.extend_from_slice(&self.key);
        }
        self.words = 0;
        self.left = 0;
    }

    /// These bytes were no command, and it is not known where the next begins.
    fn fall(&mut self) -> Seen {
        self.lost = true;
        let bytes = self.command.bytes;
        self.nothing();
        Seen::Passed(bytes)
    }

    /// These bytes were no command, and the next begins after them.
    fn nothing(&mut self) -> Seen {
        let text = std::mem::take(&mut self.command.text);
        self.command.reset(text);
        self.bulk = None;
        self.left = 0;
        self.words = 0;
        Seen::Part
    }

    /// `len` bytes that were not seen. After `Inside`, `next` is to be called without bytes; after `Cut`, the command is to be
    /// taken.
    /// How many of the next bytes are not kept.
    pub fn passes_over(&self) -> u64 {
        let inside = self.words > 0 && !self.lost;
        self.bulk.as_ref().filter(|_| inside).map_or(0, Bulk::passes_over)
    }

    pub fn unseen(&mut self, len: u64) -> Hole {
        if let Some(bulk) = &mut self.bulk
            && self.words > 0
            && !self.lost
            && bulk.unseen(len)
        {
            self.command.bytes += len;
            return Hole::Inside;
        }
        self.lines.forget();
        self.untouched = false;
        let hole = match self.command.bytes {
            0 => Hole::Between,
            _ if self.words > 0 && !self.lost => {
                self.close();
                self.command.truncated = true;
                self.command.open = true;
                self.bulk = None;
                Hole::Cut
            }
            _ => {
                let bytes = self.command.bytes;
                self.nothing();
                Hole::Unknown(bytes)
            }
        };
        self.lost = true;
        hole
    }

    /// The next byte may begin a command, whatever came before: the server has answered.
    pub fn turn(&mut self) -> u64 {
        if self.lost && self.left == 0 { self.abandon() } else { 0 }
    }

    /// No byte follows, or what came is to be forgotten: how many bytes of a command were there.
    pub fn abandon(&mut self) -> u64 {
        self.lines.forget();
        let bytes = self.command.bytes;
        self.nothing();
        bytes
    }

    pub fn heap_bytes(&self) -> usize {
        self.lines.heap_bytes() + self.kept.capacity() + self.key.capacity() + self.command.text.capacity()
    }
}

/// Whether an inline command begins with a word that is a command.
pub fn begins_with_command(line: &[u8]) -> bool {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    end <= COMMAND_BYTES_MAX && key::known(&line[..end].to_ascii_uppercase())
}

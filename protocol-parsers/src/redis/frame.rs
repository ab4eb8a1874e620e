//! The two pieces that RESP is made of: lines, and values whose length is known before.
//!
//! In: bytes as they come. Out: whole lines, and the kept beginning of each value. Values are passed over as they come and
//! never held whole, so that a value of any size costs no more memory than what a row keeps of it.

/// Longest line that is kept; the rest of a longer one is passed over. Redis takes inline commands up to this length.
pub const LINE_BYTES_MAX: usize = 64 << 10;
/// Longest value that is believed: Redis' own default limit is 512 MiB and can be raised.
const VALUE_BYTES_MAX: u64 = 4 << 30;
/// Most words or elements that are believed to follow; Redis takes at most 2^20 words and arrays of 2^32 elements.
pub const ELEMENTS_MAX: u64 = 1 << 32;

/// A line without its end.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub text: &'a [u8],
    /// It was longer than `LINE_BYTES_MAX`.
    pub cut: bool,
    /// On the connection, its end included.
    pub bytes: u64,
}

/// Splits bytes into lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    cut: bool,
    /// Length of that beginning on the connection.
    bytes: u64,
    /// `partial` was handed out and is to be forgotten.
    given: bool,
}

impl Lines {
    /// How many bytes were used, and the line when it is whole. Without one, all bytes were used.
    #[inline]
    pub fn next<'a>(&'a mut self, data: &'a [u8]) -> (usize, Option<Line<'a>>) {
        if self.given {
            self.forget();
        }
        let Some(end) = line_end(data) else {
            self.keep(data);
            return (data.len(), None);
        };
        if self.partial.is_empty() {
            let text = &data[..end.min(LINE_BYTES_MAX)];
            return (end + 1, Some(Line { text: without_return(text), cut: end > LINE_BYTES_MAX, bytes: end as u64 + 1 }));
        }
        self.keep(&data[..end]);
        self.given = true;
        (end + 1, Some(Line { text: without_return(&self.partial), cut: self.cut, bytes: self.bytes + 1 }))
    }

    /// Begins anew at the next byte.
    pub fn forget(&mut self) {
        self.partial.clear();
        if self.partial.capacity() > 4096 {
            self.partial = Vec::new();
        }
        self.cut = false;
        self.bytes = 0;
        self.given = false;
    }

    pub fn heap_bytes(&self) -> usize {
        self.partial.capacity()
    }

    fn keep(&mut self, data: &[u8]) {
        let room = LINE_BYTES_MAX - self.partial.len();
        self.bytes += data.len() as u64;
        self.cut |= data.len() > room;
        self.partial.extend_from_slice(&data[..data.len().min(room)]);
    }
}

/// Most lines are a few bytes long, for which a loop is faster than a vectorised search.
#[inline]
fn line_end(data: &[u8]) -> Option<usize> {
    const SHORT: usize = 12;
    match data.iter().take(SHORT).position(|b| *b == b'\n') {
        None if data.len() > SHORT => memchr::memchr(b'\n', &data[SHORT..]).map(|i| i + SHORT),
        found => found,
    }
}

#[inline]
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// What is kept of a value.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a> {
    pub kept: &'a [u8],
    /// Bytes of it were not kept or not seen.
    pub cut: bool,
    /// It ended with CR LF where its length says.
    pub sound: bool,
}

/// A value of known length, with the CR LF after it, while it comes.
#[derive(Debug)]
pub struct Bulk {
    length: u64,
    /// Bytes that came or were not seen, CR LF included.
    passed: u64,
    keep_max: usize,
    cut: bool,
    sound: bool,
}

impl Bulk {
    /// `kept` will hold its beginning, at most `keep_max` bytes, while it is not whole.
    pub fn new(length: u64, keep_max: usize, kept: &mut Vec<u8>) -> Self {
        kept.clear();
        Self { length, passed: 0, keep_max, cut: length > keep_max as u64, sound: true }
    }

    /// How many bytes were used, and the value when it is whole. `kept` is the one that `new` was given.
    #[inline]
    pub fn next<'a>(&mut self, kept: &'a mut Vec<u8>, data: &'a [u8]) -> (usize, Option<Value<'a>>) {
        let total = self.length + 2;
        if self.passed == 0 && data.len() as u64 >= total {
            let length = self.length as usize;
            let value = &data[..length.min(self.keep_max)];
            return (length + 2, Some(Value { kept: value, cut: self.cut, sound: &data[length..length + 2] == b"\r\n" }));
        }
        let used = (total - self.passed).min(data.len() as u64) as usize;
        self.keep(kept, &data[..used]);
        let whole = self.passed == total;
        (used, whole.then_some(Value { kept, cut: self.cut, sound: self.sound }))
    }

    fn keep(&mut self, kept: &mut Vec<u8>, data: &[u8]) {
        let of_value = ((self.length - self.length.min(self.passed)).min(data.len() as u64)) as usize;
        // after a hole nothing is kept: what came before it must not look joined to what came after
        if kept.len() as u64 == self.passed {
            let room = self.keep_max.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..of_value.min(room)]);
        }
        for (i, byte) in data[of_value..].iter().enumerate() {
            let place = self.passed + (of_value + i) as u64 - self.length;
            self.sound &= *byte == if place == 0 { b'\r' } else { b'\n' };
        }
        self.passed += data.len() as u64;
    }

    /// How many of the next bytes are not kept.
    pub fn passes_over(&self) -> u64 {
        if self.passed < self.keep_max as u64 { 0 } else { (self.length + 2).saturating_sub(self.passed) }
    }

    /// `len` bytes that were not seen; `false` when they reach beyond this value.
    pub fn unseen(&mut self, len: u64) -> bool {
        let inside = len <= self.length + 2 - self.passed;
        if inside {
            self.cut |= self.passed < self.length;
            self.passed += len;
        }
        inside
    }
}

/// The number after a type byte.
#[inline]
pub fn number(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value = 0u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits fit
        value = value * 10 + u64::from(digit - b'0');
    }
    match negative {
        true if value <= 1 << 63 => Some((value as i64).wrapping_neg()),
        false => i64::try_from(value).ok(),
        true => None,
    }
}

/// The length of a value that is not nil.
#[inline]
pub fn length(text: &[u8]) -> Option<u64> {
    number(text).and_then(|n| u64::try_from(n).ok()).filter(|n| *n <= VALUE_BYTES_MAX)
}

/// `text` without the beginning of a character whose end was cut off.
pub fn whole_characters(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Err(e) if e.error_len().is_none() => &text[..e.valid_up_to()],
        _ => text,
    }
}

//! A reply as text: a scalar as it is, everything else as JSON.
//!
//! In: the values of a reply in the order in which they come. Out: its text, bounded. Items that do not fit are left out, so that
//! what is there is always whole JSON; `truncated` tells.
//!
//! A map is an object when its first key is text, else a list of pairs. An error inside an array is `{"error": text}`.

use std::io::Write;

use super::frame::{number, whole_characters};
use super::reply::Kind;
use crate::json;

/// Deepest nesting of a reply that is followed. Redis' own clients stop at 7 to 9.
pub const NESTING_DEPTH_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    List,
    /// A map whose first key has not come.
    Map,
    Object,
    Pairs,
}

/// An array, map or set that is not at its end.
#[derive(Debug)]
struct Level {
    form: Form,
    /// Values that came.
    count: u64,
    /// Values that are still to come; `None` when an end mark tells.
    left: Option<u64>,
    /// It is not shown at all.
    muted: bool,
    /// No more of its items are shown.
    full: bool,
    /// It stands beside the values (an attribute) and is none itself.
    attribute: bool,
}

/// How the next value is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Nowhere,
    Key,
    Value,
}

#[derive(Debug)]
pub struct Render {
    pub text: Vec<u8>,
    pub truncated: bool,
    levels: Vec<Level>,
    bytes_max: usize,
}

impl Render {
    pub fn new(bytes_max: usize) -> Self {
        Self { text: Vec::new(), truncated: false, levels: Vec::new(), bytes_max }
    }

    pub fn reset(&mut self) {
        self.text.clear();
        self.truncated = false;
        self.levels.clear();
    }

    /// How many arrays, maps and sets are open.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// How many values of the innermost of them came.
    pub fn count(&self) -> u64 {
        self.levels.last().map_or(0, |l| l.count)
    }

    /// How much of the next value will be used.
    pub fn room(&self) -> usize {
        match self.levels.last() {
            Some(level) if level.muted || level.attribute => 0,
            _ => self.bytes_max.saturating_sub(self.text.len()),
        }
    }

    /// A value that has no others inside. Whether the reply is whole.
    pub fn scalar(&mut self, kind: Kind, value: &[u8], cut: bool) -> bool {
        let value = if cut { whole_characters(value) } else { value };
        if self.levels.is_empty() {
            self.truncated |= cut;
            self.text.extend_from_slice(value);
            return true;
        }
        match self.place(matches!(kind, Kind::Simple | Kind::Bulk | Kind::Verbatim)) {
            Place::Nowhere => {}
            Place::Key => {
                self.truncated |= cut;
                self.string(value);
            }
            Place::Value => {
                self.truncated |= cut;
                self.value(kind, value);
            }
        }
        self.after()
    }

    /// An array, map or set of so many values begins (`None`: until `close`). Whether the reply is whole.
    pub fn open(&mut self, kind: Kind, values: Option<u64>) -> bool {
        let attribute = kind == Kind::Attribute;
        let place = match self.levels.is_empty() {
            _ if attribute => Place::Nowhere,
            true => Place::Value,
            false => self.place(false),
        };
        if place == Place::Key {
            // an object cannot have such a key
            self.text.extend_from_slice(b"\"(aggregate)\"");
            self.truncated = true;
        }
        let form = if kind == Kind::Map { Form::Map } else { Form::List };
        let muted = place != Place::Value;
        if !muted && form == Form::List {
            self.text.push(b'[');
        }
        self.levels.push(Level { form, count: 0, left: values, muted, full: false, attribute });
        if values == Some(0) { self.end() } else { false }
    }

    /// The end mark of an array, map or set without a count. `None` when there is none to end.
    pub fn close(&mut self) -> Option<bool> {
        self.levels.last().filter(|l| l.left.is_none())?;
        Some(self.end())
    }

    /// Ends the innermost level. Whether the reply is whole.
    fn end(&mut self) -> bool {
        let Some(level) = self.levels.pop() else { return true };
        if !level.muted {
            match level.form {
                Form::Map => self.text.extend_from_slice(b"{}"),
                Form::Object => self.text.push(b'}'),
                Form::List | Form::Pairs => self.text.push(b']'),
            }
        }
        if level.attribute { false } else { self.after() }
    }

    /// Writes what stands before the next value of the innermost level.
    fn place(&mut self, text: bool) -> Place {
        let full = self.text.len() >= self.bytes_max;
        let Some(level) = self.levels.last_mut() else { return Place::Value };
        if level.muted || level.attribute {
            return Place::Nowhere;
        }
        let item_begins = level.form == Form::List || level.count.is_multiple_of(2);
        if item_begins && full {
            level.full = true;
        }
        if level.full {
            self.truncated = true;
            return Place::Nowhere;
        }
        if level.form == Form::Map {
            level.form = if text { Form::Object } else { Form::Pairs };
            self.text.push(if text { b'{' } else { b'[' });
        }
        match (level.form, item_begins) {
            (Form::Object, false) => self.text.push(b':'),
            (Form::Pairs, false) => self.text.push(b','),
            _ if level.count > 0 => self.text.push(b','),
            _ => {}
        }
        if level.form == Form::Pairs && item_begins {
            self.text.push(b'[');
        }
        if level.form == Form::Object && item_begins { Place::Key } else { Place::Value }
    }

    /// Counts a value that is whole, and ends the levels that it completes. Whether the reply is whole.
    fn after(&mut self) -> bool {
        let Some(level) = self.levels.last_mut() else { return true };
        level.count += 1;
        if level.form == Form::Pairs && level.count.is_multiple_of(2) && !level.full && !level.muted {
            self.text.push(b']');
        }
        let Some(left) = &mut level.left else { return false };
        *left -= 1;
        // as deep as NESTING_DEPTH_MAX at most
        if *left == 0 { self.end() } else { false }
    }

    fn value(&mut self, kind: Kind, value: &[u8]) {
        match kind {
            Kind::Null => self.text.extend_from_slice(b"null"),
            Kind::Boolean => self.text.extend_from_slice(value),
            Kind::Integer => match number(value) {
                Some(n) => write!(self.text, "{n}").unwrap_or_default(),
                None => self.string(value),
            },
            Kind::Double if json_number(value) => self.text.extend_from_slice(value),
            Kind::Error => {
                self.text.extend_from_slice(b"{\"error\":");
                self.string(value);
                self.text.push(b'}');
            }
            _ => self.string(value),
        }
    }

    fn string(&mut self, value: &[u8]) {
        let start = self.text.len();
        let room = self.bytes_max.saturating_sub(start);
        json::value(&mut self.text, value);
        if self.text.len() - start > room + 2 {
            // escaping makes six bytes of one at most
            self.text.truncate(start);
            self.truncated = true;
            json::value(&mut self.text, whole_characters(&value[..value.len().min(room / 6)]));
        }
    }

    /// The text so far with the ends that are missing: for a reply whose end does not come.
    pub fn finish(&mut self) {
        self.truncated = true;
        while let Some(level) = self.levels.pop() {
            if !level.muted {
                // a key without its value
                if level.form == Form::Object && level.count % 2 == 1 && !level.full {
                    self.text.extend_from_slice(b":null");
                }
                self.text.extend_from_slice(match level.form {
                    Form::Map => b"{}".as_slice(),
                    Form::Object => b"}",
                    Form::Pairs if level.count % 2 == 1 && !level.full => b"]]",
                    Form::List | Form::Pairs => b"]",
                });
            }
            if let Some(parent) = self.levels.last_mut().filter(|_| !level.attribute) {
                parent.count += 1;
                if parent.form == Form::Pairs && parent.count.is_multiple_of(2) && !parent.full && !parent.muted {
                    self.text.push(b']');
                }
            }
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.levels.capacity() * size_of::<Level>()
    }
}

/// Whether a double's text is a number in JSON as well (`inf`, `nan` and `.5` are not).
fn json_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits.split_at(digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len()));
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let mut rest = rest;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let end = fraction.iter().position(|b| !b.is_ascii_digit()).unwrap_or(fraction.len());
        if end == 0 {
            return false;
        }
        rest = &fraction[end..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
        return !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit);
    }
    rest.is_empty()
}

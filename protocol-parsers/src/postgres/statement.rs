//! Statements and portals by name: what an Execute runs.
//!
//! In: Parse, Bind, Close as the client sends them, and what the server made of them. Out: the statement and the parameters of
//! an Execute. Over a limit the oldest is forgotten, and what names it later has a null query.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Moment;
use crate::trace::{self, Trace};

/// Named statements, and bytes of their texts, that one connection may hold.
const STATEMENTS_MAX: usize = 1024;
const STATEMENT_BYTES_MAX: usize = 1 << 20;
/// Named portals, and bytes of their parameters and statements' texts, that one connection may hold.
const PORTALS_MAX: usize = 64;
const PORTAL_BYTES_MAX: usize = 512 << 10;
/// Parameters of a statement whose types are kept.
const TYPES_MAX: usize = 1024;
/// Longest first word that is kept.
const WORD_BYTES_MAX: usize = 23;

#[derive(Debug, Default)]
pub struct Statement {
    pub text: Vec<u8>,
    pub truncated: bool,
    /// Type of each parameter; 0 unknown.
    pub types: Vec<u32>,
    operation: [u8; WORD_BYTES_MAX],
    operation_bytes: u8,
    trace_at: Option<usize>,
}

impl Statement {
    pub fn new(text: &[u8], truncated: bool, types: &[u8], keep_max: usize) -> Self {
        let kept = &text[..text.len().min(keep_max)];
        let kept = if kept.len() < text.len() || truncated { whole_characters(kept) } else { kept };
        let types = types.chunks_exact(4).take(TYPES_MAX);
        let types = types.map(|t| t.iter().fold(0, |n, b| n << 8 | u32::from(*b))).collect();
        let (mut operation, word) = ([0; WORD_BYTES_MAX], first_word(kept));
        for (to, from) in operation.iter_mut().zip(word) {
            *to = from.to_ascii_uppercase();
        }
        Self {
            truncated: truncated || kept.len() < text.len(),
            trace_at: trace::in_sql(kept),
            operation_bytes: word.len().min(WORD_BYTES_MAX) as u8,
            operation,
            text: kept.to_vec(),
            types,
        }
    }

    /// The first word, upper case.
    pub fn operation(&self) -> Option<&[u8]> {
        Some(&self.operation[..usize::from(self.operation_bytes)]).filter(|w| !w.is_empty())
    }

    /// Trace and span that a comment names.
    pub fn trace(&self) -> Option<Trace<'_>> {
        trace::traceparent(self.text.get(self.trace_at?..)?)
    }

    pub fn heap_bytes(&self) -> usize {
        self.text.capacity() + self.types.capacity() * 4 + size_of::<Self>()
    }
}

/// `text` without the beginning of a character whose end was cut off.
pub fn whole_characters(text: &[u8]) -> &[u8] {
    match std::str::from_utf8(text) {
        Err(e) if e.error_len().is_none() => &text[..e.valid_up_to()],
        _ => text,
    }
}

/// The first word of a statement, behind comments and parentheses.
fn first_word(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b'(' | b';', rest @ ..] => rest,
            [b'-', b'-', rest @ ..] => &rest[memchr::memchr(b'\n', rest).unwrap_or(rest.len())..],
            [b'/', b'*', rest @ ..] => memchr::memmem::find(rest, b"*/").map_or(&[], |end| &rest[end + 2..]),
            _ => break,
        }
    }
    let end = text.iter().position(|b| !(b.is_ascii_alphabetic() || *b == b'_')).unwrap_or(text.len());
    &text[..end]
}

/// A statement bound to parameters.
#[derive(Debug, Default)]
pub struct Portal {
    pub statement: Option<Arc<Statement>>,
    /// JSON list; `None` when the parameters are not known.
    pub parameters: Option<Vec<u8>>,
    pub truncated: bool,
    /// Since a gap the statement's name may mean another one.
    pub doubtful: bool,
}

/// The messages that made and described a portal, until its first Execute.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub started: Moment,
    pub bytes: u64,
    pub gap_before: bool,
}

impl Portal {
    pub fn heap_bytes(&self) -> usize {
        self.parameters.as_ref().map_or(0, Vec::capacity) + size_of::<Self>()
    }
}

/// Things by name, under limits.
#[derive(Debug)]
struct Named<T> {
    items: HashMap<Vec<u8>, Item<T>>,
    /// How many were ever put in.
    count: u64,
    bytes: usize,
    items_max: usize,
    bytes_max: usize,
    weigh: fn(&T) -> usize,
}

#[derive(Debug)]
struct Item<T> {
    /// The how manieth it is.
    number: u64,
    bytes: usize,
    value: Arc<T>,
}

impl<T> Named<T> {
    fn new(items_max: usize, bytes_max: usize, weigh: fn(&T) -> usize) -> Self {
        Self { items: HashMap::new(), count: 0, bytes: 0, items_max, bytes_max, weigh }
    }

    fn get(&self, name: &[u8]) -> Option<&Arc<T>> {
        self.items.get(name).map(|item| &item.value)
    }

    fn remove(&mut self, name: &[u8]) -> Option<Arc<T>> {
        let item = self.items.remove(name)?;
        self.bytes -= item.bytes;
        Some(item.value)
    }

    fn insert(&mut self, name: &[u8], value: Arc<T>) -> Option<Arc<T>> {
        let previous = self.remove(name);
        let bytes = name.len() + (self.weigh)(&value);
        self.bytes += bytes;
        self.count += 1;
        self.items.insert(name.to_vec(), Item { number: self.count, bytes, value });
        while self.items.len() > self.items_max || self.bytes > self.bytes_max {
            let oldest = self.items.iter().min_by_key(|(_, item)| item.number).map(|(name, _)| name.clone());
            let Some(oldest) = oldest else { break };
            self.remove(&oldest);
        }
        previous
    }

    fn heap_bytes(&self) -> usize {
        self.bytes + self.items.capacity() * size_of::<(Vec<u8>, Item<T>)>()
    }
}

/// The statements and portals of a connection, the unnamed ones apart.
#[derive(Debug)]
pub struct Statements {
    named: Named<Statement>,
    /// How many named ones there had been at the last gap.
    doubtful: u64,
    unnamed: Option<Arc<Statement>>,
    portals: Named<Portal>,
    portal: Option<Arc<Portal>>,
    /// Of the portal that was bound last.
    bound: Option<(Vec<u8>, Bound)>,
}

impl Default for Statements {
    fn default() -> Self {
        let portal_weight = |p: &Portal| p.heap_bytes() + p.statement.as_ref().map_or(0, |s| s.heap_bytes());
        Self {
            named: Named::new(STATEMENTS_MAX, STATEMENT_BYTES_MAX, Statement::heap_bytes),
            doubtful: 0,
            unnamed: None,
            portals: Named::new(PORTALS_MAX, PORTAL_BYTES_MAX, portal_weight),
            portal: None,
            bound: None,
        }
    }
}

impl Statements {
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) }
    }

    /// Whether this name may mean another statement since a gap.
    pub fn is_doubtful(&self, name: &[u8]) -> bool {
        self.doubtful > 0 && self.named.items.get(name).is_some_and(|item| item.number <= self.doubtful)
    }

    /// Requests were not seen: what is short-lived is forgotten, and names may mean other statements.
    pub fn doubt(&mut self) {
        self.doubtful = self.named.count;
        (self.unnamed, self.portal, self.bound) = (None, None, None);
        self.portals.items.clear();
        self.portals.bytes = 0;
    }

    /// A statement gets a name; answers what had that name before.
    pub fn put(&mut self, name: &[u8], statement: Arc<Statement>) -> Option<Arc<Statement>> {
        if name.is_empty() { self.unnamed.replace(statement) } else { self.named.insert(name, statement) }
    }

    /// The server did not take `statement`: its name means again what it meant before.
    pub fn refused(&mut self, name: &[u8], statement: &Arc<Statement>, previous: Option<Arc<Statement>>) {
        if name.is_empty() || !self.get(name).is_some_and(|s| Arc::ptr_eq(s, statement)) {
            return;
        }
        match previous {
            Some(previous) => {
                self.named.insert(name, previous);
            }
            None => {
                self.named.remove(name);
            }
        }
    }

    /// The server closed the statement of this name, unless a newer one has it.
    pub fn closed(&mut self, name: &[u8], statement: &Arc<Statement>) {
        if self.get(name).is_some_and(|s| Arc::ptr_eq(s, statement)) {
            self.forget(name);
        }
    }

    /// It is not known what this name means now.
    pub fn forget(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.unnamed = None;
        } else {
            self.named.remove(name);
        }
    }

    pub fn portal(&self, name: &[u8]) -> Option<&Arc<Portal>> {
        if name.is_empty() { self.portal.as_ref() } else { self.portals.get(name) }
    }

    pub fn bind(&mut self, name: &[u8], portal: Arc<Portal>, bound: Bound) {
        self.bound = Some((name.to_vec(), bound));
        if name.is_empty() {
            self.portal = Some(portal);
        } else {
            self.portals.insert(name, portal);
        }
    }

    /// A Describe of so many bytes belongs to the portal.
    pub fn described(&mut self, name: &[u8], bytes: u64) {
        if let Some((_, bound)) = self.bound.as_mut().filter(|b| b.0 == name) {
            bound.bytes += bytes;
        }
    }

    /// What the portal's first Execute takes along.
    pub fn take_bound(&mut self, name: &[u8]) -> Option<Bound> {
        self.bound.take_if(|b| b.0 == name).map(|b| b.1)
    }

    pub fn close_portal(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.portal = None;
        } else {
            self.portals.remove(name);
        }
    }

    /// The server told the types of a statement's parameters.
    pub fn typed(&mut self, name: &[u8], statement: &Arc<Statement>, types: &[u8]) {
        if !self.get(name).is_some_and(|s| Arc::ptr_eq(s, statement)) {
            return;
        }
        let types: Vec<u32> =
            types.chunks_exact(4).take(TYPES_MAX).map(|t| t.iter().fold(0, |n, b| n << 8 | u32::from(*b))).collect();
        if types == statement.types {
            return;
        }
        let typed = Statement {
            text: statement.text.clone(),
            truncated: statement.truncated,
            types,
            operation: statement.operation,
            operation_bytes: statement.operation_bytes,
            trace_at: statement.trace_at,
        };
        self.put(name, Arc::new(typed));
    }

    pub fn heap_bytes(&self) -> usize {
        let unnamed = self.unnamed.as_ref().map_or(0, |s| s.heap_bytes());
        let portal = self.portal.as_ref().map_or(0, |p| p.heap_bytes());
        self.named.heap_bytes() + self.portals.heap_bytes() + unnamed + portal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_behind_comments() {
        for (text, word) in [
            ("select 1", Some("SELECT")),
            (" /* a */ -- b\n (Select 1)", Some("SELECT")),
            ("COPY t FROM stdin", Some("COPY")),
            ("", None),
            ("/* open", None),
            ("-- only", None),
            ("1", None),
        ] {
            let statement = Statement::new(text.as_bytes(), false, &[], 100);
            assert_eq!(statement.operation(), word.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn the_oldest_statements_are_forgotten() {
        let mut statements = Statements::default();
        let text = vec![b'x'; 10_000];
        for i in 0..2000 {
            let statement = Arc::new(Statement::new(&text, false, &[], 64 << 10));
            statements.put(format!("s{i}").as_bytes(), statement);
        }
        assert!(statements.heap_bytes() < STATEMENT_BYTES_MAX + (128 << 10), "{}", statements.heap_bytes());
        assert!(statements.get(b"s0").is_none());
        assert!(statements.get(b"s1999").is_some());
    }
}

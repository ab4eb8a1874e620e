//! Which text, how many parameters and which types a statement number stands for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::{STATEMENTS_BYTES_MAX, STATEMENTS_MAX};

/// Type and flag bytes of a parameter.
pub type ParameterType = [u8; 2];

#[derive(Debug)]
pub struct Statement {
    pub text: Arc<[u8]>,
    /// The text is only its beginning.
    pub cut: bool,
    pub parameters: u16,
    /// As bound by the last execution that told them.
    pub types: Vec<ParameterType>,
    /// Values that were sent before the execution, by parameter.
    pub long_data: BTreeMap<u16, LongData>,
}

#[derive(Debug, Default)]
pub struct LongData {
    pub kept: Vec<u8>,
    pub cut: bool,
}

impl Statement {
    pub fn new(text: Arc<[u8]>, cut: bool, parameters: u16) -> Self {
        Self { text, cut, parameters, types: Vec::new(), long_data: BTreeMap::new() }
    }

    fn heap_bytes(&self) -> usize {
        const LONG_DATA_ENTRY: usize = size_of::<(u16, LongData)>() * 2;
        let long: usize = self.long_data.values().map(|l| l.kept.capacity() + LONG_DATA_ENTRY).sum();
        self.text.len() + self.types.capacity() * size_of::<ParameterType>() + long + size_of::<(u32, Self)>() * 2
    }
}

#[derive(Debug, Default)]
pub struct Statements {
    by_id: BTreeMap<u32, Statement>,
    bytes: usize,
    /// The one that was prepared last, which MariaDB's clients may name without its number.
    last: Option<u32>,
}

/// Stands for the statement that was prepared last.
pub const LAST: u32 = u32::MAX;

impl Statements {
    pub fn insert(&mut self, id: u32, statement: Statement) {
        self.remove(id);
        self.bytes += statement.heap_bytes();
        self.by_id.insert(id, statement);
        self.last = Some(id);
        self.forget_oldest();
    }

    /// Numbers grow, so that the smallest is the oldest.
    fn forget_oldest(&mut self) {
        while self.by_id.len() > STATEMENTS_MAX || self.bytes > STATEMENTS_BYTES_MAX {
            let Some((_, oldest)) = self.by_id.pop_first() else { break };
            self.bytes -= oldest.heap_bytes();
        }
    }

    /// Lets `change` work on a statement, unless it is not known.
    pub fn with<T>(&mut self, id: u32, change: impl FnOnce(&mut Statement) -> T) -> Option<T> {
        let id = if id == LAST { self.last? } else { id };
        let statement = self.by_id.get_mut(&id)?;
        let before = statement.heap_bytes();
        let result = change(statement);
        let after = statement.heap_bytes();
        self.bytes = self.bytes - before + after;
        self.forget_oldest();
        Some(result)
    }

    pub fn remove(&mut self, id: u32) {
        let id = if id == LAST { self.last.unwrap_or(id) } else { id };
        if let Some(statement) = self.by_id.remove(&id) {
            self.bytes -= statement.heap_bytes();
        }
    }

    /// The session begins anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }
}

//! What the server has said so far to the request that it is answering.

use super::message::{self, Text};
use super::statement::whole_characters;

/// Longest command tag and SQLSTATE that are kept.
const TAG_BYTES_MAX: usize = 64;
const CODE_BYTES_MAX: usize = 8;

/// A short text in place.
#[derive(Clone, Copy, Debug)]
struct Short<const N: usize> {
    bytes: [u8; N],
    length: Option<u8>,
}

impl<const N: usize> Default for Short<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: None }
    }
}

impl<const N: usize> Short<N> {
    fn set(&mut self, text: &[u8]) {
        let length = text.len().min(N);
        self.bytes[..length].copy_from_slice(&text[..length]);
        self.length = Some(length as u8);
    }

    fn get(&self) -> Option<&[u8]> {
        self.length.map(|length| &self.bytes[..usize::from(length)])
    }
}

#[derive(Debug, Default)]
pub struct Outcome {
    /// Something of it has come.
    pub begun: bool,
    /// On the connection, everything that belongs to the response.
    pub bytes: u64,
    /// Rows according to the command tags.
    pub rows: Option<u64>,
    /// Rows that came since the last command tag.
    pub data_rows: u64,
    tag: Short<TAG_BYTES_MAX>,
    code: Short<CODE_BYTES_MAX>,
    message: Option<Vec<u8>>,
    /// When the error came.
    pub error_ns: Option<u64>,
    /// State of the transaction, as ReadyForQuery has it.
    pub transaction: Option<u8>,
    pub copy: Option<Copied>,
    pub truncated: bool,
    pub gap_before: bool,
}

/// COPY data that passed in either direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Copied {
    pub messages: u64,
    pub bytes: u64,
}

impl Copied {
    /// A CopyData message of so many bytes, its head included.
    pub fn add(&mut self, message_bytes: u64) {
        self.messages += 1;
        self.bytes += message_bytes - 5;
    }
}

impl Outcome {
    pub fn tag(&self) -> Option<&[u8]> {
        self.tag.get()
    }

    pub fn code(&self) -> Option<&[u8]> {
        self.code.get()
    }

    pub fn message(&self) -> Option<&[u8]> {
        self.message.as_deref()
    }

    pub fn failed(&self) -> bool {
        self.error_ns.is_some()
    }

    /// A statement is done.
    pub fn complete(&mut self, tag: Option<&[u8]>) {
        // SHOW and EXPLAIN have rows, and no number in their tags
        let came = Some(std::mem::take(&mut self.data_rows)).filter(|rows| *rows > 0 && !self.gap_before);
        let Some(tag) = tag else { return self.truncated = true };
        if let Some(rows) = message::tag_rows(tag).or(came) {
            self.rows = Some(self.rows.unwrap_or_default() + rows);
        }
        self.tag.set(tag);
    }

    /// An ErrorResponse came. Of several the first counts.
    pub fn fail(&mut self, fields: message::ErrorFields<'_>, keep_max: usize, at_ns: u64) {
        if self.error_ns.is_some() {
            return;
        }
        self.error_ns = Some(at_ns);
        if let Some(code) = fields.code {
            self.code.set(code);
        }
        let Some(Text { text, cut }) = fields.message else { return };
        let cut = cut || text.len() > keep_max;
        let kept = &text[..text.len().min(keep_max)];
        self.message = Some(if cut { whole_characters(kept) } else { kept }.to_vec());
        self.truncated |= cut;
    }

    /// Something that a row shows has come, though not all of it.
    pub fn is_partial(&self) -> bool {
        self.data_rows > 0 || self.tag.get().is_some() || self.copy.is_some()
    }

    pub fn heap_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, Vec::capacity)
    }
}

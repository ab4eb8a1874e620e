//! The text of compressed messages (RFC 7692): one stream of deflate for each direction, as messages may refer to earlier ones.
//!
//! In: the payloads of all compressed messages, in order. Out: the beginning of each. Once something was missed, nothing that
//! follows can be told.

use flate2::{Decompress, FlushDecompress, Status};

use super::limits::INFLATED_BYTES_MAX;

/// What the state of a decompressor holds, roughly.
const STATE_BYTES: usize = 44 << 10;
/// Ends every message, and is not sent.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

pub struct Inflater {
    /// Made with the first compressed message.
    state: Option<Box<Decompress>>,
    /// Of the current message.
    inflated: usize,
    lost: bool,
}

impl Inflater {
    pub fn new(from_start: bool) -> Self {
        Self { state: None, inflated: 0, lost: !from_start }
    }

    pub fn heap_bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |_| STATE_BYTES)
    }

    /// Bytes were missed.
    pub fn lose(&mut self) {
        self.lost = true;
        self.state = None;
    }

    /// Takes compressed bytes; appends to `text` what it has room for. False when they cannot be decoded.
    pub fn add(&mut self, mut input: &[u8], text: &mut Vec<u8>, text_bytes_max: usize) -> bool {
        if self.lost {
            return false;
        }
        let state = self.state.get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut buffer = [0; 4 << 10];
        loop {
            let (read, made) = (state.total_in(), state.total_out());
            let status = state.decompress(input, &mut buffer, FlushDecompress::Sync);
            let used = (state.total_in() - read) as usize;
            let new = (state.total_out() - made) as usize;
            self.inflated += new;
            // a stream that ends is not what a message may have
            if !matches!(status, Ok(Status::Ok | Status::BufError)) || self.inflated > INFLATED_BYTES_MAX {
                self.lose();
                return false;
            }
            let room = text_bytes_max.saturating_sub(text.len());
            text.extend_from_slice(&buffer[..new.min(room)]);
            input = &input[used..];
            if new < buffer.len() && (input.is_empty() || used == 0 && new == 0) {
                return true;
            }
        }
    }

    /// A message is over; answers its decoded size.
    pub fn end(&mut self, text: &mut Vec<u8>, text_bytes_max: usize) -> Option<usize> {
        let whole = self.add(TAIL, text, text_bytes_max);
        let inflated = std::mem::take(&mut self.inflated);
        whole.then_some(inflated)
    }
}

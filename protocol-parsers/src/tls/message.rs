//! Handshake messages of one direction (RFC 8446, section 4): fragmented over records, or several in one.
//!
//! In: what is inside records of handshakes in clear. Out: the messages, with the beginnings of those that are looked at.

use super::limits::{CERTIFICATE_BYTES_MAX, HELLO_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::Moment;

const HEADER_BYTES: usize = 4;

/// Types.
pub const CLIENT_HELLO: u8 = 1;
pub const SERVER_HELLO: u8 = 2;
/// Of the drafts of TLS 1.3.
pub const HELLO_RETRY_REQUEST: u8 = 6;
pub const CERTIFICATE: u8 = 11;

#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
    /// `body` is not all of it.
    pub cut: bool,
    /// When the record in which it began did.
    pub started: Moment,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Header,
    Body {
        kind: u8,
        left: usize,
    },
    /// What came is no message, or follows a hole: nothing is read until a record begins.
    Lost,
}

#[derive(Debug)]
pub struct Messages {
    place: Place,
    header: [u8; HEADER_BYTES],
    filled: usize,
    body: Vec<u8>,
    cut: bool,
    started: Moment,
    /// A record of so many bytes is believed only when it is a client's hello and nothing else.
    whole_hello: Option<u16>,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            place: Place::Header,
            header: [0; HEADER_BYTES],
            filled: 0,
            body: Vec::new(),
            cut: false,
            started: Moment::default(),
            whole_hello: None,
        }
    }
}

impl Messages {
    pub fn heap_bytes(&self) -> usize {
        self.body.capacity()
    }

    /// A message is not whole.
    pub fn pending(&self) -> bool {
        self.filled > 0 || matches!(self.place, Place::Body { .. })
    }

    /// Messages of this record are not seen.
    pub fn lost(&self) -> bool {
        self.place == Place::Lost
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn begin_record(&mut self, whole_hello: Option<u16>) {
        if self.place == Place::Lost || whole_hello.is_some() {
            self.clear();
        }
        self.whole_hello = whole_hello;
    }

    /// Takes bytes of a record that began at `started`, and answers how many and the message that ends with them.
    pub fn next(&mut self, data: &[u8], started: Moment) -> (usize, Option<Message>) {
        match self.place {
            Place::Lost => (data.len(), None),
            Place::Header => {
                if self.filled == 0 {
                    self.started = started;
                }
                let used = data.len().min(HEADER_BYTES - self.filled);
                self.header[self.filled..self.filled + used].copy_from_slice(&data[..used]);
                self.filled += used;
                if self.filled < HEADER_BYTES {
                    return (used, None);
                }
                self.filled = 0;
                (used, self.begin())
            }
            Place::Body { kind, left } => {
                let used = left.min(data.len());
                self.keep(kind, &data[..used]);
                (used, self.advance(kind, left - used))
            }
        }
    }

    fn begin(&mut self) -> Option<Message> {
        let [kind, a, b, c] = self.header;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let believed = match self.whole_hello {
            Some(record) => kind == CLIENT_HELLO && length + HEADER_BYTES == usize::from(record),
            None => known(kind) && length <= MESSAGE_BYTES_MAX,
        };
        if !believed {
            self.clear();
            self.place = Place::Lost;
            return None;
        }
        self.advance(kind, length)
    }

    fn keep(&mut self, kind: u8, bytes: &[u8]) {
        if self.cut {
            return;
        }
        let kept_max = match kind {
            CLIENT_HELLO | SERVER_HELLO => HELLO_BYTES_MAX,
            CERTIFICATE => CERTIFICATE_BYTES_MAX,
            _ => 0,
        };
        let kept = bytes.len().min(kept_max - self.body.len());
        self.body.extend_from_slice(&bytes[..kept]);
        self.cut = kept < bytes.len();
    }

    fn advance(&mut self, kind: u8, left: usize) -> Option<Message> {
        if left > 0 {
            self.place = Place::Body { kind, left };
            return None;
        }
        self.place = Place::Header;
        let (body, cut) = (std::mem::take(&mut self.body), std::mem::take(&mut self.cut));
        Some(Message { kind, body, cut, started: self.started })
    }

    /// `len` bytes were not seen; answers the message that ends with them.
    pub fn hole(&mut self, len: usize) -> Option<Message> {
        match self.place {
            Place::Body { kind, left } if len <= left => {
                self.cut = true;
                self.advance(kind, left - len)
            }
            _ => {
                self.clear();
                self.place = Place::Lost;
                None
            }
        }
    }
}

/// Types that IANA registered, up to now.
fn known(kind: u8) -> bool {
    matches!(kind, 0..=6 | 8..=16 | 20..=26 | 67 | 203 | 254)
}

//! The static and the dynamic table (RFC 7541, section 2.3).
//!
//! Of a connection that was joined in the middle, or that lost bytes, the dynamic table has older entries that are not held:
//! `unseen`. Indices count from the newest entry, so that what has been seen since keeps its place, and what has not is
//! unknown until it has been pushed out.

use std::collections::VecDeque;
use std::ops::Range;

/// The size that a table has at first (RFC 9113, section 6.5.2).
const SIZE_DEFAULT: usize = 4096;
/// The most that is held, whatever the ends agree on; entries beyond it are unknown.
pub const SIZE_MAX: usize = 64 << 10;
/// The most that is held while the size is not known.
const SIZE_GUESSED_MAX: usize = 16 << 10;
/// What an entry counts beside its texts (RFC 7541, section 4.1).
const ENTRY_OVERHEAD: usize = 32;
/// Bytes of entries that are gone, before the memory is used again.
const GONE_BYTES_MAX: usize = 4 << 10;

/// A name and a value; the name may be unknown, where an unknown entry told it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub name: Option<&'a [u8]>,
    pub value: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found<'a> {
    Entry(Entry<'a>),
    Unknown,
    /// There is no such entry.
    Nothing,
}

#[derive(Debug)]
struct Place {
    /// Offset among all bytes that were ever held.
    at: u64,
    name_len: u32,
    value_len: u32,
    name_known: bool,
}

#[derive(Debug)]
pub struct Table {
    bytes: Vec<u8>,
    /// Offset of `bytes[0]` among all bytes that were ever held.
    base: u64,
    /// Oldest first.
    places: VecDeque<Place>,
    size: usize,
    size_max: usize,
    /// `size_max` is what the encoder keeps to.
    size_known: bool,
    /// Older entries may exist that are not held.
    unseen: bool,
}

impl Table {
    pub fn new(from_start: bool) -> Self {
        Self {
            bytes: Vec::new(),
            base: 0,
            places: VecDeque::new(),
            size: 0,
            size_max: if from_start { SIZE_DEFAULT } else { SIZE_GUESSED_MAX },
            size_known: from_start,
            unseen: !from_start,
        }
    }

    /// Insertions were not seen: all that is held may be anywhere.
    pub fn lose(&mut self) {
        self.clear();
        self.unseen = true;
        if self.size_known {
            // the size may have been changed, too
            self.size_known = false;
            self.size_max = self.size_max.max(SIZE_GUESSED_MAX);
        }
    }

    fn clear(&mut self) {
        self.places.clear();
        self.base += self.bytes.len() as u64;
        self.bytes.clear();
        self.size = 0;
    }

    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>()
    }

    pub fn get(&self, index: usize) -> Found<'_> {
        match index.checked_sub(1) {
            None => Found::Nothing,
            Some(at) if at < STATIC.len() => {
                let (name, value) = STATIC[at];
                Found::Entry(Entry { name: Some(name.as_bytes()), value: value.as_bytes() })
            }
            Some(at) => match self.places.len().checked_sub(at - STATIC.len() + 1) {
                Some(place) => Found::Entry(self.entry(&self.places[place])),
                None if self.unseen => Found::Unknown,
                None => Found::Nothing,
            },
        }
    }

    fn range(&self, place: &Place) -> Range<usize> {
        let start = usize::try_from(place.at - self.base).unwrap_or(usize::MAX);
        start..start + place.name_len as usize + place.value_len as usize
    }

    fn entry(&self, place: &Place) -> Entry<'_> {
        let (name, value) = self.bytes[self.range(place)].split_at(place.name_len as usize);
        Entry { name: place.name_known.then_some(name), value }
    }

    /// Adds an entry; the ones that no longer fit go.
    pub fn insert(&mut self, name: Option<&[u8]>, value: &[u8]) {
        let name_known = name.is_some();
        let name = name.unwrap_or_default();
        let size = name.len() + value.len() + ENTRY_OVERHEAD;
        self.evict(self.size_max.saturating_sub(size));
        if size > self.size_max {
            self.unseen |= !self.size_known;
            return;
        }
        let at = self.base + self.bytes.len() as u64;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        let (name_len, value_len) = (name.len() as u32, value.len() as u32);
        self.places.push_back(Place { at, name_len, value_len, name_known });
        self.size += size;
    }

    /// The encoder announces how large its table is from now on.
    pub fn resize(&mut self, size_max: usize) {
        self.size_max = size_max.min(SIZE_MAX);
        self.size_known = true;
        self.evict(self.size_max);
        if size_max == 0 {
            self.unseen = false;
        } else if size_max > SIZE_MAX {
            self.size_known = false;
        }
    }

    fn evict(&mut self, size_max: usize) {
        if self.size <= size_max {
            return;
        }
        while self.size > size_max
            && let Some(oldest) = self.places.pop_front()
        {
            self.size -= oldest.name_len as usize + oldest.value_len as usize + ENTRY_OVERHEAD;
        }
        // where the encoder evicts too, all that was older is gone; else the encoder still has what is dropped here
        self.unseen = !self.size_known;
        let gone = self.places.front().map_or(self.bytes.len(), |first| self.range(first).start);
        if gone > GONE_BYTES_MAX || gone == self.bytes.len() {
            self.bytes.drain(..gone);
            self.base += gone as u64;
        }
    }
}

/// RFC 7541, appendix A.
static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

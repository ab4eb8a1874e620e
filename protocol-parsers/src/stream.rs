//! One direction's bytes that are not yet consumed, and when each of them was seen.
//!
//! When nothing is left over from before, a segment is parsed where it lies; only an incomplete rest is copied.

use std::collections::VecDeque;

use crate::Moment;

#[derive(Debug, Default)]
pub struct Stream {
    rest: Vec<u8>,
    /// Offset in `rest` at which a segment began, and its moment. The first entry's offset may be before the rest's start.
    marks: VecDeque<(usize, Moment)>,
    /// How much of `rest` is consumed.
    start: usize,
}

impl Stream {
    /// Appends `bytes` and calls `decode` with all unconsumed bytes and the moments of the first and of the last of them;
    /// it answers how many it consumed. It is called again until it consumes nothing or nothing is left.
    pub fn feed(&mut self, bytes: &[u8], at: Moment, mut decode: impl FnMut(&[u8], Moment, Moment) -> usize) {
        if self.is_empty() {
            let mut used = 0;
            while used < bytes.len() {
                let n = decode(&bytes[used..], at, at);
                assert!(n <= bytes.len() - used, "consumed more than there is");
                if n == 0 {
                    break;
                }
                used += n;
            }
            if used < bytes.len() {
                self.push(&bytes[used..], at);
            }
            return;
        }
        self.push(bytes, at);
        loop {
            let n = decode(&self.rest[self.start..], self.moment(), at);
            self.consume(n);
            if n == 0 || self.is_empty() {
                return;
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.rest.len()
    }

    pub fn len(&self) -> usize {
        self.rest.len() - self.start
    }

    pub fn bytes(&self) -> &[u8] {
        &self.rest[self.start..]
    }

    /// Moment of the first unconsumed byte.
    pub fn moment(&self) -> Moment {
        self.marks.front().map(|m| m.1).unwrap_or_default()
    }

    pub fn clear(&mut self) {
        self.rest.clear();
        self.marks.clear();
        self.start = 0;
    }

    pub fn heap_bytes(&self) -> usize {
        self.rest.capacity() + self.marks.capacity() * size_of::<(usize, Moment)>()
    }

    pub fn push(&mut self, bytes: &[u8], at: Moment) {
        self.marks.push_back((self.rest.len(), at));
        self.rest.extend_from_slice(bytes);
    }

    pub fn consume(&mut self, n: usize) {
        self.start += n;
        assert!(self.start <= self.rest.len(), "consumed more than there is");
        if self.start == self.rest.len() {
            // what a large message needed is given back
            if self.rest.capacity() > (64 << 10) {
                self.rest = Vec::new();
            }
            return self.clear();
        }
        while self.marks.get(1).is_some_and(|m| m.0 <= self.start) {
            self.marks.pop_front();
        }
        // moved down rarely enough that each byte is moved at most once on average
        if self.start > self.rest.len() / 2 && self.start > 4096 {
            self.rest.drain(..self.start);
            for mark in &mut self.marks {
                mark.0 = mark.0.saturating_sub(self.start);
            }
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Moment {
        Moment { mono_ns: ns, thread_id: 0 }
    }

    /// Frames of three bytes; collects each with the moments of its first and last byte.
    fn frames(stream: &mut Stream, bytes: &[u8], when: u64, got: &mut Vec<(Vec<u8>, u64, u64)>) {
        stream.feed(bytes, at(when), |data, first, last| {
            if data.len() < 3 {
                return 0;
            }
            got.push((data[..3].to_vec(), first.mono_ns, last.mono_ns));
            3
        });
    }

    #[test]
    fn frames_know_when_their_first_byte_came() {
        let (mut stream, mut got) = (Stream::default(), vec![]);
        frames(&mut stream, b"abcde", 1, &mut got);
        frames(&mut stream, b"f", 2, &mut got);
        frames(&mut stream, b"g", 3, &mut got);
        frames(&mut stream, b"hijk", 4, &mut got);
        let want = [(b"abc", 1, 1), (b"def", 1, 2), (b"ghi", 3, 4)].map(|(b, f, l)| (b.to_vec(), f, l));
        assert_eq!(got, want);
        assert_eq!(stream.bytes(), b"jk");
        assert_eq!(stream.moment(), at(4));
    }

    #[test]
    fn long_streams_do_not_grow() {
        let (mut stream, mut got) = (Stream::default(), vec![]);
        for i in 0..100_000 {
            frames(&mut stream, b"xxxx"[..1 + i % 4].as_ref(), i as u64, &mut got);
        }
        assert!(stream.heap_bytes() < 64 << 10, "{}", stream.heap_bytes());
    }
}

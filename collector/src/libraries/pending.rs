//! Mappings that are still to be looked at: the most promising first, because its process goes on meanwhile.

use std::collections::VecDeque;

use crate::kernel::Mapped;

/// Mappings that wait; what comes when as many do is looked for in `/proc`.
const PENDING_MAX: usize = 16384;

/// How likely a file holds a TLS library, by its name alone.
const RANKS: usize = 3;
const NAMED_LIKE_ONE: usize = 0;
const PROGRAM: usize = 1;
const OTHER_LIBRARY: usize = 2;

/// A file that a process has mapped.
#[derive(Debug)]
pub struct News {
    pub mapped: Mapped,
    /// When, on the monotonic clock; `None`: before it was looked.
    pub at_ns: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Pending {
    waiting: [VecDeque<News>; RANKS],
    overflowed: bool,
}

impl Pending {
    pub fn push(&mut self, news: News) {
        if self.waiting.iter().map(VecDeque::len).sum::<usize>() >= PENDING_MAX {
            self.overflowed = true;
            return;
        }
        self.waiting[rank(&news.mapped.path)].push_back(news);
    }

    pub fn pop(&mut self) -> Option<News> {
        self.waiting.iter_mut().find_map(VecDeque::pop_front)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
    }

    /// Whether there was no room for something since the last time.
    pub fn take_overflowed(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }
}

/// The less, the sooner.
pub fn rank(path: &[u8]) -> usize {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let has = |word: &[u8]| name.windows(word.len()).any(|w| w == word);
    if has(b"ssl") || has(b"gnutls") {
        NAMED_LIKE_ONE
    } else if has(b".so") {
        OTHER_LIBRARY
    } else {
        PROGRAM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(path: &str) -> News {
        let mapped = Mapped { pid: 1, start: 0, end: 1, device: (0, 0), inode: 1, path: path.into() };
        News { mapped, at_ns: None }
    }

    #[test]
    fn what_is_named_like_a_tls_library_goes_first() {
        let mut pending = Pending::default();
        for path in ["/lib/libc.so.6", "/usr/bin/client", "/x/libssl-4a840876.so.3", "/lib/libm.so.6", "/lib/libgnutls.so.30"] {
            pending.push(news(path));
        }
        let order: Vec<Vec<u8>> = std::iter::from_fn(|| pending.pop()).map(|n| n.mapped.path).collect();
        let expected =
            ["/x/libssl-4a840876.so.3", "/lib/libgnutls.so.30", "/usr/bin/client", "/lib/libc.so.6", "/lib/libm.so.6"];
        assert_eq!(order, expected.map(|path| path.as_bytes().to_vec()));
        assert!(pending.is_empty());
    }

    #[test]
    fn more_than_fits_is_told() {
        let mut pending = Pending::default();
        for _ in 0..PENDING_MAX {
            pending.push(news("/lib/libc.so.6"));
        }
        assert!(!pending.take_overflowed());
        pending.push(news("/lib/libssl.so.3"));
        assert!(pending.take_overflowed());
        assert!(!pending.take_overflowed());
    }
}

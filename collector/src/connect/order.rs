//! One direction of a connection: pieces in the order of their offsets, holes made explicit.
//!
//! Pieces come almost in order; two CPUs that use one socket at the same time may swap neighbours. A piece that is early is
//! parked for a moment; when what is missing does not come, it is told as unseen.

use protocol_parsers::Moment;

/// Bytes that may be parked in one direction.
const PARKED_BYTES_MAX: usize = 256 << 10;
/// How long a piece waits for the one before it.
pub const PARKED_NS_MAX: u64 = 50_000_000;

#[derive(Debug)]
struct Parked {
    offset: u64,
    len: u64,
    bytes: Vec<u8>,
    at: Moment,
}

#[derive(Debug, Default)]
pub struct Order {
    next: u64,
    parked: Vec<Parked>,
    parked_bytes: usize,
}

/// What follows in a direction.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Bytes(&'a [u8], Moment),
    Unseen(u64, Moment),
}

impl Order {
    /// The first piece of this direction is at `offset`.
    pub fn begin_at(&mut self, offset: u64) {
        self.next = offset;
    }

    /// Bytes of this direction so far, holes included.
    pub fn total(&self) -> u64 {
        self.next
    }

    pub fn heap_bytes(&self) -> usize {
        self.parked_bytes
    }

    /// Takes `len` bytes at `offset`, the first of which are `bytes`, and calls `each` for all that is now in order.
    /// Returns how many bytes had been there before and were dropped.
    pub fn take(&mut self, offset: u64, len: u64, bytes: &[u8], at: Moment, each: &mut dyn FnMut(Piece<'_>)) -> u64 {
        let mut again = 0;
        if offset > self.next {
            self.park(offset, len, bytes, at);
            if self.parked_bytes > PARKED_BYTES_MAX {
                self.give_up(each);
            }
        } else {
            again = self.deliver(offset, len, bytes, at, each);
            self.continue_parked(each);
        }
        again
    }

    /// Whether pieces wait that came before `before_ns`.
    pub fn overdue(&self, before_ns: u64) -> bool {
        self.parked.iter().any(|p| p.at.mono_ns < before_ns)
    }

    /// What is missing will not come: tells the hole, and what stands behind it.
    pub fn give_up(&mut self, each: &mut dyn FnMut(Piece<'_>)) {
        while let Some(first) = self.parked.iter().min_by_key(|p| p.offset) {
            if first.offset > self.next {
                each(Piece::Unseen(first.offset - self.next, first.at));
                self.next = first.offset;
            }
            self.continue_parked(each);
        }
    }

    fn park(&mut self, offset: u64, len: u64, bytes: &[u8], at: Moment) {
        self.parked_bytes += bytes.len() + size_of::<Parked>();
        self.parked.push(Parked { offset, len, bytes: bytes.to_vec(), at });
    }

    fn continue_parked(&mut self, each: &mut dyn FnMut(Piece<'_>)) {
        while let Some(at) = self.parked.iter().position(|p| p.offset <= self.next) {
            let piece = self.parked.swap_remove(at);
            self.parked_bytes -= piece.bytes.len() + size_of::<Parked>();
            self.deliver(piece.offset, piece.len, &piece.bytes, piece.at, each);
        }
    }

    fn deliver(&mut self, offset: u64, len: u64, bytes: &[u8], at: Moment, each: &mut dyn FnMut(Piece<'_>)) -> u64 {
        let again = (self.next - offset).min(len);
        let bytes = bytes.get(again as usize..).unwrap_or_default();
        let len = len - again;
        self.next += len;
        if !bytes.is_empty() {
            each(Piece::Bytes(bytes, at));
        }
        let unseen = len - bytes.len() as u64;
        if unseen > 0 {
            each(Piece::Unseen(unseen, at));
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pieces: &[(u64, u64, &[u8])], give_up: bool) -> (Vec<u8>, u64) {
        let (mut order, mut out, mut again) = (Order::default(), vec![], 0);
        let mut each = |p: Piece<'_>| match p {
            Piece::Bytes(b, _) => out.extend_from_slice(b),
            Piece::Unseen(n, _) => out.extend(std::iter::repeat_n(b'?', n as usize)),
        };
        for (offset, len, bytes) in pieces {
            again += order.take(*offset, *len, bytes, Moment::default(), &mut each);
        }
        if give_up {
            order.give_up(&mut each);
        }
        (out, again)
    }

    #[test]
    fn swapped_neighbours_come_out_in_order() {
        assert_eq!(run(&[(3, 3, b"def"), (6, 1, b"g"), (0, 3, b"abc")], false), (b"abcdefg".to_vec(), 0));
    }

    #[test]
    fn holes_are_told_by_their_size() {
        assert_eq!(run(&[(0, 2, b"ab"), (5, 2, b"fg")], false).0, b"ab");
        assert_eq!(run(&[(0, 2, b"ab"), (5, 2, b"fg")], true).0, b"ab???fg");
        assert_eq!(run(&[(0, 5, b"ab"), (5, 2, b"fg")], false).0, b"ab???fg");
    }

    #[test]
    fn what_comes_again_is_dropped_and_counted() {
        assert_eq!(run(&[(0, 3, b"abc"), (1, 4, b"bcde")], false), (b"abcde".to_vec(), 2));
    }

    #[test]
    fn parked_bytes_are_bounded() {
        let mut order = Order::default();
        let mut unseen = 0;
        for i in 0..1000 {
            order.take(1 + i * 2000, 1000, &[0; 1000], Moment::default(), &mut |p| {
                if let Piece::Unseen(n, _) = p {
                    unseen += n
                }
            });
            assert!(order.heap_bytes() <= PARKED_BYTES_MAX + 2000);
        }
        assert!(unseen > 0);
    }
}

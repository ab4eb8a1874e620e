//! Conversations in other pieces than they were said in, and damaged ones.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::{Subject, Turn};

/// What each end said in turn, the client where the flag is set.
pub type Said = Vec<(bool, Vec<u8>)>;

pub fn turns(said: &[(bool, Vec<u8>)]) -> Vec<Turn<'_>> {
    said.iter().map(|(client, bytes)| if *client { Turn::Client(bytes) } else { Turn::Server(bytes) }).collect()
}

/// Sizes of the pieces in which bytes come.
pub fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..200, 1..50)
}

/// The conversation gives the same in these pieces as whole.
pub fn same_in_pieces(subject: &Subject, from_start: bool, turns: &[Turn<'_>], sizes: &[usize]) -> Result<(), TestCaseError> {
    let whole = subject.rows(from_start, turns.iter().copied(), || usize::MAX);
    let mut sizes = sizes.iter().cycle();
    let pieces = subject.rows(from_start, turns.iter().copied(), || sizes.next().copied().unwrap_or(1));
    prop_assert_eq!(pieces.lines, whole.lines);
    prop_assert_eq!(pieces.sizes, whole.sizes);
    prop_assert_eq!(pieces.times, whole.times);
    Ok(())
}

/// What happens to a conversation; places count around.
#[derive(Clone, Debug)]
pub struct Damage {
    /// A byte of this turn becomes another.
    flips: Vec<(usize, u8)>,
    /// This turn stops in its middle.
    cut: usize,
    /// Before this turn, one end says something that is not seen.
    unseen: Vec<(usize, bool, u64)>,
}

pub fn damage() -> impl Strategy<Value = Damage> {
    let flips = prop::collection::vec((0_usize..100_000, any::<u8>()), 0..20);
    let unseen = prop::collection::vec((0_usize..100_000, any::<bool>(), 1_u64..10_000), 0..4);
    (flips, 0_usize..100_000, unseen).prop_map(|(flips, cut, unseen)| Damage { flips, cut, unseen })
}

impl Damage {
    pub fn flip(&self, said: &mut Said) {
        let count = said.len();
        for (at, byte) in &self.flips {
            let bytes = &mut said[at % count].1;
            if !bytes.is_empty() {
                let index = at % bytes.len();
                bytes[index] = *byte;
            }
        }
    }

    /// The parser survives all of it, and holds no more than `heap_bytes_max`.
    pub fn survive(
        &self,
        subject: &Subject,
        from_start: bool,
        mut said: Said,
        heap_bytes_max: usize,
    ) -> Result<(), TestCaseError> {
        self.flip(&mut said);
        let cut = self.cut % said.len();
        let half = said[cut].1.len() / 2;
        said[cut].1.truncate(half);
        let mut turns = turns(&said);
        for &(at, client, len) in &self.unseen {
            turns.insert(at % said.len(), if client { Turn::ClientUnseen(len) } else { Turn::ServerUnseen(len) });
        }
        let mut fed = subject.talk(from_start);
        for turn in turns {
            fed.turn(turn, || 100);
        }
        prop_assert!(fed.heap_bytes_max < heap_bytes_max, "{} bytes", fed.heap_bytes_max);
        fed.close();
        Ok(())
    }
}

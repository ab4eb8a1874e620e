//! Which stacks are written: each has a number made from its text, and a row in each generation in which it is seen.

use std::time::{Duration, Instant};

use hashbrown::HashSet;
use schema::ids::ID_MAX;

/// Stacks of one generation.
const GENERATION_STACKS_MAX: usize = 65536;
/// A generation ends after this time, so that the row of a stack in use is never much older than the samples that name it: the
/// store drops its oldest rows.
const GENERATION_AGE_MAX: Duration = Duration::from_secs(600);

/// The number of a stack: the same for the same frames, on every host and in every run.
pub fn stack_id(folded: &[u8]) -> i64 {
    // FNV-1a, and the finaliser of splitmix64, so that every byte reaches every bit
    let mut x = folded.iter().fold(0xCBF2_9CE4_8422_2325_u64, |x, b| (x ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01B3));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 31;
    ((x & ID_MAX) | 1) as i64
}

pub struct Written {
    ids: HashSet<i64>,
    since: Instant,
}

impl Default for Written {
    fn default() -> Self {
        Self { ids: HashSet::new(), since: Instant::now() }
    }
}

impl Written {
    /// True when the stack has to be written now.
    pub fn is_new(&mut self, id: i64) -> bool {
        self.end_generation();
        self.ids.insert(id)
    }

    /// Whether the stack need not be written.
    pub fn has(&mut self, id: i64) -> bool {
        self.end_generation();
        self.ids.contains(&id)
    }

    fn end_generation(&mut self) {
        if self.ids.len() >= GENERATION_STACKS_MAX || self.since.elapsed() > GENERATION_AGE_MAX {
            self.ids.clear();
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_stacks_apart_and_stay_below_2_53() {
        let ids = ["", "a", "a;b", "a;c", "b;a", "a;b;c"].map(|s| stack_id(s.as_bytes()));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| (1..=ID_MAX as i64).contains(id)));
        assert_eq!(stack_id(b"main;alpha"), stack_id(b"main;alpha"));
    }

    #[test]
    fn a_stack_is_new_once_and_the_set_is_bounded() {
        let mut written = Written::default();
        assert!(!written.has(7) && written.is_new(7));
        assert!(written.has(7) && !written.is_new(7));
        for id in 100..100 + 3 * GENERATION_STACKS_MAX as i64 {
            assert!(written.is_new(id));
        }
        assert!(written.is_new(7), "forgotten, so it is written again");
        assert!(written.ids.len() <= GENERATION_STACKS_MAX);
    }
}

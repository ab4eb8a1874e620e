//! Stacks that were named lately: the same addresses of the same program have the same names, for a while.
//!
//! In: addresses. Out: the number of the stack that was named there. Knows no names.

use std::time::{Duration, Instant};

use ebpf_abi::sample;
use hashbrown::HashMap;

use super::frames::Addresses;
use crate::kernel::Sample;

/// Beyond it all are named anew.
const STACKS_MAX: usize = 8192;
/// Programs load and unload code: how long a name is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// All that the names of a stack follow from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pid: u32,
    program: u64,
    waited: bool,
    user: Vec<(u64, bool)>,
    ended: Option<String>,
    kernel: Vec<u64>,
}

impl Place {
    /// None when the names follow from more than that.
    pub fn of(taken: &Sample<'_>, user: Option<&Addresses>) -> Option<Place> {
        let (waited, kernel) = (taken.header.what != sample::ON_CPU, taken.kernel().collect());
        let Some(Addresses { frames, ended, pid, program }) = user else {
            return Some(Place { pid: 0, program: 0, waited, user: vec![], ended: None, kernel });
        };
        Some(Place { pid: *pid, program: (*program)?, waited, user: frames.clone(), ended: ended.clone(), kernel })
    }
}

pub struct Named {
    stacks: HashMap<Place, i64>,
    since: Instant,
}

impl Default for Named {
    fn default() -> Self {
        Self { stacks: HashMap::new(), since: Instant::now() }
    }
}

impl Named {
    pub fn get(&self, place: &Place) -> Option<i64> {
        self.stacks.get(place).copied()
    }

    pub fn keep(&mut self, place: Place, id: i64) {
        if self.stacks.len() >= STACKS_MAX {
            self.stacks.clear();
        }
        self.stacks.insert(place, id);
    }

    /// Lets go of what is not believed any more.
    pub fn tidy(&mut self) {
        if self.since.elapsed() >= BELIEVED {
            self.stacks.clear();
            self.since = Instant::now();
        }
    }
}

//! What the kernel program could not be told for want of room.
//!
//! In: each time that something found none. Out: what `probe_status` says of it. No stack is lost by it: user space finds the
//! callers, which needs a copy of the stack and more time.

use std::sync::atomic::{AtomicU64, Ordering};

use ebpf_abi::{CODE_PAGE_BYTES, CODE_PAGES_MAX, PAGE_ROWS, PART_MAPPINGS, PARTS_MAX, PROCESS_PARTS_MAX, UNWIND_RULES_MAX};

use crate::kernel::{ProbeState, Standing};

/// What finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// A page of code, beside those that are in use.
    Page,
    /// The rules of a page, which are more than one has room for.
    Rows,
    /// A rule, beside those of all programs.
    Rule,
    /// What a process maps.
    Process,
}

const ALL: [Lacking; 4] = [Lacking::Page, Lacking::Rows, Lacking::Rule, Lacking::Process];

/// How often each found none.
#[derive(Debug, Default)]
pub struct Room([AtomicU64; ALL.len()]);

impl Room {
    pub fn lacks(&self, what: Lacking) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Of each that ever found none.
    pub fn states(&self) -> Vec<ProbeState> {
        let state = |what: Lacking| {
            let times = self.0[what as usize].load(Ordering::Relaxed);
            let reason = format!(
                "{}: where it is lacking, callers on stacks are found in user space, which takes more time",
                what.why()
            );
            let target = what.target().to_owned();
            (times > 0).then_some(ProbeState {
                hook: "unwind",
                target,
                standing: Standing::Replaced,
                reason,
                hits: Some(times),
                run_time_ns: None,
            })
        };
        ALL.into_iter().filter_map(state).collect()
    }
}

impl Lacking {
    fn target(self) -> &'static str {
        match self {
            Self::Page => "pages of code",
            Self::Rows => "rules of a page of code",
            Self::Rule => "rules of all programs",
            Self::Process => "mappings of processes",
        }
    }

    fn why(self) -> String {
        match self {
            Self::Page => {
                format!(
                    "the kernel programs have no room for the rules of more than {CODE_PAGES_MAX} pages of code in use, or no memory"
                )
            }
            Self::Rows => format!("{CODE_PAGE_BYTES} bytes of code have more than {PAGE_ROWS} rules"),
            Self::Rule => {
                format!(
                    "programs have more than {UNWIND_RULES_MAX} different rules, which are told anew as stacks come upon them"
                )
            }
            Self::Process => {
                let most = PART_MAPPINGS * PARTS_MAX;
                format!(
                    "a process maps more than {most} pieces of memory, or those in use more than {PROCESS_PARTS_MAX} parts hold"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_lacked_room_is_not_told() {
        let room = Room::default();
        assert!(room.states().is_empty());
        room.lacks(Lacking::Rule);
        room.lacks(Lacking::Rule);
        let states = room.states();
        assert_eq!(states.len(), 1);
        let told = &states[0];
        assert_eq!(
            (told.hook, told.target.as_str(), told.standing, told.hits),
            ("unwind", "rules of all programs", Standing::Replaced, Some(2))
        );
        assert!(told.reason.starts_with("programs have more than 16384 different rules"), "{}", told.reason);
    }
}

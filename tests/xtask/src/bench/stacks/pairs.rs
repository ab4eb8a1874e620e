//! Frames with their callers, of two profilers, compared.

use std::collections::{BTreeSet, HashMap, HashSet};

/// The kernel begins here: from an interrupt or a system call on.
const KERNEL: [&str; 4] = ["entry_SYSCALL", "asm_", "ret_from_fork", "entry_INT"];
/// Of a frame that none calls.
const ROOT: &str = "(root)";

/// A frame's caller, and the frame.
type Pair = (String, String);

/// How often each frame was seen under each caller.
#[derive(Default)]
pub struct Stacks {
    pairs: HashMap<Pair, u64>,
    /// In how many samples; one may have a pair many times.
    samples_with: HashMap<Pair, u64>,
    /// In how many samples each frame has a caller.
    samples_called: HashMap<String, u64>,
    samples: u64,
}

impl Stacks {
    /// Frames are root first.
    pub fn add<'a>(&mut self, frames: impl Iterator<Item = &'a str>, samples: u64) {
        self.samples += samples;
        let mut caller = ROOT.to_owned();
        let (mut with, mut called) = (BTreeSet::new(), BTreeSet::new());
        for frame in frames.take_while(|frame| !KERNEL.iter().any(|start| frame.starts_with(start))) {
            let frame = plain(frame);
            let pair = (caller, frame.clone());
            if pair.0 != ROOT {
                called.insert(frame.clone());
            }
            *self.pairs.entry(pair.clone()).or_default() += samples;
            with.insert(pair);
            caller = frame;
        }
        with.into_iter().for_each(|pair| *self.samples_with.entry(pair).or_default() += samples);
        called.into_iter().for_each(|frame| *self.samples_called.entry(frame).or_default() += samples);
    }

    pub fn samples(&self) -> u64 {
        self.samples
    }
}

/// The same for each way to write a function: both take another of several names for one address, and C's library has many.
fn plain(frame: &str) -> String {
    if frame.starts_with('[') {
        return "[?]".to_owned();
    }
    let mut name = frame.split_once(" [").map_or(frame, |(name, _)| name);
    while let Some(rest) = ["_", "GI_", "libc_"].iter().find_map(|start| name.strip_prefix(start)) {
        name = rest;
    }
    let name = without_arguments(name).replace("(anonymous namespace)", "{anonymous}");
    // parameters, versions of symbols, and what a library calls its own definition
    let name = name.split(['(', '@']).next().unwrap_or_default().trim();
    name.strip_suffix("_impl").unwrap_or(name).to_owned()
}

/// Without the arguments of generic functions, which not all write alike: `a::b::<T>::c` is `a::b::c`.
fn without_arguments(name: &str) -> String {
    let (mut out, mut rest) = (String::new(), name);
    while let Some(at) = rest.find("::<") {
        out.push_str(&rest[..at]);
        rest = behind_bracket(&rest[at + 2..]);
    }
    out + rest
}

/// What follows the bracket that the text begins with.
fn behind_bracket(text: &str) -> &str {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if !text[..at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

pub struct Compared {
    pub agreed: u64,
    pub unknown: u64,
    differing: Vec<(Pair, u64)>,
}

impl Compared {
    pub fn of(ours: &Stacks, theirs: &Stacks) -> Self {
        let called: HashSet<&str> = theirs.pairs.keys().filter(|(caller, _)| caller != ROOT).map(|(_, f)| f.as_str()).collect();
        let (mut agreed, mut unknown, mut differing) = (0, 0, vec![]);
        for (pair, samples) in &ours.pairs {
            if theirs.pairs.contains_key(pair) {
                agreed += samples;
            } else if called.contains(pair.1.as_str()) {
                differing.push((pair.clone(), *samples));
            } else {
                unknown += samples;
            }
        }
        differing.sort_by_key(|(pair, samples)| (std::cmp::Reverse(*samples), pair.clone()));
        Self { agreed, unknown, differing }
    }

    /// Each sample of a profiler against all its other samples: what chance alone leaves of the agreement of two profilers that are
    /// both right.
    pub fn with_itself(stacks: &Stacks) -> Self {
        let (mut agreed, mut unknown, mut differing) = (0, 0, vec![]);
        for (pair, times) in &stacks.pairs {
            let elsewhere = |seen: Option<&u64>| seen.is_some_and(|samples| *samples > 1);
            if elsewhere(stacks.samples_with.get(pair)) {
                agreed += times;
            } else if elsewhere(stacks.samples_called.get(&pair.1)) {
                differing.push((pair.clone(), *times));
            } else {
                unknown += times;
            }
        }
        Self { agreed, unknown, differing }
    }

    pub fn differed(&self) -> u64 {
        self.differing.iter().map(|(_, samples)| samples).sum()
    }

    pub fn percent(&self) -> f64 {
        100.0 * self.agreed as f64 / (self.agreed + self.differed()).max(1) as f64
    }

    /// What differs most often.
    pub fn worst(&self, n: usize) -> impl Iterator<Item = String> {
        self.differing.iter().take(n).map(|((caller, frame), samples)| format!("{samples} × {caller};{frame}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(all: &[(&str, u64)]) -> Stacks {
        let mut out = Stacks::default();
        all.iter().for_each(|(stack, samples)| out.add(stack.split(';'), *samples));
        out
    }

    #[test]
    fn names_are_compared_without_what_is_written_in_many_ways() {
        for (frame, name) in [
            ("__GI___read", "read"),
            ("__libc_start_main@@GLIBC_2.34", "start_main"),
            ("__libc_start_main_impl", "start_main"),
            ("a::b::<fn() -> C<u8>, D>::e", "a::b::e"),
            ("<a::B as c::D>::f", "<a::B as c::D>::f"),
            ("f::<g", "f"),
            ("a::(anonymous namespace)::Invoke(int)", "a::{anonymous}::Invoke"),
            ("schedule [module]", "schedule"),
            ("[libc.so.6]", "[?]"),
        ] {
            assert_eq!(plain(frame), name);
        }
    }

    #[test]
    fn a_profiler_agrees_with_itself_where_it_looked_twice() {
        let seen = stacks(&[("main;alpha;spin", 2), ("main;beta;spin", 1), ("main;beta;spin;spin", 1), ("main;gamma", 1)]);
        let compared = Compared::with_itself(&seen);
        // spin under spin was seen in one sample alone, gamma in none beside
        assert_eq!((compared.agreed, compared.differed(), compared.unknown), (5 + 2 + 2 + 2 + 2, 1, 1));
    }

    #[test]
    fn frames_agree_under_the_same_caller() {
        let theirs =
            stacks(&[("_start;main;alpha;__GI___read;entry_SYSCALL_64;x", 1), ("beta", 1), ("_start;main;gamma(int)", 1)]);
        let ours = stacks(&[
            ("_start;main;alpha;read;entry_SYSCALL_64;y", 6),
            ("main;beta", 3),
            ("_start;main;read", 1),
            ("_start;main;gamma", 2),
        ]);
        let compared = Compared::of(&ours, &theirs);
        // main under the root differs; who calls beta is not known; read under main differs
        assert_eq!((compared.agreed, compared.differed(), compared.unknown), (6 * 4 + 2 + 6, 3 + 1, 3));
        assert_eq!(compared.worst(1).collect::<Vec<_>>(), ["3 × (root);main"]);
        assert_eq!(ours.samples(), 12);
    }
}

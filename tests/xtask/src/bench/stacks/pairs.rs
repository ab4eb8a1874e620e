//! Frames with their callers, of two profilers, compared.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::names::{NAMELESS, plain};

/// The kernel begins here: from an interrupt or a system call on.
const KERNEL: [&str; 4] = ["entry_SYSCALL", "asm_", "ret_from_fork", "entry_INT"];
/// Of a frame that none calls.
const ROOT: &str = "(root)";

/// A frame's caller, and the frame.
type Pair = (String, String);

/// Neither has a name, so that nothing can be said of them.
fn is_nameless((caller, frame): &Pair) -> bool {
    caller == NAMELESS && frame == NAMELESS
}

pub fn is_kernel(frame: &str) -> bool {
    KERNEL.iter().any(|start| frame.starts_with(start))
}

/// How often each frame was seen under each caller.
#[derive(Default)]
pub struct Stacks {
    pairs: HashMap<Pair, u64>,
    /// In how many samples; one may have a pair many times.
    samples_with: HashMap<Pair, u64>,
    /// In how many samples each frame has a caller.
    samples_called: HashMap<String, u64>,
    samples: u64,
    /// By which of its names the functions stand here that another profiler may call so.
    known_as: HashMap<String, BTreeSet<String>>,
}

impl Stacks {
    /// Frames are root first.
    pub fn add<'a>(&mut self, frames: impl Iterator<Item = &'a str>, samples: u64) {
        self.samples += samples;
        let mut caller = ROOT.to_owned();
        let (mut with, mut called) = (BTreeSet::new(), BTreeSet::new());
        for frame in frames.take_while(|frame| !is_kernel(frame)).map(plain) {
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

    /// The function that stands here by the first of these names has the others, too.
    pub fn same(&mut self, names: &[String]) {
        let Some(first) = names.first() else { return };
        for name in names {
            self.known_as.entry(name.clone()).or_default().insert(first.clone());
        }
    }

    /// The names here of what another profiler calls so.
    fn here<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        let known = self.known_as.get(name);
        known.is_none().then_some(name).into_iter().chain(known.into_iter().flatten().map(String::as_str))
    }

    fn has(&self, (caller, frame): &Pair) -> bool {
        let frames = self.here(frame);
        self.here(caller)
            .any(|caller| frames.clone().any(|frame| self.pairs.contains_key(&(caller.to_owned(), frame.to_owned()))))
    }

    pub fn samples(&self) -> u64 {
        self.samples
    }
}

/// A pair that theirs have never seen is no chance when they should have seen it in so many samples: they miss one of a thousand such.
const SAMPLES_EXPECTED: f64 = 6.9;

pub struct Compared {
    pub agreed: u64,
    pub unknown: u64,
    /// Of those that differ: what chance does not explain.
    pub certain: u64,
    differing: Vec<Differing>,
}

struct Differing {
    pair: Pair,
    samples: u64,
    /// Under which caller theirs have seen the frame most often.
    theirs: String,
}

impl Differing {
    fn new(pair: &Pair, samples: u64, theirs: &Stacks) -> Self {
        let frames: HashSet<&str> = theirs.here(&pair.1).collect();
        let callers = theirs.pairs.iter().filter(|((caller, frame), _)| frames.contains(frame.as_str()) && *caller != pair.0);
        let most = callers.max_by_key(|((caller, _), samples)| (**samples, caller.as_str()));
        let theirs = most.map(|((caller, _), _)| caller.clone()).unwrap_or_default();
        Self { pair: pair.clone(), samples, theirs }
    }
}

impl Compared {
    pub fn of(ours: &Stacks, theirs: &Stacks) -> Self {
        let called: HashSet<&str> = theirs.pairs.keys().filter(|(caller, _)| caller != ROOT).map(|(_, f)| f.as_str()).collect();
        let (mut agreed, mut unknown, mut certain, mut differing) = (0, 0, 0, vec![]);
        let share = theirs.samples as f64 / ours.samples.max(1) as f64;
        for (pair, samples) in &ours.pairs {
            if is_nameless(pair) {
                unknown += samples;
            } else if theirs.has(pair) {
                agreed += samples;
            } else if theirs.here(&pair.1).any(|frame| called.contains(frame)) {
                let with = ours.samples_with.get(pair).copied().unwrap_or_default();
                certain += if with as f64 * share >= SAMPLES_EXPECTED { *samples } else { 0 };
                differing.push(Differing::new(pair, *samples, theirs));
            } else {
                unknown += samples;
            }
        }
        differing.sort_by(|a, b| b.samples.cmp(&a.samples).then_with(|| a.pair.cmp(&b.pair)));
        Self { agreed, unknown, certain, differing }
    }

    /// Each sample of a profiler against all its other samples: what chance alone leaves of the agreement of two profilers that are
    /// both right.
    pub fn with_itself(stacks: &Stacks) -> Self {
        let (mut agreed, mut unknown, mut differing) = (0, 0, vec![]);
        for (pair, times) in &stacks.pairs {
            let elsewhere = |seen: Option<&u64>| seen.is_some_and(|samples| *samples > 1);
            if is_nameless(pair) {
                unknown += times;
            } else if elsewhere(stacks.samples_with.get(pair)) {
                agreed += times;
            } else if elsewhere(stacks.samples_called.get(&pair.1)) {
                differing.push(Differing::new(pair, *times, stacks));
            } else {
                unknown += times;
            }
        }
        Self { agreed, unknown, certain: 0, differing }
    }

    pub fn differed(&self) -> u64 {
        self.differing.iter().map(|one| one.samples).sum()
    }

    pub fn percent(&self) -> f64 {
        100.0 * self.agreed as f64 / (self.agreed + self.differed()).max(1) as f64
    }

    /// What differs most often.
    pub fn worst(&self, n: usize) -> impl Iterator<Item = String> {
        let told = |Differing { pair: (caller, frame), samples, theirs }: &Differing| {
            format!("{samples} × {caller};{frame}, under {theirs} in perf's")
        };
        self.differing.iter().take(n).map(told)
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
    fn a_function_with_many_names_is_one() {
        let mut theirs = stacks(&[("main;alpha;spin", 1), ("main;beta;turn", 1)]);
        theirs.same(&["alpha", "first"].map(str::to_owned));
        theirs.same(&["beta", "first"].map(str::to_owned));
        let compared = |stack| {
            let compared = Compared::of(&stacks(&[(stack, 1)]), &theirs);
            (compared.agreed, compared.differed())
        };
        assert_eq!([compared("main;first;spin"), compared("main;first;turn")], [(3, 0), (3, 0)]);
        assert_eq!([compared("main;alpha;turn"), compared("first;spin")], [(2, 1), (1, 1)]);
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
        let theirs = stacks(&[("_start;main;alpha;__GI___read;entry_SYSCALL_64;x", 1), ("beta", 1), ("_start;main;gamma", 1)]);
        let ours = stacks(&[
            ("_start;main;alpha;read;entry_SYSCALL_64;y", 6),
            ("main;beta", 3),
            ("_start;main;read", 1),
            ("_start;main;gamma", 2),
        ]);
        let compared = Compared::of(&ours, &theirs);
        // main under the root differs; who calls beta is not known; read under main differs
        assert_eq!((compared.agreed, compared.differed(), compared.unknown), (6 * 4 + 2 + 6, 3 + 1, 3));
        assert_eq!(compared.worst(1).collect::<Vec<_>>(), ["3 × (root);main, under start in perf's"]);
        assert_eq!(ours.samples(), 12);
    }

    #[test]
    fn nothing_is_said_of_frames_without_names_under_others_without() {
        let seen = stacks(&[("main;[libc.so.6];[libc.so.6];spin", 2)]);
        for compared in [Compared::of(&seen, &seen), Compared::with_itself(&seen)] {
            // main, the first without a name, and spin are compared
            assert_eq!((compared.agreed, compared.differed(), compared.unknown), (2 * 3, 0, 2));
        }
    }

    #[test]
    fn what_is_seen_often_and_never_by_the_other_is_no_chance() {
        let theirs = stacks(&[("main;alpha;spin", 50), ("main;beta", 50)]);
        let certain = |samples| {
            let ours = stacks(&[("main;alpha;spin", 100 - samples), ("main;beta;spin", samples)]);
            let compared = Compared::of(&ours, &theirs);
            (compared.differed(), compared.certain)
        };
        // theirs are as many: they should have seen it as often
        assert_eq!([certain(6), certain(7)], [(6, 0), (7, 7)]);
        let few = stacks(&[("main;alpha;spin", 5), ("main;beta", 5)]);
        let ours = stacks(&[("main;alpha;spin", 93), ("main;beta;spin", 7)]);
        assert_eq!(Compared::of(&ours, &few).certain, 0);
    }
}

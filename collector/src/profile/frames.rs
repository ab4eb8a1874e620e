//! From one sample to the names of its frames, root first: user frames, then kernel frames towards the leaf.
//!
//! Nothing is dropped: what cannot be had is a frame `[reason]`.

use ebpf_abi::sample;

use super::named::{Named, Place};
use super::written::stack_id;
use crate::kernel::Sample;

/// Frames of one stack; what is between root and leaf beyond this is left out, and a frame says so.
const FRAMES_MAX: usize = 1024;

/// The addresses of a user stack.
pub struct Addresses {
    /// Leaf first, each with whether it is a return address.
    pub frames: Vec<(u64, bool)>,
    /// Why there is no root, if there is none.
    pub ended: Option<String>,
    /// The process whose programs they are in.
    pub pid: u32,
    /// Numbers what runs there. None when the same addresses may stand for other functions each time.
    pub program: Option<u64>,
}

/// A stack, numbered by its text.
pub struct Stack {
    pub id: i64,
    /// Root first. None: it was named and written before.
    pub frames: Option<Vec<String>>,
}

/// What knows programs: this host, or a test's.
pub trait Programs {
    /// This sample will be asked for: what its process maps is read while it lives.
    fn expect(&mut self, sample: &Sample<'_>);
    fn unwind(&mut self, sample: &Sample<'_>) -> Addresses;
    /// Pushes the names at an address, the outermost of inlined functions first. False when it may have others soon.
    fn user(&mut self, pid: u32, address: u64, is_return_address: bool, out: &mut Vec<String>) -> bool;
    fn kernel(&mut self, address: u64) -> String;
    /// Puts functions of interpreted code in the place of their interpreter's.
    fn interpreted(&mut self, sample: &Sample<'_>, names: &mut Vec<String>);
    /// Lets go of what is not needed any more.
    fn tidy(&mut self);
}

pub struct Frames<P> {
    programs: P,
    named: Named,
}

impl<P: Programs> Frames<P> {
    pub fn new(programs: P) -> Self {
        Self { programs, named: Named::default() }
    }

    pub fn programs(&mut self) -> &mut P {
        &mut self.programs
    }

    /// `is_written` says of a stack's number whether its frames are known where it goes.
    pub fn of(&mut self, taken: &Sample<'_>, is_written: impl FnOnce(i64) -> bool) -> Stack {
        let user = (taken.header.user != 0).then(|| self.programs.unwind(taken));
        let place = Place::of(taken, user.as_ref());
        if let Some(id) = place.as_ref().and_then(|place| self.named.get(place))
            && is_written(id)
        {
            return Stack { id, frames: None };
        }
        let (frames, lasts) = self.name(taken, user);
        let id = stack_id(frames.join(";").as_bytes());
        if let Some(place) = place.filter(|_| lasts) {
            self.named.keep(place, id);
        }
        Stack { id, frames: Some(frames) }
    }

    /// False when the same addresses may have other names soon.
    fn name(&mut self, taken: &Sample<'_>, user: Option<Addresses>) -> (Vec<String>, bool) {
        let mut out = vec![];
        let lasts = user.is_none_or(|addresses| self.user(taken, addresses, &mut out));
        out.extend(taken.kernel().rev().map(|address| self.programs.kernel(address)));
        if taken.header.what != sample::ON_CPU {
            while out.last().is_some_and(|name| is_observer(name)) {
                out.pop();
            }
        }
        if out.is_empty() {
            out.push("[no stack]".to_owned());
        }
        if out.len() > FRAMES_MAX {
            let half = FRAMES_MAX / 2;
            let left_out = out.len() - FRAMES_MAX;
            out.splice(half..half + left_out, [format!("[{left_out} frames left out]")]);
        }
        for name in &mut out {
            tidy_name(name);
        }
        (out, lasts)
    }

    fn user(&mut self, sample: &Sample<'_>, addresses: Addresses, out: &mut Vec<String>) -> bool {
        if let Some(reason) = addresses.ended {
            out.push(format!("[{reason}]"));
        }
        let mut all_last = true;
        for (address, is_return_address) in addresses.frames.into_iter().rev() {
            all_last &= self.programs.user(addresses.pid, address, is_return_address, out);
        }
        self.programs.interpreted(sample, out);
        all_last
    }

    pub fn tidy(&mut self) {
        self.programs.tidy();
        self.named.tidy();
    }
}

/// The kernel program that took the stack of a wait is at its leaf, with what called it.
fn is_observer(name: &str) -> bool {
    name.ends_with("[bpf]")
        || ["bpf_trace_run", "__bpf_trace_", "__traceiter_", "bpf_trampoline_", "finish_task_switch"]
            .iter()
            .any(|s| name.starts_with(s))
}

/// A name must not be empty, nor hold what separates frames.
fn tidy_name(name: &mut String) {
    if name.trim().is_empty() {
        "[unknown]".clone_into(name);
    }
    if name.contains([';', '\n']) {
        *name = name.replace([';', '\n'], ",");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use std::mem::offset_of;

    use ebpf_abi::{SampleHeader, kind};

    use super::*;
    use crate::kernel::decode_sample;

    /// A program of which each name is asked for again and again, or once.
    #[derive(Default)]
    struct Fixed {
        frames: Vec<(u64, bool)>,
        ended: Option<&'static str>,
        program: Option<u64>,
        lasts: bool,
        asked: Cell<usize>,
    }

    impl Programs for Fixed {
        fn expect(&mut self, _: &Sample<'_>) {}
        fn unwind(&mut self, sample: &Sample<'_>) -> Addresses {
            self.asked.set(0);
            let ended = self.ended.map(str::to_owned);
            Addresses { frames: self.frames.clone(), ended, pid: sample.header.pid, program: self.program }
        }
        fn user(&mut self, pid: u32, address: u64, is_return_address: bool, out: &mut Vec<String>) -> bool {
            self.asked.set(self.asked.get() + 1);
            if address == 0x20 {
                out.push("outer".to_owned());
            }
            out.push(format!("{pid}:{address:x}{}", if is_return_address { "r" } else { "" }));
            self.lasts
        }
        fn kernel(&mut self, address: u64) -> String {
            if address == 0 { String::new() } else { format!("k;{address:x}") }
        }
        fn interpreted(&mut self, _: &Sample<'_>, names: &mut Vec<String>) {
            names.iter_mut().filter(|name| *name == "outer").for_each(|name| name.insert_str(0, "in-"));
        }
        fn tidy(&mut self) {}
    }

    fn fixed(frames: Vec<(u64, bool)>, ended: Option<&'static str>) -> Fixed {
        Fixed { frames, ended, ..Fixed::default() }
    }

    fn record(user: bool, kernel: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<SampleHeader>()];
        let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        put(offset_of!(SampleHeader, pid), 7);
        put(offset_of!(SampleHeader, kernel_frames), kernel.len() as u32);
        bytes[offset_of!(SampleHeader, kind)] = kind::SAMPLE;
        bytes[offset_of!(SampleHeader, what)] = sample::ON_CPU;
        bytes[offset_of!(SampleHeader, user)] = user as u8;
        bytes.extend(kernel.iter().flat_map(|address| address.to_ne_bytes()));
        bytes
    }

    fn names(programs: Fixed, user: bool, kernel: &[u64]) -> Vec<String> {
        let record = record(user, kernel);
        let sample = decode_sample(&record).expect("a sample");
        Frames::new(programs).of(&sample, |_| true).frames.expect("it was never named before")
    }

    #[test]
    fn what_lasts_is_named_once_a_program() {
        let asked = |program: [Option<u64>; 2], lasts: bool, written: bool| {
            let programs = Fixed { program: program[0], lasts, ..fixed(vec![(0x10, false), (0x20, true)], None) };
            let mut frames = Frames::new(programs);
            let record = record(true, &[0xa]);
            let sample = decode_sample(&record).expect("a sample");
            let first = frames.of(&sample, |_| panic!("it is not known"));
            frames.programs().program = program[1];
            let again = frames.of(&sample, |id| written && id == first.id);
            assert_eq!(again.id, first.id);
            assert_eq!(again.frames.is_none(), frames.programs().asked.get() == 0);
            frames.programs().asked.get()
        };
        assert_eq!(asked([Some(1), Some(1)], true, true), 0);
        assert_eq!(asked([Some(1), Some(2)], true, true), 2, "another program");
        assert_eq!(asked([Some(1), Some(1)], false, true), 2, "its names may change");
        assert_eq!(asked([Some(1), Some(1)], true, false), 2, "its row is to be written again");
        assert_eq!(asked([None, None], true, true), 2, "its functions are interpreted");
    }

    #[test]
    fn the_root_comes_first_and_kernel_frames_are_at_the_leaf() {
        let user = vec![(0x10, false), (0x20, true), (0x30, true)];
        let whole = names(fixed(user.clone(), None), true, &[0xb, 0xa]);
        assert_eq!(whole, ["7:30r", "in-outer", "7:20r", "7:10", "k,a", "k,b"]);
        let cut = names(fixed(user, Some("stack cut")), true, &[]);
        assert_eq!(cut, ["[stack cut]", "7:30r", "in-outer", "7:20r", "7:10"]);
    }

    #[test]
    fn the_observer_is_not_observed() {
        let observers =
            ["finish_task_switch.isra.0", "bpf_prog_6d7c_switch_in [bpf]", "bpf_trace_run1", "__traceiter_sched_exit_tp"];
        assert!(observers.into_iter().all(is_observer));
        assert!(!["__schedule", "bpf_check", "schedule"].into_iter().any(is_observer));
    }

    #[test]
    fn nothing_is_empty() {
        assert_eq!(names(fixed(vec![], None), false, &[]), ["[no stack]"]);
        assert_eq!(names(fixed(vec![], None), false, &[0]), ["[unknown]"]);
    }

    #[test]
    fn a_deep_stack_keeps_root_and_leaf() {
        let n = FRAMES_MAX as u64 + 100;
        let deep = names(fixed((1000..1000 + n).map(|a| (a, false)).collect(), None), true, &[]);
        assert_eq!(deep.len(), FRAMES_MAX + 1);
        assert_eq!((deep[FRAMES_MAX].as_str(), deep[FRAMES_MAX / 2].as_str()), ("7:3e8", "[100 frames left out]"));
    }
}

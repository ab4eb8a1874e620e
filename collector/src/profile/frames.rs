//! From one sample to the names of its frames, root first: user frames, then kernel frames towards the leaf.
//!
//! Nothing is dropped: what cannot be had is a frame `[reason]`.

use ebpf_abi::sample;

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
}

/// What knows programs: this host, or a test's.
pub trait Programs {
    /// A sample of this process will be asked for: what it maps is read while it lives.
    fn expect(&mut self, pid: u32);
    fn unwind(&mut self, sample: &Sample<'_>) -> Addresses;
    /// Pushes the names at an address, the outermost of inlined functions first.
    fn user(&mut self, pid: u32, address: u64, is_return_address: bool, out: &mut Vec<String>);
    fn kernel(&mut self, address: u64) -> String;
    /// Puts functions of interpreted code in the place of their interpreter's.
    fn interpreted(&mut self, sample: &Sample<'_>, names: &mut Vec<String>);
    /// Lets go of what is not needed any more.
    fn tidy(&mut self);
}

pub struct Frames<P> {
    programs: P,
}

impl<P: Programs> Frames<P> {
    pub fn new(programs: P) -> Self {
        Self { programs }
    }

    pub fn programs(&mut self) -> &mut P {
        &mut self.programs
    }

    pub fn of(&mut self, taken: &Sample<'_>) -> Vec<String> {
        let mut out = vec![];
        if taken.header.user != 0 {
            self.user(taken, &mut out);
        }
        let kernel = &taken.header.kernel;
        let n = (taken.header.kernel_frames as usize).min(kernel.len());
        out.extend(kernel[..n].iter().rev().map(|address| self.programs.kernel(*address)));
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
        out
    }

    fn user(&mut self, sample: &Sample<'_>, out: &mut Vec<String>) {
        let addresses = self.programs.unwind(sample);
        if let Some(reason) = addresses.ended {
            out.push(format!("[{reason}]"));
        }
        for (address, is_return_address) in addresses.frames.into_iter().rev() {
            self.programs.user(addresses.pid, address, is_return_address, out);
        }
        self.programs.interpreted(sample, out);
    }

    pub fn tidy(&mut self) {
        self.programs.tidy();
    }
}

/// The kernel program that took the stack of a wait is at its leaf, with what called it.
fn is_observer(name: &str) -> bool {
    name.ends_with("[bpf]")
        || ["bpf_trace_run", "__bpf_trace_", "__traceiter_", "bpf_trampoline_"].iter().any(|s| name.starts_with(s))
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
    use ebpf_abi::{KERNEL_FRAMES_MAX, SampleHeader, Waker, kind};

    use super::*;

    struct Fixed(Vec<(u64, bool)>, Option<&'static str>);

    impl Programs for Fixed {
        fn expect(&mut self, _: u32) {}
        fn unwind(&mut self, sample: &Sample<'_>) -> Addresses {
            Addresses { frames: self.0.clone(), ended: self.1.map(str::to_owned), pid: sample.header.pid }
        }
        fn user(&mut self, pid: u32, address: u64, is_return_address: bool, out: &mut Vec<String>) {
            if address == 0x20 {
                out.push("outer".to_owned());
            }
            out.push(format!("{pid}:{address:x}{}", if is_return_address { "r" } else { "" }));
        }
        fn kernel(&mut self, address: u64) -> String {
            if address == 0 { String::new() } else { format!("k;{address:x}") }
        }
        fn interpreted(&mut self, _: &Sample<'_>, names: &mut Vec<String>) {
            names.iter_mut().filter(|name| *name == "outer").for_each(|name| name.insert_str(0, "in-"));
        }
        fn tidy(&mut self) {}
    }

    fn names(programs: Fixed, user: bool, kernel: &[u64]) -> Vec<String> {
        let mut header = SampleHeader {
            kind: kind::SAMPLE,
            what: sample::ON_CPU,
            user: user as u8,
            _pad: 0,
            cpu: 0,
            pid: 7,
            tid: 7,
            time_ns: 0,
            value_ns: 1,
            comm: [0; 16],
            waker: Waker::default(),
            registers: [0; 21],
            kernel_frames: kernel.len() as u32,
            stack_bytes: 0,
            kernel: [0; KERNEL_FRAMES_MAX],
        };
        header.kernel[..kernel.len()].copy_from_slice(kernel);
        Frames::new(programs).of(&Sample { header, stack: &[] })
    }

    #[test]
    fn the_root_comes_first_and_kernel_frames_are_at_the_leaf() {
        let user = vec![(0x10, false), (0x20, true), (0x30, true)];
        let whole = names(Fixed(user.clone(), None), true, &[0xb, 0xa]);
        assert_eq!(whole, ["7:30r", "in-outer", "7:20r", "7:10", "k,a", "k,b"]);
        let cut = names(Fixed(user, Some("stack cut")), true, &[]);
        assert_eq!(cut, ["[stack cut]", "7:30r", "in-outer", "7:20r", "7:10"]);
    }

    #[test]
    fn the_observer_is_not_observed() {
        let observers = ["bpf_prog_6d7c_switch_in [bpf]", "bpf_trace_run1", "__traceiter_sched_exit_tp"];
        assert!(observers.into_iter().all(is_observer));
        assert!(!["__schedule", "bpf_check", "schedule"].into_iter().any(is_observer));
    }

    #[test]
    fn nothing_is_empty() {
        assert_eq!(names(Fixed(vec![], None), false, &[]), ["[no stack]"]);
        assert_eq!(names(Fixed(vec![], None), false, &[0]), ["[unknown]"]);
    }

    #[test]
    fn a_deep_stack_keeps_root_and_leaf() {
        let n = FRAMES_MAX as u64 + 100;
        let deep = names(Fixed((1000..1000 + n).map(|a| (a, false)).collect(), None), true, &[]);
        assert_eq!(deep.len(), FRAMES_MAX + 1);
        assert_eq!((deep[FRAMES_MAX].as_str(), deep[FRAMES_MAX / 2].as_str()), ("7:3e8", "[100 frames left out]"));
    }
}

//! This host's programs: the rooms `unwind` and `symbols`, and which process a sample is looked up in.

use std::sync::Arc;

use ebpf_abi::{SampleHeader, begins, ended};
use hashbrown::HashMap;

use super::frames::{Addresses, Programs};
use super::python::Pythons;
use crate::discover::{Process, Processes};
use crate::kernel::{PythonFrames, Sample, UnwindMaps};
use crate::symbols::Symbols;
use crate::unwind::{End, Registers, Room, Stack, Unwinder};

/// Processes of which samples were seen that are watched for their end; the others' are forgotten with time.
const WATCHED_MAX: usize = 16384;

/// Seconds that an ended process is kept for: samples of it may still wait.
const ENDED_PASSES: u32 = 30;

/// Positions in `struct pt_regs`: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, as DWARF numbers them.
const BY_DWARF_NUMBER: [usize; 16] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
const IP: usize = 16;
const SP: usize = 19;
const BP: usize = 4;

/// What was running under a process number when it was last sampled.
#[derive(Clone, PartialEq, Eq)]
struct Seen {
    process_id: i64,
    execs: u32,
    /// As the kernel programs number it: a sample may come before it is told that another program runs.
    program: u64,
}

pub struct Host {
    processes: Option<Arc<Processes>>,
    unwinder: Unwinder,
    symbols: Symbols,
    pythons: Pythons,
    seen: HashMap<u32, Watched>,
    /// Counts programs that were seen.
    programs: u64,
}

struct Watched {
    seen: Option<Seen>,
    /// How often it was seen that the process has ended.
    ended: u32,
    program: u64,
}

impl Host {
    /// The kernel program walks along stacks by `maps`, where there are any; what finds no room there is counted.
    pub fn new(processes: Option<Arc<Processes>>, (maps, room): (Option<UnwindMaps>, Arc<Room>), pythons: Pythons) -> Self {
        let unwinder = Unwinder::telling(maps, room);
        Self { processes, unwinder, symbols: Symbols::new(), pythons, seen: HashMap::new(), programs: 0 }
    }

    /// Does at once what the first sample would else wait for.
    pub fn prepare(&mut self) {
        self.symbols.prepare();
    }

    /// Of the thread whose sample follows.
    pub fn tell_python(&mut self, frames: PythonFrames) {
        self.pythons.tell(frames);
    }

    fn process(&self, pid: u32) -> Option<Arc<Process>> {
        self.processes.as_ref()?.get(pid)
    }

    /// Sees to it that what is known under this number is of the program that runs there now.
    fn watch(&mut self, sample: &SampleHeader) {
        let pid = sample.pid;
        let now = self.process(pid).map(|p| Seen { process_id: p.id, execs: p.execs, program: sample.program });
        if self.seen.get(&pid).is_some_and(|watched| watched.seen == now) {
            self.unwinder.expect(pid, sample.program, sample.code_pages);
            return;
        }
        if self.seen.len() >= WATCHED_MAX {
            self.seen.clear();
        }
        self.programs += 1;
        if self.seen.insert(pid, Watched { seen: now, ended: 0, program: self.programs }).is_some() {
            self.unwinder.forget(pid);
        }
        self.unwinder.expect(pid, sample.program, sample.code_pages);
        self.symbols.mapped(pid);
        self.pythons.look_at(pid);
    }

    fn stack(&mut self, pid: u32, sample: &Sample<'_>) -> Stack {
        let header = &sample.header;
        let registers = registers(&header.registers);
        let stack = if header.begins & begins::AT_LAST != 0 {
            self.unwinder.resume(pid, sample.user(), (&registers, header.begins), sample.stack)
        } else if header.ended < ended::USER_SPACE || header.user_frames > 0 {
            return self.unwinder.walked(pid, sample.user(), header.ended);
        } else {
            self.unwinder.unwind(pid, &registers, sample.stack)
        };
        self.unwinder.tell(pid);
        stack
    }

    /// A process that ended before its mappings could be read: its parent, when it runs the same program, maps the same.
    fn parent(&self, pid: u32) -> Option<u32> {
        let process = self.process(pid)?;
        let parent_id = process.parent_id?;
        let alive = self.processes.as_ref()?.alive();
        alive.iter().find(|p| p.id == parent_id && p.executable == process.executable).map(|p| p.pid)
    }
}

fn registers(of: &[u64; 21]) -> Registers {
    Registers { ip: of[IP], sp: of[SP], bp: of[BP], rest: BY_DWARF_NUMBER.map(|at| of[at]) }
}

impl Programs for Host {
    fn expect(&mut self, sample: &Sample<'_>) {
        // a sample without user code tells nothing of what is mapped
        if sample.header.user != 0 {
            self.watch(&sample.header);
        }
    }

    fn unwind(&mut self, sample: &Sample<'_>) -> Addresses {
        let mut pid = sample.header.pid;
        let mut stack = self.stack(pid, sample);
        if stack.ended == End::ProcessGone
            && let Some(parent) = self.parent(pid)
        {
            pid = parent;
            stack = self.stack(pid, sample);
        }
        let is_return_address = |depth: usize| depth > 0 && !stack.interrupted.contains(&depth);
        let frames = stack.frames.iter().enumerate().map(|(depth, address)| (*address, is_return_address(depth))).collect();
        let ended = (stack.ended != End::Complete).then(|| stack.ended.to_string());
        let program = self.seen.get(&pid).filter(|_| !self.pythons.knows(pid)).map(|watched| watched.program);
        Addresses { frames, ended, pid, program }
    }

    fn user(&mut self, pid: u32, address: u64, is_return_address: bool, out: &mut Vec<String>) -> bool {
        self.symbols.frames(pid, address, is_return_address, out)
    }

    fn kernel(&mut self, address: u64) -> String {
        self.symbols.kernel(address)
    }

    fn interpreted(&mut self, sample: &Sample<'_>, names: &mut Vec<String>) {
        self.pythons.put_in(&sample.header, names);
    }

    fn tidy(&mut self) {
        let Some(processes) = &self.processes else { return };
        let (symbols, unwinder, pythons) = (&mut self.symbols, &mut self.unwinder, &mut self.pythons);
        self.seen.retain(|pid, Watched { ended, .. }| {
            if *ended == 0 && processes.get(*pid).is_some_and(|p| p.exit.is_none()) {
                return true;
            }
            if *ended == 0 {
                symbols.exited(*pid);
            }
            *ended += 1;
            if *ended > ENDED_PASSES {
                unwinder.forget(*pid);
                pythons.forget(*pid);
            }
            *ended <= ENDED_PASSES
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    use ebpf_abi::{ARGUMENT_BYTES, EXECUTABLE_BYTES, ExecEvent, kind};

    use super::*;
    use crate::kernel::{Clock, Record};

    fn exec(pid: u32) -> Record<'static> {
        Record::Exec(Box::new(ExecEvent {
            kind: kind::EXEC,
            _pad: [0; 3],
            pid,
            parent_pid: 0,
            uid: 0,
            time_ns: 0,
            started_ns: 0,
            cgroup: 0,
            comm: [0; 16],
            executable_len: 0,
            arguments_len: 0,
            executable: [0; EXECUTABLE_BYTES],
            arguments: [0; ARGUMENT_BYTES],
        }))
    }

    /// Where the code of a process is.
    fn code(pid: u32) -> Vec<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let starts = text.lines().filter(|line| line.contains(" r-xp ") && line.contains(" /"));
        starts.map(|line| u64::from_str_radix(line.split_once('-').unwrap().0, 16).unwrap()).collect()
    }

    #[test]
    fn a_program_that_runs_itself_again_is_looked_at_again() {
        let processes = Arc::new(Processes::of_this_host(Clock { offset_ns: 0 }, 0));
        let mut host = Host::new(Some(processes.clone()), (None, Arc::default()), Pythons::new(None));
        let mut child = Command::new("sh")
            .args(["-c", "echo; read x; exec sh -c 'echo; read x; :'"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let header = SampleHeader { pid, ..SampleHeader::default() };
        let (mut to, mut from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        // its record comes while it waits
        processes.apply(&exec(pid));
        host.watch(&header);
        host.watch(&header);
        assert_eq!(host.programs, 1);
        assert!(code(pid).into_iter().all(|start| host.unwinder.has_seen(pid, start)));
        to.write_all(b"\n").unwrap();
        from.read_line(&mut line).unwrap();
        processes.apply(&exec(pid));
        host.watch(&header);
        host.watch(&header);
        assert_eq!(host.programs, 2);
        assert!(code(pid).into_iter().all(|start| host.unwinder.has_seen(pid, start)));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn registers_are_ordered_as_dwarf_numbers_them() {
        // the kernel's order: r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss
        let kernel = [15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5, 99, 100, 0x33, 0, 7, 0x2b];
        let r = registers(&kernel);
        assert_eq!(r.rest, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!((r.ip, r.sp, r.bp), (100, 7, 6));
    }
}

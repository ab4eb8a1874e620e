//! BTF tracepoints of the scheduler and of `task_rename`: processes start, run a program, change their name, end.

use aya_ebpf::{helpers::generated as helpers, macros::btf_tracepoint, programs::BtfTracePointContext};
use ebpf_abi::{ARGUMENT_BYTES, EXECUTABLE_BYTES, ExecEvent, ExitEvent, ForkEvent, RenameEvent, hook, kind};

use crate::kernel::*;
use crate::maps::{NOTICE, hit, notice};

/// All process records go to one ring buffer, so that they keep their order.
const RING: u8 = 0;

#[inline(always)]
unsafe fn field<T: Copy>(of: *const u8, offset: u32) -> T {
    unsafe { read(of as u64 + offset as u64) }
}

#[btf_tracepoint(function = "sched_process_fork")]
pub fn process_fork(ctx: BtfTracePointContext) -> i32 {
    hit(hook::FORK);
    unsafe {
        let (parent, child): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
        let pid: u32 = field(child, TASK_TGID.load());
        if pid != field::<u32>(child, TASK_PID.load()) {
            return 0; // a thread
        }
        let event = ForkEvent {
            kind: kind::FORK,
            _pad: [0; 3],
            parent_pid: field(parent, TASK_TGID.load()),
            pid,
            uid: helpers::bpf_get_current_uid_gid() as u32,
            time_ns: helpers::bpf_ktime_get_ns(),
            started_ns: field(child, TASK_START_BOOTTIME.load()),
            comm: field(child, TASK_COMM.load()),
        };
        notice(RING, &event);
    }
    0
}

#[btf_tracepoint(function = "sched_process_exec")]
pub fn process_exec(ctx: BtfTracePointContext) -> i32 {
    hit(hook::EXEC);
    unsafe {
        let (task, program): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(2));
        let Some(event) = NOTICE.get_ptr_mut(1) else { return 0 };
        let event = &mut *event.cast::<ExecEvent>();
        event.kind = kind::EXEC;
        event._pad = [0; 3];
        event.pid = field(task, TASK_TGID.load());
        event.parent_pid = field(field::<u64>(task, TASK_PARENT.load()) as *const u8, TASK_TGID.load());
        event.uid = helpers::bpf_get_current_uid_gid() as u32;
        event.time_ns = helpers::bpf_ktime_get_ns();
        event.started_ns = field(task, TASK_START_BOOTTIME.load());
        event.cgroup = helpers::bpf_get_current_cgroup_id();
        event.comm = field(task, TASK_COMM.load());
        let path: u64 = field(program, BPRM_FILENAME.load());
        let n =
            helpers::bpf_probe_read_kernel_str(event.executable.as_mut_ptr().cast(), EXECUTABLE_BYTES as u32, path as *const _);
        event.executable_len = if n > 0 { n as u32 - 1 } else { 0 };
        let mm: u64 = field(task, TASK_MM.load());
        let (from, to): (u64, u64) = (read(mm + MM_ARG_START.load() as u64), read(mm + MM_ARG_END.load() as u64));
        let n = bounded(to.wrapping_sub(from), ARGUMENT_BYTES as u64);
        let failed = helpers::bpf_probe_read_user(event.arguments.as_mut_ptr().cast(), n as u32, from as *const _);
        event.arguments_len = if failed == 0 { n as u32 } else { 0 };
        notice(RING, event);
    }
    0
}

#[btf_tracepoint(function = "sched_process_exit")]
pub fn process_exit(ctx: BtfTracePointContext) -> i32 {
    hit(hook::EXIT);
    unsafe {
        let task: *const u8 = ctx.arg(0);
        let signal: u64 = field(task, TASK_SIGNAL.load());
        // counted down before this tracepoint: zero when the last thread ends
        if read::<i32>(signal + SIGNAL_LIVE.load() as u64) != 0 {
            return 0;
        }
        let event = ExitEvent {
            kind: kind::EXIT,
            _pad: [0; 3],
            pid: field(task, TASK_TGID.load()),
            time_ns: helpers::bpf_ktime_get_ns(),
            started_ns: field(task, TASK_START_BOOTTIME.load()),
            status: field(task, TASK_EXIT_CODE.load()),
            _pad2: 0,
        };
        notice(RING, &event);
    }
    0
}

#[btf_tracepoint(function = "task_rename")]
pub fn process_rename(ctx: BtfTracePointContext) -> i32 {
    hit(hook::RENAME);
    unsafe {
        let task: *const u8 = ctx.arg(0);
        let name: u64 = ctx.arg(1);
        let pid: u32 = field(task, TASK_TGID.load());
        if pid != field::<u32>(task, TASK_PID.load()) {
            return 0; // a thread's name is not its process's
        }
        let mut event =
            RenameEvent { kind: kind::RENAME, _pad: [0; 3], pid, time_ns: helpers::bpf_ktime_get_ns(), comm: [0; 16] };
        helpers::bpf_probe_read_kernel_str(event.comm.as_mut_ptr().cast(), 16, name as *const _);
        notice(RING, &event);
    }
    0
}

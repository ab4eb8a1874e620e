//! The walk along a user stack without frame pointers: from registers to return addresses, by what user space has told of the
//! process's code.
//!
//! In: registers in the scratch. Out: addresses behind the kernel's in the scratch, and how it ended. What user space knows and
//! this does not ends the walk with a reason that lets the caller hand over the stack itself.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    helpers::generated as helpers,
    macros::map,
    maps::{Array, HashMap},
};
use ebpf_abi::{
    CODE_PAGES_MAX, INTERRUPTED, KERNEL_FRAMES_MAX, Known, Memory, PLACES_MAX, PROCESS_PARTS_MAX, PageKey, PageRows, PartKey,
    PlaceRule, ProcessPart, UNWIND_RULES_MAX, USER_FRAMES_MAX, UnwindRule, begins, bounded, ended,
};

use crate::kernel::{MM_ARG_START, MM_EXE_FILE, MM_EXEC_VM, TASK_PARENT, TASK_TGID, read, read_user};
use crate::maps::SAMPLE_SCRATCH;
use crate::sample::SampleScratch;

/// What processes map as code.
#[map]
static UNWIND_PROCESSES: HashMap<PartKey, ProcessPart> = HashMap::with_max_entries(PROCESS_PARTS_MAX, BPF_F_NO_PREALLOC);
#[map]
static UNWIND_PAGES: HashMap<PageKey, PageRows> = HashMap::with_max_entries(CODE_PAGES_MAX, BPF_F_NO_PREALLOC);
#[map]
static UNWIND_RULES: Array<UnwindRule> = Array::with_max_entries(UNWIND_RULES_MAX, 0);
/// Return addresses are few and come again.
#[map]
static UNWIND_PLACES: Array<PlaceRule> = Array::with_max_entries(PLACES_MAX, 0);

/// Positions in `struct pt_regs`: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, as DWARF numbers them.
const BY_DWARF_NUMBER: [usize; 16] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
const IP: usize = 16;
const SP: usize = 19;
const BP: usize = 4;

struct Told;

impl Known for Told {
    #[inline(always)]
    fn part(&self, key: PartKey) -> Option<&ProcessPart> {
        UNWIND_PROCESSES.get_ptr(key).map(|part| unsafe { &*part })
    }
    #[inline(always)]
    fn page(&self, key: PageKey) -> Option<&PageRows> {
        UNWIND_PAGES.get_ptr(key).map(|page| unsafe { &*page })
    }
    #[inline(always)]
    fn rule(&self, number: u16) -> Option<&UnwindRule> {
        UNWIND_RULES.get_ptr(number.into()).map(|rule| unsafe { &*rule })
    }
    #[inline(always)]
    fn remembered(&self, slot: u32) -> PlaceRule {
        UNWIND_PLACES.get_ptr(slot).map(|place| unsafe { *place }).unwrap_or_default()
    }
    #[inline(always)]
    fn remember(&self, slot: u32, place: PlaceRule) {
        if let Some(at) = UNWIND_PLACES.get_ptr_mut(slot) {
            unsafe { *at = place };
        }
    }
}

struct UserMemory;

impl Memory for UserMemory {
    #[inline(always)]
    fn word(&self, address: u64) -> Option<u64> {
        unsafe { read_user(address) }
    }
}

/// A number for a run of a program. A forked process has its parent's.
#[inline(always)]
pub unsafe fn program(mm: u64) -> u64 {
    unsafe {
        let file: u64 = read(mm + MM_EXE_FILE.load() as u64);
        // differs from run to run
        let arguments: u64 = read(mm + MM_ARG_START.load() as u64);
        file.rotate_left(24) ^ arguments
    }
}

#[inline(always)]
pub unsafe fn code_pages(mm: u64) -> u32 {
    unsafe { read::<u64>(mm + MM_EXEC_VM.load() as u64) as u32 }
}

/// The process that started this one, whose code a forked process has.
#[inline(always)]
unsafe fn parent() -> u32 {
    unsafe {
        let task: u64 = helpers::bpf_get_current_task();
        let parent: u64 = read(task + TASK_PARENT.load() as u64);
        read(parent + TASK_TGID.load() as u64)
    }
}

#[inline(always)]
unsafe fn is_known(pid: u32, program: u64) -> bool {
    UNWIND_PROCESSES.get_ptr(PartKey { pid, part: 0 }).is_some_and(|known| unsafe { (*known).program == program })
}

/// Walks from the registers in the scratch; does nothing when nothing is known of the process.
#[inline(always)]
pub unsafe fn walk(index: &mut u32) {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(*index) else { return };
        let (state, header) = (&raw mut (*work).walk, &raw mut (*work).header);
        let mut pid = (*header).pid;
        if !is_known(pid, (*header).program) {
            pid = parent();
            if !is_known(pid, (*header).program) {
                return;
            }
        }
        let (frame, registers) = (&raw mut (*state).frame, &raw const (*header).registers);
        (*state).pid = pid;
        (*state).code.end = 0;
        (*frame).ip = (*registers)[IP];
        (*frame).sp = (*registers)[SP];
        (*frame).bp = (*registers)[BP];
        (*frame).bp_known = 1;
        (*frame).rest_known = 1;
        (*frame).interrupted = 1;
        for (number, at) in BY_DWARF_NUMBER.into_iter().enumerate() {
            (*frame).rest[number] = (*registers)[at];
        }
        (*header).ended = ended::TOO_DEEP;
        helpers::bpf_loop(USER_FRAMES_MAX as u32, next_frame as *mut core::ffi::c_void, (&raw mut *index).cast(), 0);
        has_changed(*index);
    }
}

/// Puts the registers of the function where the walk stopped in place of those of the innermost.
#[inline(always)]
pub unsafe fn begin_at_last(work: *mut SampleScratch) {
    unsafe {
        let (frame, header) = (&raw const (*work).walk.frame, &raw mut (*work).header);
        for (number, at) in BY_DWARF_NUMBER.into_iter().enumerate() {
            (*header).registers[at] = (*frame).rest[number];
        }
        (*header).registers[IP] = (*frame).ip;
        (*header).registers[SP] = (*frame).sp;
        (*header).registers[BP] = (*frame).bp;
        let (bp, rest) = ((*frame).bp_known * begins::BP_KNOWN, (*frame).rest_known * begins::REST_KNOWN);
        (*header).begins = begins::AT_LAST | bp | rest;
    }
}

/// Of a walk that did not reach the end, whether that may be because the process maps other code now.
#[inline(always)]
unsafe fn has_changed(index: u32) {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(index) else { return };
        let header = &raw mut (*work).header;
        if (*header).ended == ended::COMPLETE || (*header).ended >= ended::USER_SPACE {
            return;
        }
        let key = PartKey { pid: (*work).walk.pid, part: 0 };
        if UNWIND_PROCESSES.get_ptr(key).is_none_or(|known| (*known).code_pages != (*header).code_pages) {
            (*header).ended = ended::CHANGED;
        }
    }
}

/// Writes the frame down and goes to its caller. Returns 1 to stop.
unsafe extern "C" fn next_frame(_: u32, index: *mut core::ffi::c_void) -> i64 {
    unsafe {
        let Some(work) = SAMPLE_SCRATCH.get_ptr_mut(*index.cast::<u32>()) else { return 1 };
        let (state, header) = (&mut (*work).walk, &mut (*work).header);
        let found = state.find_code(&Told);
        let at = header.user_frames;
        // an address in no code is no caller
        if found == ended::GOES_ON || at == 0 {
            write_down(work, state.frame.ip | if state.frame.interrupted != 0 && at > 0 { INTERRUPTED } else { 0 });
        }
        let mut how = found;
        if how == ended::GOES_ON {
            how = state.step(&Told, &UserMemory);
        }
        if how == ended::GOES_ON && state.frame.ip == 0 {
            how = ended::COMPLETE;
        }
        if how == ended::GOES_ON {
            return 0;
        }
        header.ended = how;
        1
    }
}

/// Adds an address to those of the program.
#[inline(always)]
pub unsafe fn write_down(work: *mut SampleScratch, address: u64) {
    unsafe {
        let header = &raw mut (*work).header;
        let before = bounded((*header).kernel_frames as u64, KERNEL_FRAMES_MAX as u64);
        let at = bounded((*header).user_frames as u64, USER_FRAMES_MAX as u64 - 1);
        (&raw mut (*work).body).cast::<u64>().add((before + at) as usize).write(address);
        (*header).user_frames = at as u32 + 1;
    }
}

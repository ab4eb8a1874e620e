//! Programs that wait at a known place: their stacks must be the calls that led there.
//!
//! A waiting thread's registers cannot be read without stopping it, but `/proc` tells its stack pointer and where it is, and the
//! program its frame pointer.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use object::{Object, ObjectSymbol, SymbolKind};

use super::*;

pub(super) const PROGRAM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLED __attribute__((noinline, noclone))
volatile long kept;

/* says which thread waits and its frame pointer, which it has here in every build, and waits for good */
CALLED void wait_here(void) {
    printf("%ld %lu\n", syscall(SYS_gettid), (long)__builtin_frame_address(0));
    fflush(stdout);
    for (;;) syscall(SYS_pause);
}
CALLED void inner(void (*f)(void)) { char space[100]; memset(space, (int)kept, sizeof space); f(); kept += space[3]; }
CALLED void middle(void (*f)(void)) { inner(f); kept++; }
CALLED void outer(void (*f)(void)) { middle(f); kept++; }
CALLED void variable(long n) { char *p = alloca(n); memset(p, (int)kept, n); inner(wait_here); kept += p[n / 2]; }
CALLED void aligned(void) { char p[128] __attribute__((aligned(64))); memset(p, (int)kept, 128); inner(wait_here); kept += p[(unsigned long)p % 128]; }
CALLED void down(long n) { if (n) down(n - 1); else inner(wait_here); kept++; }
void handler(int s) { inner(wait_here); kept += s; }
CALLED void interrupted(void) { raise(SIGUSR1); kept++; }
/* a return from signal handlers that nothing describes, as some libraries have */
__asm__(".text\n nop\n undescribed: mov $15, %rax\n syscall\n");
void undescribed(void);
CALLED void restored(void) {
    struct { void (*handler)(int); unsigned long flags; void (*restorer)(void); unsigned long mask; } how = {handler, 0x04000000, undescribed, 0};
    syscall(SYS_rt_sigaction, SIGUSR2, &how, 0, 8);
    raise(SIGUSR2);
    kept++;
}
/* code written by hand, as of ciphers: its frame hangs on a register that no function of C would leave alone */
__asm__(".text\n .type waits, @function\n waits: .cfi_startproc\n mov $34, %eax\n syscall\n jmp waits\n .cfi_endproc\n .size waits, .-waits\n"
    ".type lent, @function\n lent: .cfi_startproc\n mov %rsp, %r9\n .cfi_def_cfa_register %r9\n sub $600, %rsp\n and $-64, %rsp\n call waits\n"
    " mov %r9, %rsp\n .cfi_def_cfa_register %rsp\n ret\n .cfi_endproc\n .size lent, .-lent\n");
void lent(void);
CALLED void borrowed(void) {
    printf("%ld %lu\n", syscall(SYS_gettid), (long)__builtin_frame_address(0));
    fflush(stdout);
    lent();
    kept++;
}
void *thread(void *x) { outer(wait_here); return x; }
int compare(const void *a, const void *b) { inner(wait_here); return a < b; }
CALLED void sorting(void) { int two[2] = {2, 1}; qsort(two, 2, sizeof *two, compare); kept += two[0]; }
CALLED void plugged(const char *path) {
#ifndef STATIC
    void (*f)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(dlopen(path, RTLD_NOW), "plug");
    f(wait_here);
#endif
    kept += *path;
}
/* push rbp; mov rbp, rsp; call rdi; pop rbp; ret: code that no file has */
CALLED void translated(void) {
    static const char code[] = "\x55\x48\x89\xe5\xff\xd7\x5d\xc3";
    void (*made)(void (*)(void)) = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(made, code, sizeof code);
    made(wait_here);
    kept++;
}

int main(int argc, char **argv) {
    const char *what = argv[1];
    signal(SIGUSR1, handler);
    if (!strcmp(what, "plain")) outer(wait_here);
    if (!strcmp(what, "variable")) variable(argc * 100);
    if (!strcmp(what, "aligned")) aligned();
    if (!strcmp(what, "deep")) down(atoi(argv[2]));
    if (!strcmp(what, "signal")) interrupted();
    if (!strcmp(what, "restored")) restored();
    if (!strcmp(what, "sort")) sorting();
    if (!strcmp(what, "made")) translated();
    if (!strcmp(what, "plug")) { getchar(); plugged(argv[2]); }
    if (!strcmp(what, "borrowed")) borrowed();
    if (!strcmp(what, "thread")) { pthread_t t; pthread_create(&t, 0, thread, 0); pthread_join(t, 0); }
    kept++;
    return 0;
}
"#;

const PLUG: &str = "volatile long n; __attribute__((noinline)) void deeper(void (*f)(void)) { f(); n++; }
    void plug(void (*f)(void)) { deeper(f); n++; }";

const GO: &str = r#"
package main

import (
	"fmt"
	"runtime"
	"syscall"
)

var kept int

//go:noinline
func inner() { syscall.Syscall(syscall.SYS_PAUSE, 0, 0, 0); kept++ }

//go:noinline
func outer(n int) { var space [200]byte; inner(); kept += n + int(space[n]) }

func main() {
	runtime.LockOSThread()
	fmt.Println(syscall.Gettid(), 0)
	outer(kept)
}
"#;

/// The Go program, built with these flags.
pub(super) fn go(folder: &Path, name: &str, flags: &str) -> PathBuf {
    let (source, out) = (folder.join("go.go"), folder.join(name));
    std::fs::write(&source, GO).unwrap();
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&out).arg(flags).arg(&source);
    let done = go.env("GOFLAGS", "").env("CGO_ENABLED", "0").current_dir(folder).output().expect("go is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

/// `gcc` with these arguments on the source.
pub(super) fn built(folder: &Path, name: &str, source: &str, arguments: &[&str]) -> PathBuf {
    let (out, text) = (folder.join(name), folder.join(format!("{name}.c")));
    std::fs::write(&text, source).unwrap();
    let done = Command::new("gcc").args(["-w", "-o"]).arg(&out).arg(&text).args(arguments).output().expect("gcc is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

/// A program one of whose threads waits.
pub(super) struct Waiting {
    program: PathBuf,
    child: Child,
    pub registers: Registers,
    pub stack: Vec<u8>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn started(program: &Path, arguments: &[&str]) -> Child {
    Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

impl Waiting {
    pub fn start(program: &Path, arguments: &[&str]) -> Self {
        Self::wait(program, started(program, arguments))
    }

    fn wait(program: &Path, mut child: Child) -> Self {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let (tid, bp) = line.trim().split_once(' ').expect("the program says its thread");
        let mut registers = waiting(&format!("/proc/{}/task/{tid}/syscall", child.id()));
        registers.bp = bp.parse().unwrap();
        let mut stack = vec![0; 128 << 10];
        let memory = File::open(format!("/proc/{}/mem", child.id())).unwrap();
        let read = memory.read_at(&mut stack, registers.sp).unwrap();
        stack.truncate(read);
        Self { program: program.to_owned(), child, registers, stack }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn unwound(&self) -> Stack {
        Unwinder::new().unwind(self.pid(), &self.registers, &self.stack)
    }

    /// Names of functions of the program, and names of files for others.
    fn names(&self, stack: &Stack) -> Vec<String> {
        let bytes = std::fs::read(&self.program).unwrap();
        let elf = object::read::elf::ElfFile64::<object::LittleEndian>::parse(&bytes[..]).unwrap();
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
        let base = if elf.kind() == object::ObjectKind::Dynamic {
            let own = maps.lines().find(|l| l.ends_with(self.program.to_str().unwrap())).unwrap();
            u64::from_str_radix(own.split('-').next().unwrap(), 16).unwrap()
        } else {
            0
        };
        let name = |(n, address): (usize, &u64)| {
            let place = address - u64::from(n > 0 && !stack.interrupted.contains(&n));
            let inside = |s: &object::read::elf::ElfSymbol64<'_, '_, object::LittleEndian>| {
                s.kind() == SymbolKind::Text && place.wrapping_sub(base + s.address()) < s.size().max(1)
            };
            elf.symbols().find(inside).map_or_else(|| file_at(&maps, place), |s| s.name().unwrap().to_owned())
        };
        stack.frames.iter().enumerate().map(name).collect()
    }

    /// Functions of the program from the waiting one outwards.
    fn own(&self, stack: &Stack) -> Vec<String> {
        self.names(stack).into_iter().filter(|n| !n.starts_with('/')).collect()
    }
}

fn file_at(maps: &str, address: u64) -> String {
    let holds = |line: &&str| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        (hex(start)..hex(end)).contains(&address)
    };
    maps.lines().find(holds).and_then(|l| l.find('/').map(|at| l[at..].to_owned())).unwrap_or_else(|| "/nothing".to_owned())
}

/// The sixth argument of a system call.
const R9: usize = 9;

/// `number arguments... sp ip`, once it waits in `pause`.
fn waiting(path: &str) -> Registers {
    loop {
        let text = std::fs::read_to_string(path).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() == 9 && words[0] == "34" {
            let hex = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
            let mut rest = [0; 16];
            rest[R9] = hex(words[6]);
            return Registers { sp: hex(words[7]), ip: hex(words[8]), rest, ..Registers::default() };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_caller_is_found_however_the_program_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let ways: [(&str, &[&str]); 9] = [
        ("pie", &["-O2", "-fomit-frame-pointer"]),
        ("unoptimised", &["-O0"]),
        ("fixed", &["-O2", "-no-pie"]),
        ("kept", &["-O2", "-fno-omit-frame-pointer"]),
        ("linked", &["-O2", "-static", "-DSTATIC"]),
        ("clear", &["-O2", "-static-pie", "-DSTATIC"]),
        ("large", &["-O2", "-fPIC", "-z", "noseparate-code", "-Wl,-z,now"]),
        ("bare", &["-O2", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables"]),
        ("debugged", &["-O2", "-g", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables"]),
    ];
    let expected: [(&str, &[&str]); 6] = [
        ("plain", &["inner", "middle", "outer", "main", "_start"]),
        ("variable", &["inner", "variable", "main", "_start"]),
        ("aligned", &["inner", "aligned", "main", "_start"]),
        ("sort", &["inner", "compare", "sorting", "main", "_start"]),
        ("made", &["/nothing", "translated", "main", "_start"]),
        ("borrowed", &["waits", "lent", "borrowed", "main", "_start"]),
    ];
    for (way, arguments) in ways {
        let program = built(folder.path(), way, PROGRAM, arguments);
        for (what, callers) in expected {
            let waiting = Waiting::start(&program, &[what]);
            let stack = waiting.unwound();
            let names = waiting.names(&stack);
            let own: Vec<&String> = names.iter().filter(|n| expected.iter().any(|e| e.1.contains(&n.as_str()))).collect();
            assert_eq!(own, callers, "{way} {what}: {names:?} {:?}", stack.ended);
            assert_eq!(stack.ended, End::Complete, "{way} {what}");
        }
    }
}

#[test]
fn deep_stacks_are_whole_to_the_limit_and_cut_ones_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path(), "deep", PROGRAM, &["-O2", "-fno-optimize-sibling-calls", "-fno-inline"]);
    let mut waiting = Waiting::start(&program, &["deep", "700"]);
    let stack = waiting.unwound();
    let own = waiting.own(&stack);
    assert_eq!((own.iter().filter(|n| *n == "down").count(), &stack.ended), (701, &End::Complete), "{own:?}");
    assert_eq!(own[own.len() - 2..], ["main", "_start"]);

    waiting.stack.truncate(2000);
    let cut = waiting.unwound();
    assert_eq!(cut.ended, End::StackCut);
    assert!(cut.frames.len() > 5 && stack.frames.starts_with(&cut.frames));

    let deeper = Waiting::start(&program, &["deep", "2000"]);
    let stack = deeper.unwound();
    assert_eq!((stack.frames.len(), stack.ended), (FRAMES_MAX, End::TooDeep));
}

#[test]
fn signal_handlers_return_to_what_they_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    for (name, way) in [("dynamic", &["-O2"][..]), ("static", &["-O2", "-static", "-DSTATIC"])] {
        let program = built(folder.path(), name, PROGRAM, way);
        for (what, sender) in [("signal", "interrupted"), ("restored", "restored")] {
            let waiting = Waiting::start(&program, &[what]);
            let stack = waiting.unwound();
            let own = waiting.own(&stack);
            let known = ["inner", "handler", sender, "main", "_start"];
            let own: Vec<&String> = own.iter().filter(|n| known.contains(&n.as_str())).collect();
            assert_eq!(own, known, "{name} {what}: {:?} {:?}", waiting.names(&stack), stack.ended);
            assert_eq!((stack.interrupted.len(), stack.ended), (1, End::Complete));
        }
    }
}

#[test]
fn threads_end_where_they_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path(), "thread", PROGRAM, &["-O2", "-pthread"]);
    let waiting = Waiting::start(&program, &["thread"]);
    let stack = waiting.unwound();
    assert_eq!(waiting.own(&stack)[1..], ["inner", "middle", "outer", "thread"]);
    assert_eq!(stack.ended, End::Complete);
}

#[test]
fn a_library_that_is_loaded_later_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let library = built(folder.path(), "plug.so", PLUG, &["-O2", "-shared", "-fPIC"]);
    let program = built(folder.path(), "host", PROGRAM, &["-O2"]);
    let mut child = started(&program, &["plug", library.to_str().unwrap()]);
    let mut unwinder = Unwinder::new();
    while std::fs::read_link(format!("/proc/{}/exe", child.id())).unwrap() != program {
        std::thread::sleep(Duration::from_millis(1));
    }
    unwinder.look_at(child.id());
    std::thread::sleep(Duration::from_millis(100));
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let waiting = Waiting::wait(&program, child);
    let stack = unwinder.unwind(waiting.pid(), &waiting.registers, &waiting.stack);
    let names = waiting.names(&stack);
    let inside = names.iter().filter(|n| *n == library.to_str().unwrap()).count();
    assert_eq!((inside, &stack.ended), (2, &End::Complete), "{names:?}");
    assert!(names.ends_with(&["_start".to_owned()]));
}

#[test]
fn a_process_that_is_gone_is_unwound_by_what_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path(), "gone", PROGRAM, &["-O2"]);
    let mut waiting = Waiting::start(&program, &["plain"]);
    let mut unwinder = Unwinder::new();
    let before = unwinder.unwind(waiting.pid(), &waiting.registers, &waiting.stack);
    waiting.child.kill().unwrap();
    waiting.child.wait().unwrap();
    assert_eq!(unwinder.unwind(waiting.pid(), &waiting.registers, &waiting.stack), before);
    unwinder.forget(waiting.pid());
    let after = unwinder.unwind(waiting.pid(), &waiting.registers, &waiting.stack);
    assert_eq!((after.frames, after.ended), (vec![waiting.registers.ip], End::ProcessGone));
}

#[test]
fn tables_are_let_go_and_made_again_under_a_small_limit() {
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path(), "small", PROGRAM, &["-O2"]);
    let waiting = Waiting::start(&program, &["plain"]);
    let mut unwinder = Unwinder::with_tables_of(1);
    for _ in 0..3 {
        let stack = unwinder.unwind(waiting.pid(), &waiting.registers, &waiting.stack);
        assert_eq!((stack.frames.len(), stack.ended), (waiting.unwound().frames.len(), End::Complete));
    }
    assert!(unwinder.tables.bytes() < 1 << 20, "one table at a time");
}

#[test]
fn go_is_unwound_with_and_without_symbols() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Waiting::start(&go(folder.path(), "whole", "-ldflags="), &[]);
    let stack = whole.unwound();
    let names = whole.names(&stack);
    let expected = ["main.inner", "main.outer", "main.main", "runtime.main", "runtime.goexit.abi0"];
    let at = names.iter().position(|n| n == expected[0]).unwrap_or_default();
    assert_eq!((&names[at..], &stack.ended), (&expected.map(str::to_owned)[..], &End::Complete), "{names:?}");
    let stripped = Waiting::start(&go(folder.path(), "stripped", "-ldflags=-s -w"), &[]);
    let bare = stripped.unwound();
    assert_eq!((bare.frames.len(), bare.ended), (stack.frames.len(), End::Complete));
}

#[test]
fn nonsense_ends_with_a_reason() {
    let own = std::process::id();
    let mut unwinder = Unwinder::new();
    let nowhere = Registers { ip: 0x10, sp: 0x7000, ..Registers::default() };
    assert_eq!(unwinder.unwind(own, &nowhere, &[0; 64]).ended, End::NoCode);
    let here = Registers { ip: nonsense_ends_with_a_reason as *const () as u64, sp: 0x7000, ..Registers::default() };
    assert_eq!(unwinder.unwind(own, &here, &[]).ended, End::StackCut);
    assert_eq!(unwinder.unwind(own, &here, &[0xff; 4096]).ended, End::NoCode);
    assert_eq!(unwinder.unwind(u32::MAX / 2, &here, &[]).ended, End::ProcessGone);
    assert!(unwinder.bytes() > 0);
}

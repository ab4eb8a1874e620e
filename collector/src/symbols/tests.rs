//! Real programs, built here by real compilers: the names of their running processes' addresses are those that `nm` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;

const C: &str = "#include <stdio.h>\n#include <stdlib.h>\n\
    __attribute__((noinline)) int spin(int n) { while (n > 1) n = n * 3 / 4; return n; }\n\
    static __attribute__((noinline)) int hidden(int n) { return spin(n + 1) + 1; }\n\
    int main(int c, char **v) { puts(\"ready\"); fflush(stdout); getchar(); return hidden(c) + atoi(v[0]); }\n";
const CPP: &str = "#include <cstdio>\n\
    namespace outer { template <typename T> struct Box { __attribute__((noinline)) T spin(T n) { while (n > 1) n = n * 3 / 4; return n; } }; }\n\
    int main(int c, char **) { outer::Box<unsigned long> b; puts(\"ready\"); fflush(stdout); getchar(); return b.spin(c); }\n";
const RUST: &str = "mod deep { pub trait Work { fn alpha(&self, n: u64) -> u64; }\n\
    impl Work for super::Burner { #[inline(never)] fn alpha(&self, n: u64) -> u64 { std::hint::black_box(n * self.0) } } }\n\
    pub struct Burner(u64);\n\
    fn main() { use deep::Work; println!(\"ready\"); let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap();\n\
    std::process::exit(Burner(7).alpha(s.len() as u64) as i32) }\n";
const GO: &str = "package main\nimport (\"fmt\"; \"os\")\ntype T struct{ n int }\n\
    //go:noinline\nfunc (t *T) spin(n int) int { for n > 1 { n = n * 3 / 4 }; return n + t.n }\n\
    func main() { fmt.Println(\"ready\"); b := make([]byte, 1); n, _ := os.Stdin.Read(b); os.Exit((&T{n}).spin(n)) }\n";

pub fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

pub fn tool(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let path = format!("{}:/usr/local/go/bin", std::env::var("PATH").unwrap_or_default());
    let found = path.split(':').map(|dir| Path::new(dir).join(program)).find(|file| file.exists());
    let program = found.unwrap_or_else(|| panic!("{program} is needed for this test"));
    let output = Command::new(&program).args(arguments).current_dir(folder).env("GOCACHE", folder.join("go")).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{} {arguments:?}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The program, at addresses of its own choice, which `nm` tells.
fn c_program(folder: &Path, more: &[&str]) -> PathBuf {
    std::fs::write(folder.join("tool.c"), C).expect("written");
    tool(folder, "gcc", &[&["-O2", "-no-pie", "-o", "tool", "tool.c"][..], more].concat());
    folder.join("tool")
}

struct Running(Child);

impl Running {
    fn start(program: &Path) -> Running {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
        let mut line = String::new();
        let read = child.stdout.as_mut().map(|out| BufReader::new(out).read_line(&mut line));
        assert!(matches!(read, Some(Ok(6))), "{line}");
        Running(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Functions that have a size: by address, the size and the names.
type Functions = BTreeMap<u64, (u64, BTreeSet<String>)>;

fn nm(program: &Path, arguments: &[&str]) -> Functions {
    let text =
        tool(Path::new("/"), "nm", &[&["-S", "--defined-only"][..], arguments, &[program.to_str().expect("plain")]].concat());
    let mut functions = Functions::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let mut hex = || words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
        let (Some(address), Some(size)) = (hex(), hex()) else { continue };
        if let (Some("T" | "t" | "W" | "w" | "i"), Some(name)) = (words.next(), words.next()) {
            let entry = functions.entry(address).or_default();
            entry.0 = entry.0.max(size);
            entry.1.insert(name.to_owned());
        }
    }
    assert!(!functions.is_empty(), "{text}");
    functions
}

fn name(symbols: &mut Symbols, pid: u32, address: u64) -> String {
    let mut names = vec![];
    symbols.frames(pid, address, false, &mut names);
    names.pop().expect("never nothing")
}

fn address(functions: &Functions, wanted: &str) -> (u64, u64) {
    let found = functions.iter().find(|(_, (_, names))| names.contains(wanted));
    found.map(|(address, (size, _))| (*address, *size)).unwrap_or_else(|| panic!("no {wanted} in {functions:?}"))
}

/// First and last byte of every function have one of its names.
fn check_all(symbols: &mut Symbols, pid: u32, functions: &Functions) {
    for (address, (size, names)) in functions {
        for at in [*address, address + size.saturating_sub(1)] {
            let got = name(symbols, pid, at);
            assert!(names.contains(&got), "{at:x}: {got}, not of {names:?}");
        }
    }
}

#[test]
fn names_of_c_are_those_of_nm_and_gaps_have_none() {
    let folder = folder();
    let program = c_program(folder.path(), &[]);
    let functions = nm(&program, &[]);
    let process = Running::start(&program);
    let mut symbols = Symbols::new();
    check_all(&mut symbols, process.pid(), &functions);
    let (start, size) = address(&functions, "spin");
    let next = *functions.range(start + 1..).next().expect("hidden is behind").0;
    assert!(next > start + size, "there is a gap behind spin");
    assert_eq!(name(&mut symbols, process.pid(), start + size), "[tool]");
    let mut names = vec![];
    symbols.frames(process.pid(), start + size, true, &mut names);
    assert_eq!(names, ["spin"], "a return address behind its last call");
    assert_eq!(name(&mut symbols, process.pid(), 16), "[unmapped]");
    assert_eq!(name(&mut symbols, u32::MAX - 1, start), "[process ended]");
    assert!(symbols.bytes() < 8 << 20);
}

#[test]
fn a_position_independent_program_and_its_stubs() {
    let folder = folder();
    let program = c_program(folder.path(), &["-fPIE", "-pie", "-fcf-protection"]);
    let process = Running::start(&program);
    let mappings = maps::read(process.pid()).expect("it runs");
    let own = mappings.iter().find(|m| m.mapped.path.ends_with(b"/tool")).expect("its code");
    let base = own.mapped.start - own.offset;
    let mut symbols = Symbols::new();
    let (spin, _) = address(&nm(&program, &[]), "spin");
    assert_eq!(name(&mut symbols, process.pid(), base + spin), "spin");
    let stubs: BTreeSet<String> =
        (own.mapped.start..own.mapped.end).step_by(16).map(|at| name(&mut symbols, process.pid(), at)).collect();
    for stub in ["puts@plt", "getchar@plt"] {
        assert!(stubs.contains(stub) || stubs.contains("getc@plt"), "{stubs:?}");
    }
}

#[test]
fn names_of_a_stripped_program_come_from_where_its_link_says() {
    for (build_id, below) in [("none", ""), ("none", ".debug"), ("sha1", "")] {
        let folder = folder();
        let program = c_program(folder.path(), &[&format!("-Wl,--build-id={build_id}")]);
        let functions = nm(&program, &[]);
        let debug = folder.path().join(below).join("tool.debug");
        std::fs::create_dir_all(debug.parent().expect("a folder")).expect("made");
        let debug = debug.to_str().expect("plain");
        tool(folder.path(), "objcopy", &["--only-keep-debug", "tool", debug]);
        tool(folder.path(), "objcopy", &["--strip-all", &format!("--add-gnu-debuglink={debug}"), "tool"]);
        let process = Running::start(&program);
        check_all(&mut Symbols::new(), process.pid(), &functions);
        // one that is not the program's own names nothing
        let mut other = std::fs::read(debug).expect("it is there");
        if build_id == "none" {
            other.push(0);
            std::fs::write(debug, other).expect("written");
            let (spin, _) = address(&functions, "spin");
            assert_eq!(name(&mut Symbols::new(), process.pid(), spin), "[tool]");
        }
    }
}

#[test]
fn symbols_packed_into_a_stripped_program_are_found() {
    let folder = folder();
    let program = c_program(folder.path(), &[]);
    let functions = nm(&program, &[]);
    tool(folder.path(), "objcopy", &["--only-keep-debug", "tool", "small"]);
    let mut packed = vec![];
    let small = std::fs::read(folder.path().join("small")).expect("it is there");
    lzma_rs::xz_compress(&mut &small[..], &mut packed).expect("it can be packed");
    std::fs::write(folder.path().join("packed"), packed).expect("written");
    tool(folder.path(), "objcopy", &["--strip-all", "--add-section", ".gnu_debugdata=packed", "tool"]);
    let process = Running::start(&program);
    check_all(&mut Symbols::new(), process.pid(), &functions);
}

#[test]
fn what_is_deleted_or_has_ended_keeps_its_names() {
    let folder = folder();
    let program = c_program(folder.path(), &[]);
    let (spin, _) = address(&nm(&program, &[]), "spin");
    let process = Running::start(&program);
    let pid = process.pid();
    std::fs::remove_file(&program).expect("it can be deleted");
    assert_eq!(name(&mut Symbols::new(), pid, spin), "spin", "deleted");
    let mut symbols = Symbols::new();
    symbols.mapped(pid);
    drop(process);
    symbols.exited(pid);
    assert_eq!(name(&mut symbols, pid, spin), "spin", "ended, and read only now");
}

#[test]
fn names_of_cpp_and_rust_are_demangled() {
    let folder = folder();
    std::fs::write(folder.path().join("box.cpp"), CPP).expect("written");
    tool(folder.path(), "g++", &["-O2", "-no-pie", "-o", "box", "box.cpp"]);
    std::fs::write(folder.path().join("burn.rs"), RUST).expect("written");
    tool(folder.path(), "rustc", &["-O", "-C", "relocation-model=static", "burn.rs"]);
    for (program, mangled, expected) in
        [("box", "spin", "outer::Box<unsigned long>::spin"), ("burn", "alpha", "<burn::Burner as burn::deep::Work>::alpha")]
    {
        let program = folder.path().join(program);
        let functions = nm(&program, &[]);
        let found = functions.iter().find(|(_, (_, names))| names.iter().any(|n| n.starts_with('_') && n.contains(mangled)));
        let process = Running::start(&program);
        assert_eq!(name(&mut Symbols::new(), process.pid(), *found.expect("it is there").0), expected);
    }
}

#[test]
fn names_of_go_are_whole_with_and_without_symbols() {
    let folder = folder();
    std::fs::write(folder.path().join("burn.go"), GO).expect("written");
    tool(folder.path(), "go", &["build", "-o", "burn", "burn.go"]);
    let functions = nm(&folder.path().join("burn"), &[]);
    let (spin, size) = address(&functions, "main.(*T).spin");
    tool(folder.path(), "go", &["build", "-ldflags=-s -w", "-o", "bare", "burn.go"]);
    for program in ["burn", "bare"] {
        let process = Running::start(&folder.path().join(program));
        let mut symbols = Symbols::new();
        for at in [spin, spin + size - 1] {
            assert_eq!(name(&mut symbols, process.pid(), at), "main.(*T).spin", "{program}");
        }
        let (main, _) = address(&functions, "main.main");
        assert_eq!(name(&mut symbols, process.pid(), main), "main.main", "{program}");
    }
}

#[test]
fn the_kernel_has_names_or_says_that_they_are_hidden() {
    let list = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let line = list.lines().find(|line| line.ends_with(" T schedule"));
    let at = line.and_then(|line| u64::from_str_radix(line.split(' ').next()?, 16).ok()).filter(|at| *at != 0);
    let expected = if at.is_some() { "schedule" } else { kernel::UNKNOWN };
    let mut symbols = Symbols::new();
    assert_eq!(symbols.kernel(at.unwrap_or(u64::MAX)), expected);
    assert_eq!(name(&mut symbols, std::process::id(), at.unwrap_or(u64::MAX)), expected, "a frame of the kernel in a process");
}

#[test]
fn damaged_programs_have_no_names_and_harm_nothing() {
    let folder = folder();
    let program = c_program(folder.path(), &[]);
    let bytes = std::fs::read(&program).expect("it is there");
    let place = separate::Place::new(0, b"/nonexistent/tool");
    let path = folder.path().join("damaged");
    for round in 0..200_usize {
        let mut damaged = bytes.clone();
        for step in 0..8 {
            // the headers at both ends, and places all over
            let at = (round * 7919 + step * 104_729) % if round % 2 == 0 { damaged.len() } else { 1024 };
            damaged[at] ^= (round * 31 + step) as u8 | 1;
        }
        damaged.truncate(if round % 5 == 0 { round * damaged.len() / 200 } else { damaged.len() });
        std::fs::write(&path, damaged).expect("written");
        let mut binary = binary::Binary::read(std::fs::File::open(&path).expect("it is there"), &place);
        for offset in (0..bytes.len() as u64).step_by(997).chain([u64::MAX, 1 << 40]) {
            let _ = binary.name_at_offset(offset);
        }
        assert!(binary.bytes() < 16 << 20);
    }
}

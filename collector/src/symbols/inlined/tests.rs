//! Programs built here by real compilers: what is inlined at each of their addresses is what binutils' `addr2line -i` says.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::tests::{folder, tool};
use super::*;

const C: &str = "static volatile unsigned sink;\n\
    static inline __attribute__((always_inline)) unsigned spin(unsigned n) { unsigned v = n; while (n) v = v * 5 + n--; return v; }\n\
    static inline __attribute__((always_inline)) void middle(unsigned n) { sink += spin(n); sink += spin(n / 2); }\n\
    __attribute__((noinline)) void outer(unsigned n) { sink++; middle(n); }\n\
    int main(int c, char **v) { outer(c); middle(c + (v == 0)); return sink; }\n";
const CPP: &str = "namespace deep { template <typename T> struct Box { T v; inline __attribute__((always_inline)) T spin(T n)\n\
    { while (n > 1) n = n * 3 / 4 + v; return n; } __attribute__((noinline)) T outer(T n) { return spin(n) + 1; } }; }\n\
    int main(int c, char **) { deep::Box<unsigned long> b{1}; return b.outer(c) + b.spin(c + 9); }\n";
const RUST: &str = "pub mod deep { #[inline(always)] pub fn spin(n: u64) -> u64 { (0..n).fold(n, |v, i| std::hint::black_box(v * 3 + i)) } }\n\
    #[inline(never)] fn outer(n: u64) -> u64 { deep::spin(n) + 1 }\n\
    fn main() { std::process::exit(outer(std::env::args().count() as u64) as i32) }\n";

fn code(file: &File) -> Vec<Range<u64>> {
    let elf = Elf::read(file).expect("readable").expect("a program");
    elf.code().map(|(address, _, bytes)| address..address + bytes).collect()
}

fn table(program: &Path) -> Table {
    let file = File::open(program).expect("it is there");
    dwarf::read(&file, &code(&file)).expect("it has debug information")
}

/// Places within functions, by `nm`.
fn places(program: &Path, wanted: impl Fn(&str) -> bool) -> Vec<u64> {
    let listed = tool(Path::new("/"), "nm", &["-S", "-C", "--defined-only", program.to_str().expect("plain")]);
    let function = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let mut hex = || u64::from_str_radix(words.next()?, 16).ok();
        let (address, bytes) = (hex()?, hex()?);
        let (_, name) = (words.next()?, words.next()?);
        wanted(name).then_some(address..address + bytes)
    };
    listed.lines().filter_map(function).flatten().collect()
}

/// By address what binutils says: names, the outermost first, without the physical function.
fn check_all(program: &Path, wanted: impl Fn(&str) -> bool, expected_names: &[&str]) {
    let (table, places) = (table(program), places(program, wanted));
    assert!(places.len() > 20, "{places:?}");
    let addresses: Vec<String> = places.iter().map(|address| format!("{address:#x}")).collect();
    let mut arguments = vec!["-i", "-f", "-a", "-C", "-e", program.to_str().expect("plain")];
    arguments.extend(addresses.iter().map(String::as_str));
    let told = tool(Path::new("/"), "addr2line", &arguments);
    let parts: Vec<&str> = told.split("0x").filter(|part| !part.is_empty()).collect();
    assert_eq!(parts.len(), places.len());
    let plain = |name: &str| name.split('(').next().unwrap_or_default().rsplit("::").next().unwrap_or_default().to_owned();
    let mut seen = std::collections::BTreeSet::new();
    for (address, part) in places.iter().zip(parts) {
        // after the address each function has its name and its place in the source
        let mut names: Vec<String> = part.lines().skip(1).step_by(2).map(plain).collect();
        names.pop();
        names.reverse();
        let got: Vec<String> = table.names_at(*address).map(plain).collect();
        assert_eq!(got, names, "{address:#x}");
        seen.extend(table.names_at(*address).map(str::to_owned));
    }
    for name in expected_names {
        assert!(seen.iter().any(|seen| seen.split('(').next() == Some(name)), "no {name} in {seen:?}");
    }
}

fn built(folder: &Path, compiler: &[&str], file: &str, source: &str) -> std::path::PathBuf {
    std::fs::write(folder.join(file), source).expect("written");
    tool(folder, compiler[0], &[&compiler[1..], &["-o", "program", file]].concat());
    folder.join("program")
}

#[test]
fn each_address_of_c_has_what_binutils_says() {
    for version in ["-gdwarf-5", "-gdwarf-4", "-gdwarf-3"] {
        let folder = folder();
        let program = built(folder.path(), &["gcc", "-O2", version], "tool.c", C);
        check_all(&program, |name| ["outer", "main"].contains(&name), &["middle", "spin"]);
    }
}

#[test]
fn methods_have_their_types() {
    let folder = folder();
    let program = built(folder.path(), &["g++", "-O2", "-g"], "tool.cpp", CPP);
    check_all(&program, |name| name == "main" || name.contains("outer"), &["deep::Box<unsigned long>::spin"]);
}

#[test]
fn rust_and_units_that_refer_to_others() {
    for more in [&["-O"][..], &["-O", "-Clto=fat"]] {
        let folder = folder();
        let program = built(folder.path(), &[&["rustc", "-g"], more].concat(), "tool.rs", RUST);
        check_all(&program, |name| name.starts_with("tool::outer"), &["tool::deep::spin"]);
    }
}

#[test]
fn a_program_without_debug_information_is_not_read() {
    let folder = folder();
    let program = built(folder.path(), &["gcc", "-O2", "-g0", "-s"], "tool.c", C);
    let file = File::open(program).expect("it is there");
    assert!(!is_told_by(&file));
    assert!(dwarf::read(&file, &code(&file)).is_none_or(|table| table.is_empty()));
}

#[test]
fn damage_is_no_panic() {
    let folder = folder();
    let program = built(folder.path(), &["gcc", "-O2", "-g"], "tool.c", C);
    let file = File::options().read(true).write(true).open(&program).expect("it is there");
    let elf = Elf::read(&file).expect("readable").expect("a program");
    let code = code(&file);
    let whole = dwarf::read(&file, &code).expect("readable").bytes();
    for name in [".debug_info", ".debug_abbrev", ".debug_rnglists"] {
        let section = elf.section(name).expect("the compiler wrote it");
        let kept = elf.bytes(section.offset, section.size as usize).expect("readable");
        for at in (0..kept.len()).step_by(19) {
            for changed in [0, 0xff, kept[at] ^ 0x40] {
                file.write_all_at(&[changed], section.offset + at as u64).expect("written");
                let read = dwarf::read(&file, &code);
                assert!(read.is_none_or(|table| table.bytes() < 100 * whole));
            }
            file.write_all_at(&kept[at..=at], section.offset + at as u64).expect("written");
        }
    }
}

#[test]
fn who_asks_first_waits_for_a_small_program() {
    let folder = folder();
    let program = built(folder.path(), &["gcc", "-O2", "-g"], "tool.c", C);
    let file = Arc::new(File::open(&program).expect("it is there"));
    let (mut inlined, mut worker) = (Inlined::Unasked(Arc::clone(&file), code(&file)), Worker::default());
    let mut names = vec![];
    for address in places(&program, |name| name == "outer") {
        // on a busy machine the answer may come late; it comes
        for _ in 0..200 {
            inlined.names_at(address, &mut worker, &mut names);
            if !matches!(inlined, Inlined::Asked(_)) {
                break;
            }
            std::thread::sleep(PATIENCE);
        }
    }
    assert!(matches!(inlined, Inlined::Known(_)) && inlined.bytes() > 0);
    assert!(["middle", "spin"].iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");
    assert!(worker.is_free());
}

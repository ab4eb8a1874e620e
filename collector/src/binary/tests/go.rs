//! Go programs: found by their function table in each of its layouts, probed by the same rules.

use std::process::Command;

use super::super::{Analysis, Call, Kind, Moment, Place, Register, analyse};
use super::code::{GO, PUSHES_FIRST};
use super::fixture::{Layout, file, go_program};

const FUNCTIONS: [(&str, &[u8]); 4] = [
    ("runtime.main", PUSHES_FIRST),
    ("crypto/tls.(*Conn).Write", GO),
    ("crypto/tls.(*Conn).Read", GO),
    ("crypto/tls.(*Conn).Close", GO),
];

#[test]
fn every_layout_of_the_function_table_says_the_same() {
    let all = [Layout::Go116, Layout::Go118, Layout::Go120, Layout::Go126].map(|layout| {
        let analysis = analyse(&file(&go_program(&FUNCTIONS, layout, "go1.20.1"))).unwrap().unwrap();
        assert_eq!(analysis.version.as_deref(), Some("go1.20.1"));
        assert_eq!(analysis.kind, Kind::Go);
        analysis.sites
    });
    assert!(all.iter().all(|sites| *sites == all[0]), "{all:?}");
    let read: Vec<_> = all[0].iter().filter(|s| s.call == Call::Read).collect();
    let start = super::fixture::address(2);
    // behind the check of the stack, whose other way leads back to the start
    assert_eq!((read[0].moment, read[0].address - start, read[0].emulated), (Moment::Entry, 6, true));
    let in_registers = [Register::Rax, Register::Rbx, Register::Rcx, Register::Rdi].map(Place::Register);
    assert_eq!(read[0].arguments, in_registers);
    // the other way out returns 0
    assert_eq!((read[1].moment, read[1].address - start, read[1].emulated), (Moment::Result, 0x2b, true));
    assert_eq!((read[1].result, read[1].plus), (Place::Register(Register::Rax), Place::Stack(0x18)));
    assert_eq!(read.len(), 2);
    let close: Vec<_> = all[0].iter().filter(|s| s.call == Call::Close).collect();
    assert_eq!((close.len(), close[0].moment), (1, Moment::Entry));
}

#[test]
fn arguments_on_the_stack_are_refused() {
    let analysis = analyse(&file(&go_program(&FUNCTIONS, Layout::Go116, "go1.16.15"))).unwrap().unwrap();
    assert_eq!(analysis.sites, []);
    assert_eq!(analysis.refused.len(), 3);
    assert!(analysis.refused[0].1.contains("1.17"));
}

#[test]
fn a_go_program_without_tls_holds_nothing() {
    assert_eq!(analyse(&file(&go_program(&FUNCTIONS[..1], Layout::Go120, "go1.20"))).unwrap(), None);
}

fn go(folder: &std::path::Path, arguments: &[&str]) -> String {
    let mut command = Command::new("go");
    command.current_dir(folder).env("GOFLAGS", "-mod=mod").env("CGO_ENABLED", "0");
    let output = command.args(arguments).output().expect("go is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Builds a program that speaks TLS, and analyses it.
fn built(folder: &std::path::Path, name: &str, flags: &[&str]) -> Analysis {
    go(folder, &[&["build", "-o", name], flags, &["main.go"]].concat());
    analyse(&std::fs::File::open(folder.join(name)).unwrap()).unwrap().unwrap()
}

#[test]
fn the_go_that_is_installed_makes_programs_that_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let source = "package main\nimport \"crypto/tls\"\nfunc main() {\nc, _ := tls.Dial(\"tcp\", \"\", nil)\n\
                  b := make([]byte, 9)\nc.Write(b)\nc.Read(b)\nc.Close()\n}\n";
    std::fs::write(folder.path().join("main.go"), source).unwrap();
    std::fs::write(folder.path().join("go.mod"), "module x\n\ngo 1.21\n").unwrap();
    std::fs::write(folder.path().join("layout.go"), include_str!("layout.go")).unwrap();
    let said = go(folder.path(), &["run", "layout.go"]);
    let [version, conn, fd, sysfd] = said.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
    let [conn, fd, sysfd] = [conn, fd, sysfd].map(|offset: &str| offset.parse().unwrap());
    let kinds: [(&str, &[&str]); 3] =
        [("plain", &[]), ("stripped", &["-ldflags=-s -w"]), ("pie", &["-buildmode=pie", "-ldflags=-s -w"])];
    for (name, flags) in kinds {
        let analysis = built(folder.path(), name, flags);
        assert_eq!(analysis.version.as_deref(), Some(version), "{name}");
        // by its debug information, and without it by the table of versions: each the same as the program itself says
        assert_eq!(analysis.layout, Some(super::super::Layout { conn, fd, sysfd }), "{name}");
        let known_by = if name == "plain" { "by its debug information" } else { "by the table of go1." };
        assert!(analysis.sites.iter().all(|s| s.reason.contains(known_by)), "{name}: {:?}", analysis.sites);
        assert_eq!(analysis.refused, [], "{name}");
        for call in [Call::Read, Call::Write, Call::Close] {
            let entries: Vec<_> = analysis.sites.iter().filter(|s| s.call == call && s.moment == Moment::Entry).collect();
            assert_eq!(entries.len(), 1, "{name} {call:?}");
            assert!(entries[0].emulated, "{name} {:?}", entries[0]);
            assert_eq!(entries[0].arguments[0], Place::Register(Register::Rax), "{name}");
            let results = analysis.sites.iter().filter(|s| s.call == call && s.moment == Moment::Result).count();
            assert_eq!(results > 0, call != Call::Close, "{name} {call:?}");
        }
        assert!(!analysis.sites.iter().any(|s| s.uretprobe), "{name}");
    }
}

//! OpenSSL's functions in a program without symbols are those that they are with them.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use super::super::{Analysis, Call, Confidence, Kind, Site, analyse};

fn run(command: &mut Command) {
    let output = command.output().expect("gcc and strip are installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Without inlining, so that each function is where its name says. The analysis with symbols and the one without.
fn analysed(folder: &Path, flags: &[&str]) -> (Option<Analysis>, Option<Analysis>) {
    std::fs::write(folder.join("raised.c"), include_str!("raised.c")).expect("written");
    let mut compiler = Command::new("gcc");
    compiler.current_dir(folder).args(["-O2", "-fno-inline", "-fno-ipa-ra", "-o", "whole", "raised.c"]);
    run(compiler.args(flags));
    run(Command::new("strip").current_dir(folder).args(["-s", "-o", "stripped", "whole"]));
    let analysed = |name: &str| analyse(&File::open(folder.join(name)).expect("made")).expect("readable");
    (analysed("whole"), analysed("stripped"))
}

#[test]
fn each_function_is_found_where_its_symbol_was() {
    for flags in [&["-fPIE", "-pie"][..], &["-fno-pie", "-no-pie"], &["-O3", "-fPIE", "-pie"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let (whole, stripped) = analysed(folder.path(), flags);
        let (whole, stripped) = (whole.expect("has symbols"), stripped.expect("says names"));
        assert_eq!((whole.confidence, stripped.confidence), (Confidence::Symbol, Confidence::Raised));
        assert_eq!((stripped.kind, &stripped.refused), (Kind::OpenSsl, &whole.refused), "{flags:?}");
        assert_eq!(stripped.version.as_deref(), Some("OpenSSL 3.0.99 1 Jan 2030"));
        let mut sites = [whole.sites, stripped.sites];
        sites.iter_mut().for_each(|sites: &mut Vec<Site>| sites.sort_by_key(|site| (site.symbol.clone(), site.address)));
        assert_eq!(sites[0], sites[1], "{flags:?}");
        for call in [Call::Read, Call::ReadEx, Call::Write, Call::WriteEx, Call::Handshake, Call::SetFd] {
            assert!(sites[1].iter().any(|site| site.call == call), "{call:?} {flags:?}");
        }
    }
}

#[test]
fn functions_that_do_not_say_their_names_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, stripped) = analysed(folder.path(), &["-DNAMELESS"]);
    let stripped = stripped.expect("a library is inside");
    assert_eq!(stripped.sites, []);
    let [(library, why)] = &stripped.refused[..] else { panic!("{:?}", stripped.refused) };
    assert_eq!(library, "BoringSSL");
    assert!(why.contains("symbols are gone") && why.contains("do not say their names"), "{why}");
}

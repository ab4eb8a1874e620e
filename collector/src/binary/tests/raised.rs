//! OpenSSL's and BoringSSL's functions in a program without symbols are those that they are with them.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use super::super::{Analysis, Call, Confidence, Kind, Site, analyse};

fn run(command: &mut Command) {
    let output = command.output().expect("gcc and strip are installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub const OPENSSL: &str = include_str!("raised.c");
const BORINGSSL: &str = include_str!("boringssl.c");

/// Without inlining, so that each function is where its name says. The analysis with symbols and the one without.
pub fn analysed(folder: &Path, source: &str, flags: &[&str]) -> (Option<Analysis>, Option<Analysis>) {
    std::fs::write(folder.join("library.c"), source).expect("written");
    let mut compiler = Command::new("gcc");
    compiler.current_dir(folder).args(["-O2", "-fno-inline", "-fno-ipa-ra", "-o", "whole", "library.c"]);
    run(compiler.args(flags));
    run(Command::new("strip").current_dir(folder).args(["-s", "-o", "stripped", "whole"]));
    let analysed = |name: &str| analyse(&File::open(folder.join(name)).expect("made")).expect("readable");
    (analysed("whole"), analysed("stripped"))
}

#[test]
fn each_function_is_found_where_its_symbol_was() {
    for flags in [&["-fPIE", "-pie"][..], &["-fno-pie", "-no-pie"], &["-O3", "-fPIE", "-pie"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let (whole, stripped) = analysed(folder.path(), OPENSSL, flags);
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
    let (_, stripped) = analysed(folder.path(), OPENSSL, &["-DNAMELESS"]);
    let stripped = stripped.expect("a library is inside");
    assert_eq!(stripped.sites, []);
    let [(library, why)] = &stripped.refused[..] else { panic!("{:?}", stripped.refused) };
    assert_eq!(library, "OpenSSL");
    assert!(why.contains("symbols are gone") && why.contains("do not say their names"), "{why}");
}

#[test]
fn boringssls_functions_are_found_by_their_errors() {
    let kinds = [&["-fPIE", "-pie"][..], &["-fno-pie", "-no-pie"], &["-O3", "-fPIE", "-pie"], &["-fno-omit-frame-pointer"]];
    for (flags, apart) in kinds.iter().flat_map(|flags| [(flags, "-DINSIDE"), (flags, "-DAPART")]) {
        let folder = tempfile::tempdir().expect("a folder");
        let (whole, stripped) = analysed(folder.path(), BORINGSSL, &[flags, &[apart][..]].concat());
        let (whole, stripped) = (whole.expect("has symbols"), stripped.expect("raises errors"));
        assert_eq!((stripped.kind, stripped.confidence), (Kind::OpenSsl, Confidence::Raised));
        let places = |analysis: &Analysis| {
            let named = |site: &&Site| [Call::Read, Call::Write, Call::Handshake].contains(&site.call);
            let mut places: Vec<Site> = analysis.sites.iter().filter(named).cloned().collect();
            places.sort_by_key(|site| (site.symbol.clone(), site.address));
            places
        };
        assert_eq!(places(&whole), places(&stripped), "{flags:?} {apart}: {:?}", stripped.refused);
        for call in [Call::Read, Call::Write, Call::Handshake] {
            assert!(stripped.sites.iter().any(|site| site.call == call), "{call:?} {flags:?} {apart}");
        }
    }
}

#[test]
fn what_could_be_either_of_two_functions_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, stripped) = analysed(folder.path(), BORINGSSL, &["-DDOUBLE"]);
    let stripped = stripped.expect("a library is inside");
    assert_eq!(stripped.sites, []);
    let [(library, why)] = &stripped.refused[..] else { panic!("{:?}", stripped.refused) };
    assert_eq!(library, "BoringSSL");
    assert!(why.contains("symbols are gone") && why.contains("SSL_write"), "{why}");
}

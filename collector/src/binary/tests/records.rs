//! Plaintext is seen where OpenSSL moves it between its records and the program, if that can be shown of the code.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::{Analysis, Call, Place, Register, Site, analyse};
use super::raised::{OPENSSL, analysed};

const RECORDS: &str = include_str!("records.c");

fn library(flags: &[&str]) -> [Analysis; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, stripped) = analysed(folder.path(), &format!("{OPENSSL}{RECORDS}"), flags);
    [whole.expect("has symbols"), stripped.expect("says names")]
}

fn site(analysis: &Analysis, call: Call) -> Option<&Site> {
    let mut sites = analysis.sites.iter().filter(|site| site.call == call);
    let site = sites.next();
    assert_eq!(sites.next(), None, "{call:?} is at one place");
    site
}

fn replaced(analysis: &Analysis, name: &str) -> Option<&'static str> {
    let probed = analysis.sites.iter().any(|site| site.symbol == name);
    let other = analysis.forwarding.iter().find(|(symbol, _)| symbol == name).map(|(_, other)| *other);
    assert_eq!(probed, other.is_none(), "{name} is probed or needs none");
    other
}

#[test]
fn each_piece_passes_one_place() {
    for flags in [&["-fPIE", "-pie"][..], &["-fno-pie", "-no-pie"], &["-fno-omit-frame-pointer"]] {
        for analysis in library(flags) {
            let opened = site(&analysis, Call::Opened).unwrap_or_else(|| panic!("the copy out of a record, {flags:?}"));
            assert_eq!((opened.symbol.as_str(), opened.emulated), ("ssl3_read_bytes", true));
            assert_eq!(opened.arguments[1], Place::Register(Register::Rsi));
            assert_eq!(opened.arguments[3], Place::Register(Register::Rdx));
            assert_eq!(opened.only_if.map(|(_, value)| value), [23, 0]);
            let sealed = site(&analysis, Call::Sealed).expect("where a record begins");
            assert_eq!((sealed.symbol.as_str(), sealed.emulated), ("do_ssl3_write", true));
            let [object, buffer, _, lengths] = sealed.arguments;
            let places = [object, buffer, lengths, sealed.result, sealed.only_if[0].0];
            assert!(!places.contains(&Place::Unknown), "{sealed:?}");
            assert_eq!(sealed.only_if.map(|(_, value)| value), [23, 0]);
            assert_eq!(replaced(&analysis, "SSL_read"), Some("ssl3_read_bytes"), "{flags:?}");
            assert_eq!(replaced(&analysis, "SSL_write"), Some("do_ssl3_write"), "{flags:?}");
        }
    }
}

#[test]
fn several_records_at_once_pass_another() {
    for analysis in library(&[]) {
        let together = site(&analysis, Call::SealedTogether).expect("the call of the cipher");
        assert_eq!((together.symbol.as_str(), together.arguments[1]), ("ssl3_write_bytes", Place::Register(Register::Rcx)));
    }
}

#[test]
fn what_cannot_be_shown_is_left_to_the_public_functions() {
    for (other, read, write) in [("-DBY_VALUE", true, false), ("-DTWICE", false, true), ("-DUNKNOWN", true, false)] {
        for analysis in library(&[other]) {
            assert_eq!(replaced(&analysis, "SSL_read").is_some(), read, "{other}");
            assert_eq!(replaced(&analysis, "SSL_read_ex").is_some(), read, "{other}");
            assert_eq!(replaced(&analysis, "SSL_write").is_some(), write, "{other}");
            assert_eq!(replaced(&analysis, "SSL_write_ex").is_some(), write, "{other}");
        }
    }
}

/// The library of this host, if it is one of these versions.
#[test]
fn debians_library() {
    let path = Path::new("/usr/lib/x86_64-linux-gnu/libssl.so.3");
    let Ok(file) = File::open(path) else { return };
    let analysis = analyse(&file).expect("readable").expect("OpenSSL");
    if analysis.version.as_deref().is_none_or(|version| !version.starts_with("OPENSSL_3.0")) {
        return;
    }
    for call in [Call::Opened, Call::Sealed, Call::SealedTogether] {
        assert!(site(&analysis, call).is_some(), "{call:?} in {analysis:#?}");
    }
    // at a conditional jump: the kernel emulates a push or a call too, but writes to the program's stack then
    let mut code = [0; 2];
    file.read_exact_at(&mut code, site(&analysis, Call::Sealed).expect("found above").offset).expect("in the file");
    assert!(matches!(code, [0x70..=0x7f, _] | [0x0f, 0x80..=0x8f]), "{code:02x?}");
    assert_eq!(replaced(&analysis, "SSL_read"), Some("ssl3_read_bytes"));
    assert_eq!(replaced(&analysis, "SSL_write"), Some("do_ssl3_write"));
}

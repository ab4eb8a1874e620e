//! Files that are cut or changed: an answer or an error, never a panic.

use super::super::analyse;
use super::code::*;
use super::fixture::{Layout, file, go_program, library};

fn samples() -> Vec<Vec<u8>> {
    let functions = [("SSL_read", CHECKED_AT_THE_END), ("SSL_write", STATUS_AND_VALUE), ("SSL_free", TABLE)];
    let go = [("crypto/tls.(*Conn).Read", GO), ("crypto/tls.(*Conn).Write", GO)];
    vec![library(&functions, true), go_program(&go, Layout::Go116, "go1.17"), go_program(&go, Layout::Go120, "go1.22")]
}

#[test]
fn a_file_may_end_anywhere() {
    for bytes in samples() {
        for end in (0..bytes.len()).filter(|end| end % 13 == 0 || bytes.len() - end < 900 || *end < 200) {
            if let Ok(Some(analysis)) = analyse(&file(&bytes[..end])) {
                assert!(analysis.sites.len() < 20);
            }
        }
    }
}

#[test]
fn a_byte_may_be_anything() {
    for bytes in samples() {
        // headers, and what is behind the code; the code itself in steps
        let places = (0..bytes.len()).filter(|at| *at < 160 || *at > 0x1c00 || (*at > 0x1000 && at % 3 == 0));
        for at in places {
            for value in [0, 0x7f, 0xff, bytes[at] ^ 1] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(Some(analysis)) = analyse(&file(&changed)) {
                    assert!(analysis.sites.len() < 100, "byte {at} as {value}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_program_holds_nothing() {
    assert_eq!(analyse(&file(b"")).unwrap(), None);
    assert_eq!(analyse(&file(b"#!/bin/sh\n")).unwrap(), None);
    assert_eq!(analyse(&file(&[0; 4096])).unwrap(), None);
    let mut arm = samples().remove(0);
    arm[18] = 183;
    assert_eq!(analyse(&file(&arm)).unwrap(), None, "another processor");
}

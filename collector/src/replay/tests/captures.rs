//! Captures of real traffic (`tests/captures/README.md`).

use std::path::{Path, PathBuf};

use super::super::replay;
use super::Notes;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures")
}

fn notes_of(path: &Path) -> Notes {
    let mut notes = Notes::default();
    replay(path, &mut notes).unwrap();
    notes
}

/// What the client and the server of a connection said.
fn said(notes: &Notes, key: u64) -> (&[u8], &[u8]) {
    (&notes.said[&(key, false)], &notes.said[&(key, true)])
}

#[test]
fn an_http_exchange_is_whole() {
    let notes = notes_of(&folder().join("http/http.pcap"));
    assert_eq!(notes.lines[0], "open 1 Stream 10.1.6.92:80 - 10.1.6.93:43230 server from start");
    let (request, response) = said(&notes, 1);
    assert!(request.starts_with(b"GET / HTTP/1.1\r\n") && request.ends_with(b"\r\n\r\n"));
    assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n") && response.trim_ascii_end().ends_with(b"</html>"));
    assert_eq!((request.len(), response.len()), (73, 5073));
    assert_eq!(notes.lines[4..], ["end 1 Received", "end 1 Sent", "close 1"]);
}

#[test]
fn connections_joined_in_their_midst_are_told_from_there() {
    let notes = notes_of(&folder().join("dns/dns.pcap"));
    assert_eq!(notes.lines[0], "open 1 Stream 10.33.0.1:53 - 10.33.49.23:51719");
    for key in [1, 2] {
        let (query, answer) = said(&notes, key);
        assert_eq!(query[..2], (query.len() as u16 - 2).to_be_bytes());
        assert_eq!(answer[..2], (answer.len() as u16 - 2).to_be_bytes());
    }
}

#[test]
fn nothing_is_missing_from_any_capture() {
    let mut captures = 0;
    for protocol in std::fs::read_dir(folder()).unwrap() {
        let protocol = protocol.unwrap().path();
        if !protocol.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(protocol).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "pcap") {
                continue;
            }
            captures += 1;
            let notes = notes_of(&path);
            let opened = notes.lines.iter().filter(|line| line.starts_with("open")).count();
            let closed = notes.lines.iter().filter(|line| line.starts_with("close")).count();
            assert!(opened > 0 && opened == closed, "{}: {opened} opened, {closed} closed", path.display());
            assert!(!notes.lines.iter().any(|line| line.starts_with("lost")), "{}", path.display());
        }
    }
    assert!(captures >= 20, "only {captures} captures found");
}

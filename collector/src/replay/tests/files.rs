//! pcap files and what is no capture.

use super::super::{CaptureFile, ReplayError, replay};
use super::build::{Pcap, SYN, up};
use super::{Notes, check, replay_bytes, told};

const LINES: [&str; 2] = ["open 1 Stream 10.0.0.2:80 - 10.0.0.1:4000 server from start", "close 1"];

/// One packet at 1 s and a fraction of 5, with what each format puts before it.
fn file(magic: u32, big: bool, record_extra: usize) -> Vec<u8> {
    let frame = up(SYN, 1, 0, b"");
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut out = Vec::new();
    out.extend(word(magic));
    out.extend(half(2));
    out.extend(half(4));
    out.extend([0; 8]);
    out.extend(word(65_535));
    // A checksum of four bytes after each frame.
    out.extend(word(0x4400_0001));
    for value in [1, 5, frame.len() as u32, frame.len() as u32] {
        out.extend(word(value));
    }
    out.extend(vec![0; record_extra]);
    out.extend(frame);
    out
}

#[test]
fn every_kind_of_pcap_is_read() {
    for big in [false, true] {
        for (magic, extra, at_ns) in
            [(0xa1b2_c3d4, 0, 1_000_005_000), (0xa1b2_3c4d, 0, 1_000_000_005), (0xa1b2_cd34, 8, 1_000_005_000)]
        {
            let (notes, summary) = replay_bytes(&file(magic, big, extra));
            assert_eq!(notes.lines, LINES, "{magic:x} {big}");
            let summary = summary.unwrap();
            assert_eq!((summary.packets, summary.bytes), (1, 70));
            assert_eq!((summary.first_ns, summary.last_ns), (Some(at_ns), Some(at_ns)));
        }
    }
}

#[test]
fn a_capture_without_packets_is_whole() {
    check(&Pcap::new(1).bytes, &[]);
}

#[test]
fn what_is_no_capture_is_damaged_at_its_beginning() {
    for (bytes, why) in [
        (&b""[..], "the file is empty"),
        (b"\xa1\xb2", "the file is too short for a capture"),
        (b"GET / HTTP/1.1\r\n\r\n", "it is neither pcap nor pcapng nor a recording of earshot"),
        (b"\x1f\x8b\x08\x00 and so on", "it is compressed with gzip and must be decompressed first"),
        (b"\x28\xb5\x2f\xfd and so on", "it is compressed with zstd and must be decompressed first"),
    ] {
        let (notes, result) = replay_bytes(bytes);
        assert_eq!((notes.lines.len(), result), (0, Err((0, why))));
    }
    let (_, result) = replay_bytes(&Pcap::new(1).bytes[..20]);
    assert_eq!(result, Err((0, "the file ends within its header")));
    let mut other = Pcap::new(1).bytes;
    other[4] = 7;
    assert_eq!(replay_bytes(&other).1, Err((0, "its pcap version is not 2")));
}

#[test]
fn what_stands_before_damage_is_told() {
    let whole = file(0xa1b2_c3d4, false, 0);
    let second = whole.len() as u64;
    let mut insane = whole.clone();
    insane.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x80]);
    let mut cut = insane.clone();
    cut[second as usize + 11] = 0;
    cut[second as usize + 8] = 9;
    for (bytes, why) in [
        (&insane[..], "a packet's length is beyond reason"),
        (&insane[..second as usize + 7], "the file ends within a packet's header"),
        (&cut[..], "the file ends within a packet"),
    ] {
        let (notes, result) = replay_bytes(bytes);
        assert_eq!(notes.lines, LINES);
        assert_eq!(result, Err((second, why)));
    }
}

#[test]
fn a_large_file_passes_through_a_small_window() {
    let mut file = Pcap::new(1);
    let data = vec![b'x'; 60_000];
    for i in 0..100_u32 {
        file.add(&up(0x18, i * 60_000, 0, &data));
    }
    let notes = told(&file.bytes);
    assert_eq!(notes.said[&(1, false)].len(), 6_000_000);
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pcap");
    let missing = replay(&path, &mut Notes::default()).unwrap_err();
    assert!(matches!(missing, ReplayError::Open { .. }));
    assert!(missing.to_string().starts_with("cannot open ") && missing.to_string().contains("some.pcap: No such file"));

    std::fs::write(&path, [&file(0xa1b2_c3d4, false, 0)[..], b"rest"].concat()).unwrap();
    let damaged = replay(&path, &mut Notes::default()).unwrap_err();
    assert!(damaged.to_string().ends_with("some.pcap is damaged at byte 110: the file ends within a packet's header"));
    let ReplayError::Damaged { before, .. } = damaged else { panic!("not damaged: {damaged}") };
    assert_eq!(before.packets, 1);
}

#[test]
fn a_folder_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let error = replay(folder.path(), &mut Notes::default()).unwrap_err();
    assert!(matches!(error, ReplayError::Read { .. }), "{error}");
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_read_is_told_and_crashes_nothing() {
    let mut pcap = Pcap::new(1);
    for _ in 0..1000 {
        pcap.add(&up(SYN, 1, 0, b""));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &pcap.bytes).unwrap();
    let opened = CaptureFile::open(file.path()).unwrap();
    file.as_file().set_len(8192).unwrap();
    let mut notes = Notes::default();
    let error = opened.replay(&mut notes).unwrap_err();
    assert!(matches!(error, ReplayError::Read { .. }), "{error}");
    assert!(error.to_string().contains("it became shorter while it was read"), "{error}");
    assert!(notes.lines.iter().any(|line| line.starts_with("open")), "what stands before is told");
    assert!(opened.is_whole().is_err());
    assert!(CaptureFile::open(file.path()).unwrap().is_whole().is_ok());
}

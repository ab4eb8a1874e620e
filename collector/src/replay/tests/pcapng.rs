//! pcapng files.

use super::build::{SYN, ethernet, ipv4, udp, up};
use super::{replay_bytes, told};

/// A file that grows block by block.
struct File {
    bytes: Vec<u8>,
    big: bool,
}

impl File {
    fn new(big: bool) -> Self {
        let mut file = Self { bytes: Vec::new(), big };
        file.section(big);
        file
    }

    fn section(&mut self, big: bool) {
        self.big = big;
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body);
    }

    fn u16(&self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = self.u32(body.len() as u32 + 12);
        let kind = self.u32(kind);
        for part in [&kind[..], &len, &body, &len] {
            self.bytes.extend(part);
        }
    }

    fn interface(&mut self, link: u16, snap: u32, options: &[(u16, &[u8])]) {
        let mut body = [&self.u16(link)[..], &[0, 0], &self.u32(snap)].concat();
        for (code, value) in options {
            body.extend(self.u16(*code));
            body.extend(self.u16(value.len() as u16));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body);
    }

    fn packet(&mut self, interface: u32, ticks: u64, frame: &[u8]) {
        let mut body = Vec::new();
        let len = frame.len() as u32;
        for word in [interface, (ticks >> 32) as u32, ticks as u32, len, len] {
            body.extend(self.u32(word));
        }
        body.extend(frame);
        body.resize(body.len().next_multiple_of(4), 0);
        // A comment.
        body.extend(self.u16(1));
        body.extend(self.u16(2));
        body.extend(b"hm\0\0");
        self.block(6, &body);
    }
}

fn datagram(text: &[u8]) -> Vec<u8> {
    ipv4([10, 0, 0, 1], [10, 0, 0, 2], 17, &udp((1, 2), text))
}

#[test]
fn interfaces_have_their_own_links_and_clocks() {
    for big in [false, true] {
        let mut file = File::new(big);
        let offset = 1_000_000_000_i64;
        let offset = if big { offset.to_be_bytes() } else { offset.to_le_bytes() };
        file.interface(1, 0, &[(2, b"eth0"), (9, &[9]), (0, b"")]);
        file.interface(101, 0, &[(14, &offset)]);
        file.interface(101, 0, &[(9, &[0x80 | 10])]);
        file.interface(101, 0, &[(9, &[12])]);
        file.interface(101, 0, &[(9, &[0])]);
        // Name resolution, statistics, secrets: passed over, however long.
        file.block(4, &[1; 40]);
        file.block(5, &[1; 20]);
        file.block(10, &vec![7; 3 << 20]);
        file.packet(0, 5_000_000_000_000_000_001, &ethernet(0x0800, &datagram(b"nanoseconds")));
        file.packet(1, 7_000_003, &datagram(b"shifted"));
        file.packet(2, 1536, &datagram(b"binary"));
        file.packet(3, 2_000_000_007_000, &datagram(b"picoseconds"));
        file.packet(4, 3, &datagram(b"seconds"));
        let notes = told(&file.bytes);
        assert_eq!(
            notes.times,
            [5_000_000_000_000_000_001, 1_000_000_007_000_003_000, 1_500_000_000, 2_000_000_007, 3_000_000_000]
        );
        assert_eq!(notes.said[&(1, false)], b"nanosecondsshiftedbinarypicosecondsseconds");
    }
}

#[test]
fn times_out_of_range_are_the_nearest_in_it() {
    let mut file = File::new(false);
    file.interface(101, 0, &[(14, &i64::MIN.to_le_bytes())]);
    file.interface(101, 0, &[(14, &i64::MAX.to_le_bytes()), (9, &[0])]);
    file.interface(101, 0, &[(9, &[127])]);
    for interface in 0..3 {
        file.packet(interface, u64::MAX, &datagram(b"when"));
    }
    assert_eq!(told(&file.bytes).times, [0, i64::MAX as u64, 0]);
}

#[test]
fn a_second_section_begins_anew_in_its_own_byte_order() {
    let mut file = File::new(false);
    file.interface(1, 0, &[]);
    file.packet(0, 1, &ethernet(0x0800, &datagram(b"one ")));
    file.section(true);
    file.interface(101, 0, &[]);
    file.packet(0, 2, &datagram(b"two"));
    assert_eq!(told(&file.bytes).said[&(1, false)], b"one two");
}

#[test]
fn simple_and_obsolete_packets_are_read() {
    let mut file = File::new(false);
    file.interface(101, 34, &[]);
    let frame = datagram(b"abcdef");
    let mut simple = (frame.len() as u32).to_le_bytes().to_vec();
    simple.extend(&frame[..34]);
    let mut obsolete = vec![0, 0, 9, 9];
    for word in [0, 4, frame.len() as u32, frame.len() as u32] {
        obsolete.extend(u32::to_le_bytes(word));
    }
    obsolete.extend(&frame);
    file.block(2, &obsolete);
    file.block(3, &simple);
    let notes = told(&file.bytes);
    assert_eq!(notes.lines[1..3], ["data 1 Received 0+6 abcdef", "data 1 Received 6+6 ab"]);
    assert_eq!(notes.times, [4000, 4000]);
}

#[test]
fn damage_is_told_where_it_is() {
    let mut file = File::new(false);
    file.interface(1, 0, &[]);
    file.packet(0, 1, &up(SYN, 1, 0, b""));
    let (good, at) = (file.bytes.clone(), file.bytes.len() as u64);
    let damaged = |change: &dyn Fn(&mut File)| {
        let mut file = File { bytes: good.clone(), big: false };
        change(&mut file);
        let (notes, result) = replay_bytes(&file.bytes);
        assert_eq!(notes.lines.len(), 2, "what stands before is told");
        let (offset, why) = result.unwrap_err();
        assert_eq!(offset, at);
        why
    };
    assert_eq!(damaged(&|file| file.bytes.extend([6, 0, 0])), "the file ends within a block's header");
    assert_eq!(damaged(&|file| file.bytes.extend([6, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4])), "a block's length cannot be");
    assert_eq!(damaged(&|file| file.bytes.extend([6, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4])), "a block's length is beyond reason");
    assert_eq!(damaged(&|file| file.bytes.extend([99, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4])), "the file ends within a block");
    assert_eq!(damaged(&|file| file.bytes.extend([6, 0, 0, 0, 40, 0, 0, 0, 1, 2, 3, 4])), "the file ends within a block");
    assert_eq!(damaged(&|file| file.packet(1, 0, b"")), "a packet's interface was not described");
    assert_eq!(damaged(&|file| file.block(6, &[0; 16])), "a packet's block is too short");
    assert_eq!(damaged(&|file| file.block(1, &[0; 4])), "an interface's description is too short");
    let long = [&[0; 12][..], &100_u32.to_le_bytes(), &[0; 4]].concat();
    assert_eq!(damaged(&|file| file.block(6, &long)), "a packet's length does not fit its block");
    let differing = |file: &mut File| {
        file.packet(0, 0, b"");
        let last = file.bytes.len() - 4;
        file.bytes[last] ^= 4;
    };
    assert_eq!(damaged(&differing), "a block's two lengths differ");
    let orderless = |file: &mut File| file.bytes.extend([0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4]);
    assert_eq!(damaged(&orderless), "a section does not say its byte order");
}

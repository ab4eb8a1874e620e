//! Many captures made by chance from a seed.

use super::build::{ACK, FIN, PSH, Pcap, down, handshake, pcap, up};
use super::{replay_bytes, told};

/// Numbers by chance, the same for the same seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    /// A stream in segments, some of them twice and cut otherwise, each with where it would stand.
    fn segments(&mut self, stream: &[u8]) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < stream.len() {
            let end = (at + 1 + self.below(40)).min(stream.len());
            out.push((at, end));
            if self.below(4) == 0 {
                let from = at.saturating_sub(self.below(30));
                out.push((from, (from + 1 + self.below(60)).min(stream.len())));
            }
            at = end;
        }
        out
    }

    /// Moves each element by a few places.
    fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in 1..all.len() {
            let with = i - self.below(i.min(6) + 1);
            all.swap(i, with);
        }
    }
}

#[test]
fn streams_come_out_as_they_were_however_they_are_cut_repeated_and_reordered() {
    for seed in 1..400 {
        let mut chance = Chance(seed);
        let streams = [1500, 900].map(|len| chance.bytes(len));
        let starts = [chance.below(1 << 32) as u32, u32::MAX - chance.below(1000) as u32];
        let mut frames: Vec<Vec<u8>> = Vec::new();
        for (i, stream) in streams.iter().enumerate() {
            // The other end's acknowledgements stay behind: they are not what is tested here.
            for (from, to) in chance.segments(stream) {
                let seq = starts[i].wrapping_add(from as u32);
                let fin = if to == stream.len() { FIN } else { 0 };
                let make = if i == 0 { up } else { down };
                frames.push(make(ACK | PSH | fin, seq, starts[1 - i], &stream[from..to]));
            }
        }
        chance.shuffle(&mut frames);
        let notes = told(&pcap(&[&handshake(starts[0], starts[1])[..], &frames].concat()));
        assert_eq!(notes.said[&(1, false)], streams[0], "seed {seed}");
        assert_eq!(notes.said[&(1, true)], streams[1], "seed {seed}");
        let ends: Vec<_> = notes.lines.iter().filter(|line| !line.starts_with("data")).collect();
        assert_eq!(ends.len(), 4, "seed {seed}: {ends:?}");
        assert_eq!(ends[3], "close 1");
    }
}

#[test]
fn what_is_told_of_a_stream_with_losses_is_true() {
    for seed in 1..400 {
        let mut chance = Chance(seed);
        let stream = chance.bytes(3000);
        let mut frames = handshake(1000, 5000).to_vec();
        let mut answers = 0;
        for (from, to) in chance.segments(&stream) {
            if chance.below(5) > 0 {
                frames.push(up(ACK | PSH, 1000 + from as u32, 5000, &stream[from..to]));
            }
            if chance.below(8) == 0 {
                frames.push(down(ACK | PSH, 5000 + answers, 1000 + to as u32, b"y"));
                answers += 1;
            }
        }
        for (i, byte) in told(&pcap(&frames)).said[&(1, false)].iter().enumerate() {
            assert!(*byte == stream[i] || *byte == b'_', "seed {seed} at {i}");
        }
    }
}

#[test]
fn nothing_panics_whatever_a_file_holds() {
    let whole = {
        let mut file = Pcap::new(1);
        for frame in handshake(1000, 5000) {
            file.add(&frame);
        }
        for i in 0..20_u32 {
            file.add(&up(ACK | PSH, 1000 + i * 10, 5000, b"0123456789"));
            file.add(&down(ACK | PSH, 5000 + i * 4, 1010 + i * 10, b"abcd"));
        }
        file.bytes
    };
    for seed in 1..500 {
        let mut chance = Chance(seed);
        let mut damaged = whole.clone();
        for _ in 0..1 + chance.below(30) {
            let at = chance.below(damaged.len());
            damaged[at] = chance.below(256) as u8;
        }
        damaged.truncate(1 + chance.below(damaged.len()));
        let _ = replay_bytes(&damaged).1;
    }
    // Random bytes after each beginning that a file may have, and as packets of each link type.
    let beginnings: [&[u8]; 3] =
        [&whole[..24], b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0", b""];
    for seed in 1..500 {
        let mut chance = Chance(seed);
        for beginning in beginnings {
            let _ = replay_bytes(&[beginning, &chance.bytes(200)].concat()).1;
        }
        for link in [0, 1, 101, 108, 113, 276] {
            let mut file = Pcap::new(link);
            for _ in 0..5 {
                let len = chance.below(100);
                let mut frame = chance.bytes(len);
                // Half of them look like IP.
                if link == 101 && len > 0 && chance.below(2) == 0 {
                    frame[0] = [0x45, 0x60][chance.below(2)];
                }
                file.add_cut(&frame, chance.below(101));
            }
            let _ = replay_bytes(&file.bytes).1;
        }
    }
}

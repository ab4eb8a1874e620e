//! Many captures made by chance from a seed.

use std::collections::BTreeMap;

use super::build::{ACK, CLIENT, FIN, PSH, Pcap, RST, SERVER, SYN, down, handshake, ipv4, ipv4_part, pcap, tcp, up};
use super::{Consumer, Direction, Event, tell_to, told};

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

/// Damaged or not, what is told must make sense.
fn survive(file: &[u8]) {
    let mut grammar = Grammar::default();
    let _damage = tell_to(&mut grammar, file);
    assert!(grammar.open.is_empty());
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
    for seed in 1..2000 {
        let mut chance = Chance(seed);
        let mut damaged = whole.clone();
        for _ in 0..1 + chance.below(30) {
            let at = chance.below(damaged.len());
            damaged[at] = chance.below(256) as u8;
        }
        damaged.truncate(1 + chance.below(damaged.len()));
        survive(&damaged);
    }
    // Random bytes after each beginning that a file may have, and as packets of each link type.
    let beginnings: [&[u8]; 3] =
        [&whole[..24], b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0", b""];
    for seed in 1..2000 {
        let mut chance = Chance(seed);
        for beginning in beginnings {
            survive(&[beginning, &chance.bytes(200)].concat());
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
            survive(&file.bytes);
        }
    }
}

/// Holds the events of a capture to what their types promise, whatever the packets were.
#[derive(Default)]
struct Grammar {
    /// By key: the next offset in each direction, and whether it has ended.
    open: BTreeMap<u64, [(u64, bool); 2]>,
    opened: u64,
}

impl Grammar {
    fn way(&mut self, key: u64, direction: Direction) -> &mut (u64, bool) {
        let both = self.open.get_mut(&key).expect("opened before, not closed");
        &mut both[usize::from(direction == Direction::Sent)]
    }
}

impl Consumer for Grammar {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Opened(opened) => {
                assert_eq!(opened.key, self.opened + 1);
                self.opened = opened.key;
                self.open.insert(opened.key, Default::default());
            }
            Event::Data(data) => {
                let (next, ended) = self.way(data.key, data.direction);
                assert!(!*ended && data.offset >= *next && data.len > 0 && data.bytes.len() as u64 <= data.len);
                *next = data.offset + data.len;
            }
            Event::End(end) => {
                let (_, ended) = self.way(end.key, end.direction);
                assert!(!*ended);
                *ended = true;
            }
            Event::Closed(closed) => assert!(self.open.remove(&closed.key).is_some()),
            Event::Owner(_) | Event::Plain(_) => panic!("a capture knows no process"),
        }
    }

    fn lost(&mut self, _: &'static str, _: &'static str, _: u64, _: u64) {}
}

/// Well-formed packets that make no sense together.
fn chaos(chance: &mut Chance) -> Vec<u8> {
    let mut file = Pcap::new(101);
    let bases = [chance.below(1 << 32) as u32, u32::MAX - 50];
    for _ in 0..200 {
        file.step_us = [0, 10, 10, 1000, 2_000_000][chance.below(5)];
        let port = 1 + chance.below(2) as u16;
        let client = chance.below(2) == 0;
        let near = |chance: &mut Chance, base: u32| match chance.below(20) {
            0 => chance.below(1 << 32) as u32,
            1 => base.wrapping_add(1 << 30),
            _ => base.wrapping_add(chance.below(200) as u32),
        };
        let [seq, ack] = [near(chance, bases[usize::from(client)]), near(chance, bases[usize::from(!client)])];
        let flags = [ACK, ACK | PSH, ACK | PSH, ACK | PSH, ACK | FIN, SYN, SYN | ACK, RST, ACK | PSH | FIN][chance.below(9)];
        let len = chance.below(40);
        let data = chance.bytes(len);
        let (from, to, ports) = if client { (CLIENT, SERVER, (port, 80)) } else { (SERVER, CLIENT, (80, port)) };
        let segment = tcp(ports, flags, seq, ack, &data);
        let packet = match chance.below(10) {
            0 => {
                let at = chance.below(9) * 8;
                let more = [0, 0x2000][chance.below(2)];
                let part = segment.get(at..).unwrap_or_default();
                ipv4_part(from, to, 6, chance.below(3) as u16, more | (at / 8) as u16, &part[..part.len() / 8 * 8])
            }
            _ => ipv4(from, to, 6, &segment),
        };
        let snap = if chance.below(8) == 0 { 24 + 32 + chance.below(30) } else { packet.len() };
        file.add_cut(&packet, snap);
    }
    file.bytes
}

#[test]
fn events_keep_their_promises_whatever_the_packets_say() {
    for seed in 1..1000 {
        let file = chaos(&mut Chance(seed));
        let mut grammar = Grammar::default();
        tell_to(&mut grammar, &file).unwrap();
        assert!(grammar.opened > 0 && grammar.open.is_empty(), "seed {seed}");
    }
}

//! Writes a large capture file (pcap, Ethernet): HTTP/1.1 on many connections, several at a time, the same bytes in every run.
//!
//! Complete connections with handshake, acknowledgements and closing; nothing lost or reordered.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

const OPEN_AT_A_TIME: u32 = 64;
const REQUESTS_EACH: u32 = 50;
/// What fits into an Ethernet frame after the headers of IPv4 and TCP.
const SEGMENT_BYTES: usize = 1460;
const BETWEEN_PACKETS_US: u64 = 5;
/// Some time in 2024; a capture has to say when.
const BEGIN_US: u64 = 1_704_067_200_000_000;

const SYN: u8 = 2;
const FIN: u8 = 1;
const ACK: u8 = 16;
const PUSH: u8 = 8;

pub struct Written {
    pub bytes: u64,
    pub requests: u64,
    pub connections: u64,
}

/// Writes connections, each to its end, until the file has at least `bytes_min`.
pub fn write(path: &Path, bytes_min: u64) -> anyhow::Result<Written> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut capture = Capture::begin(BufWriter::with_capacity(1 << 20, file))?;
    let mut sizes = Sizes::default();
    let (mut connections, mut requests) = (0, 0);
    while capture.bytes < bytes_min {
        let mut group: Vec<Conversation> = (0..OPEN_AT_A_TIME).map(|at| Conversation::new(connections + at)).collect();
        for conversation in &mut group {
            conversation.open(&mut capture)?;
        }
        for _ in 0..REQUESTS_EACH {
            for conversation in &mut group {
                conversation.exchange(&mut capture, requests, sizes.next())?;
                requests += 1;
            }
        }
        for conversation in &mut group {
            conversation.close(&mut capture)?;
        }
        connections += OPEN_AT_A_TIME;
    }
    capture.out.flush().context("cannot write the capture")?;
    Ok(Written { bytes: capture.bytes, requests, connections: u64::from(connections) })
}

/// Sizes of bodies: most are small, a few are large.
#[derive(Default)]
struct Sizes {
    state: u32,
}

impl Sizes {
    fn next(&mut self) -> usize {
        // a linear congruential generator: the same sizes in every run
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let random = (self.state >> 16) as usize;
        match random % 16 {
            0..=11 => 200 + random % 500,
            12..=14 => 4096,
            _ => 32_768,
        }
    }
}

struct Capture<W> {
    out: W,
    bytes: u64,
    time_us: u64,
}

impl<W: Write> Capture<W> {
    fn begin(mut out: W) -> anyhow::Result<Self> {
        // magic, version 2.4, zone, accuracy, longest packet, Ethernet
        let words: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];
        let header = words.map(u32::to_le_bytes).concat();
        out.write_all(&header).context("cannot write the capture")?;
        Ok(Self { out, bytes: header.len() as u64, time_us: BEGIN_US })
    }

    fn packet(&mut self, packet: &[u8]) -> anyhow::Result<()> {
        let length = u32::try_from(packet.len()).context("a packet is too long")?;
        let (seconds, micros) = ((self.time_us / 1_000_000) as u32, (self.time_us % 1_000_000) as u32);
        let header = [seconds, micros, length, length].map(u32::to_le_bytes).concat();
        self.out.write_all(&header).and_then(|()| self.out.write_all(packet)).context("cannot write the capture")?;
        self.bytes += (header.len() + packet.len()) as u64;
        self.time_us += BETWEEN_PACKETS_US;
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct End {
    addr: [u8; 4],
    port: u16,
    /// Number of the next byte that it sends.
    sequence: u32,
}

struct Conversation {
    client: End,
    server: End,
}

#[derive(Clone, Copy)]
enum Sender {
    Client,
    Server,
}

impl Conversation {
    fn new(number: u32) -> Self {
        let [_, high, middle, low] = (number / 20_000).to_be_bytes();
        let client = End {
            addr: [10, high, middle, low.wrapping_add(2)],
            port: 20_000 + (number % 20_000) as u16,
            sequence: 1000 + number,
        };
        Self { client, server: End { addr: [192, 0, 2, 80], port: 80, sequence: 5000 + number } }
    }

    fn open(&mut self, capture: &mut Capture<impl Write>) -> anyhow::Result<()> {
        self.send(capture, Sender::Client, SYN, &[])?;
        self.send(capture, Sender::Server, SYN | ACK, &[])?;
        self.send(capture, Sender::Client, ACK, &[])
    }

    fn exchange(&mut self, capture: &mut Capture<impl Write>, number: u64, body_bytes: usize) -> anyhow::Result<()> {
        let request = format!(
            "GET /items/{number}?fields=name,price HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n\r\n"
        );
        let body: String = "{\"name\":\"item\",\"price\":12.5},".chars().cycle().take(body_bytes).collect();
        let response = format!(
            "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: application/json\r\nContent-Length: {body_bytes}\r\n\r\n{body}"
        );
        self.send(capture, Sender::Client, PUSH | ACK, request.as_bytes())?;
        self.send(capture, Sender::Server, ACK, &[])?;
        for (at, segment) in response.as_bytes().chunks(SEGMENT_BYTES).enumerate() {
            self.send(capture, Sender::Server, PUSH | ACK, segment)?;
            if at % 2 == 1 {
                self.send(capture, Sender::Client, ACK, &[])?;
            }
        }
        self.send(capture, Sender::Client, ACK, &[])
    }

    fn close(&mut self, capture: &mut Capture<impl Write>) -> anyhow::Result<()> {
        self.send(capture, Sender::Client, FIN | ACK, &[])?;
        self.send(capture, Sender::Server, FIN | ACK, &[])?;
        self.send(capture, Sender::Client, ACK, &[])
    }

    fn send(&mut self, capture: &mut Capture<impl Write>, from: Sender, flags: u8, payload: &[u8]) -> anyhow::Result<()> {
        let (sender, receiver) = match from {
            Sender::Client => (self.client, self.server),
            Sender::Server => (self.server, self.client),
        };
        capture.packet(&frame(sender, receiver, flags, payload)?)?;
        let sent = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        let end = match from {
            Sender::Client => &mut self.client,
            Sender::Server => &mut self.server,
        };
        end.sequence = end.sequence.wrapping_add(sent);
        Ok(())
    }
}

/// Ethernet, IPv4 (RFC 791) and TCP (RFC 9293), checksums included.
fn frame(sender: End, receiver: End, flags: u8, payload: &[u8]) -> anyhow::Result<Vec<u8>> {
    let acknowledged = if flags & ACK != 0 { receiver.sequence } else { 0 };
    let mut tcp = [sender.port.to_be_bytes(), receiver.port.to_be_bytes()].concat();
    tcp.extend([sender.sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat());
    tcp.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(payload);
    let tcp_bytes = u16::try_from(tcp.len()).context("a segment is too long")?;
    let pseudo = [sender.addr.as_slice(), &receiver.addr, &[0, 6], &tcp_bytes.to_be_bytes()].concat();
    let sum = checksum(&[&pseudo, &tcp]);
    tcp[16..18].copy_from_slice(&sum);

    let mut ip = vec![0x45, 0];
    ip.extend((tcp_bytes + 20).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    ip.extend([sender.addr, receiver.addr].concat());
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum);
    let ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    Ok([ethernet.as_slice(), &ip, &tcp].concat())
}

/// RFC 1071; each part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let words = parts
        .iter()
        .flat_map(|part| part.chunks(2))
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_hold() -> anyhow::Result<()> {
        let conversation = Conversation::new(7);
        for payload in [b"".as_slice(), b"odd", b"even"] {
            let frame = frame(conversation.client, conversation.server, ACK, payload)?;
            assert_eq!(checksum(&[&frame[14..34]]), [0, 0], "a header with its own sum adds up to nothing");
            let tcp = &frame[34..];
            let pseudo = [&frame[26..34], &[0, 6, 0, tcp.len() as u8]].concat();
            assert_eq!(checksum(&[&pseudo, tcp]), [0, 0]);
        }
        Ok(())
    }

    #[test]
    fn a_file_of_packets_of_the_size_asked_for() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("small.pcap");
        let written = write(&path, 1_000_000)?;
        let bytes = std::fs::read(&path)?;
        assert!(written.bytes >= 1_000_000 && written.bytes == bytes.len() as u64);
        assert_eq!(written.requests, written.connections * u64::from(REQUESTS_EACH));
        // every record's length leads to the next
        let (mut at, mut requests) = (24, 0);
        while at < bytes.len() {
            let length = u32::from_le_bytes(bytes[at + 8..at + 12].try_into()?) as usize;
            requests += u64::from(bytes[at + 16..at + 16 + length].get(54..58) == Some(b"GET "));
            at += 16 + length;
        }
        assert_eq!((at, requests), (bytes.len(), written.requests));
        Ok(())
    }
}

//! Conversations of which no capture is at hand, written by a seeded random number.

use protocol_parsers::Transport;
use tests::Random;

use super::looks::{Piece, Talk};

/// Conversations of one kind.
const TALKS: usize = 120;
const PIECES_MAX: usize = 8;
const PIECE_BYTES_MAX: usize = 2048;

fn talks(random: &mut Random, from_start: bool, said: impl Fn(&mut Random, usize, bool) -> Vec<u8>) -> Vec<Talk> {
    let mut talks = vec![];
    for _ in 0..TALKS {
        let mut pieces = vec![];
        for n in 0..2 + random.below(PIECES_MAX) {
            let sent = n % 2 == 0;
            pieces.push(Piece { sent, bytes: said(random, n, sent) });
        }
        talks.push(Talk { transport: Transport::Stream, from_start, pieces });
    }
    talks
}

pub fn random_bytes(random: &mut Random) -> Vec<Talk> {
    talks(random, true, |random, _, _| {
        let count = 1 + random.below(PIECE_BYTES_MAX);
        random.bytes(count)
    })
}

pub fn random_datagrams(random: &mut Random) -> Vec<Talk> {
    let mut talks = random_bytes(random);
    talks.iter_mut().for_each(|talk| talk.transport = Transport::Datagram);
    talks
}

/// Lines of words, as many a protocol has them.
pub fn random_text(random: &mut Random) -> Vec<Talk> {
    talks(random, true, |random, _, _| {
        let mut text = vec![];
        for _ in 0..1 + random.below(20) {
            for _ in 0..1 + random.below(8) {
                let count = 1 + random.below(9);
                let upper = random.below(4) == 0;
                text.extend(random.bytes(count).iter().map(|b| b % 26 + if upper { b'A' } else { b'a' }));
                text.push(b' ');
            }
            text.pop();
            text.extend_from_slice(b"\r\n");
        }
        text
    })
}

/// A handshake of TLS, then application data: record headers are right, what is in them is random
/// (<https://www.rfc-editor.org/rfc/rfc8446#section-5.1>).
pub fn tls_records(random: &mut Random) -> Vec<Talk> {
    const HANDSHAKE: u8 = 22;
    const APPLICATION_DATA: u8 = 23;
    talks(random, true, |random, n, sent| {
        let mut said = vec![];
        for _ in 0..1 + random.below(3) {
            let count = 40 + random.below(PIECE_BYTES_MAX);
            let mut body = random.bytes(count);
            if n < 2 {
                // ClientHello or ServerHello, and their length
                let length = (count as u32 - 4).to_be_bytes();
                body[..4].copy_from_slice(&[if sent { 1 } else { 2 }, length[1], length[2], length[3]]);
            }
            let kind = if n < 2 { HANDSHAKE } else { APPLICATION_DATA };
            said.extend_from_slice(&[kind, 3, if n == 0 { 1 } else { 3 }]);
            said.extend_from_slice(&(count as u16).to_be_bytes());
            said.extend_from_slice(&body);
        }
        said
    })
}

/// Messages of gRPC without HTTP/2 around them: a flag, a length, fields of protobuf.
pub fn grpc_messages(random: &mut Random) -> Vec<Talk> {
    talks(random, true, |random, _, _| {
        let mut said = vec![];
        for _ in 0..1 + random.below(4) {
            let mut fields = vec![];
            for number in 1..2 + random.below(5) as u8 {
                let count = 1 + random.below(100);
                fields.extend_from_slice(&[number << 3 | 2, count as u8]);
                fields.extend(random.bytes(count).iter().map(|b| b' ' + b % 95));
            }
            said.push(0);
            said.extend_from_slice(&(fields.len() as u32).to_be_bytes());
            said.extend_from_slice(&fields);
        }
        said
    })
}

/// Text messages both ways after an upgrade that was not seen; the client's are masked.
pub fn websocket(random: &mut Random) -> Vec<Talk> {
    talks(random, false, |random, _, sent| {
        let mut said = vec![];
        for n in 0..1 + random.below(4) {
            let text = format!("{{\"type\":\"update\",\"number\":{n},\"value\":\"{}\"}}", random.below(1 << 20));
            let mask = if sent { random.bytes(4) } else { vec![0; 4] };
            said.extend_from_slice(&[0x81, text.len() as u8 | if sent { 0x80 } else { 0 }]);
            if sent {
                said.extend_from_slice(&mask);
            }
            said.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
        said
    })
}

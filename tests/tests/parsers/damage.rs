//! Every parser over every capture, its own or not: cut, flipped and with holes. None panics, waits for ever, or holds more memory
//! than a connection may.

use protocol_parsers::{Exchange, Flow, Moment, Output, PROTOCOLS, Parser, Protocol, Segment, Settings, Skipped};
use schema::Row;
use tests::{Random, captures};

use super::captured::talks;
use super::looks::Talk;

/// Damaged copies of each conversation, for each parser.
const COPIES: u64 = 6;
/// What one connection may hold, in bytes.
const HEAP_BYTES_MAX: usize = 8 << 20;
/// Bits that are flipped in a conversation.
const FLIPS_MAX: usize = 12;

#[derive(Default)]
struct Counted {
    rows: u64,
}

impl Output for Counted {
    fn row(&mut self, _: &dyn Row, exchange: &Exchange<'_>) {
        assert!(exchange.ended_ns.is_none_or(|ended| ended >= exchange.started.mono_ns), "negative latency");
        self.rows += 1;
    }

    fn skipped(&mut self, _: Skipped, messages: u64, bytes: u64) {
        assert!(messages > 0 || bytes > 0, "nothing was skipped, and that was told");
    }
}

/// A conversation's pieces with their damage: which end said it, its bytes, and how many behind them were not seen.
fn damaged(talk: &Talk, random: &mut Random) -> Vec<(bool, Vec<u8>, u64)> {
    let mut pieces: Vec<_> = talk.pieces.iter().map(|p| (p.sent, p.bytes.clone(), 0)).collect();
    for _ in 0..random.below(FLIPS_MAX) {
        let at = random.below(pieces.len());
        let byte = random.below(pieces[at].1.len());
        if let Some(byte) = pieces[at].1.get_mut(byte) {
            *byte ^= 1 << random.below(8);
        }
    }
    if random.below(3) == 0 {
        let at = random.below(pieces.len());
        let kept = random.below(pieces[at].1.len());
        pieces[at].2 = (pieces[at].1.len() - kept) as u64;
        pieces[at].1.truncate(kept);
    }
    if random.below(3) == 0 {
        let kept = 1 + random.below(pieces.len());
        pieces.truncate(kept);
    }
    pieces
}

fn feed(protocol: &Protocol, talk: &Talk, from_start: bool, random: &mut Random) -> u64 {
    let mut parser = (protocol.parser)(&Settings::default(), talk.transport, from_start);
    let mut counted = Counted::default();
    let mut at = Moment { mono_ns: 1, thread_id: 1 };
    let turned = random.below(2) == 0;
    for (sent, bytes, unseen) in damaged(talk, random) {
        at.mono_ns += 1_000_000;
        let flow = if sent == turned { Flow::ToServer } else { Flow::ToClient };
        parser.bytes(Segment { flow, bytes: &bytes, at, remote: None }, &mut counted);
        if unseen > 0 {
            parser.unseen(flow, unseen, at, &mut counted);
        }
        check(protocol, parser.as_ref());
    }
    parser.close(at, &mut counted);
    assert_eq!(parser.waiting_since(), None, "{} waits after the end", protocol.name);
    counted.rows
}

fn check(protocol: &Protocol, parser: &dyn Parser) {
    let held = parser.heap_bytes();
    assert!(held <= HEAP_BYTES_MAX, "{} holds {held} bytes", protocol.name);
}

#[test]
fn every_parser_bears_every_damaged_capture() -> anyhow::Result<()> {
    let mut rows = vec![0; PROTOCOLS.len()];
    for path in captures()? {
        for (n, talk) in talks(&path)?.iter().enumerate() {
            for (protocol, rows) in PROTOCOLS.iter().zip(&mut rows).filter(|(p, _)| p.transports.contains(&talk.transport)) {
                for copy in 0..COPIES {
                    let mut random = Random::new(1 + copy + 1000 * n as u64);
                    *rows += feed(protocol, talk, copy % 2 == 0, &mut random);
                }
            }
        }
    }
    for (protocol, rows) in PROTOCOLS.iter().zip(rows) {
        // no capture is WebSocket's
        assert!(rows > 0 || protocol.name == "websocket", "{} gave no row", protocol.name);
    }
    Ok(())
}

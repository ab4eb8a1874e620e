//! Floods, nonsense and damage: bounded, counted, never a panic.

use proptest::prelude::*;

use super::harness::*;
use crate::limits::PENDING_REQUESTS_MAX;
use crate::{Skipped, Transport};

#[test]
fn waiting_queries_are_bounded() {
    let mut fed = talk(Transport::Datagram, true);
    let long = format!("{0}.{0}.{0}", "x".repeat(63));
    for i in 0..20_000u16 {
        fed.turn(&Client(query(i, &format!("{i}.{long}"), 1)), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 4 << 20, "{} bytes", fed.heap_bytes_max);
    let rows = fed.close();
    assert_eq!(rows.lines.len(), PENDING_REQUESTS_MAX);
    assert_eq!(rows.skipped(Skipped::OverLimit).0, 20_000 - PENDING_REQUESTS_MAX as u64);
}

#[test]
fn answers_are_bounded() {
    let many: Vec<_> = (0..4000).map(|_| record(16, 1, b"\x02\x01\xff")).collect();
    let ask = framed(&query(1, "a.test", 16));
    let answer = framed(&response(1, "a.test", 16, 0, &many));
    let rows = rows(Transport::Stream, true, &[Client(ask), Server(answer)], || 1000);
    assert!(rows.lines[0].ends_with("}] | 4000 [truncated] certain"));
    assert!((64 << 10..66 << 10).contains(&rows.lines[0].len()));
}

#[test]
fn an_endless_transfer_is_bounded() {
    let mut fed = talk(Transport::Stream, true);
    fed.turn(&Client(framed(&query(1, "a.test", 252))), || usize::MAX);
    let part = framed(&response(1, "a.test", 252, 0, &vec![record(1, 1, &[1, 2, 3, 4]); 1000]));
    for _ in 0..500 {
        fed.turn(&Server(part.clone()), || usize::MAX);
    }
    assert!(fed.heap_bytes_max < 512 << 10, "{} bytes", fed.heap_bytes_max);
    assert!(fed.close().lines[0].contains("| 500000 [truncated] [broken]"));
}

fn conversation() -> Vec<Turn> {
    let soa = || record(6, 1, &[name("ns"), name("me"), vec![0; 20]].concat());
    vec![
        Client([framed(&query(1, "a.test", 1)), framed(&query(2, "a.test", 28))].concat()),
        Server(framed(&response(2, "a.test", 28, 0, &[record(5, 9, b"\x01b\xc0\x0e"), record(28, 9, &[7; 16])]))),
        Server(framed(&response(1, "a.test", 1, 0, &[record(1, 9, &[1, 2, 3, 4])]))),
        Client(framed(&query(3, "zone.test", 252))),
        Server(
            [framed(&response(3, "zone.test", 252, 0, &[soa()])), framed(&response(3, "zone.test", 252, 0, &[soa()]))].concat(),
        ),
        Client(framed(&query(4, "h.test", 65))),
        Server(framed(&response(4, "h.test", 65, 0, &[record(65, 9, b"\0\x01\0\0\x01\0\x03\x02h2")]))),
    ]
}

#[test]
fn the_conversation_is_understood() {
    let rows = rows(Transport::Stream, true, &conversation(), || usize::MAX);
    assert_eq!(rows.lines.len(), 4);
    assert!(rows.lines.iter().all(|l| l.ends_with(" certain") && l.contains("NOERROR")), "{:#?}", rows.lines);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same(sizes in proptest::collection::vec(1usize..60, 1..50), from_start: bool) {
        let turns = conversation();
        let whole = rows(Transport::Stream, from_start, &turns, || usize::MAX);
        let mut sizes = sizes.into_iter().cycle();
        let pieces = rows(Transport::Stream, from_start, &turns, || sizes.next().unwrap_or(1));
        prop_assert_eq!(pieces.lines, whole.lines);
        prop_assert_eq!(pieces.sizes, whole.sizes);
    }

    #[test]
    fn damage_never_panics(
        flips in proptest::collection::vec((0usize..100_000, any::<u8>()), 0..20),
        unseen in proptest::collection::vec((0usize..8, any::<bool>(), 1u64..300), 0..4),
        from_start: bool,
        datagrams: bool,
    ) {
        let mut turns = conversation();
        for (at, byte) in flips {
            let count = turns.len();
            if let Client(bytes) | Server(bytes) = &mut turns[at % count] {
                let index = at % bytes.len();
                bytes[index] = byte;
                if byte > 250 {
                    bytes.truncate(index + 1);
                }
            }
        }
        for (at, client, len) in unseen {
            turns.insert(at.min(turns.len()), if client { ClientUnseen(len) } else { ServerUnseen(len) });
        }
        let transport = if datagrams { Transport::Datagram } else { Transport::Stream };
        let mut fed = talk(transport, from_start);
        for mut turn in turns {
            if datagrams && let Client(bytes) | Server(bytes) = &mut turn {
                bytes.drain(..bytes.len().min(2));
            }
            fed.turn(&turn, || if datagrams { usize::MAX } else { 50 });
        }
        prop_assert!(fed.heap_bytes_max < 1 << 20);
        fed.close();
    }
}

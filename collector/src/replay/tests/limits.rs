//! Limits of all connections together.

use super::super::limits::{OUT_OF_ORDER_TOTAL_BYTES_MAX, TCP_FLOWS_MAX, UDP_FLOWS_MAX};
use super::super::table::Table;
use super::build::{ACK, CLIENT, PSH, Pcap, SERVER, SYN, ipv4, tcp, udp};
use super::{Consumer, Event, tell_to};

/// Keeps which connections were closed, where data stood, and the reasons of what was lost.
#[derive(Default)]
struct Brief {
    closed: Vec<u64>,
    data: Vec<(u64, u64)>,
    lost: Vec<&'static str>,
}

impl Consumer for Brief {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Data(data) => self.data.push((data.key, data.offset)),
            Event::Closed(closed) => self.closed.push(closed.key),
            _ => {}
        }
    }

    fn lost(&mut self, _: &'static str, reason: &'static str, _: u64, _: u64) {
        self.lost.push(reason);
    }
}

fn brief(file: &Pcap) -> Brief {
    let mut brief = Brief::default();
    tell_to(&mut brief, &file.bytes).unwrap();
    brief
}

/// Ends that differ for each `i`.
fn ends(i: usize) -> ([u8; 4], u16) {
    ([10, 1, (i >> 16) as u8, 1], i as u16)
}

#[test]
fn tcp_connections_make_room() {
    let mut file = Pcap::new(101);
    file.step_us = 0;
    for i in 0..TCP_FLOWS_MAX + 2 {
        let (from, port) = ends(i);
        file.add(&ipv4(from, SERVER, 6, &tcp((port, 80), SYN, 0, 0, b"")));
    }
    let brief = brief(&file);
    assert_eq!(brief.lost, ["flows_limit", "flows_limit"]);
    assert!(brief.closed.iter().copied().eq(1..=TCP_FLOWS_MAX as u64 + 2));
}

#[test]
fn pairs_of_udp_ends_make_room() {
    let mut file = Pcap::new(101);
    file.step_us = 0;
    for i in 0..UDP_FLOWS_MAX + 2 {
        let (from, port) = ends(i);
        file.add(&ipv4(from, SERVER, 17, &udp((port, 53), b"?")));
    }
    let brief = brief(&file);
    assert_eq!(brief.lost, ["flows_limit", "flows_limit"]);
    assert!(brief.closed.iter().copied().eq(1..=UDP_FLOWS_MAX as u64 + 2));
}

#[test]
fn bytes_after_holes_are_limited_over_all_connections() {
    let block = vec![b'x'; 64_000];
    let segment = |port: u16, seq: u32, data: &[u8]| ipv4(CLIENT, SERVER, 6, &tcp((port, 80), ACK | PSH, seq, 0, data));
    let mut file = Pcap::new(101);
    let blocks_each = 60;
    let connections = OUT_OF_ORDER_TOTAL_BYTES_MAX / (blocks_each * block.len()) + 1;
    for port in 1..=connections as u16 {
        file.add(&ipv4(CLIENT, SERVER, 6, &tcp((port, 80), SYN, 0, 0, b"")));
        for i in 0..blocks_each as u32 {
            file.add(&segment(port, 2 + i * 64_000, &block));
        }
    }
    file.add(&segment(1, 1, b"y"));
    let brief = brief(&file);
    // Only the connection that passed the limit has gone on without its first byte when the first connection's comes.
    let last = connections as u64;
    assert_eq!(brief.data[0], (last, 1));
    let first = brief.data.iter().position(|&data| data == (1, 0)).unwrap();
    assert!(brief.data[..first].iter().all(|&(key, _)| key == last));
}

#[test]
fn a_table_forgets_in_the_order_of_use() {
    const SECOND: u64 = 1_000_000_000;
    let mut table = Table::new();
    for key in 0..4_u64 {
        table.insert(key, key * 10, key * SECOND);
    }
    let slot = |table: &Table<u64, u64>, key| table.find(&key).unwrap();
    table.touch(slot(&table, 0), 5 * SECOND);
    // Within a second of its insertion an entry keeps its place, but not its time.
    table.touch(slot(&table, 1), SECOND + 7);
    assert_eq!(table.pop_idle(2 * SECOND, SECOND), None);
    assert_eq!(table.pop_idle(3 * SECOND, SECOND), Some((1, 10, SECOND + 7)));
    assert_eq!(table.remove(slot(&table, 3)), Some((3, 30, 3 * SECOND)));
    let reused = table.insert(9, 90, 6 * SECOND);
    assert_eq!(table.get_mut(reused), Some(&mut 90));
    assert_eq!(table.len(), 3);
    let rest: Vec<_> = std::iter::from_fn(|| table.pop_oldest()).map(|(key, ..)| key).collect();
    assert_eq!(rest, [2, 0, 9]);
    assert_eq!((table.len(), table.find(&9), table.pop_oldest()), (0, None, None));
}
